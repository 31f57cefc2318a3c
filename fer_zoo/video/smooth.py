"""Landmarks smoothed over time, without a lag and never across a gap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_zoo.landmarks.base import Floats

# Of the bell's width: what lies farther away weighs less than a hundredth.
_REACH = 3.0


def smooth_points(points: Floats, times: NDArray[np.float64], seconds: float) -> Floats:
    """Each point on the straight line that fits its track round that moment best, weighted by a bell over time.

    Still and evenly moving points stay where they are, at the ends of a track too, whatever the time between frames.
    Frames with NaN part tracks: nothing is carried over them.

    Args:
        points: (N, L, 2), NaN in frames without a face.
        times: seconds (N,), increasing.
        seconds: standard deviation of the bell; 0 changes nothing.
    """
    if seconds <= 0:
        return points
    out = points.copy()
    found = np.isfinite(points).all(axis=(1, 2))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], found, [False]])))
    for start, end in edges.reshape(-1, 2):
        out[start:end] = _fitted(points[start:end].astype(np.float64), times[start:end], seconds)
    return out


def _fitted(points: NDArray[np.float64], times: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    reach = _REACH * seconds + 1e-6  # a frame just at the edge is in on both sides, whatever the rounding
    low, high = np.searchsorted(times, times - reach), np.searchsorted(times, times + reach, side="right")
    out = np.empty_like(points)
    for index, (first, end) in enumerate(zip(low, high, strict=True)):
        away = times[first:end] - times[index]
        weights = np.exp(-0.5 * (away / seconds) ** 2)
        weights /= weights.sum()
        middle = weights @ away
        spread = weights @ (away - middle) ** 2
        # The line's value here is its mean, taken back by the slope: one set of weights for both.
        tilt = middle * (away - middle) / spread if spread > 0 else 0.0
        out[index] = np.einsum("n,nld->ld", weights * (1 - tilt), points[first:end])
    return out
