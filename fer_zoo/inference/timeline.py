"""The result of predicting on a video: one row per frame."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_zoo.csv_cells import to_cell
from fer_zoo.landmarks.base import Box, Floats
from fer_zoo.video.track import State
from fer_zoo.video.writer import output_file


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
    """

    frame: int
    time_s: float
    face: State
    box: Box | None
    landmarks: Floats | None
    label: str | None
    probabilities: tuple[float, ...] | None


@dataclass(frozen=True)
class Span:
    """Consecutive frames with one label (None: no label), including both ends, with their times in seconds."""

    label: str | None
    first: int
    last: int
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Timeline:
    """The expression of the main face of a video over time.

    Attributes:
        video: the file; width, height in displayed pixels; rate in frames per second.
        labels: in the order of the probabilities.
        model, landmarker: names and versions.
        notes: warnings about the result (a damaged file, more than one face, a very short video, ...).
    """

    video: Path
    width: int
    height: int
    rate: Fraction
    labels: tuple[str, ...]
    rows: Sequence[Row]
    model: str
    landmarker: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds since the first frame, (N,)."""
        return np.array([row.time_s for row in self.rows])

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Probabilities (N, labels); rows of NaN where there are none."""
        empty = (float("nan"),) * len(self.labels)
        return np.array([row.probabilities or empty for row in self.rows]).reshape(len(self.rows), len(self.labels))

    def spans(self) -> Iterator[Span]:
        """Yield the runs of consecutive frames with the same label."""
        for label, group in itertools.groupby(self.rows, key=lambda row: row.label):
            rows = list(group)
            yield Span(label, rows[0].frame, rows[-1].frame, rows[0].time_s, rows[-1].time_s)

    def to_csv(self, path: str | Path) -> None:
        """Write one row per frame: frame, time_s, face, x0, y0, x1, y1, label, and p_<label> for each label.

        Missing values (box, label, probabilities of a frame without a face) are empty fields. Labels that start like a
        formula (= + - @) are prefixed with an apostrophe, so that spreadsheets show them as text.

        Raises:
            VideoError: the file cannot be written.
        """
        header = ["frame", "time_s", "face", "x0", "y0", "x1", "y1", "label", *(f"p_{label}" for label in self.labels)]
        with output_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(self._fields(row) for row in self.rows)

    def _fields(self, row: Row) -> list[str]:
        box = [f"{edge:.1f}" for edge in row.box] if row.box else [""] * 4
        shares = [f"{p:.4f}" for p in row.probabilities] if row.probabilities else [""] * len(self.labels)
        return [str(row.frame), f"{row.time_s:.4f}", row.face, *box, to_cell(row.label or ""), *shares]
