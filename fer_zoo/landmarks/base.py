"""Box, face, and the protocol of landmark detectors. Detectors are stateless; tracking is in `fer_zoo.video`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]
Floats = NDArray[np.float32]

# Left and right swapped, of the 68 iBUG points: what a mirrored face's point i was before.
MIRROR_68 = (
    *range(16, -1, -1),  # jaw line
    *range(26, 16, -1),  # brows
    *range(27, 31), *range(35, 30, -1),  # nose
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,  # eyes
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,  # mouth
)  # fmt: skip


class Box(NamedTuple):
    """Axis-aligned box in pixels: left, top, right and bottom edge. Pixel i spans [i - 0.5, i + 0.5]."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Horizontal extent in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Vertical extent in pixels."""
        return self.y1 - self.y0

    @property
    def side(self) -> float:
        """The longer of width and height."""
        return max(self.width, self.height)

    @property
    def centre(self) -> tuple[float, float]:
        """Centre of the box (x, y)."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def scaled(self, factor: float) -> Box:
        """Return the box in the image resized by `factor`."""
        # Resizing maps edges to edges, and the left edge of the image is at -0.5.
        return Box(*((edge + 0.5) * factor - 0.5 for edge in self))

    def overlap(self, other: Box) -> float:
        """Return the intersection over union, 0 to 1."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        if width <= 0 or height <= 0:
            return 0.0
        common = width * height
        return common / (self.width * self.height + other.width * other.height - common)

    @classmethod
    def of_points(cls, points: Floats) -> Box:
        """Return the bounding box of points (L, 2)."""
        (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
        return cls(float(x0), float(y0), float(x1), float(y1))


@dataclass(frozen=True)
class Face:
    """A face in an image: box, confidence of the engine (higher is better), landmarks float32 (68, 2) in pixels.

    uncertainty: expected error of each landmark (68,) in pixels; None for engines that do not estimate it.
    """

    box: Box
    score: float
    landmarks: Floats
    uncertainty: Floats | None = None

    def scaled(self, factor: float) -> Face:
        """Return the face in the image resized by `factor`."""
        uncertainty = None if self.uncertainty is None else self.uncertainty * np.float32(factor)
        return Face(self.box.scaled(factor), self.score, scaled_points(self.landmarks, factor), uncertainty)


def scaled_points(points: Floats, factor: float) -> Floats:
    """Return points (..., 2) of an image in the image resized by `factor`."""
    return np.asarray((points + 0.5) * factor - 0.5, np.float32)


@runtime_checkable
class Landmarker(Protocol):
    """A detector of faces and their 68 iBUG landmarks, without state between images."""

    name: str
    version: str
    # Searching the whole image is slow: tracking does it every `detect_every` frames and follows in between.
    detect_every: int

    def detect(self, image: UInt8) -> list[Face]:
        """Find all faces in an RGB image uint8 (H, W, 3), largest first; an empty list if there is none."""
        ...

    def follow(self, image: UInt8, last: Face) -> Face | None:
        """Find a face of the previous image near its last position; None if it is not there."""
        ...


def keep_likely(candidates: list[Face], last: Face) -> Face | None:
    """Choose the candidate that can be `last` one frame later: the most overlapping one of a similar size."""
    likely = [
        (overlap, face)
        for face in candidates
        if (overlap := face.box.overlap(last.box)) > 0.25 and 0.6 < face.box.side / last.box.side < 1.6
    ]
    return max(likely, key=lambda pair: pair[0])[1] if likely else None


def largest_first(faces: list[Face]) -> list[Face]:
    """Return at most six faces, largest box first."""
    return sorted(faces, key=lambda face: -face.box.side)[:6]
