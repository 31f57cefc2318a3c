"""2D Inception-ResNet of the same authors (Hasani & Mahoor 2017, arXiv 1703.06995, figure 1), frame by frame.

Figure 1 has two misprints that contradict its own sizes; here the consistent values are used: the linear convolution of
IR-A has 384 filters (not 128), and the second convolution of the stem is valid, 149 -> 147 (not "147 S").
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from fer_zoo.backbones._blocks import (
    TINY,
    Branches,
    Channels,
    MakeConv,
    Norm,
    Stem,
    Width,
    light_stem,
    max_pool,
    plain_conv,
    scaled,
)
from fer_zoo.backbones.incres3d import Trunk, image_reduction_a, image_reduction_b, unit_a, unit_b, unit_c
from fer_zoo.registry import register_backbone
from fer_zoo.specs import Site

ONE, SQUARE = (1, 1, 1), (1, 3, 3)


class IncRes2D(Trunk):
    """Stem, IR-A, Reduction-A, IR-B, Reduction-B, IR-C; each block once, each kernel one frame long.

    A clip (B, 3, T, 299, 299) gives features (B, 2144, T, 8, 8), computed per frame. `width` multiplies all filter
    counts. The fully connected layer of 1000 in the figure belongs to the head and is not part of the backbone.
    """

    def __init__(self, in_channels: int, width: float, norm: Norm, stem: Stem) -> None:
        super().__init__()
        c, conv = scaled(width), plain_conv(norm, temporal_kernels=False)
        light = stem == "light"
        self.stem = light_stem(in_channels, c(96), _a(c), conv) if light else _paper_stem(in_channels, conv, c)
        self.unit_a = unit_a(conv, c, _a(c))
        self.reduction_a = Branches(max_pool(2, valid=True), *image_reduction_a(conv, c, _a(c)))
        self.unit_b = unit_b(conv, c, _b(c))
        first, *others = image_reduction_b(conv, c, _b(c))
        self.reduction_b = Branches(first, max_pool(2, valid=True), *others)
        self.unit_c = unit_c(conv, c, _last(c))
        self.residual_sites: Mapping[str, Site] = {"a": Site(_a(c)), "b": Site(_b(c))}
        self.output = Site(_last(c))


@register_backbone("incres2d", size=299, frames=10, frame_wise=True, sites=("input", "residual"))
def incres2d(in_channels: int, *, width: Width = 1.0, norm: Norm = "batch", stem: Stem = "paper") -> IncRes2D:
    """2D Inception-ResNet of the paper's authors, per frame: 10.84 M parameters, 50.1 GMAC for a 10 x 299 x 299 clip.

    A clip (B, 3, T, 299, 299) gives features (B, 2144, T, 8, 8).
    """
    return IncRes2D(in_channels, width, norm, stem)


@register_backbone("incres2d_tiny", **TINY, frame_wise=True, sites=("input", "residual"))
def incres2d_tiny(in_channels: int, *, width: Width = 0.25, norm: Norm = "batch", stem: Stem = "light") -> IncRes2D:
    """`incres2d` at a quarter of the width for 80 px clips, map on a 20 x 20 grid: 0.66 M, 0.61 GMAC per clip."""
    return IncRes2D(in_channels, width, norm, stem)


def _paper_stem(cin: int, conv: MakeConv, c: Channels) -> nn.Sequential:
    """Grids of a 299 px frame: 149, 147, 147, 73 (160 channels), 71 (192), 35 (384)."""
    return nn.Sequential(
        conv(cin, c(32), SQUARE, stride=2, valid=True),
        conv(c(32), c(32), SQUARE, valid=True),
        conv(c(32), c(64), SQUARE),
        Branches(max_pool(2, valid=True), conv(c(64), c(96), SQUARE, stride=2, valid=True)),
        Branches(
            nn.Sequential(conv(c(64) + c(96), c(64), ONE), conv(c(64), c(96), SQUARE, valid=True)),
            nn.Sequential(
                conv(c(64) + c(96), c(64), ONE),
                conv(c(64), c(64), (1, 7, 1)),
                conv(c(64), c(64), (1, 1, 7)),
                conv(c(64), c(96), SQUARE, valid=True),
            ),
        ),
        Branches(conv(2 * c(96), c(192), SQUARE, stride=2, valid=True), max_pool(2, valid=True)),
    )


def _a(c: Channels) -> int:
    return 2 * c(96) + c(192)  # 384; summed like the stem's branches, since narrow widths round each of them


def _b(c: Channels) -> int:
    return _a(c) + 2 * c(384)


def _last(c: Channels) -> int:
    return c(384) + _b(c) + c(288) + c(320)
