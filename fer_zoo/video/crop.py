"""The square face crop and the normalisation that training and inference share, so that they cannot drift apart.

Coordinates: pixel centres lie at integers, so pixel i spans [i - 0.5, i + 0.5] and a frame of width W spans
[-0.5, W - 0.5]. Landmarks and boxes use the same axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fer_zoo.errors import InputError
from fer_zoo.landmarks.base import Box, Floats, UInt8
from fer_zoo.specs import CropSpec, InputSpec
from fer_zoo.video.align import Float64, fit_mean_face

# A box this many times the frame's longer side comes from points that are no face; padding it would eat the memory.
_LARGEST_BOX = 16.0
# Radians by which a head may be tilted in an upright square, about as far as rendered heads are. Those tilted further
# were misread on real clips (docs/lab-log.md).
_LEVEL = math.radians(12)
_EYES = slice(36, 42), slice(42, 48)  # of the 68 landmarks, the subject's right and left eye


@dataclass(frozen=True)
class Placement:
    """Where a crop lies in a clip: one square for all frames, N = 1, or a square for each, N = T.

    centres (N, 2) and sides (N,) are in frame pixels, angles (N,) in radians from upright, clockwise as seen. box: the
    one square for all frames, if it is upright.
    """

    centres: Float64
    sides: Float64
    angles: Float64
    box: Box | None = None

    @classmethod
    def of_box(cls, box: Box) -> Placement:
        """The same upright square in every frame."""
        return cls(np.array([box.centre]), np.array([box.width]), np.zeros(1), box)

    @property
    def turns(self) -> Float64:
        """Rotation matrices (N, 2, 2), from the crop's axes to the frame's."""
        cos, sin = np.cos(self.angles), np.sin(self.angles)
        return np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)


def faces_in(landmarks: Floats) -> NDArray[np.bool_]:
    """Which frames of `landmarks` (..., L, 2) hold a face: all points finite, and not all in one place. Shape (...)."""
    finite = np.asarray(np.isfinite(landmarks).all(axis=(-2, -1)))
    extent = np.ptp(np.where(finite[..., None, None], landmarks, 0.0), axis=-2).max(axis=-1)
    return np.asarray(finite & (extent > 0))


def clip_box(landmarks: Floats, crop: CropSpec) -> Box | None:
    """One square box for a whole clip, or None when no frame has a face.

    Per frame the bounding square of the points (side `max(w, h)`), then the median over the frames with a face of
    centre and side, `crop.scale` times as large and moved up by `crop.shift_up` of its side.

    Args:
        landmarks: (T, L, 2) in frame pixels; NaN where no face was found.
    """
    _check_landmarks(landmarks)
    found = np.asarray(landmarks, np.float64)[faces_in(landmarks)]
    if not len(found):
        return None
    low, high = found.min(axis=1), found.max(axis=1)
    centre_x, centre_y = np.median((low + high) / 2, axis=0)
    side = float(np.median((high - low).max(axis=1))) * crop.scale
    left, top = float(centre_x) - side / 2, float(centre_y) - crop.shift_up * side - side / 2
    return Box(left, top, left + side, top + side)


def place_crop(landmarks: Floats, crop: CropSpec) -> Placement | None:
    """Where `crop` lies in a clip, or None when no frame has a face. The only place that decides it.

    `align="box"`: the square of `clip_box`; if the head is tilted by more than 12 degrees (median of the clip), it is
    turned by the rest. `align="similarity"`: a square for each frame, turned and scaled with the face; its side and its
    place are those of a bounding square round the fitted mean face. A frame without a face takes the square of the
    nearest frame with one, the earlier of two.

    Args:
        landmarks: (T, L, 2) in frame pixels; NaN where no face was found.
    """
    if crop.align == "box":
        box, tilt = clip_box(landmarks, crop), _tilt(landmarks)
        if box is None or abs(tilt) <= _LEVEL:
            return None if box is None else Placement.of_box(box)
        turned = Placement(np.zeros((1, 2)), np.ones(1), np.array([tilt - math.copysign(_LEVEL, tilt)]))
        levelled = clip_box(np.asarray(landmarks @ turned.turns[0], np.float32), crop)
        assert levelled is not None
        return Placement(turned.turns @ levelled.centre, np.array([levelled.width]), turned.angles)
    _check_landmarks(landmarks)
    seen = np.flatnonzero(faces_in(landmarks))
    origins, sides, angles = fit_mean_face(landmarks[seen])
    fitted = sides > 0
    if not fitted.any():
        return None
    distance = np.abs(np.arange(len(landmarks))[:, None] - seen[fitted])
    nearest = np.flatnonzero(fitted)[distance.argmin(axis=1)]
    face = Placement(origins[nearest], sides[nearest] * crop.scale, angles[nearest])
    up = face.turns @ (0.0, -crop.shift_up)
    return Placement(face.centres + face.sides[:, None] * up, face.sides, face.angles)


def _tilt(landmarks: Floats) -> float:
    """Return the angle of the line through the eyes in radians, clockwise as seen; median over the frames; else 0."""
    found = np.asarray(landmarks, np.float64)[faces_in(landmarks)]
    if not len(found) or landmarks.shape[1] != 68:
        return 0.0
    right, left = (found[:, eye].mean(axis=1) for eye in _EYES)
    return float(np.median(np.arctan2(*(left - right).T[::-1])))


def crop_clip(
    frames: Sequence[UInt8] | UInt8, landmarks: Floats, where: Box | Placement, size: int
) -> tuple[UInt8, Floats]:
    """Cut the crop out of every frame and resample it to `size` x `size` pixels.

    Bilinear when enlarging; when shrinking the same triangle widened to the scale, so that no pixel is skipped.
    Outside a frame its edge pixels are repeated.

    Args:
        frames: T frames uint8 (H, W, 3).
        landmarks: (T, L, 2) in frame pixels, NaN allowed.
        where: a square box in frame pixels, the same in all frames, or what `place_crop` gives.

    Returns:
        Frames uint8 (T, size, size, 3) and landmarks float32 (T, L, 2) in crop pixels.

    Raises:
        InputError: shapes do not fit, or the crop is empty, not square, or absurdly larger than the frame.
    """
    _check_landmarks(landmarks)
    if len(frames) != len(landmarks):
        given = f"{len(frames)} frames, but landmarks of {len(landmarks)}."
        raise InputError(given, "one row of landmarks a frame", "cut both alike")
    if size < 1:
        raise InputError(f"Crop size {size}.", "1 pixel or more", "use the model's input_spec.size")
    place = Placement.of_box(where) if isinstance(where, Box) else where
    if (box := place.box) is not None:
        if not all(map(math.isfinite, box)) or box.width <= 0 or abs(box.width - box.height) > 1e-3 * box.width:
            raise InputError(f"Box {tuple(box)}.", "a square (x0, y0, x1, y1) with x0 < x1", "take it from place_crop")
    elif len(place.sides) not in (1, len(frames)):
        raise InputError(
            f"{len(frames)} frames, but a crop placed in {len(place.sides)}.",
            "a placement of this clip",
            "take it from place_crop, with the clip's landmarks",
        )
    out = np.empty((len(frames), size, size, 3), np.uint8)
    for index, frame in enumerate(frames):
        own = min(index, len(place.sides) - 1)
        out[index] = _crop_turned(frame, place, own, size) if box is None else _crop_frame(frame, box, size)
    return out, to_crop(landmarks, place, size)


def to_crop(landmarks: Floats, place: Placement, size: int) -> Floats:
    """Points (T, L, 2) in frame pixels, in pixels of the crop resampled to `size`."""
    points = np.asarray(landmarks, np.float64)
    if place.box is not None:
        moved = (points - (place.box.x0, place.box.y0)) * (size / place.box.width) - 0.5
    else:
        # A rotation's inverse is its transpose; points are rows, so it is the matrix itself that stands behind them.
        upright = (points - place.centres[:, None]) @ place.turns
        moved = (upright / place.sides[:, None, None] + 0.5) * size - 0.5
    return np.asarray(moved, np.float32)


def normalise(frames: torch.Tensor, spec: InputSpec) -> torch.Tensor:
    """Turn uint8 frames (..., T, H, W, 3) into the network's clip (..., 3, T, H, W), float32, on the same device.

    Raises:
        InputError: not uint8, or no three colours at the end.
    """
    if frames.dtype != torch.uint8 or frames.ndim < 4 or frames.shape[-1] != 3:
        raise InputError(
            f"Frames of type {frames.dtype} and shape {tuple(frames.shape)}.",
            "uint8 (..., T, H, W, 3)",
            "pass the output of crop_clip, as a tensor",
        )
    mean = torch.tensor(spec.mean, dtype=torch.float32, device=frames.device)
    std = torch.tensor(spec.std, dtype=torch.float32, device=frames.device)
    clip = frames.to(torch.float32).div_(255.0).sub_(mean).div_(std)
    return clip.movedim(-1, -4).contiguous()


def _crop_turned(frame: UInt8, place: Placement, index: int, size: int) -> UInt8:
    """The square of frame `index`: turned upright at the frame's own fineness or finer, then shrunk as a box is."""
    (x, y), side, angle = place.centres[index], float(place.sides[index]), float(place.angles[index])
    _check_frame(frame, side)
    fine = max(1, math.ceil(side / size))
    reach = fine + 1  # of the filter that shrinks
    whole = size * fine + 2 * reach
    step = side / (size * fine)
    cos, sin = math.cos(angle) * step, math.sin(angle) * step
    extent = whole / 2 * (abs(cos) + abs(sin))
    rows, top = _span(y - extent, y + extent, 1, frame.shape[0])
    columns, left = _span(x - extent, x + extent, 1, frame.shape[1])
    patch = np.ascontiguousarray(frame[rows][:, columns])
    # Pillow counts from pixel edges, in both pictures.
    corner_x = x + 0.5 - left - (cos - sin) * whole / 2
    corner_y = y + 0.5 - top - (sin + cos) * whole / 2
    turn = (cos, -sin, corner_x, sin, cos, corner_y)
    bilinear = Image.Resampling.BILINEAR
    upright = Image.fromarray(patch).transform((whole, whole), Image.Transform.AFFINE, turn, bilinear)
    inner = (reach, reach, whole - reach, whole - reach)
    return np.asarray(upright.resize((size, size), bilinear, box=inner), np.uint8)


def _crop_frame(frame: UInt8, box: Box, size: int) -> UInt8:
    _check_frame(frame, box.width)
    height, width = frame.shape[:2]
    # The filter reaches this far beyond the box; Pillow would renormalise it there, at an edge that is not the frame's.
    reach = math.ceil(max(1.0, box.width / size)) + 1
    rows, top = _span(box.y0, box.y1, reach, height)
    columns, left = _span(box.x0, box.x1, reach, width)
    patch = np.ascontiguousarray(frame[rows][:, columns])
    # Pillow counts from pixel edges: its pixel i spans [i, i + 1].
    corner_x, corner_y = box.x0 + 0.5 - left, box.y0 + 0.5 - top
    inner = (corner_x, corner_y, corner_x + box.width, corner_y + box.height)
    image = Image.fromarray(patch).resize((size, size), Image.Resampling.BILINEAR, box=inner)
    return np.asarray(image, np.uint8)


def _check_frame(frame: UInt8, side: float) -> None:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise InputError(
            f"A frame of type {frame.dtype} and shape {frame.shape}.", "uint8 (H, W, 3)", "pass RGB frames"
        )
    height, width = frame.shape[:2]
    if not side <= _LARGEST_BOX * max(height, width):
        raise InputError(
            f"A box of {side:.0f} pixels in a frame of {width} x {height}.",
            f"a box at most {_LARGEST_BOX:.0f} times the frame",
            "check the landmarks: are they in pixels of this frame?",
        )


def _span(low: float, high: float, reach: int, length: int) -> tuple[slice | NDArray[np.intp], int]:
    """Indices of the pixels of [low, high] and `reach` more on each side, clamped to the frame; and the first one."""
    first, end = math.floor(low) - reach, math.ceil(high) + reach + 1
    if first >= 0 and end <= length:
        return slice(first, end), first
    return np.clip(np.arange(first, end), 0, length - 1), first


def _check_landmarks(landmarks: Floats) -> None:
    if landmarks.ndim != 3 or landmarks.shape[2] != 2:
        raise InputError(
            f"Landmarks of shape {landmarks.shape}.", "(T, L, 2): frames, points, (x, y)", "pass one row per frame"
        )
