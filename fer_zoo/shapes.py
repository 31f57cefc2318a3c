"""The shape of a backbone's features, computed on device "meta" unless network and clip are small."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from fer_zoo.errors import InputError
from fer_zoo.specs import InputSpec

# Large enough for any backbone: if this fails, the size is not the problem.
_AMPLE_FRAMES, _AMPLE_SIZE = 64, 512
# Below these, a forward pass (0.05 s) is faster than the first use of the meta device, which imports torch's compiler
# (1.3 s).
_SMALL_NETWORK, _SMALL_CLIP = 4_000_000, 3 * 10 * 112 * 112


def feature_shape(backbone: nn.Module, spec: InputSpec, in_channels: int = 3) -> tuple[int, ...]:
    """Return the shape (D, T', H', W') of the backbone's features.

    Raises:
        InputError: the clip is too small for the backbone.
    """

    def shape(frames: int, size: int) -> tuple[int, ...]:
        clip = (in_channels, frames, size, size)
        return _computed(backbone, clip) if _is_small(backbone, clip) else _on_meta(backbone, clip)

    try:
        return shape(spec.frames, spec.size)
    except RuntimeError as error:
        given = f"A clip of {spec.frames} frames of {spec.size} x {spec.size} does not fit this backbone"
        least_frames = _least(lambda frames: shape(frames, _AMPLE_SIZE), _AMPLE_FRAMES)
        least_size = _least(lambda size: shape(_AMPLE_FRAMES, size), _AMPLE_SIZE)
        if least_frames is None or least_size is None:
            raise InputError(
                f"{given}: {error}", "a clip of another shape", "change input.frames or input.size"
            ) from error
        accepted = f"at least {least_frames} frames of {least_size} x {least_size}"
        raise InputError(f"{given}.", accepted, "raise `frames` or `size` (input.frames, input.size)") from error


def _is_small(backbone: nn.Module, clip: tuple[int, ...]) -> bool:
    parameters = list(backbone.parameters())
    on_cpu = all(parameter.device.type == "cpu" for parameter in parameters)
    return on_cpu and sum(p.numel() for p in parameters) <= _SMALL_NETWORK and math.prod(clip) <= _SMALL_CLIP


@torch.no_grad()
def _computed(backbone: nn.Module, clip: tuple[int, ...]) -> tuple[int, ...]:
    modes = [(module, module.training) for module in backbone.modules()]
    backbone.eval()  # keep batch-norm statistics unchanged
    try:
        return tuple(backbone(torch.zeros(1, *clip)).shape[1:])
    finally:
        for module, mode in modes:
            module.training = mode


def _on_meta(backbone: nn.Module, clip: tuple[int, ...]) -> tuple[int, ...]:
    state = {**dict(backbone.named_parameters()), **dict(backbone.named_buffers())}
    on_meta = {name: torch.empty_like(tensor, device="meta") for name, tensor in state.items()}
    return tuple(torch.func.functional_call(backbone, on_meta, (torch.empty(2, *clip, device="meta"),)).shape[1:])


def _least(attempt: Callable[[int], object], ample: int) -> int | None:
    """Return the smallest number up to `ample` for which `attempt` raises no RuntimeError; None if there is none."""
    low, high = 0, ample + 1
    while high - low > 1:
        middle = (low + high) // 2 if high <= ample else ample
        try:
            attempt(middle)
            high = middle
        except RuntimeError:
            if middle == ample:
                return None
            low = middle
    return high
