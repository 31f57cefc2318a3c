"""The landmark map added to the shortcut, by a learned amount for each channel."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from fer_zoo.fusion._residual import gain_key, map_at, zero_gains
from fer_zoo.landmarks.maps import Kernel, MapStyle, PointSet, Radius
from fer_zoo.registry import register_fusion
from fer_zoo.specs import Site


@register_fusion("lm_add", site="residual")
class LandmarkAddition(nn.Module):
    """Add the landmark map to the shortcut: `y_c = x_c + a_c * w + F(x)_c`, a learned `a` a channel, 0 at the start.

    Where the points are is told whatever the features are there; the network starts as the one without landmarks.
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
        self.gain = zero_gains(sites, per_channel=True)

    def forward(self, shortcut: Tensor, landmarks: Tensor, clip_size: tuple[int, int], site: str) -> Tensor:
        """Add the map of landmarks (B, T, 68, 2) in clip pixels to a shortcut (B, C, T', H', W')."""
        weights = map_at(self.sites[site], shortcut, landmarks, clip_size, self.style).or_zero()
        raised: Tensor = shortcut + self.gain[gain_key(site)].to(shortcut.dtype).view(-1, 1, 1, 1) * weights
        return raised
