"""Which frames go into which clip: sampling by time, windows with overlap. Pure index arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import OptionError
from fer_zoo.video.sample import sample_frames, spread_frames

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class WindowPlan:
    """What the network is to look at.

    Attributes:
        frames: frame number at each tick of the sampling clock, (ticks,).
        windows: ticks of each window, (windows, length).
        nearest: the tick nearest to each frame, (frames,).
        gaps_s: lengths of the gaps at which the clock stands still, in seconds.
    """

    frames: Ints
    windows: Ints
    nearest: Ints
    gaps_s: tuple[float, ...]


def plan_windows(
    times: NDArray[np.float64], fps: float, length: int, hop: int, shape_changes: Sequence[int] = ()
) -> WindowPlan:
    """Sample a video at `fps` and lay windows of `length` ticks over it, every `hop` ticks.

    Where two frames are further apart than one window lasts, the clock stands still: no window bridges the gap, and
    what lies between two gaps is treated like a video of its own. So whatever the time stamps say, no frame is repeated
    for longer than a window, and there are hardly two windows of the same frames.

    Args:
        times: seconds since the first frame, increasing, (frames,).
        shape_changes: frames from which on the picture has another shape; no window spans such a change either.

    Raises:
        OptionError: `hop` is not in 1..length.
    """
    steps = np.diff(times)
    gaps = np.flatnonzero(steps > longest_step(fps, length)) + 1
    cuts = np.union1d(gaps, shape_changes).astype(np.int64)
    frames, tables, nearest = [], [], []
    ticks = 0
    for start, end in zip([0, *cuts], [*cuts, len(times)], strict=True):
        own = times[start:end] - times[start]
        sampled = sample_frames(own, fps)
        frames.append(sampled + start)
        tables.append(windows(len(sampled), length, hop) + ticks)
        nearest.append(nearest_ticks(own, fps, len(sampled)) + ticks)
        ticks += len(sampled)
    gaps_s = tuple(float(step) for step in steps[gaps - 1])
    return WindowPlan(np.concatenate(frames), np.concatenate(tables), np.concatenate(nearest), gaps_s)


def plan_whole(seen: NDArray[np.bool_], length: int, shape_changes: Sequence[int] = ()) -> WindowPlan:
    """Spread the `length` frames of one clip over a video, for networks that are trained so.

    Args:
        seen: which frames are meant (frames,); the clip goes from the first of them to the last.
        shape_changes: as for `plan_windows`; the longest part between two of them is used.
    """
    first, last = np.flatnonzero(seen)[[0, -1]] if seen.any() else (0, len(seen) - 1)
    cuts = [int(first), *(change for change in shape_changes if first < change <= last), int(last) + 1]
    start, end = max(pairwise(cuts), key=lambda part: part[1] - part[0])
    frames = start + spread_frames(end - start, length)
    return WindowPlan(frames, np.arange(length)[None], np.zeros(len(seen), np.int64), ())


def longest_step(fps: float, length: int) -> float:
    """Return the seconds between two frames above which there is a gap."""
    # The half millisecond is the rounding of time stamps: a step of exactly one window is no gap.
    return length / fps + 5e-4


def nearest_ticks(times: NDArray[np.float64], fps: float, ticks: int) -> Ints:
    """The tick of the clock nearest to each frame; (frames,)."""
    return np.clip(np.rint(times * fps).astype(np.int64), 0, ticks - 1)


def windows(ticks: int, length: int, hop: int) -> Ints:
    """Ticks of each window, (windows, length): every `hop` ticks, the last one moved back so that it ends at the end.

    Fewer ticks than `length` give one window that repeats the last tick.

    Raises:
        OptionError: `hop` is not in 1..length, so that frames would be skipped.
    """
    check_hop(hop, length)
    starts = list(range(0, max(1, ticks - length + 1), hop))
    if starts[-1] + length < ticks:
        starts.append(ticks - length)
    table = np.array(starts)[:, None] + np.arange(length)
    return np.minimum(table, ticks - 1).astype(np.int64)


def check_hop(hop: int | None, length: int) -> int:
    """Return the step between windows of `length` ticks, by default 2, after checking that it leaves none out.

    Raises:
        OptionError: they would, or `hop` is not positive.
    """
    hop = min(2, length) if hop is None else hop
    if not 1 <= hop <= length:
        given = "a network of single frames" if length == 1 else f"windows of {length} frames"
        accepted, action = ("1", "omit hop") if length == 1 else (f"1 to {length}", "choose a hop in that range")
        raise OptionError(f"hop={hop} for {given}.", accepted, action)
    return hop
