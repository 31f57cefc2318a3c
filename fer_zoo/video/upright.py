"""Turning stored pictures upright, as a video's display matrix says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fer_zoo.landmarks.base import UInt8


@dataclass(frozen=True)
class Orientation:
    """How a stored image is turned upright: swap rows and columns first, then mirror."""

    transposed: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    def apply(self, image: UInt8) -> UInt8:
        """The image as it is to be shown."""
        if self.transposed:
            image = image.transpose(1, 0, 2)
        image = image[:: -1 if self.mirror_y else 1, :: -1 if self.mirror_x else 1]
        return np.ascontiguousarray(image)


def orientation(raw: Any) -> Orientation:
    """How a decoded frame says that it is to be turned, to the nearest right angle."""
    from av.sidedata.sidedata import Type

    data = raw.side_data.get(Type.DISPLAYMATRIX)
    if data is None:
        return Orientation()
    a, b, _, c, d, *_ = np.frombuffer(bytes(data), np.int32).astype(float)
    # A point (x, y) is shown at (a x + c y, b x + d y); angles between the right ones go to the nearest.
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, a < 0, d < 0)
    return Orientation(True, c < 0, b < 0)
