"""The paper's fusion: the landmark map multiplies the shortcut of residual units A and B."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from fer_zoo.landmarks.maps import PointSet, landmark_map
from fer_zoo.registry import register_fusion
from fer_zoo.specs import ResidualSite


@register_fusion("lm")
class LandmarkMultiplication(nn.Module):
    """Multiply the shortcut of each residual site by the landmark map: `y = w * x + F(x)` (paper, section 3.2).

    `points` chooses the 66 points or the inner ones; `radius` is the half window in grid pixels (3 in the paper; on
    the coarse grid of a small network a 7 x 7 window covers the whole face, so tiny recipes take less).
    """

    site: Literal["residual"] = "residual"

    def __init__(
        self,
        sites: Mapping[str, ResidualSite],
        *,
        points: PointSet = "all",
        radius: Annotated[int, Field(ge=0, le=16)] = 3,
    ) -> None:
        super().__init__()
        self.first_frame = {name: site.first_frame for name, site in sites.items()}
        self.points: PointSet = points
        self.radius = radius

    def forward(self, site: str, shortcut: Tensor, landmarks: Tensor, clip_size: tuple[int, int]) -> Tensor:
        """Weigh a shortcut (B, C, T', H', W') by landmarks (B, T, 68, 2) in clip pixels; all channels alike."""
        first, frames = self.first_frame[site], shortcut.shape[2]
        grid = (shortcut.shape[3], shortcut.shape[4])
        drawn = landmark_map(
            landmarks[:, first : first + frames], clip_size, grid, points=self.points, radius=self.radius
        )
        return shortcut * drawn.weights.to(shortcut.dtype)
