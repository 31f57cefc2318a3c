"""3D Inception-ResNet of Hasani & Mahoor 2017 (arXiv 1705.07871), layer by layer (figures 1 and 2).

Notation of the stages: kernel T x H x W (filters, S = same or V = valid padding, s2 = stride 2 on H and W).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from fer_zoo.registry import register_backbone
from fer_zoo.specs import Shortcut, Site

Norm = Literal["batch", "none"]
Kernel = tuple[int, int, int]
Width = Annotated[float, Field(gt=0, le=4)]


class Conv(nn.Sequential):
    """Convolution, normalisation, ReLU; stride acts on H and W only, `valid` drops the padding of all three axes."""

    def __init__(
        self, cin: int, cout: int, kernel: Kernel, norm: Norm, *, stride: int = 1, valid: bool = False
    ) -> None:
        padding = (0, 0, 0) if valid else (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        conv = nn.Conv3d(cin, cout, kernel, (1, stride, stride), padding, bias=norm == "none")
        layers: list[nn.Module] = [conv]
        if norm == "batch":
            layers.append(nn.BatchNorm3d(cout))
        super().__init__(*layers, nn.ReLU(inplace=True))


class Branches(nn.Module):
    """Parallel branches, concatenated over channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate what each branch makes of x."""
        return torch.cat([branch(x) for branch in self.branches], 1)


class ResidualUnit(nn.Module):
    """`relu(w * x + linear(branches(x)))` with x the rectified input; w is the fusion's, 1 without one."""

    def __init__(self, branches: Branches, branch_channels: int, channels: int) -> None:
        super().__init__()
        self.branches = branches
        # Linear and without normalisation, as in Inception-ResNet: it sets the residual's scale.
        self.linear = nn.Conv3d(branch_channels, channels, 1)

    def forward(self, x: Tensor, name: str = "", shortcut: Shortcut | None = None) -> Tensor:
        """Map (B, C, T, H, W) to the same shape."""
        x = x.relu()
        kept = x if shortcut is None else shortcut(name, x)
        out: Tensor = (kept + self.linear(self.branches(x))).relu()
        return out


MakeConv = Callable[..., Conv]


def _paper_stem(cin: int, c1: int, c2: int, conv: MakeConv) -> nn.Sequential:
    """7x7x7 (96, S, s2) - pool s2 - 5x5x5 (192, S, s2) - pool: the grid is an eighth of the clip."""
    return nn.Sequential(
        conv(cin, c1, (7, 7, 7), stride=2),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        conv(c1, c2, (5, 5, 5), stride=2),
        nn.MaxPool3d((1, 3, 3), 1, (0, 1, 1)),
    )


def _light_stem(cin: int, c1: int, c2: int, conv: MakeConv) -> nn.Sequential:
    """1x5x5 (s2) - pool s2 - 3x3x3: for small clips; a quarter of the clip, so that a landmark map still resolves."""
    return nn.Sequential(
        conv(cin, c1, (1, 5, 5), stride=2),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        conv(c1, c2, (3, 3, 3)),
    )


class IncRes3D(nn.Module):
    """The paper's backbone: stem, 3DIR-A, Reduction-A, 3DIR-B, Reduction-B, 3DIR-C; each block once.

    A clip (B, 3, 10, 299, 299) gives features (B, 1072, 6, 8, 8). `width` multiplies all filter counts. Without
    `temporal_kernels` every kernel is one frame long: the 2D twin, which sees each frame by itself and keeps T.
    """

    def __init__(
        self, in_channels: int, width: float, norm: Norm, stem: Literal["paper", "light"], temporal_kernels: bool
    ) -> None:
        super().__init__()
        self.temporal_kernels = temporal_kernels

        def c(filters: int) -> int:
            return max(4, int(filters * width / 4 + 0.5) * 4)

        def conv(cin: int, cout: int, kernel: Kernel, *, stride: int = 1, valid: bool = False) -> Conv:
            length = kernel[0] if temporal_kernels else 1
            return Conv(cin, cout, (length, *kernel[1:]), norm, stride=stride, valid=valid)

        def reduce(cin: int, cout: int) -> Conv:
            return conv(cin, cout, (3, 3, 3), stride=2, valid=True)

        one, cube = (1, 1, 1), (3, 3, 3)
        a, b, last = c(192), 3 * c(192), c(576) + c(192) + c(144) + c(160)
        self.stem = (_paper_stem if stem == "paper" else _light_stem)(in_channels, c(96), c(192), conv)
        self.unit_a = ResidualUnit(
            Branches(
                conv(a, c(32), one),
                nn.Sequential(conv(a, c(32), one), conv(c(32), c(32), cube)),
                nn.Sequential(conv(a, c(32), one), conv(c(32), c(48), cube), conv(c(48), c(64), cube)),
            ),
            c(32) + c(32) + c(64),
            a,
        )
        self.reduction_a = Branches(
            nn.Sequential(conv(a, c(128), cube), reduce(c(128), c(192))),
            reduce(a, c(192)),
            nn.Sequential(conv(a, c(128), one), conv(c(128), c(128), cube), reduce(c(128), c(192))),
        )
        self.unit_b = ResidualUnit(
            Branches(
                conv(b, c(192), one),
                nn.Sequential(conv(b, c(128), one), conv(c(128), c(128), (1, 1, 7)), conv(c(128), c(192), (1, 7, 1))),
            ),
            2 * c(192),
            b,
        )
        self.reduction_b = Branches(
            nn.Sequential(conv(b, c(144), one), reduce(c(144), c(576))),
            # Drawn as "3x3" without a time size; 1x3x3 then 3x3x3 gives the 6 frames that the figure shows.
            nn.Sequential(conv(b, c(128), (1, 3, 3)), reduce(c(128), c(192))),
            nn.Sequential(conv(b, c(128), one), reduce(c(128), c(144))),
            nn.Sequential(conv(b, c(128), one), conv(c(128), c(144), cube), reduce(c(144), c(160))),
        )
        self.unit_c = ResidualUnit(
            Branches(
                conv(last, c(192), one),
                nn.Sequential(
                    conv(last, c(192), one), conv(c(192), c(224), (1, 1, 3)), conv(c(224), c(256), (1, 3, 1))
                ),
            ),
            c(192) + c(256),
            last,
        )
        # Each reduction's valid padding drops the first and the last frame: unit B starts at input frame 1, C at 2.
        dropped = 1 if temporal_kernels else 0
        self.residual_sites: Mapping[str, Site] = {"a": Site(a, 0), "b": Site(b, dropped)}
        self.output = Site(last, 2 * dropped)
        names = ("stem", "unit_a", "reduction_a", "unit_b", "reduction_b", "unit_c")
        self.stages: Mapping[str, Sequence[str]] = {name: (name,) for name in names}

    def forward(self, clip: Tensor, shortcut: Shortcut | None = None) -> Tensor:
        """Map a clip (B, 3, T, H, W) to features (B, out_channels, T - 4, H', W'); T' = T for the 2D twin."""
        x = self.unit_a(self.stem(clip), "a", shortcut)
        x = self.unit_b(self.reduction_a(x), "b", shortcut)
        # No fusion at C: its grid is too coarse for a landmark map (paper, section 3.2).
        features: Tensor = self.unit_c(self.reduction_b(x))
        return features


@register_backbone("incres3d", size=299, frames=10, sites=("input", "residual"))
def incres3d(
    in_channels: int,
    *,
    width: Width = 1.0,
    norm: Norm = "batch",
    stem: Literal["paper", "light"] = "paper",
    temporal_kernels: bool = True,
) -> IncRes3D:
    """3D Inception-ResNet as in the paper: 13.35 M convolution weights, 88.1 GMAC for a 10 x 299 x 299 clip."""
    return IncRes3D(in_channels, width, norm, stem, temporal_kernels)


@register_backbone(
    "incres3d_tiny", size=80, frames=10, head_norm="batch", hidden=40, radius=2, sites=("input", "residual")
)
def incres3d_tiny(
    in_channels: int,
    *,
    width: Width = 0.25,
    norm: Norm = "batch",
    stem: Literal["paper", "light"] = "light",
    temporal_kernels: bool = True,
) -> IncRes3D:
    """The paper's blocks at a quarter of the width on 80 px clips; its stem keeps a 20 x 20 grid for the map."""
    return IncRes3D(in_channels, width, norm, stem, temporal_kernels)
