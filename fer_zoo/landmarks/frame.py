"""The turned square round a face that the network of `fz68` sees, and the way from its coordinates to the picture's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_zoo.landmarks.base import Floats, UInt8

_MARGIN = 1.4  # side of the square relative to the longer side of the landmarks' bounding box
_EYES, _MOUTH = slice(36, 48), slice(48, 68)


@dataclass(frozen=True)
class Frame:
    """A square: centre (x, y) and side in pixels, and the angle in radians by which it is turned, clockwise as seen."""

    x: float
    y: float
    side: float
    angle: float

    @classmethod
    def of_landmarks(cls, landmarks: Floats) -> Frame:
        """Return the square round a face's landmarks (68, 2), turned so that its mouth is below its eyes."""
        down = landmarks[_MOUTH].mean(axis=0, dtype=np.float64) - landmarks[_EYES].mean(axis=0, dtype=np.float64)
        angle = float(np.arctan2(-down[0], down[1]))
        turned = landmarks @ _turn(angle)  # the inverse turn: rows times the matrix
        low, high = turned.min(axis=0), turned.max(axis=0)
        x, y = _turn(angle) @ ((low + high) / 2)
        return cls(float(x), float(y), float(_MARGIN * (high - low).max()), angle)

    def to_image(self, points: Floats) -> Floats:
        """Map points (..., 2) of the square, -1 to 1, to pixels of the picture."""
        return np.asarray(points @ _turn(self.angle).T * (self.side / 2) + (self.x, self.y), np.float32)

    def from_image(self, points: Floats) -> Floats:
        """Map pixels (..., 2) of the picture to the square, where it spans -1 to 1."""
        return np.asarray((points - (self.x, self.y)) @ _turn(self.angle) / (self.side / 2), np.float32)

    def cut(self, image: UInt8, size: int) -> Floats:
        """Return the square of an RGB or grey picture (H, W[, 3]) as float32 (size, size), grey, 0 to 1.

        Black outside the picture. A larger square is first reduced by averaging, so that no pixel is skipped.
        """
        from PIL import Image

        reach = self.side * (abs(np.cos(self.angle)) + abs(np.sin(self.angle))) / 2 + 2
        x0, x1 = (int(np.clip(v, 0, image.shape[1])) for v in (self.x - reach, self.x + reach))
        y0, y1 = (int(np.clip(v, 0, image.shape[0])) for v in (self.y - reach, self.y + reach))
        if x1 <= x0 or y1 <= y0:
            return np.zeros((size, size), np.float32)
        region = Image.fromarray(np.ascontiguousarray(image[y0:y1, x0:x1])).convert("L")
        by = min(max(1, int(self.side / size)), region.width, region.height)
        region = region.reduce(by) if by > 1 else region
        # PIL measures from the corner of a pixel, this class from its centre.
        turn = _turn(self.angle) * (self.side / size / by)
        start = (np.array([self.x + 0.5 - x0, self.y + 0.5 - y0])) / by - turn @ (size / 2, size / 2)
        matrix = (*turn[0], start[0], *turn[1], start[1])
        crop = region.transform((size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
        return np.asarray(crop, np.float32) / np.float32(255)


def _turn(angle: float) -> NDArray[np.float64]:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])
