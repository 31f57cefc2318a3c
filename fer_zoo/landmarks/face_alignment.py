"""The package `face-alignment`: one of its face detectors, and the 2D FAN for the 68 landmarks.

The package downloads its weights (FAN about 90 MB, YuNet 0.2 MB) at the first use.
"""

from __future__ import annotations

import warnings
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from fer_zoo.errors import MissingExtraError, WeightsError
from fer_zoo.landmarks.base import Box, Face, Floats, UInt8, largest_first
from fer_zoo.registry import register_landmarker
from fer_zoo.stopwatch import stage


@register_landmarker("face_alignment")
class FaceAlignment:
    """2D FAN of the `face-alignment` package, by default with a fast detector instead of the package's slow SFD.

    Args:
        detector: face detector of the package; "yunet" always runs on the CPU.
        device: torch device of FAN (and of the other detectors): "cpu", "cuda", "cuda:1", "mps".
        compile: compile FAN with torch.compile, which takes about 25 s at the first call; for long videos only.
        flip_input: also run on the mirrored face and add the heat maps; slightly more accurate, twice as slow.
        batch_size: number of faces per FAN batch.
        min_score: mean peak of the heat maps (0 to 1) below which a followed face counts as lost.
        detect_every: frames between two searches of the whole image.
    """

    name = "face_alignment"

    def __init__(
        self,
        *,
        detector: Literal["yunet", "blazeface", "scrfd", "retinaface", "sfd"] = "yunet",
        device: str = "cpu",
        compile: bool = False,
        flip_input: bool = False,
        batch_size: Annotated[int, Field(ge=1)] = 8,
        min_score: Annotated[float, Field(ge=0, lt=1)] = 0.25,
        detect_every: Annotated[int, Field(ge=1)] = 15,
    ) -> None:
        try:
            import face_alignment
        except ImportError as error:
            raise MissingExtraError(
                f"The package face-alignment cannot be imported: {error}",
                "face-alignment 1.5 or newer",
                "pip install 'face-alignment>=1.5'",
            ) from error
        self._package = face_alignment
        self._settings = {
            "face_detector": detector,
            "device": device,
            "compile": compile,
            "flip_input": flip_input,
            "max_batch_size": batch_size,
        }
        # The package adds the heat maps of the original and the mirrored face without averaging.
        self._full_score = 2.0 if flip_input else 1.0
        self._min_score = min_score
        self.detect_every = detect_every
        self.version = f"face-alignment {getattr(face_alignment, '__version__', '?')} {detector}"

    def detect(self, image: UInt8) -> list[Face]:
        """Find all faces in an RGB image uint8 (H, W, 3), largest first.

        Raises:
            WeightsError: the package cannot load or download its weights.
        """
        found = self._engine.face_detector.detect_from_image(image.copy())
        boxes = [(Box(*(float(v) for v in row[:4])), float(row[4])) for row in found]
        boxes = [(box, score) for box, score in boxes if box.width > 1 and box.height > 1]
        placed = self._place(image, [box for box, _ in boxes])
        faces = [Face(box, score, points) for (box, score), (points, _) in zip(boxes, placed, strict=True)]
        return largest_first(faces)

    def follow(self, image: UInt8, last: Face) -> Face | None:
        """Predict the landmarks in the last box; None if FAN's heat maps are flat or the landmarks move too far."""
        points, score = self._place(image, [last.box])[0]
        if score < self._min_score:
            return None
        old, new = Box.of_points(last.landmarks), Box.of_points(points)
        if old.overlap(new) < 0.25 or not 0.6 < new.side / old.side < 1.6:
            return None
        return Face(_carried(last.box, old, new), score, points)

    @stage("points")
    def _place(self, image: UInt8, boxes: list[Box]) -> list[tuple[Floats, float]]:
        if not boxes:
            return []
        points, scores, _ = self._engine.get_landmarks_from_image(
            image, detected_faces=[np.array(box) for box in boxes], return_landmark_score=True
        )
        return [
            (np.asarray(face, np.float32), float(np.mean(score)) / self._full_score)
            for face, score in zip(points, scores, strict=True)
        ]

    @cached_property
    def _engine(self) -> Any:
        import torch

        # Raises if there is no such device, which is no fault of the files.
        torch.empty(0, device=str(self._settings["device"]))
        kind = self._package.LandmarksType.TWO_D
        try:
            with warnings.catch_warnings():
                # YuNet warns that it always runs on the CPU, as documented above.
                warnings.filterwarnings("ignore", message="YuNet detector runs on CPU")
                return self._package.FaceAlignment(kind, **self._settings)
        except Exception as error:  # of urllib, of torch and OpenCV for a damaged file
            cache = Path(torch.hub.get_dir(), "checkpoints")
            raise WeightsError(
                f"The package face-alignment could not load its weights: {error}",
                f"a network connection at the first use, or whole weights in {cache}",
                'connect, delete damaged files there and re-run, or use the landmarker "fz68", which works offline',
            ) from error


def _carried(box: Box, old: Box, new: Box) -> Box:
    """Move and scale `box` like the bounding box of the landmarks, from `old` to `new`."""
    factor = new.side / old.side
    x = new.centre[0] + (box.centre[0] - old.centre[0]) * factor
    y = new.centre[1] + (box.centre[1] - old.centre[1]) * factor
    half_width, half_height = box.width * factor / 2, box.height * factor / 2
    return Box(x - half_width, y - half_height, x + half_width, y + half_height)
