"""Landmarks that are part of a dataset; not a detector."""

from __future__ import annotations

from typing import NoReturn

from fer_zoo.errors import InputError
from fer_zoo.landmarks.base import Face, UInt8
from fer_zoo.registry import register_landmarker


@register_landmarker("given")
class Given:
    """Landmarks that are part of the dataset (annotated by hand, or known because the faces are rendered)."""

    name = "given"
    version = "1"
    detect_every = 1

    def detect(self, image: UInt8, last: Face | None = None) -> NoReturn:
        """Always an error, because this landmarker cannot detect faces.

        Raises:
            InputError: always.
        """
        raise InputError(
            "The landmarker 'given' has no detector; it is for landmarks that are part of a dataset.",
            "a landmarker that detects faces, e.g. 'fz68' or 'dlib'",
            'choose one: `--landmarker fz68`, or landmarker="fz68" in Python',
        )

    follow = detect
