"""Brows at rest as people's are on average, on any head.

Neither head's own agree with the mean of the 300-W faces: MakeHuman's are arched too high and slant as if in anger,
those of ICT-FaceKit rise towards the nose as if in sorrow. A network that learned on one took the other's people at
rest for sad, or angry.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_zoo.synth.warp import fading

Floats = NDArray[np.float64]

# Heights of the five points of a brow above the middle of the eyes, from the nose outward, in distances between the
# eyes: the mean of the 300-W annotations, all raised by 0.05, as both heads' brows lie higher.
_HEIGHTS = np.array([0.31, 0.39, 0.42, 0.38, 0.26])
_REACH = 0.12  # decimetres, standard deviation of a field round a point
_RIDGE = 0.02


def levelled(base: Floats, marks: NDArray[np.int64], seen: Floats) -> Floats:
    """Offsets (n, 3) that bring a head's brows to the heights of the mean face, and leave its eyes where they are.

    Args:
        base: vertices (n, 3), decimetres.
        marks: the 68 points' vertices.
        seen: heights that the five points of a brow have on this head's people now, from the nose outward.
    """
    points = base[marks]
    between = float(np.linalg.norm(points[36:42].mean(0) - points[42:48].mean(0)))
    up = (_HEIGHTS - seen) * between
    centres = np.vstack([points[17:27], points[36:48]])
    wanted = np.concatenate([up[::-1], up, np.zeros(12)])
    kernel = fading(centres, centres, _REACH)
    strength = np.linalg.solve(kernel + _RIDGE * np.eye(len(centres)), wanted)
    return np.asarray(np.outer(fading(base, centres, _REACH) @ strength, [0.0, 1.0, 0.0]))
