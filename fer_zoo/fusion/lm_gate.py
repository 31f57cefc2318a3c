"""The landmark map as a learned gate: how much it counts is found in training."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from fer_zoo.fusion._residual import gain_key, map_at, zero_gains
from fer_zoo.landmarks.maps import Kernel, MapStyle, PointSet, Radius
from fer_zoo.registry import register_fusion
from fer_zoo.specs import Site


@register_fusion("lm_gate", site="residual")
class LandmarkGate(nn.Module):
    """Raise the shortcut near landmarks: `y = (1 + a * w) * x + F(x)`, one learned `a` a site, 0 at the start.

    The network starts as the one without landmarks, and unlike the paper's product nothing is lost away from them.
    `points`, `kernel` and `radius` are those of `landmark_map`, the radius in grid pixels. A frame without any usable
    point keeps its plain shortcut. Source: none, an alternative to the paper's section 3.2.
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
        self.gain = zero_gains(sites, per_channel=False)

    def forward(self, shortcut: Tensor, landmarks: Tensor, clip_size: tuple[int, int], site: str) -> Tensor:
        """Gate a shortcut (B, C, T', H', W') by landmarks (B, T, 68, 2) in clip pixels; all channels alike."""
        weights = map_at(self.sites[site], shortcut, landmarks, clip_size, self.style).or_zero()
        gated: Tensor = shortcut * (1 + self.gain[gain_key(site)].to(shortcut.dtype) * weights)
        return gated
