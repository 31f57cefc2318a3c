"""The landmark map as a learned gate: training decides how much the map counts."""

from __future__ import annotations

from torch import Tensor

from fer_zoo.fusion._residual import ResidualFusion
from fer_zoo.registry import register_fusion


@register_fusion("lm_gate", site="residual")
class LandmarkGate(ResidualFusion):
    """Amplify the shortcut near landmarks: `y = (1 + a * w) * x + F(x)`, one learned `a` per site, initially 0.

    The network starts as the one without landmarks. Unlike with the paper's product, features far from the landmarks
    are kept. `points`, `kernel` and `radius` are those of `landmark_map`, the radius in grid pixels. The shortcut of a
    frame without any usable landmark is unchanged. Source: none, an alternative to the paper's section 3.2.
    """

    gains = "site"

    def forward(self, shortcut: Tensor, landmarks: Tensor, clip_size: tuple[int, int], site: str) -> Tensor:
        """Gate a shortcut (B, C, T', H', W') by the map of landmarks (B, T, 68, 2) in clip pixels."""
        weights = self.map_at(site, shortcut, landmarks, clip_size).or_zero()
        return shortcut * (1 + self.gain_at(site, shortcut.dtype) * weights)
