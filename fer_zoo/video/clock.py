"""When a frame is shown: FFmpeg's best guess at its time stamp, or its number where the file has no time stamps."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from fer_zoo.video.decode import Decoding

# A step back by more than this is a new beginning (files joined, a counter that overflowed), not a faulty time stamp.
_RESTART_S = 1.0


class Clock:
    """Seconds since the first frame, for frames in order of showing; they always increase.

    Where time stamps step back a little, a frame is one frame's duration later than the one before; where they start
    again, the time continues from there. Steps forward are kept.

    Args:
        rate: frames per second, for frames without a time stamp.
        counted: take no time stamps at all.
        start_s: seconds of the first frame that will be given.
    """

    def __init__(self, decoding: Decoding, rate: Fraction, *, counted: bool, start_s: float = 0.0) -> None:
        self._unit, self._rate = decoding.stream.time_base, rate
        self._counted = counted or decoding.untimed
        self._start, self._last = start_s, -math.inf
        self._origin: float | None = None
        self._last_pts: float = -math.inf
        self._last_dts: float = -math.inf
        # AVI has no presentation time stamps: its demuxer numbers the frames in order of decoding.
        self._faulty_pts, self._faulty_dts = int(decoding.container.format.name == "avi"), 0

    def seconds(self, number: int, raw: Any) -> float:
        """Seconds of the next frame, which is frame `number` of the file."""
        if self._counted:
            return float(number / self._rate)
        step, stamp = float(1 / self._rate), self._stamp(raw.pts, raw.dts)
        first = self._last == -math.inf
        if stamp is None:
            time = self._start if first else self._last + step
        else:
            seconds = float(stamp * self._unit)
            if self._origin is None:
                self._origin = seconds - (self._start if first else self._last + step)
            elif self._last - (seconds - self._origin) > _RESTART_S:
                self._origin = seconds - self._last - step
            time = seconds - self._origin
        self._last = time if time > self._last else self._last + step
        return self._last

    def _stamp(self, pts: int | None, dts: int | None) -> int | None:
        """FFmpeg's `best_effort_timestamp`: pts, or dts where pts are missing or run backwards more often."""
        if dts is not None:
            self._faulty_dts += dts <= self._last_dts
            self._last_dts = dts
        elif pts is not None:
            self._last_dts = pts
        if pts is not None:
            self._faulty_pts += pts <= self._last_pts
            self._last_pts = pts
        elif dts is not None:
            self._last_pts = dts
        return pts if pts is not None and (dts is None or self._faulty_pts <= self._faulty_dts) else dts
