"""The paper's fusion: the landmark map multiplies the shortcut of residual units A and B."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from fer_zoo.landmarks.maps import PointSet, at_steps, landmark_map
from fer_zoo.registry import register_fusion
from fer_zoo.specs import Site


@register_fusion("lm", site="residual")
class LandmarkMultiplication(nn.Module):
    """Multiply the shortcut of each residual site by the landmark map: `y = w * x + F(x)` (paper, section 3.2).

    `points` chooses the 66 points or the inner ones; `radius` is the half window in grid pixels (3 in the paper; on
    the coarse grid of a small network a 7 x 7 window covers the whole face, so tiny recipes take less).
    """

    def __init__(
        self,
        sites: Mapping[str, Site],
        *,
        points: PointSet = "all",
        radius: Annotated[int, Field(ge=0, le=16)] = 3,
    ) -> None:
        super().__init__()
        self.sites = dict(sites)
        self.points: PointSet = points
        self.radius = radius

    def forward(self, shortcut: Tensor, landmarks: Tensor, clip_size: tuple[int, int], site: str) -> Tensor:
        """Weigh a shortcut (B, C, T', H', W') by landmarks (B, T, 68, 2) in clip pixels; all channels alike."""
        points = at_steps(landmarks, self.sites[site], shortcut.shape[2])
        grid = (shortcut.shape[3], shortcut.shape[4])
        drawn = landmark_map(points, clip_size, grid, points=self.points, radius=self.radius)
        return shortcut * drawn.weights.to(shortcut.dtype)
