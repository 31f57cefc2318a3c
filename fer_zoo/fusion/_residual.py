"""What the fusions at residual sites share: the map at a site, and learned gains that start at 0."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fer_zoo.landmarks.maps import LandmarkMap, MapStyle, at_steps, landmark_map
from fer_zoo.specs import Site


def map_at(site: Site, shortcut: Tensor, landmarks: Tensor, clip_size: tuple[int, int], style: MapStyle) -> LandmarkMap:
    """Draw the map (B, 1, T', H', W') of a shortcut (B, C, T', H', W'): that of each step's centre frame."""
    points = at_steps(landmarks, site, shortcut.shape[2])
    grid = (shortcut.shape[3], shortcut.shape[4])
    drawn = landmark_map(points, clip_size, grid, points=style.points, kernel=style.kernel, radius=style.radius)
    return LandmarkMap(drawn.weights.to(shortcut.dtype), drawn.found)


def zero_gains(sites: Mapping[str, Site], *, per_channel: bool) -> nn.ParameterDict:
    """One learned gain a site, of shape () or (C,), under `gain_key`."""
    shapes = {name: (site.channels,) if per_channel else () for name, site in sites.items()}
    return nn.ParameterDict({gain_key(name): nn.Parameter(torch.zeros(shape)) for name, shape in shapes.items()})


def gain_key(site: str) -> str:
    """Name of a site's gain: a parameter's name may have no dot."""
    return site.replace(".", "_")
