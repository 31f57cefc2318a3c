"""Probabilities relative to a subject's own resting face, and how strong an expression is: numbers alone, no frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import OptionError

Floats = NDArray[np.float64]
Baseline = float | Literal["auto"]

NEUTRAL = "neutral"
AUTO_S = 1.0
# "auto" leaves shorter videos as they are: many are cut around one expression, with no resting face in them.
AUTO_LEAST_S = 3.0
# What the resting face becomes: the probability of neutral, the rest in equal parts. Of 0.5, 0.6, 0.75 and 0.9, the one
# that kept most rendered resting faces neutral without hiding expressions (docs/benchmarks.md).
REST_NEUTRAL = 0.75
# If a label is this many times as probable as neutral even in the most neutral second, the face is not at rest
# (docs/lab-log.md).
NOT_AT_REST = 2.0
_LEAST = 1e-6
# Of a stream: what is remembered of a face, and the time between two searches for its resting face.
_REMEMBERED_S, _SEARCH_S = 60.0, 0.2


def intensity(labels: Sequence[str], share: Sequence[float] | Floats | None) -> float | None:
    """Return how strong the expression is, 0 to 1: one minus the probability of neutral; None if there is none."""
    return None if share is None or NEUTRAL not in labels else float(1 - share[labels.index(NEUTRAL)])


def check_baseline(baseline: Baseline, labels: Sequence[str]) -> None:
    """Check a baseline for weights with these labels.

    Raises:
        OptionError: it is neither a number of seconds above 0 nor "auto", or no label is neutral.
    """
    number = isinstance(baseline, int | float) and not isinstance(baseline, bool)
    if not (baseline == "auto" or (number and 0 < float(baseline) < float("inf"))):
        raise OptionError(f"baseline={baseline!r}.", 'seconds above 0, or "auto"', "set it to 1, for example")
    if NEUTRAL not in labels:
        raise OptionError(
            f"A baseline for weights with the labels {', '.join(labels)}.",
            "weights with a label 'neutral', which a resting face is to have",
            "leave the baseline out, or use other weights",
        )


def find_rest(
    shares: Floats, times: Floats, labels: Sequence[str], baseline: Baseline
) -> tuple[Floats, str] | tuple[None, str]:
    """Return the probabilities (k, labels) of the resting face and a note of which part that is.

    None, and a note with the reason, if the face is seen too briefly, or if "auto" finds an expression that lasts all
    the time. `shares` (frames, labels) are NaN where there are none; `times` (frames,) in seconds.
    """
    neutral = labels.index(NEUTRAL)
    frames = resting_frames(shares, times, neutral, baseline)
    if frames is None:
        return None, f"The face is seen too briefly for a baseline ({baseline}): its labels were not changed."
    rest = shares[frames]
    if baseline == "auto" and (lasting := not_at_rest(rest, neutral)) is not None:
        return None, f"The face shows {labels[lasting]} even where it is most neutral: its labels were not changed."
    part = f"{times[frames[0]]:.2f} - {times[frames[-1]]:.2f} s"
    return rest, f"Labels are relative to the resting face of {part}."


class RunningBaseline:
    """The resting face of a subject of a stream, as "auto" finds it: the most neutral second of the last minute."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels, self._neutral = labels, labels.index(NEUTRAL)
        self._seen = deque[tuple[float, Floats]]()
        self._rest: Floats | None = None
        self._searched_s = float("-inf")

    def relative(self, time_s: float, share: Floats) -> Floats:
        """Return probabilities (labels,) relative to the resting face; as they are while none is known."""
        self._seen.append((time_s, share))
        while time_s - self._seen[0][0] > _REMEMBERED_S:
            self._seen.popleft()
        if time_s - self._searched_s >= _SEARCH_S:
            times, shares = map(np.array, zip(*self._seen, strict=True))
            self._rest, self._searched_s = find_rest(shares, times, self._labels, "auto")[0], time_s
        return share if self._rest is None else relative_to(self._rest, share[None], self._neutral)[0]


def resting_frames(shares: Floats, times: Floats, neutral: int, baseline: Baseline) -> NDArray[np.int64] | None:
    """Return the frames of the resting face, (k,); None if the face is seen too briefly.

    Args:
        shares: probabilities (frames, labels), NaN where there are none.
        times: seconds, increasing, (frames,).
        neutral: number of the label neutral.
        baseline: the first seconds that have probabilities, of a face that is seen for longer; "auto": the second that
            is most neutral on average, of a face that is seen for more than three.
    """
    known = np.flatnonzero(np.isfinite(shares).all(axis=1))
    own = times[known]
    seconds = AUTO_S if baseline == "auto" else float(baseline)
    if not len(known) or own[-1] - own[0] <= (AUTO_LEAST_S if baseline == "auto" else seconds):
        return None
    first = 0
    ends = np.searchsorted(own, own + seconds - 1e-6, side="left")
    if baseline == "auto":
        sums = np.cumsum(np.concatenate([[0.0], _logs(shares[known])[:, neutral]]))
        # Only periods that end inside: the last frames alone would be a short one.
        starts = np.flatnonzero(own + seconds <= own[-1] + 1e-6)
        means = (sums[ends[starts]] - sums[starts]) / (ends[starts] - starts)
        first = int(starts[means.argmax()])
    return known[first : ends[first]]


def not_at_rest(rest: Floats, neutral: int) -> int | None:
    """Return the number of the label that the median of frames (k, labels) shows too clearly for a resting face."""
    typical = np.exp(np.median(_logs(rest), axis=0))
    likely = int(typical.argmax())
    return likely if typical[likely] > NOT_AT_REST * typical[neutral] else None


def relative_to(rest: Floats, shares: Floats, neutral: int) -> Floats:
    """Return probabilities (frames, labels) shifted so that the median of the resting face's (k, labels) is neutral.

    In log-probabilities, which are logits but for a constant: what of them belongs to the face stays the same while
    the face moves, and is subtracted.
    """
    typical = np.full(shares.shape[1], (1 - REST_NEUTRAL) / max(shares.shape[1] - 1, 1))
    typical[neutral] = REST_NEUTRAL
    moved = _logs(shares) - np.median(_logs(rest), axis=0) + np.log(typical)
    moved = np.exp(moved - moved.max(axis=1, keepdims=True))
    return np.asarray(moved / moved.sum(axis=1, keepdims=True))


def _logs(shares: Floats) -> Floats:
    return np.log(np.maximum(shares, _LEAST))
