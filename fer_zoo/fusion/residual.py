"""Fusions that use the landmark map at residual sites: `lm` (the paper's), `lm_gate`, `lm_add`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from fer_zoo.landmarks.maps import Kernel, LandmarkMap, MapStyle, PointSet, Radius, at_steps, landmark_map
from fer_zoo.registry import register_fusion
from fer_zoo.specs import Site


class ResidualFusion(nn.Module):
    """Holds the sites, the style of the map, and the learned gains, which start at 0: one per site or per channel."""

    gains: ClassVar[Literal["none", "site", "channel"]]

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
        if self.gains != "none":
            shapes = {name: (site.channels,) if self.gains == "channel" else () for name, site in sites.items()}
            self.gain = nn.ParameterDict({_key(name): torch.zeros(shape) for name, shape in shapes.items()})

    def map_at(self, site: str, shortcut: Tensor, landmarks: Tensor, clip_size: tuple[int, int]) -> LandmarkMap:
        """Draw the map (B, 1, T', H', W') for a shortcut (B, C, T', H', W') from the centre frame of each time step."""
        points, style = at_steps(landmarks, self.sites[site], shortcut.shape[2]), self.style
        grid = (shortcut.shape[3], shortcut.shape[4])
        drawn = landmark_map(points, clip_size, grid, points=style.points, kernel=style.kernel, radius=style.radius)
        return LandmarkMap(drawn.weights.to(shortcut.dtype), drawn.found)

    def gain_at(self, site: str, dtype: torch.dtype) -> Tensor:
        """Return the gain of a site, to be broadcast over a shortcut (B, C, T', H', W')."""
        gain: Tensor = self.gain[_key(site)]
        return gain.to(dtype).view(-1, 1, 1, 1)


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


def _key(site: str) -> str:
    return site.replace(".", "_")  # parameter names cannot contain dots
