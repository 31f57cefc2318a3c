"""Building blocks of the Inception-ResNets: convolution with norm and ReLU, branches, residual units, light stem."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from fer_zoo.specs import Shortcut

Norm = Literal["batch", "none"]
Stem = Literal["paper", "light"]
Kernel = tuple[int, int, int]
Channels = Callable[[int], int]
# (channels in, channels out, kernel T x H x W, *, stride of H and W = 1, valid = False: without padding) -> convolution
# with its norm and activation.
MakeConv = Callable[..., nn.Module]
Width = Annotated[float, Field(gt=0, le=4)]
Repeats = Annotated[int, Field(gt=0, le=100)]

# Defaults of every quarter-width variant: small clips, and a head and a landmark window that fit its small maps.
TINY: Mapping[str, Any] = {"size": 80, "frames": 10, "head_norm": "batch", "hidden": 40, "radius": 2}


class Conv(nn.Sequential):
    """Convolution, normalisation, ReLU; stride is on H and W only, `valid` means no padding on any axis."""

    def __init__(
        self, cin: int, cout: int, kernel: Kernel, *, norm: Norm, stride: int = 1, valid: bool = False
    ) -> None:
        padding = (0, 0, 0) if valid else (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        conv = nn.Conv3d(cin, cout, kernel, (1, stride, stride), padding, bias=norm == "none")
        layers: list[nn.Module] = [conv]
        if norm == "batch":
            layers.append(nn.BatchNorm3d(cout))
        super().__init__(*layers, nn.ReLU(inplace=True))


class Branches(nn.Module):
    """Parallel branches, concatenated along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate the outputs of all branches."""
        return torch.cat([branch(x) for branch in self.branches], 1)


class ResidualUnit(nn.Module):
    """`relu(w * x + scale * linear(branches(x)))` for the rectified input x; w is the fusion's landmark map, or 1."""

    def __init__(self, branches: Branches, branch_channels: int, channels: int, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.branches = branches
        # Linear and without normalisation, as in Inception-ResNet, so that it can set the scale of the residual.
        self.linear = nn.Conv3d(branch_channels, channels, 1)

    def forward(self, x: Tensor, name: str = "", shortcut: Shortcut | None = None) -> Tensor:
        """Map (B, C, T, H, W) to the same shape."""
        x = x.relu()
        kept = x if shortcut is None else shortcut(name, x)
        return torch.add(kept, self.linear(self.branches(x)), alpha=self.scale).relu()


class Repeat(nn.ModuleList):
    """A sequence of residual units; a fusion changes the shortcut of the first only.

    A landmark map multiplied at each of many units would erase the features far from the landmarks.
    """

    def forward(self, x: Tensor, name: str = "", shortcut: Shortcut | None = None) -> Tensor:
        """Map (B, C, T, H, W) to the same shape."""
        for index, unit in enumerate(self):
            x = unit(x) if index else unit(x, name, shortcut)
        return x


def scaled(width: float) -> Channels:
    """Return a function that multiplies a filter count by `width`, rounded to a multiple of 4, at least 4."""
    return lambda filters: max(4, int(filters * width / 4 + 0.5) * 4)


def plain_conv(norm: Norm, temporal_kernels: bool) -> MakeConv:
    """Return a factory of `Conv`; without `temporal_kernels` every kernel is one frame long."""
    return conv_factory(partial(Conv, norm=norm), temporal_kernels)


def conv_factory(make: MakeConv, temporal_kernels: bool) -> MakeConv:
    """Return a factory as `make`, whose kernels are all one frame long without `temporal_kernels`."""
    return make if temporal_kernels else lambda cin, cout, kernel, **rest: make(cin, cout, (1, *kernel[1:]), **rest)


def max_pool(stride: int, *, valid: bool = False) -> nn.Module:
    """3x3 max pool within each frame."""
    padding = (0, 0, 0) if valid else (0, 1, 1)
    return nn.MaxPool3d((1, 3, 3), (1, stride, stride), padding)


def light_stem(cin: int, c1: int, c2: int, conv: MakeConv) -> nn.Sequential:
    """1x5x5 (s2) - pool s2 - 3x3x3, for small clips: grid of a quarter of the clip, fine enough for a landmark map."""
    return nn.Sequential(conv(cin, c1, (1, 5, 5), stride=2), max_pool(2), conv(c1, c2, (3, 3, 3)))


def chain(make: Callable[[], nn.Module], count: int) -> nn.Module:
    """Return `count` units in sequence: a `Repeat`, or the unit itself if there is one."""
    return make() if count == 1 else Repeat(make() for _ in range(count))
