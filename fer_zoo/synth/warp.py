"""Registration of one head to another: similarity, smooth deformation, local fields, nearest-neighbour transfer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def similarity(source: Floats, target: Floats) -> tuple[Floats, Floats]:
    """Fit ``source @ matrix + shift`` to ``target``, both (n, 3); matrix (3, 3) is a rotation and one scale.

    Least squares without mirroring (Umeyama 1991).
    """
    middle, aim = source.mean(0), target.mean(0)
    left, stretch, right = np.linalg.svd((source - middle).T @ (target - aim))
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    scale = (stretch * sign).sum() / ((source - middle) ** 2).sum()
    matrix = scale * (left * sign) @ right
    return matrix, aim - middle @ matrix


def bending(source: Floats, target: Floats, smoothing: float) -> Callable[[Floats], Floats]:
    """Return a smooth deformation that maps ``source`` (k, 3) to ``target`` (k, 3): linear radial basis functions.

    With ``smoothing`` 0 it is exact; larger values are stiffer.
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
    """Return Gaussian weights (n, k) of points (n, 3) around centres (k, 3) with standard deviation ``reach``."""
    square = ((points[:, None] - centres[None]) ** 2).sum(-1)
    return np.asarray(np.exp(-square / (2 * reach**2)))


def carry_over(values: Floats, at: Floats, to: Floats, nearest: int = 4) -> Floats:
    """Interpolate values (m, c) at points (m, 3) to points (n, 3): inverse-distance mean of the nearest."""
    found = []
    for rows in np.array_split(to, max(1, len(to) // 500)):
        across, up, deep = ((rows[:, None, axis] - at[None, :, axis]) ** 2 for axis in range(3))
        distance = across + up + deep
        index = np.argpartition(distance, nearest, axis=1)[:, :nearest]
        share = 1 / (np.take_along_axis(distance, index, 1) + 1e-6)
        found.append((values[index] * share[..., None]).sum(1) / share.sum(1)[:, None])
    return np.concatenate(found)
