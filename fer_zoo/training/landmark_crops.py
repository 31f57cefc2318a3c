"""Crops of rendered stills as tracking and searching a video would cut them, for training the landmark network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fer_zoo.landmarks.base import MIRROR_68
from fer_zoo.landmarks.frame import Frame
from fer_zoo.landmarks.network import SIDE

Arrays = Mapping[str, NDArray[Any]]
_NO_FACE = 0.15  # share of faces whose crop is moved beside the face
_LEAST_INSIDE = 0.3  # share of the landmarks inside the picture, from which on there is a face to be placed


def squares(stills: Arrays) -> NDArray[np.float64]:
    """Return centre x, y, side and angle (N, 4) of the square round each face; NaN without a face."""
    size, landmarks = stills["images"].shape[-1], stills["landmarks"]
    inside = ((landmarks > 0) & (landmarks < size - 1)).all(-1).mean(-1)
    found = np.full((len(landmarks), 4), np.nan)
    for number, points in enumerate(landmarks):
        if inside[number] >= _LEAST_INSIDE:
            frame = Frame.of_landmarks(points)
            found[number] = frame.x, frame.y, frame.side, frame.angle
    return found


def draw_batch(
    stills: Arrays, frames: NDArray[np.float64], batch: int | None, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw crops as tracking and searching would give them: moved, scaled, turned, mirrored and degraded.

    Args:
        stills: as `prepare_stills` gives them. frames: what `squares` gives for them.
        batch: how many to draw; None: all, in order, only moved a little as when a face is followed.

    Returns:
        Crops (B, 1, 96, 96), landmarks (B, 68, 2) in the crop from -1 to 1, visible (B, 68) bool, face (B,) 0 or 1.
    """
    testing, size = batch is None, stills["images"].shape[-1]
    rows = np.arange(len(frames)) if batch is None else rng.integers(len(frames), size=batch)
    batch = len(rows)
    square = frames[rows].copy()
    has_face = np.isfinite(square[:, 0])
    none = ~has_face
    square[none, :2] = rng.uniform(0.25, 0.75, (none.sum(), 2)) * size
    square[none, 2], square[none, 3] = size * rng.uniform(0.4, 1.1, none.sum()), 0
    # Most as when a face is followed, some as when it was found by a coarse search, a few beside the face.
    coarse = rng.random(batch) < 0.35 * (not testing)
    beside = has_face & (rng.random(batch) < _NO_FACE * (not testing))
    shift = np.where(coarse, 0.11, 0.035)[:, None] * rng.standard_normal((batch, 2))
    way = rng.uniform(0, 2 * np.pi, batch)
    shift[beside] = (rng.uniform(0.6, 0.9, batch)[:, None] * np.stack([np.cos(way), np.sin(way)], 1))[beside]
    square[:, :2] += shift * square[:, 2:3]
    square[:, 2] *= np.exp(np.where(coarse, 0.14, 0.05) * rng.standard_normal(batch))
    turn = np.where(rng.random(batch) < 0.3 * (not testing), rng.uniform(-60, 60, batch), rng.normal(0, 5, batch))
    square[:, 3] += np.radians(turn)
    mirrored = rng.random(batch) < 0.5 * (not testing)
    images = torch.from_numpy(stills["images"][rows]).float().unsqueeze(1) / 255
    # Stills are hardly larger than their faces. In most videos the picture continues beyond the edge of a still.
    outside = "zeros" if rng.random() < 0.3 else "border"
    crops = cut_squares(images, square, mirrored, outside)
    marks = np.nan_to_num(stills["landmarks"][rows].astype(np.float64))
    cos, sin = np.cos(square[:, 3]), np.sin(square[:, 3])
    away = marks - square[:, None, :2]
    half = square[:, 2:3] / 2
    inside = np.stack(
        [
            (away[..., 0] * cos[:, None] + away[..., 1] * sin[:, None]) / half,
            (-away[..., 0] * sin[:, None] + away[..., 1] * cos[:, None]) / half,
        ],
        axis=-1,
    )
    visible = stills["visible"][rows].copy()
    inside[mirrored] = inside[mirrored][:, MIRROR_68] * (-1, 1)
    visible[mirrored] = visible[mirrored][:, MIRROR_68]
    face = (has_face & ~beside).astype(np.float32)
    crops = crops if testing else degraded(crops, rng)
    return crops, torch.from_numpy(inside).float(), torch.from_numpy(visible), torch.from_numpy(face)


def cut_squares(images: Tensor, square: NDArray[np.float64], mirrored: NDArray[np.bool_], outside: str) -> Tensor:
    """Cut squares (B, 4: centre x, y, side, angle, in pixels) of images (B, 1, S, S); `outside` as grid_sample pads."""
    size = images.shape[-1]
    x, y, side, angle = torch.from_numpy(square).float().T
    flip = torch.from_numpy(np.where(mirrored, -1.0, 1.0)).float()
    scale, cos, sin = side / size, angle.cos(), angle.sin()
    middle = [(v + 0.5) / size * 2 - 1 for v in (x, y)]
    theta = torch.stack(
        [
            torch.stack([cos * scale * flip, -sin * scale, middle[0]], -1),
            torch.stack([sin * scale * flip, cos * scale, middle[1]], -1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(theta, [len(images), 1, SIDE, SIDE], align_corners=False)
    return functional.grid_sample(images, grid, padding_mode=outside, align_corners=False)


def degraded(crops: Tensor, rng: np.random.Generator) -> Tensor:
    """Change light, contrast and sharpness, add noise, and cover a part, as cameras and the world do."""
    batch = len(crops)

    def draw(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (batch, 1, 1, 1))).float()

    crops = crops.clamp(1e-3, 1) ** draw(0.6, 1.6) * draw(0.7, 1.2) + draw(-0.06, 0.06)
    for low in (24, 36, 52):  # as from a small or blurred face
        chosen = torch.from_numpy(rng.random(batch) < 0.08)
        if chosen.any():
            small = functional.interpolate(crops[chosen], size=low, mode="area")
            crops[chosen] = functional.interpolate(small, size=SIDE, mode="bilinear", align_corners=False)
    noise = torch.from_numpy(rng.standard_normal(crops.shape, np.float32))
    crops = crops + noise * draw(0, 0.04) * (draw(0, 1) < 0.5)
    for row in np.flatnonzero(rng.random(batch) < 0.15):
        (height, width), grey = rng.integers(8, 44, 2), float(rng.random())
        top, left = rng.integers(0, SIDE - height), rng.integers(0, SIDE - width)
        crops[row, 0, top : top + height, left : left + width] = grey
    return crops.clamp(0, 1)
