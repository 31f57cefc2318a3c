"""Sizes and operation counts of a backbone on the meta device, without computing it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def sizes_after(backbone: nn.Module, names: Iterable[str], size: int = 299) -> dict[str, tuple[int, ...]]:
    """Output shapes (C, T, H, W) of the named modules for a clip of ten frames."""
    seen: dict[str, tuple[int, ...]] = {}

    def keep(name: str):
        return lambda module, args, out: seen.__setitem__(name, tuple(out.shape[1:]))

    hooks = [backbone.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    backbone(torch.empty(1, 3, 10, size, size, device="meta"))
    for hook in hooks:
        hook.remove()
    return seen


def gmac(backbone: nn.Module, size: int = 299) -> float:
    """10^9 multiply-accumulates of a clip of ten frames."""
    with FlopCounterMode(display=False) as counter:
        backbone(torch.empty(1, 3, 10, size, size, device="meta"))
    return counter.get_total_flops() / 2e9


def shown_shortcuts(backbone: nn.Module, clip: Tensor) -> list[tuple[str, tuple[int, ...]]]:
    """Every call of the shortcut hook, in order: site and shape (C, T, H, W)."""
    calls: list[tuple[str, tuple[int, ...]]] = []

    def spy(site: str, shortcut: Tensor) -> Tensor:
        calls.append((site, tuple(shortcut.shape[1:])))
        return shortcut

    backbone(clip, spy)
    return calls


def conv_weights(backbone: nn.Module) -> int:
    """Number of convolution weights, without biases and norms."""
    return sum(m.weight.numel() for m in backbone.modules() if isinstance(m, nn.Conv3d))
