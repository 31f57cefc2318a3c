"""Moves the resting brows of a head to those of the mean face.

The brows of neither head agree with the mean of the 300-W faces: MakeHuman's are arched too high and slant as in anger,
those of ICT-FaceKit rise towards the nose as in sadness. A network trained on one head predicted sadness or anger for
neutral faces of the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_zoo.synth.warp import fading

Floats = NDArray[np.float64]

# Heights of the five landmarks of a brow above the centre of the eyes, from the nose outwards, relative to the distance
# between the eyes: the mean of the 300-W annotations, raised by 0.05 because the brows of both heads are higher.
_HEIGHTS = np.array([0.31, 0.39, 0.42, 0.38, 0.26])
_REACH = 0.12  # decimetres, standard deviation of the field around a landmark
_RIDGE = 0.02


def levelled(base: Floats, marks: NDArray[np.int64], heights: Floats) -> Floats:
    """Return offsets (n, 3) that move a head's brows to the heights of the mean face without moving its eyes.

    Args:
        base: vertices (n, 3), decimetres.
        marks: vertices of the 68 landmarks.
        heights: current mean heights of the five brow landmarks of this head's subjects, from the nose outwards.
    """
    points = base[marks]
    between = float(np.linalg.norm(points[36:42].mean(0) - points[42:48].mean(0)))
    up = (_HEIGHTS - heights) * between
    centres = np.vstack([points[17:27], points[36:48]])
    wanted = np.concatenate([up[::-1], up, np.zeros(12)])
    kernel = fading(centres, centres, _REACH)
    strength = np.linalg.solve(kernel + _RIDGE * np.eye(len(centres)), wanted)
    return np.asarray(np.outer(fading(base, centres, _REACH) @ strength, [0.0, 1.0, 0.0]))
