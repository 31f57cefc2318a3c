"""3D Inception-ResNet of Hasani & Mahoor 2017 (arXiv 1705.07871), and its quarter-width variant for small clips."""

from __future__ import annotations

from fer_zoo.backbones._blocks import TINY, Norm, Stem, Width
from fer_zoo.backbones._paper3d import IncRes3D
from fer_zoo.registry import register_backbone


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
