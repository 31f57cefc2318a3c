"""Probabilities relative to a subject's own resting face, and how strong an expression is: numbers alone, no frames."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from numbers import Real
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import OptionError
from fer_zoo.landmarks.base import Box

Floats = NDArray[np.float64]
Baseline = float | Literal["auto"]

NEUTRAL = "neutral"
AUTO_S = 1.0
# "auto" leaves shorter videos as they are: many are cut around one expression, with no resting face in them.
AUTO_LEAST_S = 3.0
# What the resting face becomes at least: the probability of neutral, the rest in equal parts. With 0.6 more
# expressions are found, with 0.85 more resting faces stay neutral (docs/lab-log.md).
REST_NEUTRAL = 0.75
# If a label is this many times as probable as neutral even in the most neutral second, the face is not at rest
# (docs/lab-log.md).
NOT_AT_REST = 2.0
_LEAST = 1e-6
# After such an absence, or where boxes overlap less, it may be another face.
_ABSENT_S, _SAME_PLACE = 1.0, 0.3
_FEWEST_FRAMES = 3  # of a resting period
_LISTED = 3  # resting periods in a note
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
    number = isinstance(baseline, Real) and not isinstance(baseline, bool)
    if not (baseline == "auto" or (number and 0 < float(baseline) < float("inf"))):
        raise OptionError(
            f"baseline={baseline!r}.",
            'seconds above 0, "auto", or None (command line: none)',
            "set it to 1, for example",
        )
    if NEUTRAL not in labels:
        raise OptionError(
            f"A baseline for weights with the labels {', '.join(labels)}.",
            "weights with a label 'neutral', which a resting face is to have",
            "leave the baseline out, or use other weights",
        )


def relative(
    shares: Floats, times: Floats, boxes: Sequence[Box | None], labels: Sequence[str], baseline: Baseline
) -> tuple[Floats | None, str]:
    """Return probabilities relative to the resting face, or None, and a note of what was done, or why nothing was.

    With "auto", each stretch of the video in which the face is followed without a break has a resting face of its own,
    since there may be somebody else after a cut; the note is empty if all are too short.

    Args:
        shares: probabilities (frames, labels), NaN where there are none.
        times: seconds, increasing, (frames,).
        boxes: of the face, one per frame.
        labels: of the columns.
        baseline: "auto", or the first seconds in which there are probabilities.
    """
    known, neutral = np.flatnonzero(np.isfinite(shares).all(axis=1)), labels.index(NEUTRAL)
    breaks = _breaks(known, times, boxes) if baseline == "auto" else []
    moved, periods, lasting = shares.copy(), list[str](), dict[str, None]()
    for stretch in np.split(known, breaks):
        period = resting_period(shares[stretch], times[stretch], neutral, baseline)
        # Networks that see whole videos give all frames the same prediction.
        if period is None or not np.ptp(shares[stretch], axis=0).any():
            continue
        rest = shares[stretch[period]]
        if baseline == "auto" and (shown := not_at_rest(rest, neutral)) is not None:
            lasting[labels[shown]] = None
            continue
        moved[stretch] = relative_to(rest, shares[stretch], neutral)
        first, last = times[stretch[period]][[0, -1]]
        periods.append(f"{first:.2f} - {last:.2f} s")
    if periods:
        more = f" and {len(periods) - _LISTED} more" if len(periods) > _LISTED else ""
        return moved, f"Labels are relative to the resting face of {', '.join(periods[:_LISTED])}{more}."
    if lasting:
        return None, f"The face shows {', '.join(lasting)} even where it is most neutral: its labels were not changed."
    return None, "" if baseline == "auto" else no_rest(baseline)


def no_rest(baseline: Baseline) -> str:
    """Return the note that no resting face was found."""
    return (
        f"No resting face (baseline {baseline}): the face is seen too briefly, or all frames have the same prediction. "
        "Its labels were not changed."
    )


def _breaks(known: NDArray[np.int64], times: Floats, boxes: Sequence[Box | None]) -> list[int]:
    """Return where in the frames `known` the face may be another than before: after an absence, or elsewhere."""
    return [
        place
        for place, (before, after) in enumerate(itertools.pairwise(known), 1)
        if times[after] - times[before] > _ABSENT_S or _elsewhere(boxes[before], boxes[after])
    ]


def _elsewhere(one: Box | None, other: Box | None) -> bool:
    return one is not None and other is not None and one.overlap(other) < _SAME_PLACE


class RunningBaseline:
    """The resting face of a subject of a stream, as "auto" finds it: the most neutral second of the last minute."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._neutral = labels.index(NEUTRAL)
        self._seen = deque[tuple[float, Floats]]()
        self._box: Box | None = None
        self._rest: Floats | None = None
        self._searched_s = float("-inf")

    def relative(self, time_s: float, share: Floats, box: Box | None) -> Floats:
        """Return probabilities (labels,) relative to the resting face; as they are while none is known."""
        if self.is_over(time_s) or _elsewhere(self._box, box):
            self._seen.clear()
            self._rest = None
        self._box = box
        self._seen.append((time_s, share))
        while time_s - self._seen[0][0] > _REMEMBERED_S:
            self._seen.popleft()
        if time_s - self._searched_s >= _SEARCH_S:
            times, shares = map(np.array, zip(*self._seen, strict=True))
            period, self._searched_s = resting_period(shares, times, self._neutral, "auto"), time_s
            rest = None if period is None else shares[period]
            self._rest = None if rest is None or not_at_rest(rest, self._neutral) is not None else rest
        return share if self._rest is None else relative_to(self._rest, share[None], self._neutral)[0]

    def is_over(self, time_s: float) -> bool:
        """Whether the face was absent for so long that it may be another's."""
        return bool(self._seen) and time_s - self._seen[-1][0] > _ABSENT_S


def resting_period(shares: Floats, times: Floats, neutral: int, baseline: Baseline) -> slice | None:
    """Return which frames show the resting face; None if the face is seen too briefly.

    Args:
        shares, times: probabilities (k, labels) and seconds (k,) of the frames that have them, in order.
        neutral: number of the label neutral.
        baseline: the first seconds, if there are more; "auto": of more than 3 seconds the one that is most neutral on
            average.
    """
    auto = baseline == "auto"
    seconds = AUTO_S if auto else float(baseline)
    if not len(times) or times[-1] - times[0] <= (AUTO_LEAST_S if auto else seconds):
        return None
    ends = np.searchsorted(times, times + seconds - 1e-6, side="left")
    if not auto:
        return slice(0, int(ends[0]))
    sums = np.cumsum(np.concatenate([[0.0], _logs(shares)[:, neutral]]))
    # Only periods that end inside, since the last frames alone would be a short one, and without long gaps.
    starts = np.flatnonzero(times + seconds <= times[-1] + 1e-6)
    counts = ends[starts] - starts
    starts = starts[counts >= max(counts.max() / 2, _FEWEST_FRAMES)]
    if not len(starts):
        return None
    means = (sums[ends[starts]] - sums[starts]) / (ends[starts] - starts)
    first = int(starts[means.argmax()])
    return slice(first, int(ends[first]))


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
    median = np.median(_logs(rest), axis=0)
    share = max(REST_NEUTRAL, float(np.exp(median[neutral]) / np.exp(median).sum()))
    typical = np.full(shares.shape[1], (1 - share) / max(shares.shape[1] - 1, 1))
    typical[neutral] = share
    moved = _logs(shares) - median + _logs(typical)
    moved = np.exp(moved - moved.max(axis=1, keepdims=True))
    return np.asarray(moved / moved.sum(axis=1, keepdims=True))


def _logs(shares: Floats) -> Floats:
    return np.log(np.maximum(shares, _LEAST))
