"""The paper's fusion: the landmark map multiplies the shortcut of residual units A and B."""

from __future__ import annotations

from torch import Tensor

from fer_zoo.fusion._residual import ResidualFusion
from fer_zoo.registry import register_fusion


@register_fusion("lm", site="residual")
class LandmarkMultiplication(ResidualFusion):
    """Multiply the shortcut of each residual site by the landmark map: `y = w * x + F(x)` (paper, section 3.2).

    `points`, `kernel` and `radius` are those of `landmark_map`; the radius is in grid pixels (3 in the paper; on the
    coarse grid of a small network a 7 x 7 window covers the whole face, so tiny recipes use a smaller one). The
    shortcut of a frame without any usable landmark is unchanged.
    """

    gains = "none"

    def forward(self, shortcut: Tensor, landmarks: Tensor, clip_size: tuple[int, int], site: str) -> Tensor:
        """Weight a shortcut (B, C, T', H', W') by the map of landmarks (B, T, 68, 2) in clip pixels."""
        return shortcut * self.map_at(site, shortcut, landmarks, clip_size).weights
