"""2D Inception-ResNet of the same authors (Hasani & Mahoor 2017, arXiv 1703.06995, figure 1), frame by frame.

Figure 1 has two misprints that contradict its own sizes; here the consistent values are used: the linear convolution of
IR-A has 384 filters (not 128), and the second convolution of the stem is valid, 149 -> 147 (not "147 S").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from fer_zoo.backbones._blocks import (
    TINY,
    Branches,
    Channels,
    MakeConv,
    Norm,
    ResidualUnit,
    Stem,
    Width,
    light_stem,
    max_pool,
    plain_conv,
    prefixes,
    scaled,
)
from fer_zoo.backbones._paper3d import unit_a, unit_c
from fer_zoo.registry import register_backbone
from fer_zoo.specs import Shortcut, Site

ONE, SQUARE = (1, 1, 1), (1, 3, 3)


class IncRes2D(nn.Module):
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
        self.reduction_a = _reduction_a(conv, c)
        self.unit_b = _unit_b(conv, c)
        self.reduction_b = _reduction_b(conv, c)
        self.unit_c = unit_c(conv, c, _last(c))
        self.residual_sites: Mapping[str, Site] = {"a": Site(_a(c)), "b": Site(_b(c))}
        self.output = Site(_last(c))
        names = ("stem", "unit_a", "reduction_a", "unit_b", "reduction_b", "unit_c")
        self.stages: Mapping[str, Sequence[str]] = prefixes(names)

    def forward(self, clip: Tensor, shortcut: Shortcut | None = None) -> Tensor:
        """Map a clip (B, 3, T, H, W) to features (B, output.channels, T, H', W')."""
        x = self.unit_a(self.stem(clip), "a", shortcut)
        x = self.unit_b(self.reduction_a(x), "b", shortcut)
        features: Tensor = self.unit_c(self.reduction_b(x))
        return features


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


def _reduction_a(conv: MakeConv, c: Channels) -> Branches:
    a = _a(c)
    return Branches(
        max_pool(2, valid=True),
        conv(a, c(384), SQUARE, stride=2, valid=True),
        nn.Sequential(
            conv(a, c(256), ONE), conv(c(256), c(256), SQUARE), conv(c(256), c(384), SQUARE, stride=2, valid=True)
        ),
    )


def _unit_b(conv: MakeConv, c: Channels) -> ResidualUnit:
    b = _b(c)
    branches = Branches(
        conv(b, c(192), ONE),
        nn.Sequential(conv(b, c(128), ONE), conv(c(128), c(160), (1, 1, 7)), conv(c(160), c(192), (1, 7, 1))),
    )
    return ResidualUnit(branches, 2 * c(192), b)


def _reduction_b(conv: MakeConv, c: Channels) -> Branches:
    b = _b(c)
    return Branches(
        nn.Sequential(conv(b, c(256), ONE), conv(c(256), c(384), SQUARE, stride=2, valid=True)),
        max_pool(2, valid=True),
        nn.Sequential(conv(b, c(256), ONE), conv(c(256), c(288), SQUARE, stride=2, valid=True)),
        nn.Sequential(
            conv(b, c(256), ONE), conv(c(256), c(288), SQUARE), conv(c(288), c(320), SQUARE, stride=2, valid=True)
        ),
    )


def _a(c: Channels) -> int:
    return 2 * c(96) + c(192)  # 384; summed like the stem's branches, since narrow widths round each of them


def _b(c: Channels) -> int:
    return _a(c) + 2 * c(384)


def _last(c: Channels) -> int:
    return c(384) + _b(c) + c(288) + c(320)
