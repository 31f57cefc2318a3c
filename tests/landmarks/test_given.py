"""The landmarker `given` has no detector."""

from __future__ import annotations

import numpy as np
import pytest

from fer_zoo.errors import InputError
from fer_zoo.landmarks import create_landmarker
from fer_zoo.landmarks.base import Box, Face


def test_the_error_names_an_alternative() -> None:
    given = create_landmarker("given")
    image = np.zeros((20, 20, 3), np.uint8)
    face = Face(Box(0, 0, 10, 10), 1.0, np.zeros((68, 2), np.float32))
    with pytest.raises(InputError, match="--landmarker fz68"):
        given.detect(image)
    with pytest.raises(InputError, match="--landmarker fz68"):
        given.follow(image, face)
