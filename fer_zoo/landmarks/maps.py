"""Landmark maps: facial points of each frame drawn as weights on a feature grid (paper, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from fer_zoo.specs import Site

PointSet = Literal["all", "inner"]
Kernel = Literal["manhattan7", "gaussian"]
Radius = Annotated[int, Field(ge=0, le=16)]

# 68 iBUG points without the two inner mouth corners (60, 64): the paper's 66. "inner" also drops the jaw line (0-16).
POINT_SETS: dict[PointSet, tuple[int, ...]] = {
    "all": tuple(i for i in range(68) if i not in (60, 64)),
    "inner": tuple(i for i in range(17, 68) if i not in (60, 64)),
}
CORNER_WEIGHT = 0.4


@dataclass(frozen=True)
class MapStyle:
    """How points are drawn, see `landmark_map`; the fields' defaults are those of every fusion that draws a map."""

    points: PointSet = "all"
    kernel: Kernel = "manhattan7"
    radius: Radius = 3


class LandmarkMap(NamedTuple):
    """Weights (B, 1, T, H, W) in 0..1, and found (B, T): False where a frame had no usable point and got ones."""

    weights: Tensor
    found: Tensor

    def or_zero(self) -> Tensor:
        """Weights with zeros, not ones, in frames without a usable point: for fusions that add."""
        return self.weights * self.found[:, None, :, None, None]


def usable_points(landmarks: Tensor, clip_size: tuple[int, int]) -> Tensor:
    """Which points lie inside the frame: bool (..., L) for landmarks (..., L, 2) in pixels; NaN points do not."""
    height, width = clip_size
    x, y = landmarks[..., 0], landmarks[..., 1]
    # Pixel i covers [i - 0.5, i + 0.5); comparisons with NaN are False.
    return (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)


def at_steps(landmarks: Tensor, site: Site, steps: int) -> Tensor:
    """Return the landmarks (B, steps, L, 2) of the frames on which the time steps of a feature map are centred.

    Args:
        landmarks: (B, T, L, 2).
        site: where the feature map's steps lie in the clip; a centre between two frames takes the earlier one.
        steps: number of the feature map's time steps.
    """
    last = landmarks.shape[1] - 1
    return landmarks[:, [min(last, int(centre)) for centre in site.centres(steps)]]


def landmark_map(
    landmarks: Tensor,
    clip_size: tuple[int, int],
    grid: tuple[int, int],
    *,
    points: PointSet = MapStyle.points,
    kernel: Kernel = MapStyle.kernel,
    radius: int = MapStyle.radius,
) -> LandmarkMap:
    """Draw landmarks on a grid: each weighs the window round it, and the larger weight wins where windows overlap.

    The window is the (2 radius + 1)^2 grid pixels round the one that holds the point. A pixel in no window gets 0.
    Points outside the frame or NaN draw nothing; a frame left without any point gets ones, which is a plain shortcut,
    and is False in `found`. Kernels, with distances in grid pixels:

    - "manhattan7", the paper's: `w = 1 - slope * d`, d the Manhattan distance from the pixel that holds the point.
      With the paper's window of 7 x 7 (`radius=3`) the slope is 0.1; for other windows it is scaled so that the corner
      stays at 0.4.
    - "gaussian": `w = exp(-d^2 / (2 sigma^2))`, d the Euclidean distance from the point's exact position, sigma half
      the radius. It moves with the point by less than a pixel, where the paper's jumps from pixel to pixel.

    A radius of 0 marks the pixel that holds the point with 1, whatever the kernel.

    The grid's pixels share the clip equally, as the paper scales its points. A backbone's own are centred elsewhere,
    where it pads other than by halves of its strides: in `incres3d` by less than half of a grid pixel at site "a", and
    by up to 0.6 of one at "b" (10 of 299 pixels, at the lower right).

    Args:
        landmarks: (B, T, 68, 2), x then y, in pixels of the clip with pixel centres at integers.
        clip_size: height and width of the clip in pixels.
        grid: height and width of the map.
        points: "all" 66 points of the paper or the "inner" 49 without the jaw line.
        kernel: "manhattan7" or "gaussian".
        radius: half window in grid pixels; 3 is the paper's.

    Source: Hasani & Mahoor 2017, section 3.2.
    """
    height, width = grid
    chosen = landmarks[..., list(POINT_SETS[points]), :]
    usable = usable_points(chosen, clip_size)
    scale = chosen.new_tensor([width / clip_size[1], height / clip_size[0]])
    position = (torch.where(usable[..., None], chosen, 0.0) + 0.5) * scale  # the left edge of the grid is 0
    cells = torch.floor(position).long()

    offsets = torch.arange(-radius, radius + 1, device=landmarks.device)
    dy, dx = (o.reshape(-1) for o in torch.meshgrid(offsets, offsets, indexing="ij"))
    x, y = cells[..., 0, None] + dx, cells[..., 1, None] + dy  # (B, T, L, window pixels)
    if radius == 0:
        window = torch.ones_like(x, dtype=landmarks.dtype)
    elif kernel == "gaussian":
        window = _gaussian(torch.stack((x, y), -1) + 0.5 - position[..., None, :], radius)
    else:
        window = _manhattan((dx.abs() + dy.abs()).to(landmarks.dtype), radius)

    drawn = usable[..., None] & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    index = torch.where(drawn, y * width + x, 0).flatten(2)
    weight = torch.where(drawn, window, 0.0).flatten(2)
    weights = landmarks.new_zeros(*landmarks.shape[:2], height * width).scatter_reduce(2, index, weight, "amax")

    found = usable.any(-1)
    weights = torch.where(found[..., None], weights, 1.0)
    return LandmarkMap(weights.reshape(*landmarks.shape[:2], *grid).unsqueeze(1), found)


def _gaussian(away: Tensor, radius: int) -> Tensor:
    return torch.exp(-2 * (away / radius).square().sum(-1))


def _manhattan(distance: Tensor, radius: int) -> Tensor:
    return 1 - (1 - CORNER_WEIGHT) / (2 * radius) * distance
