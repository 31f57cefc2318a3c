"""How a head is turned, from its 68 landmarks: a weak-perspective fit of a mean 3D head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_zoo.landmarks.base import Floats
from fer_zoo.video.align import STEADY

# The landmarks that expressions leave in place, averaged over 40 rendered subjects and made symmetric. Axes: x to the
# right of the picture, y up, z to the camera; the unit is the width of the face.
_HEAD = np.array(
    [
        (-0.499, 0.296, -0.498), (-0.494, 0.169, -0.475), (-0.458, 0.017, -0.339), (0.458, 0.017, -0.339),
        (0.494, 0.169, -0.475), (0.499, 0.296, -0.498), (0.0, 0.28, 0.095), (0.0, 0.167, 0.133), (0.0, 0.099, 0.171),
        (0.0, -0.002, 0.237), (-0.089, -0.047, 0.1), (-0.045, -0.062, 0.13), (0.0, -0.076, 0.147),
        (0.045, -0.062, 0.13), (0.089, -0.047, 0.1), (-0.293, 0.256, 0.004), (-0.128, 0.239, 0.018),
        (0.128, 0.239, 0.018), (0.293, 0.256, 0.004),
    ]
)  # fmt: skip
_INVERSE = np.linalg.pinv(_HEAD - _HEAD.mean(axis=0))


def head_pose(landmarks: Floats) -> NDArray[np.float64]:
    """Return yaw (to the subject's left), pitch (down) and roll (counterclockwise as seen) of faces, in degrees.

    The camera is taken for far away, and every head for the mean head, so a face seen from the front can be off by
    some degrees.

    Args:
        landmarks: (N, 68, 2) in pixels; NaN where there is no face.

    Returns:
        (N, 3); NaN where there is no face.
    """
    seen = landmarks[:, STEADY].astype(np.float64) * (1, -1)
    out = np.full((len(landmarks), 3), np.nan)
    for index in np.flatnonzero(np.isfinite(seen).all(axis=(1, 2))):
        affine = (_INVERSE @ (seen[index] - seen[index].mean(axis=0))).T
        left, _, right = np.linalg.svd(affine, full_matrices=False)
        first, second = left @ right
        third = np.cross(first, second)
        yaw = np.arctan2(-third[0], third[2])
        pitch = np.arcsin(np.clip(third[1], -1, 1))
        out[index] = np.degrees((yaw, pitch, np.arctan2(-first[1], second[1])))
    return out
