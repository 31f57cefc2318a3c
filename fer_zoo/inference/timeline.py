"""The result of predicting on a video: one row per frame, to look at, to index, to draw and to write."""

from __future__ import annotations

import base64
import html
import operator
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Self, overload

import numpy as np

from fer_zoo.errors import OptionError, VideoError
from fer_zoo.inference import formats
from fer_zoo.inference.plot import draw_timeline
from fer_zoo.inference.rows import Row, Span, Summary, TimelineData

__all__ = ["Row", "Span", "Summary", "Timeline"]


@dataclass(frozen=True, repr=False)
class Timeline(TimelineData):
    """The expression of one face of a video over time.

    `timeline[40]` is the row of frame 40, `timeline[1.5]` the row shown at 1.5 s; slices of either give a Timeline.

    Attributes:
        video: the file, or the name of another source; width, height in displayed pixels; rate in frames per second.
        labels: in the order of the probabilities.
        model, landmarker: names and versions.
        notes: warnings about the result (a damaged file, more than one face, a very short video, ...).
        track: number of the face, from 1, where several were asked for.
        faces: different faces seen in the video.
        synthetic: the card of the weights says that they were trained on synthetic faces.
        source: where the frames can be read again for pictures; None: the file `video`.
    """

    def __repr__(self) -> str:
        return f"Timeline of {formats.describe(self, most=12)}"

    def _repr_html_(self) -> str:
        text = f"<pre>{html.escape(repr(self))}</pre>"
        try:
            figure = self.plot()
        except (OptionError, VideoError):  # no rows, or the file was moved: the text is still true
            return text
        png = BytesIO()
        figure.savefig(png, format="png", dpi=80)
        return f'{text}<img src="data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}" alt="timeline">'

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    @overload
    def __getitem__(self, index: float) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: float | slice) -> Row | Self:
        if not isinstance(index, slice):
            return self.at(index) if isinstance(index, float) else self.rows[operator.index(index)]
        if index.step is not None and index.step < 1:
            raise IndexError(f"a step of {index.step}: a timeline runs forwards")
        bounds = (index.start, index.stop)
        if any(isinstance(bound, float) for bound in bounds):
            first, end = (None if bound is None else int(np.searchsorted(self.times, bound)) for bound in bounds)
            index = slice(first, end, index.step)
        return replace(self, rows=tuple(self.rows[index]), rate=self.rate / (index.step or 1))

    def plot(self) -> Any:
        """Return the plot as a matplotlib.figure.Figure; reads the video again for the thumbnails.

        Raises:
            VideoError: the video cannot be read.
        """
        return draw_timeline(self)

    def to_csv(self, path: str | Path, *, landmarks: bool = False, pose: bool = False) -> None:
        """Write one row per frame: frame, time_s, face, x0, y0, x1, y1, label, p_<label> for each label, intensity.

        Missing values (box, label, probabilities of a frame without a face) are empty fields. `intensity` is there if
        one of the labels is `neutral`. Labels that start like a
        formula (= + - @) are prefixed with an apostrophe, so that spreadsheets show them as text. A column
        `training_faces` is added if the weights were trained on synthetic faces, a column `track` if there are several.

        Args:
            landmarks: add x_0, y_0, ..., x_67, y_67 in pixels of the video.
            pose: add yaw, pitch, roll in degrees.

        Raises:
            VideoError: the file cannot be written.
        """
        formats.write_csv([self], path, landmarks=landmarks, pose=pose)

    def to_json(self, path: str | Path, *, landmarks: bool = False, pose: bool = False) -> None:
        """Write facts, notes, summary, spans and rows (columns as `to_csv`) as one JSON object; null where missing.

        Raises:
            VideoError: the file cannot be written.
        """
        formats.write_json([self], path, landmarks=landmarks, pose=pose)

    def to_parquet(self, path: str | Path, *, landmarks: bool = False, pose: bool = False) -> None:
        """Write the columns of `to_csv` as Parquet, with model and notes in the metadata.

        Raises:
            VideoError: the file cannot be written. MissingExtraError: pyarrow is not installed (extra `tables`).
        """
        formats.write_parquet([self], path, landmarks=landmarks, pose=pose)

    def to_srt(self, path: str | Path) -> None:
        """Write one subtitle per labelled span.

        Raises:
            VideoError: the file cannot be written.
        """
        formats.write_srt([self], path)

    def to_eaf(self, path: str | Path) -> None:
        """Write the labelled spans as an ELAN annotation file (EAF 3.0).

        Raises:
            VideoError: the file cannot be written.
        """
        formats.write_eaf([self], path)

    def to_pandas(self, *, landmarks: bool = False, pose: bool = False) -> Any:
        """Return the columns of `to_csv` as a pandas.DataFrame; missing values are NaN or None.

        Raises:
            MissingExtraError: pandas is not installed (extra `tables`).
        """
        return formats.to_pandas(self, landmarks=landmarks, pose=pose)
