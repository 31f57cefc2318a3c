"""Base class of the fusions that use the landmark map at residual sites: `lm`, `lm_gate`, `lm_add`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from fer_zoo.landmarks.maps import Kernel, LandmarkMap, MapStyle, PointSet, Radius, at_steps, landmark_map
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
        """Draw the map for the shortcut at a site."""
        return map_at(self.sites[site], shortcut, landmarks, clip_size, self.style)

    def gain_at(self, site: str, dtype: torch.dtype) -> Tensor:
        """Return the gain of a site, to be broadcast over a shortcut (B, C, T', H', W')."""
        gain: Tensor = self.gain[_key(site)]
        return gain.to(dtype).view(-1, 1, 1, 1)


def map_at(site: Site, shortcut: Tensor, landmarks: Tensor, clip_size: tuple[int, int], style: MapStyle) -> LandmarkMap:
    """Draw the map (B, 1, T', H', W') for a shortcut (B, C, T', H', W') from the centre frame of each time step."""
    points = at_steps(landmarks, site, shortcut.shape[2])
    grid = (shortcut.shape[3], shortcut.shape[4])
    drawn = landmark_map(points, clip_size, grid, points=style.points, kernel=style.kernel, radius=style.radius)
    return LandmarkMap(drawn.weights.to(shortcut.dtype), drawn.found)


def _key(site: str) -> str:
    return site.replace(".", "_")  # parameter names cannot contain dots
