"""Landmarks that come with the data: no detector at all."""

from __future__ import annotations

from typing import NoReturn

from fer_zoo.errors import InputError
from fer_zoo.landmarks.base import Face, UInt8
from fer_zoo.registry import register_landmarker


@register_landmarker("given")
class Given:
    """Points are part of the data set (drawn by hand, or known because the faces are rendered)."""

    name = "given"
    version = "1"
    detect_every = 1

    def detect(self, image: UInt8) -> list[Face]:
        """Refuse: there is nothing to detect with.

        Raises:
            InputError: always.
        """
        self._refuse()

    def follow(self, image: UInt8, last: Face) -> Face | None:
        """Refuse, as `detect` does."""
        self._refuse()

    @staticmethod
    def _refuse() -> NoReturn:
        raise InputError(
            "Landmarker 'given' takes its points from a data set and cannot look for a face in a picture.",
            "a landmarker with a detector, such as 'dlib' or 'face_alignment'",
            'name one: `--landmarker dlib`, or landmarker="dlib" in the library call',
        )
