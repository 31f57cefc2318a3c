"""Simulates the errors of a landmark detector on exact landmarks.

The statistics were measured on dlib with ``tools/measure_detector_noise.py``.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import InputError

Floats = NDArray[np.float64]

GROSS_SHARE = 0.02  # fraction of clips in which the whole shape is wrong
_RIGID = 0.6  # fraction of a clip's bias that neighbouring landmarks share


@cache
def detector_table() -> dict[str, Floats]:
    """Return ``mean``, ``clip_std`` and ``frame_std``, (68, 2) each, relative to the eye distance."""
    table = json.loads((files("fer_zoo.synth") / "data" / "detector_noise.json").read_text())
    return {name: np.array(table[name], float) for name in ("mean", "clip_std", "frame_std")}


def perturb_landmarks(landmarks: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float32]:
    """Add errors like those of a landmark detector to the landmarks (..., 68, 2) of one clip, in pixels.

    All frames share one bias (mean offset of the detector plus an offset for this face); each frame has its own jitter;
    in a few clips the whole shape is shifted and scaled. Returns float32 of the same shape.

    Raises:
        InputError: the shape is not (..., 68, 2).
    """
    if landmarks.ndim < 2 or landmarks.shape[-2:] != (68, 2):
        raise InputError(
            f"Landmarks of shape {landmarks.shape}.", "(..., 68, 2)", "pass the 68 iBUG landmarks, (x, y) last"
        )
    table = detector_table()
    exact = landmarks.astype(np.float64)
    eyes = exact[..., 36:42, :].mean(-2) - exact[..., 42:48, :].mean(-2)
    scale = float(np.nanmean(np.sqrt((eyes**2).sum(-1))))
    together, alone = np.sqrt(_RIGID), np.sqrt(1 - _RIGID)
    bias = table["mean"] + table["clip_std"] * (together * _smooth_field(rng) + alone * rng.standard_normal((68, 2)))
    jitter = table["frame_std"] * rng.standard_normal(landmarks.shape)
    moved = exact + scale * (bias + jitter)
    if rng.random() < GROSS_SHARE:
        middle = moved.mean(-2, keepdims=True)
        moved = middle + (moved - middle) * rng.uniform(0.85, 1.2) + scale * rng.normal(0, 0.15, 2)
    return np.asarray(moved, np.float32)


def _smooth_field(rng: np.random.Generator) -> Floats:
    """Draw standard normal offsets (68, 2), one per part of the face."""
    field = np.empty((68, 2))
    for start, stop in ((0, 6), (6, 11), (11, 17), (17, 22), (22, 27), (27, 36), (36, 42), (42, 48), (48, 68)):
        field[start:stop] = rng.standard_normal(2)
    return field
