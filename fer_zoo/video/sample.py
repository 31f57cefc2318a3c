"""Which frames of a video are seen at a given rate: shared by preparation and inference, so that they cannot drift."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def spread_frames(count: int, length: int, place: float | NDArray[np.float64] = 0.5) -> NDArray[np.int64]:
    """Frame numbers (..., length) of one frame in each of `length` equal parts of `count` frames (Wang et al. 2016).

    If there are fewer frames than parts, some are repeated.

    Args:
        place: where in its part a frame is, from 0 to below 1; a number, or one for each part (..., length).
    """
    return np.floor((np.arange(length) + place) * count / length).astype(np.int64)


def sample_frames(times: NDArray[np.float64], fps: float, first_tick: int = 0) -> NDArray[np.int64]:
    """Frame number at each tick of a clock of `fps`: the frame nearest in time; (ticks,).

    A faster video is thinned, a slower one repeats frames, so that motion has the speed the network was trained with.

    Args:
        times: seconds since the first frame, increasing, (frames,).
        first_tick: leave out the ticks before this one; `times` may then start shortly before it.
    """
    # A tick may lie up to half a millisecond behind the last frame: rates like 29.97 do not divide evenly.
    ticks = np.arange(first_tick, math.floor((times[-1] + 5e-4) * fps) + 1) / fps
    right = np.clip(np.searchsorted(times, ticks), 1, max(1, len(times) - 1))
    left = right - 1
    right = np.minimum(right, len(times) - 1)
    nearer_left = ticks - times[left] <= times[right] - ticks
    return np.where(nearer_left, left, right).astype(np.int64)
