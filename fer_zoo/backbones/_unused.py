"""Removal of a published network's parts after its features, such as a classifier: they would never get a gradient."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def remove_unused(backbone: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """Remove the parameters that a backbone's features of one clip (C, T, H, W) do not depend on.

    Returns the features on device "meta". Nothing is computed.
    """
    features, unused = _probe(backbone, shape)
    if unused:
        _remove(backbone, unused)
        features, _ = _probe(backbone, shape)
    return features


def _probe(backbone: nn.Module, shape: tuple[int, ...]) -> tuple[Tensor, set[str]]:
    """Return the features of one clip on device "meta", and the parameters that do not contribute to them."""
    state: dict[str, Tensor] = {name: torch.empty_like(b, device="meta") for name, b in backbone.named_buffers()}
    weights = {n: torch.empty_like(p, device="meta", requires_grad=True) for n, p in backbone.named_parameters()}
    clip = torch.empty(1, *shape, device="meta")
    backbone.eval()
    with torch.enable_grad():
        features: Tensor = torch.func.functional_call(backbone, {**state, **weights}, (clip,))
        gradients = torch.autograd.grad(features.sum(), list(weights.values()), allow_unused=True)
    backbone.train()
    return features, {name for name, gradient in zip(weights, gradients, strict=True) if gradient is None}


def _remove(network: nn.Module, unused: set[str]) -> None:
    """Remove the named parameters, and modules that have no other parameters."""
    for path, module in list(network.named_modules()):
        parent, _, name = path.rpartition(".")
        held = {f"{path}.{n}" for n, _ in module.named_parameters()}
        if path and held and held <= unused:
            setattr(network.get_submodule(parent), name, nn.Identity())
            unused = unused - held
    for path in unused:
        parent, _, name = path.rpartition(".")
        network.get_submodule(parent).register_parameter(name, None)
