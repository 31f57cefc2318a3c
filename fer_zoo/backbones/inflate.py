"""Inflation: the weights of an image network as those of a 3D one (I3D, Carreira & Zisserman 2017)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Literal

from torch import Tensor, nn

from fer_zoo.backbones._published import widened
from fer_zoo.errors import WeightsError

How = Literal["centre", "mean"]
Rename = Callable[[str], str | None]


def inflate_kernel(kernel: Tensor, length: int, how: How = "centre") -> Tensor:
    """Return an image kernel (O, I, kh, kw) as one of `length` frames (O, I, length, kh, kw), summing to it over time.

    "centre" puts it into the middle frame, zeros elsewhere: the network starts as the image network on each frame.
    "mean" puts `kernel / length` into every frame, as I3D does: it starts as one on a moving average.
    """
    if how == "mean":
        return (kernel / length)[:, :, None].repeat(1, 1, length, 1, 1)
    inflated = kernel.new_zeros(*kernel.shape[:2], length, *kernel.shape[2:])
    inflated[:, :, length // 2] = kernel
    return inflated


def load_inflated(module: nn.Module, image: Mapping[str, Tensor], rename: Rename, *, how: How = "centre") -> None:
    """Load the state dict of an image network into a 3D one; `rename` maps its names, None says it is not needed.

    Every tensor of the module is filled, by one of the image network. A first kernel with more input channels than
    the image network has (a landmark map) starts at zero in the added ones.

    Raises:
        WeightsError: a tensor is missing, left over, given twice, or of another shape; the module stays as it was.
    """
    module.load_state_dict(inflated(module, image, rename, how=how))


def inflated(
    module: nn.Module, image: Mapping[str, Tensor], rename: Rename, *, how: How = "centre"
) -> dict[str, Tensor]:
    """Return what `load_inflated` loads; tensors without data (device "meta") tell whether a network would fit.

    Raises:
        WeightsError: as `load_inflated`.
    """
    renamed = {name: rename(name) for name in image}
    source = {new: image[name] for name, new in renamed.items() if new is not None}
    target = module.state_dict()
    counts = Counter(new for new in renamed.values() if new is not None)
    problems = [f"{name} is given {count} times" for name, count in counts.items() if count > 1]
    problems += [f"{name} is missing" for name in target.keys() - source.keys()]
    problems += [f"{name} is left over" for name in source.keys() - target.keys()]
    state = {}
    for name in target.keys() & source.keys():
        state[name] = _fitted(source[name], target[name], how)
        if state[name].shape != target[name].shape:
            problems.append(f"{name} is {tuple(source[name].shape)} and shall become {tuple(target[name].shape)}")
    if problems:
        raise WeightsError(
            f"The image network does not fit: {'; '.join(sorted(problems)[:4])} ({len(problems)} problems).",
            "the same layers, in the same width and number, with kernels of one frame",
            "create the network with its default options, or train it from random weights",
        )
    return state


def _fitted(value: Tensor, target: Tensor, how: How) -> Tensor:
    if value.ndim != 4 or target.ndim != 5:
        return value
    if value.shape[1] < target.shape[1]:
        value = widened(value, target.shape[1])
    return inflate_kernel(value, target.shape[2], how)
