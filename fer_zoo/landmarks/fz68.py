"""fer_zoo's own landmarker: dlib's HOG detector finds a face, a small network trained on rendered faces reads it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from fer_zoo.errors import InputError
from fer_zoo.landmarks.base import MIRROR_68, Box, Face, UInt8, largest_first
from fer_zoo.landmarks.frame import Frame
from fer_zoo.landmarks.hog import HogSearch, Patch
from fer_zoo.registry import register_landmarker
from fer_zoo.stopwatch import stage

WEIGHTS = Path(__file__).parents[1] / "zoo" / "landmarks"
_FACE = 0.5  # minimum probability of a face
_MOVED = 0.12  # fraction of the square's side; beyond it the network runs again
_TILTS = (-0.7, 0.7)  # radians
# The square of `Frame` relative to the box of the HOG detector.
_OF_BOX = 1.4


@register_landmarker("fz68")
class Fz68:
    """68 landmarks by a network of 0.7 M parameters, trained on rendered faces only; Apache-2.0, with the package.

    Args:
        weights: folder with model.safetensors and landmarks.json; by default those of the package.
        work_side, upsample, threshold: of the search for faces, as for `dlib`.
        detect_every: frames between two searches of the whole image.

    Raises:
        MissingExtraError: dlib is not installed.
        WeightsError: the weights are missing or damaged.
    """

    name = "fz68"

    def __init__(
        self,
        *,
        weights: str | None = None,
        work_side: Annotated[int, Field(ge=160)] = 640,
        upsample: Annotated[int, Field(ge=0, le=4)] = 2,
        threshold: Annotated[float, Field(ge=-1, le=3)] = -0.2,
        detect_every: Annotated[int, Field(ge=1)] = 15,
    ) -> None:
        from fer_zoo.landmarks.stored import read_facts

        self._folder = Path(weights) if weights else WEIGHTS
        self.version = f"fz68 {read_facts(self._folder)['sha256'][:12]}"
        self.detect_every = detect_every
        self._searcher, self._turned_side = HogSearch(work_side, upsample, threshold), work_side

    def detect(self, image: UInt8) -> list[Face]:
        """Find all faces in an RGB image uint8 (H, W, 3), largest first, searching coarse to fine."""
        check_image(image)
        upright = [Frame(*box.centre, _OF_BOX * box.side, 0.0) for box, _ in self._searcher.everywhere(image)]
        return self._refine(image, upright) or self._refine(image, self._tilted(image))

    def _refine(self, image: UInt8, frames: list[Frame]) -> list[Face]:
        """Read the faces in some squares, and once more, also mirrored, in the squares that fit them."""
        first = self._place(image, frames)
        return largest_first(self._place(image, [Frame.of_landmarks(face.landmarks) for face in first], mirrored=True))

    def _tilted(self, image: UInt8) -> list[Frame]:
        """Search turned copies of the image: the HOG detector only knows upright faces."""
        height, width = image.shape[:2]
        frames = []
        for angle in _TILTS:
            whole = Frame(width / 2, height / 2, float(np.hypot(width, height)), angle)
            turned = np.rint(whole.cut(image, self._turned_side) * 255).astype(np.uint8)
            for box, _ in self._searcher.search(Patch(turned, 0, 0, 1.0, 1.0)):
                place = (np.array(box.centre) + 0.5) / self._turned_side * 2 - 1
                x, y = whole.to_image(place.astype(np.float32))
                frames.append(Frame(float(x), float(y), _OF_BOX * box.side * whole.side / self._turned_side, angle))
        return frames

    def follow(self, image: UInt8, last: Face) -> Face | None:
        """Read the face where it was in the last image, without a search; None if it is not there."""
        check_image(image)
        frame = Frame.of_landmarks(last.landmarks)
        found = self._place(image, [frame])
        if found:
            now = Frame.of_landmarks(found[0].landmarks)
            off = np.hypot(now.x - frame.x, now.y - frame.y) / frame.side
            if max(off, abs(now.side / frame.side - 1)) > _MOVED:
                found = self._place(image, [now])
        return found[0] if found else None

    @stage("points")
    def _place(self, image: UInt8, frames: list[Frame], *, mirrored: bool = False) -> list[Face]:
        """Read the faces in some squares; those that show none are left out. `mirrored`: mean of it and its mirror."""
        import torch

        from fer_zoo.landmarks.network import SIDE

        frames = [frame for frame in frames if frame.side >= 8]
        if not frames:
            return []
        crops = torch.from_numpy(np.stack([frame.cut(image, SIDE) for frame in frames]))[:, None]
        network = _load_network(self._folder, self.version)
        with torch.inference_mode():
            placed = network(crops)
            if mirrored:  # 4 % less error than once
                other = network(crops.flip(-1)).landmarks[:, MIRROR_68] * torch.tensor([-1.0, 1.0])
                placed = placed._replace(landmarks=(placed.landmarks + other) / 2)
        faces = []
        scores, spreads = placed.face.sigmoid().tolist(), placed.spread.exp().numpy()
        for frame, points, score, spread in zip(frames, placed.landmarks.numpy(), scores, spreads, strict=True):
            if score >= _FACE:
                landmarks = frame.to_image(points)
                uncertainty = np.asarray(spread * (frame.side / 2), np.float32)
                faces.append(Face(Box.of_points(landmarks), score, landmarks, uncertainty))
        return faces


@lru_cache(maxsize=2)
def _load_network(folder: Path, version: str) -> Any:
    """Load a network once for all landmarkers; it has no state. `version` names its weights."""
    from fer_zoo.landmarks.stored import load_network

    return load_network(folder)


def check_image(image: UInt8) -> None:
    """Raise an error for anything but an RGB image.

    Raises:
        InputError: not uint8, or not of shape (H, W, 3).
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(
            f"A picture of shape {image.shape} and type {image.dtype}.",
            "RGB, uint8, (height, width, 3)",
            "convert it, e.g. np.asarray(PIL.Image.open(FILE).convert('RGB'))",
        )
