"""Make the mean face that faces are aligned to: `python tools/mean_face.py` prints `MEAN_FACE` of video/align.py.

The exact 68 points of 200 neutral synthetic faces seen from the front, brought onto each other (generalised Procrustes
analysis) and made symmetric; the bounding square has side 1 and its middle at the origin.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fer_zoo.landmarks.base import MIRROR_68
from fer_zoo.synth import render_clip

IDENTITIES = range(30_000, 30_200)  # in no recipe's split
Floats = npt.NDArray[np.float64]


def main() -> None:
    """Render, average, print."""
    clips = (render_clip(number, "neutral", frames=1, size=64, plain=True) for number in IDENTITIES)
    for x, y in np.round(mean_shape([clip.landmarks[0].astype(np.float64) for clip in clips]), 3).tolist():
        print(f"({x}, {y}),", end=" ")
    print()


def mean_shape(faces: list[Floats]) -> Floats:
    """Mean (68, 2) of shapes (68, 2), whatever their place, size and turn."""
    shapes = [face[:, 0] + 1j * face[:, 1] for face in faces]
    mirror = np.array(MIRROR_68)
    mean = shapes[0]
    for _ in range(10):
        mean = (mean - mean.mean()) / np.linalg.norm(mean - mean.mean())
        centred = [shape - shape.mean() for shape in shapes]
        aligned = [shape * np.vdot(shape, mean) / np.vdot(shape, shape) for shape in centred]
        mean = np.mean(aligned, axis=0)
        mean = (mean - mean[mirror].conj()) / 2  # a picture's x axis is mirrored by -conj
    points = np.stack([mean.real, mean.imag], axis=1)
    low, high = points.min(axis=0), points.max(axis=0)
    return np.asarray((points - (low + high) / 2) / (high - low).max())


if __name__ == "__main__":
    main()
