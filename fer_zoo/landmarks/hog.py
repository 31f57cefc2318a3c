"""Searches a picture for upright faces with dlib's HOG detector (Boost licence); `dlib` and `fz68` build on it."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import MissingExtraError
from fer_zoo.landmarks.base import Box, Floats, UInt8

# The detector's box relative to the landmarks, measured on 864 detections in four videos: as wide as their bounding
# square, centred slightly above their mean.
_BOX_RISE = 0.045
# The detector finds faces of at least 80 pixels. Faces are resized to this side (pixels) before following one.
_SEARCH_FACE, _SEARCH_REGION = 100, 1.6
# When following, the position of the face is known, so the threshold can be this much lower.
_FOLLOW_EASE = 0.3


@functools.cache
def _detector() -> Any:
    """Return dlib's detector: it takes a second to unpack and milliseconds to copy."""
    import dlib

    return dlib.get_frontal_face_detector()


class HogSearch:
    """dlib's frontal face detector: a search of the whole image, coarse to fine, and one near a known position.

    Args: as `Dlib`.

    Raises:
        MissingExtraError: dlib is not installed.
    """

    def __init__(self, work_side: int, upsample: int, threshold: float) -> None:
        try:
            import dlib
        except ImportError as error:
            raise MissingExtraError(
                "The Python package 'dlib' is required but not installed.", "dlib-bin", "pip install dlib-bin"
            ) from error
        self.version = f"dlib {dlib.__version__}"
        self._threshold = threshold
        self._scales = [work_side * 2**step for step in range(upsample + 1)]
        self._detector: Any = copy.deepcopy(_detector())  # it keeps the image, so each search has its own

    def everywhere(self, image: UInt8) -> list[tuple[Box, float]]:
        """Find boxes and scores in an RGB image uint8 (H, W, 3), at the coarsest scale that shows any."""
        longer = max(image.shape[:2])
        for scale in dict.fromkeys(min(side / longer, 2.0) for side in self._scales):
            whole = Patch.cut(image, Box(-0.5, -0.5, image.shape[1] - 0.5, image.shape[0] - 0.5), scale)
            if found := self.search(whole):
                return found
        return []

    def near(self, image: UInt8, expected: Box) -> list[tuple[Box, float]]:
        """Find boxes and scores around the expected one, resized so that the face is about 100 pixels wide."""
        region = square(expected.centre, _SEARCH_REGION * expected.side)
        patch = Patch.cut(image, region, _SEARCH_FACE / expected.side)
        return self.search(patch, self._threshold - _FOLLOW_EASE)

    def search(self, patch: Patch, threshold: float | None = None) -> list[tuple[Box, float]]:
        """Find boxes and scores in a patch, at its own scale; by default with the threshold of `everywhere`."""
        rectangles, scores, _ = self._detector.run(patch.pixels, 0, self._threshold if threshold is None else threshold)
        # dlib's right and bottom are the last pixels inside the box.
        boxes = (Box(r.left() - 0.5, r.top() - 0.5, r.right() + 0.5, r.bottom() + 0.5) for r in rectangles)
        return [(patch.to_image(box), float(score)) for box, score in zip(boxes, scores, strict=True)]


def box_for_predictor(landmarks: Floats) -> Box:
    """Return the face box that corresponds to landmarks (68, 2), as dlib's detector would return it."""
    side = Box.of_points(landmarks).side
    x, y = landmarks.mean(axis=0, dtype=np.float64)
    return square((float(x), float(y) - _BOX_RISE * side), side)


def square(centre: tuple[float, float], side: float) -> Box:
    """Return the square box of that centre and side."""
    x, y = centre
    return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


@dataclass(frozen=True)
class Patch:
    """A resized greyscale region of an image; black outside the image, as dlib assumes."""

    pixels: NDArray[np.uint8]
    left: int
    top: int
    scale_x: float
    scale_y: float

    @classmethod
    def cut(cls, image: UInt8, region: Box, scale: float) -> Patch:
        """Cut a region and resize it."""
        from PIL import Image

        left, top = round(region.x0 + 0.5), round(region.y0 + 0.5)
        width, height = max(1, round(region.width)), max(1, round(region.height))
        x0, x1 = max(0, left), max(0, min(image.shape[1], left + width))
        y0, y1 = max(0, top), max(0, min(image.shape[0], top + height))
        whole = Image.new("L", (width, height))
        if x1 > x0 and y1 > y0:
            inside = Image.fromarray(np.ascontiguousarray(image[y0:y1, x0:x1])).convert("L")
            whole.paste(inside, (x0 - left, y0 - top))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if size != whole.size:
            whole = whole.resize(size, Image.Resampling.BILINEAR)
        return cls(np.asarray(whole), left, top, size[0] / width, size[1] / height)

    def to_image(self, box: Box) -> Box:
        """Map a box of the patch to the image."""
        (x0, y0), (x1, y1) = self.points_to_image(np.array([[box.x0, box.y0], [box.x1, box.y1]]))
        return Box(float(x0), float(y0), float(x1), float(y1))

    def from_image(self, box: Box) -> Box:
        """Map a box of the image to the patch."""
        x0, x1 = ((x + 0.5 - self.left) * self.scale_x - 0.5 for x in (box.x0, box.x1))
        y0, y1 = ((y + 0.5 - self.top) * self.scale_y - 0.5 for y in (box.y0, box.y1))
        return Box(x0, y0, x1, y1)

    def points_to_image(self, points: NDArray[np.float64]) -> Floats:
        """Map points (L, 2) of the patch to the image."""
        scale, origin = np.array([self.scale_x, self.scale_y]), np.array([self.left, self.top])
        return np.asarray((points + 0.5) / scale - 0.5 + origin, np.float32)
