"""Regions of the face from its 68 landmarks, and a clip in which one of them, or a moment, is hidden."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from fer_zoo.landmarks.base import Floats, UInt8
from fer_zoo.video.crop import faces_in

Mask = NDArray[np.float32]

# Outlines by landmarks, and the landmarks that are hidden with them. Cheeks lie between jaw, nose, eyes and mouth.
_OUTLINES: dict[str, tuple[tuple[int, ...], ...]] = {
    "brows": (tuple(range(17, 22)), tuple(range(22, 27))),
    "eyes": (tuple(range(36, 42)), tuple(range(42, 48))),
    "nose": ((27, 31, 32, 33, 34, 35),),
    "cheeks": ((1, 2, 3, 4, 48, 31, 40, 41, 36), (15, 14, 13, 12, 54, 35, 47, 46, 45)),
    "mouth": (tuple(range(48, 60)),),
    "jaw": ((4, 5, 6, 7, 8, 9, 10, 11, 12, 54, 55, 56, 57, 58, 59, 48),),
}
_HIDDEN = {"brows": (17, 27), "eyes": (36, 48), "nose": (27, 36), "cheeks": (0, 0), "mouth": (48, 68), "jaw": (0, 17)}
# Grown by this share of the face's height: an outline of landmarks is thinner than what moves. What is grown takes its
# pixels from the regions that are not.
_GROWN = {"brows": 0.06, "eyes": 0.03, "nose": 0.02, "cheeks": 0.0, "mouth": 0.05, "jaw": 0.0}
REGIONS = tuple(_OUTLINES)


def region_masks(landmarks: Floats, size: int) -> dict[str, Mask]:
    """Return where each region is in a clip: 0 to 1 (T, size, size), with soft edges; 0 in frames without a face.

    Args:
        landmarks: (T, 68, 2) in clip pixels, NaN without a face.
    """
    masks = {region: np.zeros((len(landmarks), size, size), np.float32) for region in REGIONS}
    for frame in np.flatnonzero(faces_in(landmarks)):
        points, free = landmarks[frame], np.ones((size, size), np.float32)
        face = float(np.ptp(points[:, 1]))
        for region in sorted(REGIONS, key=lambda name: -_GROWN[name]):
            mask = _drawn(points, region, size, _GROWN[region] * face, face) * free
            masks[region][frame], free = mask, free - mask
    return masks


def _drawn(points: Floats, region: str, size: int, grown: float, face: float) -> Mask:
    picture = Image.new("L", (size, size))
    draw = ImageDraw.Draw(picture)
    for outline in _OUTLINES[region]:
        corners = [(float(x), float(y)) for x, y in points[list(outline)]]
        draw.polygon(corners, fill=255)
        if grown >= 1:
            draw.line([*corners, corners[0]], fill=255, width=round(2 * grown), joint="curve")
    soft = picture.filter(ImageFilter.GaussianBlur(0.01 * face))
    return np.asarray(soft, np.float32) / np.float32(255)


def blurred(frames: UInt8) -> UInt8:
    """Return frames (T, S, S, 3) in which no expression can be seen: what hidden parts are replaced by."""
    blur = ImageFilter.GaussianBlur(frames.shape[1] / 10)
    return np.stack([np.asarray(Image.fromarray(frame).filter(blur)) for frame in frames])


def landmarks_of(region: str) -> NDArray[np.bool_]:
    """Return which of the 68 landmarks are hidden with a region; none with the cheeks."""
    chosen = np.zeros(68, bool)
    chosen[slice(*_HIDDEN[region])] = True
    return chosen


def hidden(frames: UInt8, landmarks: Floats, mask: Mask, points: NDArray[np.bool_]) -> tuple[UInt8, Floats]:
    """Return a clip that is blurred where `mask` (T, S, S) is 1, with NaN for the landmarks `points` (T, 68)."""
    weight = mask[..., None]
    mixed = frames * (1 - weight) + blurred(frames) * weight
    return np.rint(mixed).astype(np.uint8), np.where(points[..., None], np.float32(np.nan), landmarks)
