"""Networks of other libraries as backbones: loading of their weights, removal of the parts after the features."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fer_zoo.errors import WeightsError


def widened(weight: Tensor, channels: int) -> Tensor:
    """Extend a convolution weight (out, in, ...) to `channels` input channels with zeros."""
    added = weight.new_zeros((weight.shape[0], channels - weight.shape[1], *weight.shape[2:]))
    return torch.cat([weight, added], 1)


def adopt(network: nn.Module, published: Mapping[str, Tensor], first_convs: Collection[str], name: str) -> None:
    """Load every tensor of `network` from `published`, which may hold more, such as a classifier.

    If the network takes more channels than the published one, the weights for the additional channels of its
    `first_convs` (names of the convolutions that read the clip) are zero, so that it starts as the published network.

    Raises:
        WeightsError: a tensor is missing or has a different shape; nothing was loaded.
    """
    state, wrong = {}, []
    for key, own in network.state_dict().items():
        tensor = published.get(key)
        if tensor is None:
            wrong.append(f"{key} is missing")
            continue
        if key.removesuffix(".weight") in first_convs and tensor.shape[1] < own.shape[1]:
            tensor = widened(tensor, own.shape[1])
        if tensor.shape != own.shape:
            wrong.append(f"{key} has shape {tuple(tensor.shape)}, expected {tuple(own.shape)}")
        state[key] = tensor
    if wrong:
        raise WeightsError(
            f"The published weights of {name} do not match: {'; '.join(wrong[:3])} ({len(wrong)} problems).",
            "the network as published, optionally with more input channels",
            "omit size and backbone options and choose a fusion at another site, or start from random weights",
        )
    network.load_state_dict(state)


def timm_weights(name: str, **options: Any) -> Mapping[str, Tensor]:
    """Return the published weights of timm's network `name`, built with `options`; timm downloads and caches them.

    Raises:
        WeightsError: timm cannot load them or has none for this network.
    """
    import timm

    try:
        network: nn.Module = timm.create_model(name, pretrained=True, **options)
    except Exception as error:  # timm, its hub client and their network libraries raise many types
        raise not_loaded(f"timm/{name}", error) from error
    return network.state_dict()


def not_loaded(name: str, error: Exception) -> WeightsError:
    """Build the error for published weights that could not be downloaded or read."""
    reason = str(error).strip().split("\n")[0]
    return WeightsError(
        f"The published weights of {name} could not be loaded: {type(error).__name__}: {reason}",
        "a network connection, or the weights in the cache of the library that publishes them",
        "connect and re-run, copy the cache from another machine, or start from random weights",
    )


def remove_unused(backbone: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """Remove the parameters that a backbone's features of one clip (C, T, H, W) do not depend on, e.g. a classifier.

    They would never get a gradient. Returns the features on device "meta". Nothing is computed.
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
