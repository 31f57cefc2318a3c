"""dlib's HOG face detector and 68-point shape predictor. Works offline, on the CPU.

The predictor file is in the PyPI package `face-recognition-models`, licensed CC0, but it was trained on the images of
300-W, whose terms forbid commercial use. Check both before you use it in a product.
"""

from __future__ import annotations

import importlib.util
import os
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from fer_zoo.errors import MissingExtraError, WeightsError
from fer_zoo.landmarks.base import Box, Face, Floats, UInt8, keep_likely, largest_first
from fer_zoo.landmarks.hog import HogSearch, Patch, box_for_predictor, square
from fer_zoo.registry import register_landmarker
from fer_zoo.stopwatch import stage

PREDICTOR_FILE = "shape_predictor_68_face_landmarks.dat"
PREDICTOR_VARIABLE = "FER_ZOO_DLIB_PREDICTOR"

# Faces are resized to this side (pixels) before predicting landmarks: dlib rounds them to integer pixels.
_FIT_FACE, _FIT_REGION = 200, 1.7
# The detector's box is quantised to an eighth of the face: if it overlaps the expected one by more than this, that one
# is the better start. Landmarks are predicted again if their box is off the start by more than this share of its side.
_AGREES, _SETTLED = 0.6, 0.02


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
        self._searcher = HogSearch(work_side, upsample, threshold)
        self.version = self._searcher.version
        self.detect_every = detect_every

    def detect(self, image: UInt8) -> list[Face]:
        """Find all faces in an RGB image uint8 (H, W, 3), largest first, searching coarse to fine."""
        faces = [self._face(image, box, score) for box, score in self._searcher.everywhere(image)]
        return largest_first(faces)

    def follow(self, image: UInt8, last: Face) -> Face | None:
        """Search around the last box."""
        expected = box_for_predictor(last.landmarks)
        faces = [Face(box, score, last.landmarks) for box, score in self._searcher.near(image, expected)]
        chosen = keep_likely(faces, Face(expected, last.score, last.landmarks))
        if chosen is None:
            return None
        start = expected if expected.overlap(chosen.box) > _AGREES else chosen.box
        return self._face(image, start, chosen.score)

    def _face(self, image: UInt8, box: Box, score: float) -> Face:
        # Landmarks depend a little on the box that they are predicted from. Predicting them a second time, from the box
        # that the first landmarks imply, removes some of the jitter of the detector's box from them.
        points = self._place(image, box)
        implied = box_for_predictor(points)
        if max(abs(new - old) for new, old in zip(implied, box, strict=True)) > _SETTLED * box.side:
            points = self._place(image, implied)
        return Face(box_for_predictor(points), score, points)

    @stage("points")
    def _place(self, image: UInt8, box: Box) -> Floats:
        import dlib

        patch = Patch.cut(image, square(box.centre, _FIT_REGION * box.side), _FIT_FACE / box.side)
        inner = patch.from_image(box)
        rectangle = dlib.rectangle(*(round(v) for v in (inner.x0, inner.y0, inner.x1 - 1, inner.y1 - 1)))
        shape = self._predictor(patch.pixels, rectangle)
        points = np.array([(part.x, part.y) for part in shape.parts()], np.float64)
        return patch.points_to_image(points)

    @cached_property
    def _predictor(self) -> Any:
        try:
            return _load_predictor(self._predictor_path, self._predictor_path.stat().st_mtime_ns)
        except (RuntimeError, OSError) as error:
            raise WeightsError(
                f"{self._predictor_path} cannot be read by dlib: {error}",
                f"the file {PREDICTOR_FILE}",
                "reinstall it: pip install --force-reinstall face-recognition-models",
            ) from error


@lru_cache(maxsize=1)
def _load_predictor(path: Path, changed: int) -> Any:
    """Load a predictor, of 100 MB, once for all landmarkers; it has no state. `changed` is the time of its file."""
    import dlib

    return dlib.shape_predictor(str(path))


def find_predictor(path: str | None = None) -> Path:
    """Return the predictor file: `path`, else FER_ZOO_DLIB_PREDICTOR, else that of the installed package.

    Raises:
        WeightsError: the named file does not exist.
        MissingExtraError: no file was named and the package is not installed.
    """
    named = path or os.environ.get(PREDICTOR_VARIABLE)
    if named:
        if os.path.isfile(named):
            return Path(named)
        raise WeightsError(f"There is no file {named}.", f"a copy of {PREDICTOR_FILE}", "correct the path")
    # Located without importing it: its __init__ needs pkg_resources, which newer setuptools no longer have.
    spec = importlib.util.find_spec("face_recognition_models")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder) / "models" / PREDICTOR_FILE
        if file.is_file():
            return file
    raise MissingExtraError.for_extra("face-recognition-models", "dlib")
