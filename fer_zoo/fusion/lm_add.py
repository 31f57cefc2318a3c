"""The landmark map added to the shortcut, with a learned weight for each channel."""

from __future__ import annotations

from torch import Tensor

from fer_zoo.fusion._residual import ResidualFusion
from fer_zoo.registry import register_fusion


@register_fusion("lm_add", site="residual")
class LandmarkAddition(ResidualFusion):
    """Add the landmark map to the shortcut: `y_c = x_c + a_c * w + F(x)_c`, one learned `a` per channel, initially 0.

    The landmark positions reach the network independently of the features there; the network starts as the one without
    landmarks. `points`, `kernel` and `radius` are those of `landmark_map`, the radius in grid pixels. The shortcut of a
    frame without any usable landmark is unchanged. Source: none, an alternative to the paper's section 3.2.
    """

    gains = "channel"

    def forward(self, shortcut: Tensor, landmarks: Tensor, clip_size: tuple[int, int], site: str) -> Tensor:
        """Add the map of landmarks (B, T, 68, 2) in clip pixels to a shortcut (B, C, T', H', W')."""
        weights = self.map_at(site, shortcut, landmarks, clip_size).or_zero()
        return shortcut + self.gain_at(site, shortcut.dtype) * weights
