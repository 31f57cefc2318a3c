"""The paper's fusion: the landmark map multiplies the shortcut of residual units A and B."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from fer_zoo.fusion._residual import map_at
from fer_zoo.landmarks.maps import Kernel, MapStyle, PointSet, Radius
from fer_zoo.registry import register_fusion
from fer_zoo.specs import Site


@register_fusion("lm", site="residual")
class LandmarkMultiplication(nn.Module):
    """Multiply the shortcut of each residual site by the landmark map: `y = w * x + F(x)` (paper, section 3.2).

    `points`, `kernel` and `radius` are those of `landmark_map`; the radius is in grid pixels (3 in the paper; on the
    coarse grid of a small network a 7 x 7 window covers the whole face, so tiny recipes take less). A frame without
    any usable point keeps its plain shortcut.
    """

    def __init__(
        self,
        sites: Mapping[str, Site],
        *,
        points: PointSet = MapStyle.points,
        kernel: Kernel = MapStyle.kernel,
        radius: Radius = MapStyle.radius,
    ) -> None:
        super().__init__()
        self.sites = dict(sites)
        self.style = MapStyle(points, kernel, radius)

    def forward(self, shortcut: Tensor, landmarks: Tensor, clip_size: tuple[int, int], site: str) -> Tensor:
        """Weigh a shortcut (B, C, T', H', W') by landmarks (B, T, 68, 2) in clip pixels; all channels alike."""
        return shortcut * map_at(self.sites[site], shortcut, landmarks, clip_size, self.style).weights
