"""Landmark maps: the landmarks of each frame as weights on a feature grid (paper, section 3.2)."""

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

# The 68 iBUG landmarks without the inner mouth corners (60, 64): the paper's 66. "inner" also omits the jaw (0-16).
POINT_SETS: dict[PointSet, tuple[int, ...]] = {
    "all": tuple(i for i in range(68) if i not in (60, 64)),
    "inner": tuple(i for i in range(17, 68) if i not in (60, 64)),
}
CORNER_WEIGHT = 0.4


@dataclass(frozen=True)
class MapStyle:
    """Options of `landmark_map`, with the defaults of every fusion that uses a map."""

    points: PointSet = "all"
    kernel: Kernel = "manhattan7"
    radius: Radius = 3


class LandmarkMap(NamedTuple):
    """Weights (B, 1, T, H, W) in 0..1, and found (B, T): False for frames without usable landmarks (weights 1)."""

    weights: Tensor
    found: Tensor

    def or_zero(self) -> Tensor:
        """Return the weights with 0 instead of 1 in frames without usable landmarks, for fusions that add."""
        return self.weights * self.found[:, None, :, None, None]


def usable_points(landmarks: Tensor, clip_size: tuple[int, int]) -> Tensor:
    """Return which landmarks (..., L, 2), in pixels, are inside the frame: bool (..., L), False for NaN."""
    height, width = clip_size
    x, y = landmarks[..., 0], landmarks[..., 1]
    # Pixel i covers [i - 0.5, i + 0.5); comparisons with NaN are False.
    return (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)


def at_steps(landmarks: Tensor, site: Site, steps: int) -> Tensor:
    """Return the landmarks (B, steps, L, 2) of the frames on which the time steps of a feature map are centred.

    Args:
        landmarks: (B, T, L, 2).
        site: the centres of the steps in the clip; a centre between two frames means the earlier one.
        steps: number of time steps of the feature map.
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
    """Draw a window of weights around each landmark on a grid; where windows overlap, the largest weight is used.

    The window is the (2 radius + 1)^2 grid pixels around the landmark's pixel; pixels in no window are 0. Landmarks
    that are NaN or outside the frame are ignored; a frame without any other has weights of 1, which leave a shortcut
    unchanged, and is False in `found`. Kernels, with distances in grid pixels:

    - "manhattan7", as in the paper: `w = 1 - slope * d`, d the Manhattan distance from the landmark's pixel. With the
      paper's 7 x 7 window (`radius=3`) the slope is 0.1; for other radii it is scaled so that the corner weight is 0.4.
    - "gaussian": `w = exp(-d^2 / (2 sigma^2))`, d the Euclidean distance from the exact landmark, sigma half the
      radius. It follows subpixel motion, while the paper's kernel jumps from pixel to pixel.

    With a radius of 0 the landmark's pixel is 1 for both kernels.

    The grid divides the clip equally, as in the paper. The cells of a backbone are centred elsewhere if its padding is
    not half its stride: in `incres3d` the error is less than half a grid pixel at site "a", and up to 0.6 at "b" (10 of
    299 pixels, at the lower right).

    Args:
        landmarks: (B, T, 68, 2), (x, y) in clip pixels with pixel centres at integers.
        clip_size: height and width of the clip in pixels.
        grid: height and width of the map.
        points: "all" for the 66 landmarks of the paper, "inner" for the 49 without the jaw line.
        kernel: "manhattan7" or "gaussian".
        radius: half window in grid pixels; 3 in the paper.

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
        offset = torch.stack((x, y), -1) + 0.5 - position[..., None, :]
        window = torch.exp(-2 * (offset / radius).square().sum(-1))
    else:
        slope = (1 - CORNER_WEIGHT) / (2 * radius)
        window = 1 - slope * (dx.abs() + dy.abs()).to(landmarks.dtype)

    drawn = usable[..., None] & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    index = torch.where(drawn, y * width + x, 0).flatten(2)
    weight = torch.where(drawn, window, 0.0).flatten(2)
    weights = landmarks.new_zeros(*landmarks.shape[:2], height * width).scatter_reduce(2, index, weight, "amax")

    found = usable.any(-1)
    weights = torch.where(found[..., None], weights, 1.0)
    return LandmarkMap(weights.reshape(*landmarks.shape[:2], *grid).unsqueeze(1), found)
