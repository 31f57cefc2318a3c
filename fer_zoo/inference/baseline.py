"""Probabilities relative to a subject's own resting face, and how strong an expression is: numbers alone, no frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import OptionError

Floats = NDArray[np.float64]
Baseline = float | Literal["auto"]

NEUTRAL = "neutral"
AUTO_S = 1.0
# What the resting face becomes: the probability of neutral, the rest in equal parts. Of 0.5, 0.6, 0.75 and 0.9, the one
# that kept most rendered resting faces neutral without hiding expressions (docs/benchmarks.md).
REST_NEUTRAL = 0.75
# If a label is this many times as probable as neutral even in the most neutral second, the face is not at rest: so are
# 2 or 3 % of rendered resting faces, and 49 to 91 % of expressions (docs/benchmarks.md).
NOT_AT_REST = 4.5
_LEAST = 1e-6


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


def resting_frames(shares: Floats, times: Floats, neutral: int, baseline: Baseline) -> NDArray[np.int64] | None:
    """Return the frames of the resting face, (k,); None if it fills all the time in which there are probabilities.

    Args:
        shares: probabilities (frames, labels), NaN where there are none.
        times: seconds, increasing, (frames,).
        neutral: number of the label neutral.
        baseline: the first seconds that have probabilities; "auto": the second that is most neutral on average.
    """
    known = np.flatnonzero(np.isfinite(shares).all(axis=1))
    own = times[known]
    seconds = AUTO_S if baseline == "auto" else float(baseline)
    if not len(known) or own[-1] - own[0] <= seconds:
        return None
    first = 0
    ends = np.searchsorted(own, own + seconds, side="left")
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
