"""The data of a timeline, apart from how it is drawn and written, so that drawing and writing can import it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import OptionError
from fer_zoo.inference.baseline import Baseline, check_baseline, intensity, no_rest, relative
from fer_zoo.landmarks.base import Box, Floats
from fer_zoo.video.track import State

UNCERTAIN = "uncertain"
SYNTHETIC = "The weights were trained on synthetic faces only: predictions on real faces are often wrong."


@dataclass(frozen=True)
class Row:
    """One frame of the video.

    Attributes:
        frame: number of the frame, from 0.
        time_s: seconds since the first frame.
        face: "tracked", "interpolated" (over a gap of at most 0.2 s) or "none".
        box: face box in pixels of the displayed video; None without a face.
        landmarks: float32 (68, 2) in the same pixels; None without a face.
        label: the predicted label; None without a face, or if too few neighbouring frames have one.
        probabilities: one per label, summing to 1; None if `label` is None.
        track: number of the face, from 1, the same in all its frames.
        intensity: one minus the probability of neutral, 0 to 1; None without probabilities or a label `neutral`.
    """

    frame: int
    time_s: float
    face: State
    box: Box | None
    landmarks: Floats | None
    label: str | None
    probabilities: tuple[float, ...] | None
    track: int = 1
    intensity: float | None = None


def with_share(row: Row, labels: Sequence[str], share: NDArray[np.float64] | None, label: str | None = None) -> Row:
    """Return the row with other probabilities (labels,), and what follows from them."""
    if share is None:
        return replace(row, label=None, probabilities=None, intensity=None)
    label = label or labels[int(share.argmax())]
    return replace(row, label=label, probabilities=tuple(map(float, share)), intensity=intensity(labels, share))


@dataclass(frozen=True)
class Span:
    """Consecutive frames `first` to `last` with one label (None: no label).

    It lasts from `start_s`, the time of its first frame, to `end_s`, where the next span starts.
    """

    label: str | None
    first: int
    last: int
    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Summary:
    """A timeline in numbers.

    Attributes:
        frames, duration_s: of the timeline.
        frames_with_face: frames in which this face is seen; faces_seen: different faces in the video.
        share_of_time: by label, of the time that has a label, 0 to 1, the largest first.
        longest: the longest span of each label that occurs.
        mean_probability: by label, over the frames that have a label.
    """

    frames: int
    duration_s: float
    frames_with_face: int
    faces_seen: int
    share_of_time: dict[str, float]
    longest: dict[str, Span]
    mean_probability: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain dictionaries."""
        return asdict(self)


@dataclass(frozen=True, repr=False)
class TimelineData:
    """One face of a video over time; see `Timeline`."""

    video: Path
    width: int
    height: int
    rate: Fraction
    labels: tuple[str, ...]
    rows: Sequence[Row]
    model: str
    landmarker: str
    notes: tuple[str, ...] = ()
    track: int | None = None
    faces: int = 1
    synthetic: bool = False
    source: Any = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds since the first frame, (N,)."""
        return np.array([row.time_s for row in self.rows])

    @property
    def start_s(self) -> float:
        """The time of the first row, in seconds since the first frame of the video; 0 but for a part of a timeline."""
        return self.rows[0].time_s if len(self.rows) else 0.0

    @property
    def end_s(self) -> float:
        """The time at which the frame of the last row ends, in seconds since the first frame of the video."""
        return self.rows[-1].time_s + float(1 / self.rate) if len(self.rows) else 0.0

    @property
    def duration_s(self) -> float:
        """Seconds from the first row to the end of the last one."""
        return self.end_s - self.start_s

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Probabilities (N, labels); rows of NaN where there are none."""
        empty = (float("nan"),) * len(self.labels)
        return np.array([row.probabilities or empty for row in self.rows]).reshape(len(self.rows), len(self.labels))

    def spans(self, min_s: float = 0.0) -> list[Span]:
        """Return the runs of consecutive frames with the same label; each ends where the next one starts.

        Args:
            min_s: a labelled run shorter than this many seconds takes the label of the longer labelled run beside it;
                it stays if there is none. Runs without a label stay as they are.
        """
        _check("min_s", min_s, 0, float("inf"))
        groups = [(label, len(list(group))) for label, group in itertools.groupby(self.rows, key=lambda row: row.label)]
        starts = np.cumsum([0, *(count for _, count in groups)])
        times = [*self.times, self.end_s]
        spans = [
            Span(label, self.rows[int(a)].frame, self.rows[int(b) - 1].frame, float(times[a]), float(times[b]))
            for (label, _), a, b in zip(groups, starts[:-1], starts[1:], strict=True)
        ]
        while min_s > 0:
            # One that stands alone between frames without a label has nothing to join, and stays.
            short = [i for i, span in enumerate(spans) if span.duration_s < min_s - 1e-9 and _beside(spans, i)]
            if not short:
                break
            spans = _absorbed(spans, min(short, key=lambda i: spans[i].duration_s))
        return spans

    def summary(self) -> Summary:
        """Return shares of time, longest spans, mean probabilities and counts."""
        named = [span for span in self.spans() if span.label is not None]
        total = sum(span.duration_s for span in named)
        shares: dict[str, float] = {}
        longest: dict[str, Span] = {}
        for span in sorted(named, key=lambda span: -span.duration_s):
            label = str(span.label)
            shares[label] = shares.get(label, 0.0) + span.duration_s / total
            longest.setdefault(label, span)
        known = self.probabilities
        known = known[np.isfinite(known).all(axis=1)]
        means = known.mean(axis=0) if len(known) else np.full(len(self.labels), np.nan)
        return Summary(
            len(self),
            self.duration_s,
            sum(row.face != "none" for row in self.rows),
            self.faces,
            dict(sorted(shares.items(), key=lambda item: -item[1])),
            longest,
            dict(zip(self.labels, map(float, means), strict=True)),
        )

    def refined(self, smooth_s: float = 0.0, threshold: float = 0.0, min_span_s: float = 0.0) -> Self:
        """Return the timeline with smoothed probabilities and labels, in this order.

        Args:
            smooth_s: standard deviation in seconds of a Gaussian over the probabilities; never across frames without.
            threshold: frames whose largest probability is below it are labelled "uncertain".
            min_span_s: as `min_s` of `spans`.

        Raises:
            OptionError: a negative number, or a threshold above 1.
        """
        _check("smooth_s", smooth_s, 0, float("inf"))
        _check("threshold", threshold, 0, 1)
        _check("min_span_s", min_span_s, 0, float("inf"))
        shares = _smoothed(self.probabilities, self.times, smooth_s) if smooth_s else self.probabilities
        rows = []
        for row, share in zip(self.rows, shares, strict=True):
            if row.probabilities is not None:
                best = int(share.argmax())
                label = self.labels[best] if share[best] >= threshold else UNCERTAIN
                row = with_share(row, self.labels, share, label)
            rows.append(row)
        result = replace(self, rows=tuple(rows))
        if min_span_s and rows:
            spans = iter(result.spans(min_span_s))
            span = next(spans)
            for index, row in enumerate(rows):
                span = next(spans) if row.frame > span.last else span
                rows[index] = replace(row, label=span.label)
            result = replace(result, rows=tuple(rows))
        return result

    def with_baseline(self, baseline: Baseline) -> Self:
        """Return the timeline relative to the subject's own resting face, which becomes neutral.

        For a timeline that was predicted with `baseline=None`; by default, it is relative already.

        The median log-probabilities of the resting face are subtracted from those of every frame. A note says which
        part was taken. Nothing is changed, and a note says so, if the face is not seen for longer than that (for
        "auto": 3 seconds), or if "auto" finds an expression that lasts all the time.

        Args:
            baseline: seconds from the first frame of this face that has a label; "auto": the most neutral second.

        Raises:
            OptionError: neither seconds above 0 nor "auto", or the weights have no label `neutral`.
        """
        check_baseline(baseline, self.labels)
        boxes = [row.box for row in self.rows]
        shares, note = relative(self.probabilities, self.times, boxes, self.labels, baseline)
        rows = self.rows
        if shares is not None:
            rows = tuple(
                row if row.probabilities is None else with_share(row, self.labels, share)
                for row, share in zip(rows, shares, strict=True)
            )
        return replace(self, rows=rows, notes=(*self.notes, note or no_rest(baseline)))

    def per_second(self, seconds: float = 1.0) -> Self:
        """Return one row per second (or per `seconds`): mean probabilities, and box and landmarks of its first face.

        A row's frame is the first one of that second; its time is the start of the second.

        Raises:
            OptionError: `seconds` is not above 0, or too large.
        """
        _check("seconds", seconds, 1e-6, 1e6)
        rows = []
        for second, group in itertools.groupby(self.rows, key=lambda row: int(row.time_s / seconds + 1e-6)):
            members = list(group)
            seen = next((row for row in members if row.face != "none"), members[0])
            known = [row.probabilities for row in members if row.probabilities is not None]
            share = np.mean(known, axis=0) if known else None
            row = replace(seen, frame=members[0].frame, time_s=second * seconds)
            rows.append(with_share(row, self.labels, share))
        return replace(self, rows=tuple(rows), rate=1 / Fraction(seconds).limit_denominator(10**6))

    def at(self, second: float) -> Row:
        """Return the row that is shown at a time in seconds since the first frame of the video.

        Raises:
            IndexError: the time is outside the timeline.
        """
        if not self.start_s <= second < self.end_s:
            raise IndexError(f"{second} s is outside the timeline, {self.start_s:.2f} to {self.end_s:.2f} s")
        return self.rows[max(0, int(np.searchsorted(self.times, second + 1e-6, side="right")) - 1)]


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        limits = f"{least:g} to {most:g}" if most < float("inf") else f"a number >= {least:g}"
        raise OptionError(f"{name}={value}.", limits, f"set {name} to a number in that range")


def _beside(spans: list[Span], index: int) -> list[Span]:
    """Return the labelled neighbours of a labelled span."""
    if spans[index].label is None:
        return []
    return [spans[i] for i in (index - 1, index + 1) if 0 <= i < len(spans) and spans[i].label is not None]


def _absorbed(spans: list[Span], index: int) -> list[Span]:
    """Give the span at `index` the label of its longer labelled neighbour, and join equal neighbours."""
    label = max(_beside(spans, index), key=lambda span: span.duration_s).label
    joined: list[Span] = []
    for span in [*spans[:index], replace(spans[index], label=label), *spans[index + 1 :]]:
        if joined and joined[-1].label == span.label:
            joined[-1] = replace(joined[-1], last=span.last, end_s=span.end_s)
        else:
            joined.append(span)
    return joined


def _smoothed(shares: NDArray[np.float64], times: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    out = shares.copy()
    known = np.isfinite(shares).all(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]])))
    for start, end in edges.reshape(-1, 2):
        own = times[start:end]
        low, high = np.searchsorted(own, own - 3 * seconds), np.searchsorted(own, own + 3 * seconds, side="right")
        for index, (a, b) in enumerate(zip(low, high, strict=True)):
            weights = np.exp(-0.5 * ((own[a:b] - own[index]) / seconds) ** 2)
            out[start + index] = weights @ shares[start + a : start + b] / weights.sum()
    return out
