"""3D Inception-ResNet of Hasani & Mahoor 2017 (arXiv 1705.07871), layer by layer (figures 1 and 2), and a tiny one.

Notation of the stages: kernel T x H x W (filters, S = same or V = valid padding, s2 = stride 2 on H and W).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

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
    chain,
    light_stem,
    max_pool,
    plain_conv,
    scaled,
)
from fer_zoo.registry import register_backbone
from fer_zoo.specs import Shortcut, Site

ONE, CUBE = (1, 1, 1), (3, 3, 3)


class Trunk(nn.Module):
    """Six parts in sequence; a fusion changes the shortcuts of units A and B."""

    stem: nn.Module
    unit_a: nn.Module
    reduction_a: nn.Module
    unit_b: nn.Module
    reduction_b: nn.Module
    unit_c: nn.Module
    stages: Mapping[str, Sequence[str]] = {
        part: (part,) for part in ("stem", "unit_a", "reduction_a", "unit_b", "reduction_b", "unit_c")
    }

    def forward(self, clip: Tensor, shortcut: Shortcut | None = None) -> Tensor:
        """Map a clip (B, 3, T, H, W) to features (B, output.channels, T', H', W')."""
        x = self.unit_a(self.stem(clip), "a", shortcut)
        x = self.unit_b(self.reduction_a(x), "b", shortcut)
        # No fusion at C: its grid is too coarse for a landmark map (paper, section 3.2).
        features: Tensor = self.unit_c(self.reduction_b(x))
        return features


class IncRes3D(Trunk):
    """The paper's backbone: stem, 3DIR-A, Reduction-A, 3DIR-B, Reduction-B, 3DIR-C.

    A clip (B, 3, 10, 299, 299) gives features (B, 1072, 6, 8, 8). `width` multiplies all filter counts; `repeats` and
    `scales` are the number of units and the factor of their residuals in A, B and C. Without `temporal_kernels` every
    kernel is one frame long: the 2D twin, which keeps T. `make_conv` gives the factory of the convolutions.
    """

    def __init__(
        self,
        in_channels: int,
        width: float,
        norm: Norm,
        stem: Stem,
        temporal_kernels: bool,
        *,
        make_conv: Callable[[Norm, bool], MakeConv] = plain_conv,
        repeats: tuple[int, int, int] = (1, 1, 1),
        scales: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> None:
        super().__init__()
        c, conv = scaled(width), make_conv(norm, temporal_kernels)
        self.stem = (_paper_stem if stem == "paper" else light_stem)(in_channels, c(96), c(192), conv)
        self.unit_a = chain(lambda: unit_a(conv, c, c(192), scales[0]), repeats[0])
        self.reduction_a = _reduction_a(conv, c)
        self.unit_b = chain(lambda: unit_b(conv, c, 3 * c(192), scales[1], middle=128), repeats[1])
        self.reduction_b = _reduction_b(conv, c)
        self.unit_c = chain(lambda: unit_c(conv, c, _last(c), scales[2]), repeats[2])
        # Each reduction, without padding, drops the first and the last frame: unit B starts at input frame 1, C at 2.
        dropped = 1 if temporal_kernels else 0
        self.residual_sites: Mapping[str, Site] = {"a": Site(c(192), 0), "b": Site(3 * c(192), dropped)}
        self.output = Site(_last(c), 2 * dropped)


@register_backbone("incres3d", size=299, frames=10, sites=("input", "residual"))
def incres3d(
    in_channels: int, *, width: Width = 1.0, norm: Norm = "batch", stem: Stem = "paper", temporal_kernels: bool = True
) -> IncRes3D:
    """3D Inception-ResNet as in the paper: 13.35 M convolution weights, 88.1 GMAC for a 10 x 299 x 299 clip."""
    return IncRes3D(in_channels, width, norm, stem, temporal_kernels)


@register_backbone("incres3d_tiny", **TINY, sites=("input", "residual"))
def incres3d_tiny(
    in_channels: int, *, width: Width = 0.25, norm: Norm = "batch", stem: Stem = "light", temporal_kernels: bool = True
) -> IncRes3D:
    """`incres3d` at a quarter of the width for 80 px clips, map on a 20 x 20 grid: 0.72 M, 0.69 GMAC per clip."""
    return IncRes3D(in_channels, width, norm, stem, temporal_kernels)


def _paper_stem(cin: int, c1: int, c2: int, conv: MakeConv) -> nn.Sequential:
    """7x7x7 (96, S, s2) - pool s2 - 5x5x5 (192, S, s2) - pool; the grid is an eighth of the clip."""
    return nn.Sequential(
        conv(cin, c1, (7, 7, 7), stride=2), max_pool(2), conv(c1, c2, (5, 5, 5), stride=2), max_pool(1)
    )


def unit_a(
    conv: MakeConv, c: Channels, a: int, scale: float = 1.0, *, unit: Callable[..., nn.Module] = ResidualUnit
) -> nn.Module:
    """Unit A on `a` channels, also that of the other Inception-ResNets; `unit` adds the residual."""
    branches = Branches(
        conv(a, c(32), ONE),
        nn.Sequential(conv(a, c(32), ONE), conv(c(32), c(32), CUBE)),
        nn.Sequential(conv(a, c(32), ONE), conv(c(32), c(48), CUBE), conv(c(48), c(64), CUBE)),
    )
    return unit(branches, c(32) + c(32) + c(64), a, scale)


def _reduction_a(conv: MakeConv, c: Channels) -> Branches:
    a = c(192)
    return Branches(
        nn.Sequential(conv(a, c(128), CUBE), conv(c(128), c(192), CUBE, stride=2, valid=True)),
        conv(a, c(192), CUBE, stride=2, valid=True),
        nn.Sequential(
            conv(a, c(128), ONE), conv(c(128), c(128), CUBE), conv(c(128), c(192), CUBE, stride=2, valid=True)
        ),
    )


def unit_b(
    conv: MakeConv,
    c: Channels,
    b: int,
    scale: float = 1.0,
    *,
    middle: int = 160,
    unit: Callable[..., nn.Module] = ResidualUnit,
) -> nn.Module:
    """Unit B on `b` channels, `middle` of them between its long kernels."""
    m = c(middle)
    branches = Branches(
        conv(b, c(192), ONE),
        nn.Sequential(conv(b, c(128), ONE), conv(c(128), m, (1, 1, 7)), conv(m, c(192), (1, 7, 1))),
    )
    return unit(branches, 2 * c(192), b, scale)


def _reduction_b(conv: MakeConv, c: Channels) -> Branches:
    b = 3 * c(192)
    return Branches(
        nn.Sequential(conv(b, c(144), ONE), conv(c(144), c(576), CUBE, stride=2, valid=True)),
        # Drawn as "3x3" without a temporal size; 1x3x3 then 3x3x3 gives the 6 frames of the figure.
        nn.Sequential(conv(b, c(128), (1, 3, 3)), conv(c(128), c(192), CUBE, stride=2, valid=True)),
        nn.Sequential(conv(b, c(128), ONE), conv(c(128), c(144), CUBE, stride=2, valid=True)),
        nn.Sequential(
            conv(b, c(128), ONE), conv(c(128), c(144), CUBE), conv(c(144), c(160), CUBE, stride=2, valid=True)
        ),
    )


def unit_c(
    conv: MakeConv, c: Channels, last: int, scale: float = 1.0, *, unit: Callable[..., nn.Module] = ResidualUnit
) -> nn.Module:
    """Unit C on `last` channels, also that of the other Inception-ResNets."""
    branches = Branches(
        conv(last, c(192), ONE),
        nn.Sequential(conv(last, c(192), ONE), conv(c(192), c(224), (1, 1, 3)), conv(c(224), c(256), (1, 3, 1))),
    )
    return unit(branches, c(192) + c(256), last, scale)


def image_reduction_a(conv: MakeConv, c: Channels, a: int) -> tuple[nn.Module, nn.Module]:
    """Branches of Reduction-A in Inception-ResNets for images, without the pool."""
    return (
        conv(a, c(384), CUBE, stride=2, valid=True),
        nn.Sequential(
            conv(a, c(256), ONE), conv(c(256), c(256), CUBE), conv(c(256), c(384), CUBE, stride=2, valid=True)
        ),
    )


def image_reduction_b(conv: MakeConv, c: Channels, b: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Branches of Reduction-B in Inception-ResNets for images, without the pool."""
    return (
        nn.Sequential(conv(b, c(256), ONE), conv(c(256), c(384), CUBE, stride=2, valid=True)),
        nn.Sequential(conv(b, c(256), ONE), conv(c(256), c(288), CUBE, stride=2, valid=True)),
        nn.Sequential(
            conv(b, c(256), ONE), conv(c(256), c(288), CUBE), conv(c(288), c(320), CUBE, stride=2, valid=True)
        ),
    )


def _last(c: Channels) -> int:
    return c(576) + c(192) + c(144) + c(160)
