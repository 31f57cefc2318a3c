"""The timeline as a figure: faces on top, probabilities over time, predicted labels below."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fer_zoo.errors import OptionError
from fer_zoo.inference.palette import label_colours
from fer_zoo.inference.rows import SYNTHETIC, UNCERTAIN, Row, TimelineData
from fer_zoo.landmarks.base import UInt8, scaled_points
from fer_zoo.paths import shown
from fer_zoo.specs import CropSpec
from fer_zoo.video.crop import clip_box, crop_clip
from fer_zoo.video.reader import open_video
from fer_zoo.video.writer import output_file

_THUMBNAILS, _THUMBNAIL_PIXELS = 6, 200
# In inches. Narrow, so that 11 points can be read where the picture is as wide as a phone.
_WIDTH, _HEIGHT = 7.2, 5.4
# Left, bottom, right and top edge of the curves, as shares of the figure.
CURVES = (0.085, 0.265, 0.765, 0.67)
_LEFT, _BOTTOM, _RIGHT, _TOP = CURVES
_SIZE = 11
_LONGEST, _LONGEST_TITLE = 14, 44  # characters that fit
_INK, _FAINT = "#22262c", "#b9bec7"


def plot_timeline(timeline: TimelineData, path: str | Path, options: str = "") -> None:
    """Plot the timeline to an image file, in the format of its suffix; reads the video again for the thumbnails.

    Args:
        options: how the timeline was made, as text; a .png file records it, and which video it is of.

    Raises:
        VideoError: the video cannot be read, or the figure cannot be written.
    """
    png = Path(path).suffix.lower() == ".png"
    metadata = {"Source": shown(timeline.video.resolve()), "Options": options}
    # Characters missing in the font are drawn as boxes.
    with output_file(path) as temporary, warnings.catch_warnings(action="ignore", category=UserWarning):
        figure = draw_timeline(timeline)
        figure.savefig(temporary, metadata=metadata if png else None)


def draw_timeline(timeline: TimelineData) -> Any:
    """Return the plot as a matplotlib Figure.

    Raises:
        OptionError: the timeline has no rows.
        VideoError: the video cannot be read.
    """
    if not len(timeline):
        raise OptionError("A timeline without rows.", "one row or more", "plot a longer part of the timeline")
    import matplotlib
    from matplotlib.figure import Figure

    # Without pyplot, which keeps a global list of figures and may need a display.
    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=250, facecolor="white")
    colours = {
        label: f"#{bytes(colour).hex()}" for label, colour in label_colours((*timeline.labels, UNCERTAIN)).items()
    }
    with matplotlib.rc_context({"text.parse_math": False}):  # a $ in a name or label is not math
        curves = figure.add_axes((_LEFT, _BOTTOM, _RIGHT - _LEFT, _TOP - _BOTTOM))
        strip = figure.add_axes((_LEFT, 0.155, _RIGHT - _LEFT, 0.05), sharex=curves)
        _draw_curves(curves, timeline, colours)
        _draw_strip(strip, timeline, colours)
        _draw_thumbnails(figure, curves, timeline, colours)
        name = shortened(shown(timeline.video.name), _LONGEST_TITLE)
        title = name if timeline.track is None else f"{name}, face {timeline.track}"
        figure.text(_LEFT, 0.95, title, size=14, weight="bold", color=_INK)
        made = f"{shown(timeline.model)}  ·  landmarks: {timeline.landmarker}"
        figure.text(_LEFT, 0.905, made, size=_SIZE - 1, color="#666c76")
        if timeline.synthetic:
            figure.text(0.985, 0.014, SYNTHETIC, size=_SIZE - 0.5, color="#b03a2e", ha="right")
    return figure


def shortened(text: str, most: int) -> str:
    """Return a text without its middle if it has more than `most` characters."""
    return text if len(text) <= most else f"{text[: most - most // 3 - 1]}…{text[-(most // 3) :]}"


def recorded(path: str | Path) -> dict[str, str]:
    """Return what a .png file of `plot_timeline` records: `Source`, the video's absolute path, and `Options`."""
    try:
        with Image.open(path) as picture:
            return {key: picture.info[key] for key in ("Source", "Options") if isinstance(picture.info.get(key), str)}
    except (OSError, ValueError, SyntaxError):  # missing, damaged or not an image
        return {}


def _draw_curves(axes: Any, timeline: TimelineData, colours: dict[str, str]) -> None:
    times, shares = timeline.times, timeline.probabilities
    step = float(1 / timeline.rate)
    axes.set_xlim(times[0] - step / 2, times[-1] + step / 2)
    axes.set_ylim(0, 1.02)
    # The label with the highest peak is drawn last, on top.
    peak = np.nan_to_num(shares).max(axis=0)
    for index in np.argsort(peak):
        label = timeline.labels[index]
        strong = peak[index] >= 0.25
        axes.plot(times, shares[:, index], color=colours[label], lw=2.4 if strong else 1.3, solid_capstyle="round")
        if strong:
            axes.fill_between(times, shares[:, index], color=colours[label], alpha=0.13, lw=0)
    strength = np.array([np.nan if row.intensity is None else row.intensity for row in timeline.rows])
    if np.isfinite(strength).any():
        axes.plot(times, strength, color=_INK, lw=1.1, ls=":")
        axes.text(1.018, -0.045, "\u2026 intensity", size=_SIZE, va="center", color=_INK, transform=axes.transAxes)
    axes.set_ylabel("probability", color=_INK, size=_SIZE)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "", ".5", "", "1"])
    axes.grid(axis="y", color="#e6e8ec", lw=0.8)
    axes.tick_params(axis="x", labelbottom=False, length=0)
    _tidy(axes)
    _draw_names(axes, timeline, colours)
    for reason, start, end in _unlabelled(timeline):
        axes.axvspan(start - step / 2, end + step / 2, color="#f1f2f4", lw=0)
        if end - start > 0.08 * (times[-1] - times[0]):
            axes.text((start + end) / 2, 0.5, reason, color="#8a909a", ha="center", va="center", size=_SIZE)


def _unlabelled(timeline: TimelineData) -> Iterator[tuple[str, float, float]]:
    """Yield runs of frames without a label: the reason, and the times of the first and last frame in seconds."""
    for (label, has_face), group in itertools.groupby(timeline.rows, key=lambda row: (row.label, row.face != "none")):
        if label is None:
            rows = list(group)
            # On two lines, because such runs are short.
            yield "face too\nbriefly seen" if has_face else "no face", rows[0].time_s, rows[-1].time_s


def _draw_names(axes: Any, timeline: TimelineData, colours: dict[str, str]) -> None:
    """Draw the label names to the right of the curves, with their share of the labelled frames."""
    named = [row.label for row in timeline.rows if row.label is not None]
    count = len(timeline.labels)
    # Many labels are small, so that they do not overlap.
    size = min(_SIZE, 0.8 * 72 * _HEIGHT * (_TOP - _BOTTOM) / count)
    axes.text(1.018, 1.06, "share of frames", size=_SIZE - 1, va="center", color="#666c76", transform=axes.transAxes)
    for index, label in enumerate(timeline.labels):
        y = 1 - (index + 0.5) / count
        share = named.count(label) / max(1, len(named))
        weight = "bold" if share > 0 else "normal"
        axes.plot([1.025], [y], "s", ms=8, color=colours[label], transform=axes.transAxes, clip_on=False)
        text = f" {share:.0%}" if share > 0 else ""
        text = shortened(label, _LONGEST - len(text)) + text
        axes.text(1.05, y, text, size=size, weight=weight, va="center", color=_INK, transform=axes.transAxes)


def _draw_strip(axes: Any, timeline: TimelineData, colours: dict[str, str]) -> None:
    step = float(1 / timeline.rate)
    for span in timeline.spans():
        colour, hatch = ("white", "////") if span.label is None else (colours[span.label], None)
        left, width = span.start_s - step / 2, span.duration_s
        axes.barh(0, width, left=left, height=1, color=colour, hatch=hatch, edgecolor=_FAINT, lw=0)
    axes.set_ylim(-0.5, 0.5)
    axes.set_yticks([])
    axes.set_xlabel("time in s", color=_INK, size=_SIZE)
    _tidy(axes)
    axes.text(1.018, 0.5, "likeliest", size=_SIZE, va="center", color="#666c76", transform=axes.transAxes)


def _tidy(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_FAINT)
    axes.tick_params(colors=_INK, labelsize=_SIZE)


def _draw_thumbnails(figure: Any, curves: Any, timeline: TimelineData, colours: dict[str, str]) -> None:
    from matplotlib.lines import Line2D

    count = min(len(timeline), _THUMBNAILS)
    # At the centres of equal parts of the video.
    thumbnails = face_pictures(timeline, [int((part + 0.5) * len(timeline) / count) for part in range(count)])
    # Square, side by side above the curves, each connected to its time by a thin line.
    slot = (_RIGHT - _LEFT) / max(len(thumbnails), 1)
    width = min(slot * 0.92, 0.15 * _HEIGHT / _WIDTH)
    height = width * _WIDTH / _HEIGHT
    first, last = curves.get_xlim()
    for index, (row, image) in enumerate(thumbnails):
        centre = _LEFT + slot * (index + 0.5)
        axes = figure.add_axes((centre - width / 2, _TOP + 0.055, width, height))
        axes.set_xticks([])
        axes.set_yticks([])
        colour = _FAINT if row.label is None else colours[row.label]
        axes.spines[:].set(color=colour, linewidth=2.5)
        if image is not None:
            axes.imshow(image, interpolation="antialiased")
        else:
            axes.set_facecolor("#f1f2f4")
            axes.text(
                0.5, 0.5, "no face", ha="center", va="center", size=_SIZE - 1, color="#8a909a", transform=axes.transAxes
            )
        x = _LEFT + (_RIGHT - _LEFT) * (row.time_s - first) / (last - first)
        line = Line2D(
            [centre, x, x], [_TOP + 0.055, _TOP + 0.01, _TOP], transform=figure.transFigure, color=colour, lw=1.2
        )
        figure.add_artist(line)


def face_pictures(timeline: TimelineData, indices: Sequence[int]) -> list[tuple[Row, UInt8 | None]]:
    """Return rows, by their numbers, and pictures of the face, None where it is not seen, in order of their frames."""
    video = timeline.source or open_video(timeline.video)
    wanted, found = {row.frame: row for row in (timeline.rows[index] for index in indices)}, []
    with closing(video.frames()) as frames:
        for frame in frames if wanted else ():
            if (row := wanted.get(frame.index)) is None:
                continue
            image = None
            if row.landmarks is not None:
                points = scaled_points(row.landmarks[None], video.scale)
                box = clip_box(points, CropSpec(scale=1.5, shift_up=0.08))
                if box is not None:
                    image = crop_clip([frame.image], points, box, _THUMBNAIL_PIXELS)[0][0]
            found.append((row, image))
            if len(found) == len(wanted):
                break
    return found
