"""Bring one head onto another: by moving and scaling, bending, pulling locally, and taking over what lies nearest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def similarity(source: Floats, target: Floats) -> tuple[Floats, Floats]:
    """Matrix (3, 3), a turn and one scale, and shift (3,) with ``source @ matrix + shift`` nearest to ``target``.

    Least squares without mirroring (Umeyama 1991); both are (n, 3).
    """
    middle, aim = source.mean(0), target.mean(0)
    left, stretch, right = np.linalg.svd((source - middle).T @ (target - aim))
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    scale = (stretch * sign).sum() / ((source - middle) ** 2).sum()
    matrix = scale * (left * sign) @ right
    return matrix, aim - middle @ matrix


def bending(source: Floats, target: Floats, smoothing: float) -> Callable[[Floats], Floats]:
    """Smooth map of space that takes ``source`` (k, 3) near ``target`` (k, 3): linear radial basis functions.

    ``smoothing`` 0 hits the targets; more is stiffer.
    """
    k = len(source)
    system = np.zeros((k + 1, k + 1))
    system[:k, :k] = smoothing * np.eye(k) - np.linalg.norm(source[:, None] - source[None], axis=-1)
    system[:k, k] = system[k, :k] = 1.0
    weights = np.linalg.solve(system, np.vstack([target - source, np.zeros((1, 3))]))

    def bend(points: Floats) -> Floats:
        reach = -np.linalg.norm(points[:, None] - source[None], axis=-1)
        return np.asarray(points + np.einsum("nk,kc->nc", reach, weights[:k]) + weights[k])

    return bend


def fading(points: Floats, centres: Floats, reach: Floats | float) -> Floats:
    """Weights (n, k) of points (n, 3) about centres (k, 3): 1 there, falling as a Gaussian of deviation ``reach``."""
    square = ((points[:, None] - centres[None]) ** 2).sum(-1)
    return np.asarray(np.exp(-square / (2 * reach**2)))


def carry_over(values: Floats, at: Floats, to: Floats, nearest: int = 4) -> Floats:
    """Values (m, c) known at points (m, 3), at other points (n, 3): mean of the nearest, the nearer the more."""
    found = []
    for rows in np.array_split(to, max(1, len(to) // 500)):
        across, up, deep = ((rows[:, None, axis] - at[None, :, axis]) ** 2 for axis in range(3))
        distance = across + up + deep
        index = np.argpartition(distance, nearest, axis=1)[:, :nearest]
        share = 1 / (np.take_along_axis(distance, index, 1) + 1e-6)
        found.append((values[index] * share[..., None]).sum(1) / share.sum(1)[:, None])
    return np.concatenate(found)
