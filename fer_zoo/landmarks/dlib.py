"""dlib's HOG face detector and 68-point shape predictor. Works offline, on the CPU.

The predictor file is in the PyPI package `face-recognition-models`, licensed CC0, but it was trained on the images of
300-W, whose terms forbid commercial use. Check both before you use it in a product.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fer_zoo.errors import MissingExtraError, WeightsError
from fer_zoo.landmarks.base import Box, Face, Floats, UInt8, keep_likely, largest_first
from fer_zoo.registry import register_landmarker
from fer_zoo.stopwatch import stage

PREDICTOR_FILE = "shape_predictor_68_face_landmarks.dat"
PREDICTOR_VARIABLE = "FER_ZOO_DLIB_PREDICTOR"

# The detector's box relative to the landmarks, measured on 864 detections in four videos: as wide as their bounding
# square, centred slightly above their mean.
_BOX_RISE = 0.045
# The HOG detector finds faces of at least 80 pixels. Faces are resized to these sides (pixels) before following a face,
# and before predicting landmarks: dlib rounds landmarks to integer pixels, which is coarse on a small face.
_SEARCH_FACE, _FIT_FACE = 100, 200
_SEARCH_REGION, _FIT_REGION = 2.0, 1.7
# When following, the position of the face is known, so the threshold can be this much lower.
_FOLLOW_EASE = 0.3
_MOST_FACES = 6


@register_landmarker("dlib")
class Dlib:
    """dlib's frontal face detector (HOG) and its 68-point regression trees.

    Args:
        predictor: file of the shape predictor; by default that of the environment variable FER_ZOO_DLIB_PREDICTOR, or
            of the package `face-recognition-models`.
        work_side: longer side in pixels to which the image is resized for the first search.
        upsample: how many times this size may be doubled if no face was found. The image is never enlarged more than
            twice.
        threshold: detector response above which a detection is a face. dlib's default of 0 misses dark faces in poor
            light; at -0.2 there were no false detections in videos without a face.
        detect_every: frames between two searches of the whole image.

    Raises:
        MissingExtraError: dlib or the predictor file is not installed.
        WeightsError: the predictor file is missing or damaged.
    """

    name = "dlib"

    def __init__(
        self,
        *,
        predictor: str | None = None,
        work_side: Annotated[int, Field(ge=160)] = 640,
        upsample: Annotated[int, Field(ge=0, le=4)] = 2,
        threshold: Annotated[float, Field(ge=-1, le=3)] = -0.2,
        detect_every: Annotated[int, Field(ge=1)] = 15,
    ) -> None:
        self._predictor_path = find_predictor(predictor)
        self._dlib = _import_dlib()
        self.version = f"dlib {self._dlib.__version__}"
        self.detect_every = detect_every
        self._threshold = threshold
        self._scales = [work_side * 2**step for step in range(upsample + 1)]
        self._detector = self._dlib.get_frontal_face_detector()

    def detect(self, image: UInt8) -> list[Face]:
        """Find all faces in an RGB image uint8 (H, W, 3), largest first, searching coarse to fine."""
        longer = max(image.shape[:2])
        for scale in dict.fromkeys(min(side / longer, 2.0) for side in self._scales):
            whole = _Patch.cut(image, Box(-0.5, -0.5, image.shape[1] - 0.5, image.shape[0] - 0.5), scale)
            if found := self._search(whole, self._threshold):
                faces = [self._face(image, box, score) for box, score in found]
                return largest_first(faces, _MOST_FACES)
        return []

    def follow(self, image: UInt8, last: Face) -> Face | None:
        """Search around the last box, resized so that the face is about 100 pixels wide."""
        expected = box_for_predictor(last.landmarks)
        region = _square(expected.centre, _SEARCH_REGION * expected.side)
        found = self._search(_Patch.cut(image, region, _SEARCH_FACE / expected.side), self._threshold - _FOLLOW_EASE)
        faces = [Face(box, score, last.landmarks) for box, score in found]
        chosen = keep_likely(faces, Face(expected, last.score, last.landmarks))
        if chosen is None:
            return None
        return self._face(image, chosen.box, chosen.score)

    def _search(self, patch: _Patch, threshold: float) -> list[tuple[Box, float]]:
        rectangles, scores, _ = self._detector.run(patch.pixels, 0, threshold)
        # dlib's right and bottom are the last pixels inside the box.
        boxes = (Box(r.left() - 0.5, r.top() - 0.5, r.right() + 0.5, r.bottom() + 0.5) for r in rectangles)
        return [(patch.to_image(box), float(score)) for box, score in zip(boxes, scores, strict=True)]

    def _face(self, image: UInt8, box: Box, score: float) -> Face:
        # The detector's box is quantised to an eighth of the face. Predicting the landmarks a second time, from the box
        # that the first landmarks imply, removes some of that jitter from the landmarks and all of it from the box.
        first = self._place(image, box)
        points = self._place(image, box_for_predictor(first))
        return Face(box_for_predictor(points), score, points)

    @stage("points")
    def _place(self, image: UInt8, box: Box) -> Floats:
        patch = _Patch.cut(image, _square(box.centre, _FIT_REGION * box.side), _FIT_FACE / box.side)
        inner = patch.from_image(box)
        rectangle = self._dlib.rectangle(*(round(v) for v in (inner.x0, inner.y0, inner.x1 - 1, inner.y1 - 1)))
        shape = self._predictor(patch.pixels, rectangle)
        points = np.array([(part.x, part.y) for part in shape.parts()], np.float64)
        return patch.points_to_image(points)

    @cached_property
    def _predictor(self) -> Any:
        try:
            return self._dlib.shape_predictor(str(self._predictor_path))
        except RuntimeError as error:
            raise WeightsError(
                f"{self._predictor_path} cannot be read by dlib: {error}",
                f"the file {PREDICTOR_FILE}",
                "reinstall it: pip install --force-reinstall face-recognition-models",
            ) from error


def box_for_predictor(points: Floats) -> Box:
    """Return the face box that corresponds to landmarks (68, 2), as dlib's detector would return it."""
    side = Box.of_points(points).side
    x, y = points.mean(axis=0, dtype=np.float64)
    return _square((float(x), float(y) - _BOX_RISE * side), side)


def find_predictor(path: str | None = None) -> Path:
    """Return the predictor file: `path`, else FER_ZOO_DLIB_PREDICTOR, else that of the installed package.

    Raises:
        WeightsError: the named file does not exist.
        MissingExtraError: no file was named and the package is not installed.
    """
    named = path or os.environ.get(PREDICTOR_VARIABLE)
    if named:
        if Path(named).is_file():
            return Path(named)
        raise WeightsError(f"There is no file {named}.", f"a copy of {PREDICTOR_FILE}", "correct the path")
    # Located without importing it: its __init__ needs pkg_resources, which newer setuptools no longer have.
    spec = importlib.util.find_spec("face_recognition_models")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder) / "models" / PREDICTOR_FILE
        if file.is_file():
            return file
    raise MissingExtraError.for_extra("face-recognition-models", "dlib")


def _import_dlib() -> Any:
    try:
        import dlib
    except ImportError as error:
        raise MissingExtraError.for_extra("dlib", "dlib") from error
    return dlib


def _square(centre: tuple[float, float], side: float) -> Box:
    x, y = centre
    return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


@dataclass(frozen=True)
class _Patch:
    """A resized greyscale region of an image; black outside the image, as dlib assumes."""

    pixels: NDArray[np.uint8]
    left: int
    top: int
    scale_x: float
    scale_y: float

    @classmethod
    def cut(cls, image: UInt8, region: Box, scale: float) -> _Patch:
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
        (x0, y0), (x1, y1) = self.points_to_image(np.array([[box.x0, box.y0], [box.x1, box.y1]]))
        return Box(float(x0), float(y0), float(x1), float(y1))

    def from_image(self, box: Box) -> Box:
        def move(x: float, y: float) -> tuple[float, float]:
            return (x + 0.5 - self.left) * self.scale_x - 0.5, (y + 0.5 - self.top) * self.scale_y - 0.5

        return Box(*move(box.x0, box.y0), *move(box.x1, box.y1))

    def points_to_image(self, points: NDArray[np.float64]) -> Floats:
        scale, origin = np.array([self.scale_x, self.scale_y]), np.array([self.left, self.top])
        return np.asarray((points + 0.5) / scale - 0.5 + origin, np.float32)
