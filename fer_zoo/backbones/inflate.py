"""Inflation of the weights of an image network into a 3D network (I3D, Carreira & Zisserman 2017)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Literal

from torch import Tensor, nn

from fer_zoo.backbones._published import widened
from fer_zoo.errors import WeightsError

InflationMode = Literal["centre", "mean"]
Rename = Callable[[str], str | None]


def inflate_kernel(kernel: Tensor, length: int, how: InflationMode = "centre") -> Tensor:
    """Inflate an image kernel (O, I, kh, kw) to `length` frames (O, I, length, kh, kw); their sum is the image kernel.

    "centre" puts it into the middle frame, with zeros elsewhere: the network starts as the image network per frame.
    "mean" puts `kernel / length` into every frame, as in I3D: the network starts on a moving average of the frames.
    """
    if how == "mean":
        return (kernel / length)[:, :, None].repeat(1, 1, length, 1, 1)
    inflated = kernel.new_zeros(*kernel.shape[:2], length, *kernel.shape[2:])
    inflated[:, :, length // 2] = kernel
    return inflated


def inflated(
    module: nn.Module, image: Mapping[str, Tensor], rename: Rename, *, how: InflationMode = "centre"
) -> dict[str, Tensor]:
    """Return the state dict of a 3D network from that of an image network; it can be of device "meta", as a check.

    `rename` maps tensor names of the image network to those of `module`, or to None if they are not needed. Every
    tensor of the module must be matched by exactly one. Weights of additional input channels (a landmark map) are 0.

    Raises:
        WeightsError: a tensor is missing, unexpected, duplicate, or has a different shape.
    """
    renamed = {name: rename(name) for name in image}
    source = {new: image[name] for name, new in renamed.items() if new is not None}
    target = module.state_dict()
    counts = Counter(new for new in renamed.values() if new is not None)
    problems = [f"{name} is given {count} times" for name, count in counts.items() if count > 1]
    problems += [f"{name} is missing" for name in target.keys() - source.keys()]
    problems += [f"{name} is unexpected" for name in source.keys() - target.keys()]
    state = {}
    for name in target.keys() & source.keys():
        value, own = source[name], target[name]
        if value.ndim == 4 and own.ndim == 5:
            value = inflate_kernel(widened(value, max(value.shape[1], own.shape[1])), own.shape[2], how)
        if value.shape != own.shape:
            problems.append(f"{name} is {tuple(source[name].shape)}, expected {tuple(own.shape)}")
        state[name] = value
    if problems:
        raise WeightsError(
            f"The image network does not match: {'; '.join(sorted(problems)[:4])} ({len(problems)} problems).",
            "the same layers with the same width and depth, with kernels of one frame",
            "create the network with its default options, or train it from random weights",
        )
    return state
