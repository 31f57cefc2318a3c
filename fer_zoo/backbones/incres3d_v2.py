"""3D Inception-ResNet-v2: the image network of Szegedy et al. 2016 (arXiv 1602.07261) with temporal kernels.

Its layers are those of timm's `inception_resnet_v2`, so that timm's ImageNet weights can be inflated into it. Square
kernels after the stem (3x3, 5x5) span three frames. Those of the stem do not: its grids are the most expensive, and
temporal kernels help more in higher layers (Xie et al. 2018, arXiv 1712.04851). 1x1, 1x7, 7x1, 1x3 and 3x1 kernels span
one frame, as in the paper's 3D network. T is kept: time is padded by repeating the first and the last frame, so that a
static clip is static at every layer, which it would not be with zeros.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from fer_zoo.backbones._blocks import (
    TINY,
    Branches,
    Channels,
    Kernel,
    MakeConv,
    Repeat,
    Repeats,
    Width,
    conv_factory,
    light_stem,
    max_pool,
    scaled,
)
from fer_zoo.backbones._published import timm_weights
from fer_zoo.backbones.incres3d import image_reduction_a, image_reduction_b, unit_a, unit_b, unit_c
from fer_zoo.backbones.inflate import InflationMode, inflated
from fer_zoo.registry import register_backbone
from fer_zoo.specs import Shortcut, Site

SOURCE = "inception_resnet_v2"
SPAN = 3

ONE, SQUARE = (1, 1, 1), (SPAN, 3, 3)

V2Stem = Literal["image", "light"]


class SteadyConv(nn.Module):
    """Convolution, batch norm, ReLU; keeps T by repeating the end frames, `valid` means no padding of H and W."""

    def __init__(self, cin: int, cout: int, kernel: Kernel, *, stride: int = 1, valid: bool = False) -> None:
        super().__init__()
        self.reach = kernel[0] // 2
        padding = (0, 0, 0) if valid else (0, kernel[1] // 2, kernel[2] // 2)
        self.conv = nn.Conv3d(cin, cout, kernel, (1, stride, stride), padding, bias=False)
        self.bn = nn.BatchNorm3d(cout, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to (B, C', T, H', W')."""
        if self.reach:
            x = torch.cat([x[:, :, :1]] * self.reach + [x] + [x[:, :, -1:]] * self.reach, 2)
        out: Tensor = self.bn(self.conv(x))
        return out.relu_()


class Block(nn.Module):
    """`relu(w * x + scale * conv2d(branches(x)))`; w is the fusion's landmark map, or 1; the last block has no ReLU.

    Unlike the paper's unit it does not rectify x, which is not negative: 40 blocks would keep 40 copies in memory.
    """

    def __init__(
        self, branches: Branches, branch_channels: int, channels: int, scale: float, *, relu: bool = True
    ) -> None:
        super().__init__()
        self.scale, self.relu = scale, relu
        self.branches = branches
        self.conv2d = nn.Conv3d(branch_channels, channels, 1)

    def forward(self, x: Tensor, name: str = "", shortcut: Shortcut | None = None) -> Tensor:
        """Map (B, C, T, H, W) to the same shape."""
        kept = x if shortcut is None else shortcut(name, x)
        out = torch.add(kept, self.conv2d(self.branches(x)), alpha=self.scale)
        return out.relu_() if self.relu else out


class IncRes3DV2(nn.Module):
    """Stem, Mixed-5b, 10 x Block35, Mixed-6a, 20 x Block17, Mixed-7a, 10 x Block8, 1 x 1 convolution to 1536.

    A clip (B, 3, T, 299, 299) gives features (B, 1536, T, 8, 8). `width` multiplies all filter counts. Without
    `temporal_kernels` every kernel is one frame long: the image network itself, per frame.
    """

    def __init__(
        self, in_channels: int, width: float, stem: V2Stem, temporal_kernels: bool, repeats: tuple[int, int, int]
    ) -> None:
        super().__init__()
        c, conv = scaled(width), conv_factory(SteadyConv, temporal_kernels)
        a = c(96) + 2 * c(64) + c(96)
        b = a + 2 * c(384)
        last = b + c(384) + c(288) + c(320)
        light = stem == "light"
        self.stem = light_stem(in_channels, c(64), c(192), conv) if light else _image_stem(in_channels, conv, c)
        self.mixed_5b = _mixed_5b(conv, c)
        self.repeat = Repeat(unit_a(conv, c, a, 0.17, unit=Block) for _ in range(repeats[0]))
        self.mixed_6a = Branches(*image_reduction_a(conv, c, a), max_pool(2, valid=True))
        self.repeat_1 = Repeat(unit_b(conv, c, b, 0.10, unit=Block) for _ in range(repeats[1]))
        self.mixed_7a = Branches(*image_reduction_b(conv, c, b), max_pool(2, valid=True))
        self.repeat_2 = Repeat(unit_c(conv, c, last, 0.20, unit=Block) for _ in range(repeats[2] - 1))
        # The last block is neither scaled nor rectified, in timm as in the original TensorFlow code.
        self.block8 = unit_c(conv, c, last, unit=partial(Block, relu=False))
        self.conv2d_7b = conv(last, c(1536), ONE)
        self.residual_sites: Mapping[str, Site] = {"a": Site(a), "b": Site(b)}
        self.output = Site(c(1536))
        names = ("stem", "mixed_5b", "repeat", "mixed_6a", "repeat_1", "mixed_7a", "repeat_2", "block8", "conv2d_7b")
        self.stages: Mapping[str, Sequence[str]] = {name: (name,) for name in names}

    def forward(self, clip: Tensor, shortcut: Shortcut | None = None) -> Tensor:
        """Map a clip (B, 3, T, H, W) to features (B, output.channels, T, H', W')."""
        x = self.repeat(self.mixed_5b(self.stem(clip)), "a", shortcut)
        x = self.repeat_1(self.mixed_6a(x), "b", shortcut)
        x = self.block8(self.repeat_2(self.mixed_7a(x)))
        features: Tensor = self.conv2d_7b(x)
        return features

    def load_pretrained(self, how: InflationMode = "centre") -> None:
        """Load timm's ImageNet weights of `inception_resnet_v2`, inflated (see `inflate_kernel` for `how`).

        Raises:
            WeightsError: the width, stem or depth of this network differs, or the weights cannot be downloaded.
        """
        import timm

        with torch.device("meta"):
            empty: nn.Module = timm.create_model(SOURCE)
        inflated(self, empty.state_dict(), image_name, how=how)  # fail before the download if it does not match
        self.load_state_dict(inflated(self, timm_weights(SOURCE), image_name, how=how))


@register_backbone(
    "incres3d_v2",
    size=299,
    frames=10,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    pool="mean",
    sites=("input", "residual"),
)
def incres3d_v2(
    in_channels: int,
    *,
    width: Width = 1.0,
    stem: V2Stem = "image",
    temporal_kernels: bool = True,
    repeat_a: Repeats = 10,
    repeat_b: Repeats = 20,
    repeat_c: Repeats = 10,
) -> IncRes3DV2:
    """Inception-ResNet-v2 in 3D, for inflated ImageNet weights: 66.99 M parameters, 182.1 GMAC per clip.

    A clip (B, 3, 10, 299, 299) gives features (B, 1536, 10, 8, 8). A fusion changes the shortcut of the first Block35
    and of the first Block17. `load_pretrained()` loads the weights.
    """
    return IncRes3DV2(in_channels, width, stem, temporal_kernels, (repeat_a, repeat_b, repeat_c))


@register_backbone("incres3d_v2_tiny", **TINY, sites=("input", "residual"))
def incres3d_v2_tiny(
    in_channels: int,
    *,
    width: Width = 0.25,
    stem: V2Stem = "light",
    temporal_kernels: bool = True,
    repeat_a: Repeats = 2,
    repeat_b: Repeats = 3,
    repeat_c: Repeats = 2,
) -> IncRes3DV2:
    """`incres3d_v2` at a quarter of the width with 2 / 3 / 2 blocks for 80 px clips: 1.88 M, 1.61 GMAC per clip.

    It has no published weights, so clips are normalised as for every network that starts from random weights (standard
    deviation 0.25, not the 0.5 of timm's weights).
    """
    return IncRes3DV2(in_channels, width, stem, temporal_kernels, (repeat_a, repeat_b, repeat_c))


def image_name(name: str) -> str | None:
    """Map a tensor name of timm's `inception_resnet_v2` to the name here; None for its classifier."""
    if name.startswith("classif."):
        return None
    name = re.sub(r"^(conv2d_[1-4])", r"stem.\1", name)
    name = re.sub(r"^(mixed_\w+)\.branch", r"\1.branches.", name)
    return re.sub(r"^(repeat\w*\.\d+|block8)\.branch", r"\1.branches.branches.", name)


def _image_stem(cin: int, conv: MakeConv, c: Channels) -> nn.Sequential:
    """Grids of a 299 px frame: 149, 147, 147, 73, 73, 71, 35 (192 channels)."""

    def frame(cin: int, cout: int, side: int, *, stride: int = 1, valid: bool = True) -> nn.Module:
        return conv(cin, cout, (1, side, side), stride=stride, valid=valid)

    return nn.Sequential(
        OrderedDict(
            conv2d_1a=frame(cin, c(32), 3, stride=2),
            conv2d_2a=frame(c(32), c(32), 3),
            conv2d_2b=frame(c(32), c(64), 3, valid=False),
            maxpool_3a=max_pool(2, valid=True),
            conv2d_3b=frame(c(64), c(80), 1),
            conv2d_4a=frame(c(80), c(192), 3),
            maxpool_5a=max_pool(2, valid=True),
        )
    )


def _mixed_5b(conv: MakeConv, c: Channels) -> Branches:
    return Branches(
        conv(c(192), c(96), ONE),
        nn.Sequential(conv(c(192), c(48), ONE), conv(c(48), c(64), (SPAN, 5, 5))),
        nn.Sequential(conv(c(192), c(64), ONE), conv(c(64), c(96), SQUARE), conv(c(96), c(96), SQUARE)),
        nn.Sequential(nn.AvgPool3d((1, 3, 3), 1, (0, 1, 1), count_include_pad=False), conv(c(192), c(64), ONE)),
    )
