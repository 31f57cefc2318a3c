"""The paper's 3D units repeated, with scaled residuals, as in Inception-ResNet-v2 (Szegedy et al. 2016).

arXiv 1602.07261: figure 15 repeats the units 5 / 10 / 5 times; section 3.3 finds that many units train stably only if
each residual is scaled by 0.1 to 0.3 before it is added. The published weights use 0.17, 0.10 and 0.20.
"""

from __future__ import annotations

from fer_zoo.backbones._blocks import TINY, Norm, Repeats, Stem, Width
from fer_zoo.backbones.incres3d import IncRes3D
from fer_zoo.registry import register_backbone

SCALES = (0.17, 0.10, 0.20)


@register_backbone("incres3d_deep", size=299, frames=10, sites=("input", "residual"))
def incres3d_deep(
    in_channels: int,
    *,
    width: Width = 1.0,
    norm: Norm = "batch",
    stem: Stem = "paper",
    temporal_kernels: bool = True,
    repeat_a: Repeats = 5,
    repeat_b: Repeats = 10,
    repeat_c: Repeats = 5,
) -> IncRes3D:
    """The paper's network with units A, B, C repeated 5 / 10 / 5 times: 25.17 M parameters, 117.3 GMAC per clip.

    A clip (B, 3, 10, 299, 299) gives features (B, 1072, 6, 8, 8). A fusion changes the shortcut of the first unit of A
    and of B only: a landmark map multiplied at each of 15 units would erase the features far from the landmarks.
    """
    repeats = (repeat_a, repeat_b, repeat_c)
    return IncRes3D(in_channels, width, norm, stem, temporal_kernels, repeats=repeats, scales=SCALES)


@register_backbone("incres3d_deep_tiny", **TINY, sites=("input", "residual"))
def incres3d_deep_tiny(
    in_channels: int,
    *,
    width: Width = 0.25,
    norm: Norm = "batch",
    stem: Stem = "light",
    temporal_kernels: bool = True,
    repeat_a: Repeats = 2,
    repeat_b: Repeats = 3,
    repeat_c: Repeats = 2,
) -> IncRes3D:
    """`incres3d_deep` at a quarter of the width with 2 / 3 / 2 units for 80 px clips: 0.90 M, 0.81 GMAC per clip."""
    repeats = (repeat_a, repeat_b, repeat_c)
    return IncRes3D(in_channels, width, norm, stem, temporal_kernels, repeats=repeats, scales=SCALES)
