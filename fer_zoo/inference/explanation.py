"""What explains a prediction: in words, as a table, as a picture and as an overlay of the video."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_zoo.csv_cells import to_cell
from fer_zoo.inference.annotate import annotate_video
from fer_zoo.inference.plot import shortened
from fer_zoo.inference.rows import SYNTHETIC, TimelineData
from fer_zoo.landmarks.base import Floats, UInt8
from fer_zoo.paths import shown
from fer_zoo.video.writer import output_file

# Speaks for the label, and against it.
_FOR, _AGAINST = np.array((255, 96, 16)), np.array((24, 110, 255))
_FRAMES, _MOMENTS = 5, 10  # pictures, and bars with a number, at most
# In inches and points: 11 points can be read where the picture is as wide as a phone.
_WIDTH, _HEIGHT, _LEFT, _SIZE = 7.2, 7.6, 0.02, 11
_INK, _FAINT = "#22262c", "#666c76"


@dataclass(frozen=True, eq=False)
class ClipExplanation:
    """Why a network gives a label to one clip.

    Attributes:
        label, probability: what is explained.
        frames, landmarks: uint8 (T, S, S, 3), and (T, 68, 2) in their pixels.
        maps: (T, S, S), how much each pixel speaks for (> 0) or against the label.
        regions: the probability that is lost when a region of the face is hidden in all frames.
        alone: the probability when only that region is seen.
        moments: (T,), the probability that is lost when a frame is hidden with the one before and the one after it.
        shares: of each region in the sum of the absolute maps.
    """

    label: str
    probability: float
    frames: UInt8
    landmarks: Floats
    maps: Floats
    regions: dict[str, float]
    alone: dict[str, float]
    moments: Floats
    shares: dict[str, float]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a network labelled the main face of a video so: to print, to plot, and to write as a table or a video.

    Attributes:
        timeline: the predictions.
        clip: the explanation of the strongest window, or of the one at the time that was asked for.
        frames: numbers of the frames of that window.
        heats: by the number of each frame with a map, the heat (S, S), see `heat`, and the matrix (2, 3) from pixels of
            the displayed video to pixels of the crop.
    """

    timeline: TimelineData
    clip: ClipExplanation
    frames: NDArray[np.int64]
    heats: dict[int, tuple[Floats, NDArray[np.float64]]]

    def describe(self) -> str:
        """Return what was explained, and a line for each region and moment, in words."""
        clip, times = self.clip, [self.timeline.rows[int(frame)].time_s for frame in self.frames]
        name = shown(self.timeline.video.name)
        lines = [f"{name}, {_when(times, ' - ')}: {clip.label} {clip.probability:.1%}"]
        lines.append(f"  {'part':<8} {'when hidden':>12} {'when alone':>11} {'share of map':>13}")
        for part, lost, alone, share in self.table():
            lines.append(f"  {part:<8} {-lost:+12.1%} {'' if alone is None else f'{alone:.1%}':>11} {share:13.0%}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.timeline.notes)])

    def table(self) -> list[tuple[str, float, float | None, float]]:
        """Return the parts of the clip: a region, or a moment "N.NN s" where the clip has more than one frame.

        Each with the probability that is lost when it is hidden, the probability when it alone is seen (None for
        moments), and its share of the map.
        """
        clip = self.clip
        strength = abs(clip.maps).sum(axis=(1, 2))
        strength /= max(float(strength.sum()), 1e-12)
        regions: list[tuple[str, float, float | None, float]]
        regions = [(name, lost, clip.alone[name], clip.shares[name]) for name, lost in clip.regions.items()]
        if len(self.frames) == 1:
            return regions
        moments = zip(self.frames, clip.moments, strength, strict=True)
        times = self.timeline.rows
        return regions + [
            (f"{times[int(n)].time_s:.2f} s", float(lost), None, float(part)) for n, lost, part in moments
        ]

    def write_table(self, path: str | Path) -> None:
        """Write the table as CSV, with the label and its probability in each row.

        Raises:
            VideoError: it cannot be written.
        """
        with output_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["label", "probability", "part", "lost_when_hidden", "when_alone", "share_of_map"])
            for part, *numbers in self.table():
                texts = ["" if number is None else f"{number:.4f}" for number in numbers]
                writer.writerow([to_cell(self.clip.label), f"{self.clip.probability:.4f}", part, *texts])

    def plot(self, path: str | Path) -> None:
        """Write a picture: the frames of the window, their maps, and what hiding regions and moments changes.

        Raises:
            VideoError: it cannot be written.
        """
        import matplotlib

        with output_file(path) as temporary, matplotlib.rc_context({"text.parse_math": False}):
            _figure(self).savefig(temporary)

    def write_video(self, path: str | Path, progress: Callable[[int], None] | None = None) -> None:
        """Write the video with the map of each frame over the face, and the probabilities beside it.

        Raises:
            VideoError: as `annotate_video`.
        """
        nothing = (np.zeros((1, 1), np.float32), np.eye(2, 3))

        def edit(frame: int, image: UInt8) -> UInt8:
            found, matrix = self.heats.get(frame, nothing)
            return coloured(image, _pasted(found, matrix, image.shape[:2], image.shape[1] / self.timeline.width))

        # Without its landmarks a face is not drawn over: the map is what is to be seen.
        rows = [replace(row, landmarks=None) for row in self.timeline.rows]
        annotate_video(replace(self.timeline, rows=rows), path, progress, edit)


def heat(maps: Floats) -> Floats:
    """Return maps (T, S, S) of a window as they are drawn: smoothed, as pixels alone mean little, and about -1 to 1."""
    from scipy.ndimage import gaussian_filter

    sigma = maps.shape[-1] / 25
    smooth = gaussian_filter(maps, (0, sigma, sigma))
    return np.asarray(smooth / max(float(np.percentile(abs(smooth), 99.5)), 1e-12), np.float32)


def coloured(image: UInt8, strength: Floats) -> UInt8:
    """Return an image (H, W, 3) with a heat (H, W), -1 to 1, over it: orange speaks for the label, blue against it."""
    grey = image.mean(axis=-1, keepdims=True) * 0.6 + image * 0.4
    alpha = np.clip(abs(strength), 0, 1)[..., None] * 0.75
    colour = np.where(strength[..., None] > 0, _FOR, _AGAINST)
    mixed: UInt8 = np.rint(grey * (1 - alpha) + colour * alpha).astype(np.uint8)
    return mixed


def _pasted(found: Floats, matrix: NDArray[np.float64], shape: tuple[int, ...], scale: float) -> Floats:
    """Return a map where it lies in the image; 0 outside the crop. The matrix is for an image of scale 1."""
    linear = matrix[:, :2] / scale
    # Pillow counts from pixel edges, in both pictures; the scale maps edges to edges.
    offset = matrix[:, 2] + 0.5 - matrix[:, :2].sum(axis=1) / 2
    values = (*linear[0], offset[0], *linear[1], offset[1])
    turned = Image.fromarray(found).transform(
        (shape[1], shape[0]), Image.Transform.AFFINE, values, Image.Resampling.BILINEAR
    )
    return np.asarray(turned, np.float32)


def _figure(explanation: Explanation) -> Any:
    from matplotlib.figure import Figure

    clip, timeline = explanation.clip, explanation.timeline
    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=200, facecolor="white")
    times = [timeline.rows[int(frame)].time_s for frame in explanation.frames]
    figure.text(_LEFT, 0.966, f"Why {clip.label} ({clip.probability:.0%})?", size=14, weight="bold", color=_INK)
    where = f"{shortened(shown(timeline.video.name), 32)}, {_when(times, ' to ')}"
    figure.text(_LEFT, 0.937, f"{where}  ·  {shortened(shown(timeline.model), 32)}", size=_SIZE - 1, color=_FAINT)
    if len(times) > 1:
        _draw_strip(figure, clip, times)
    else:
        _draw_frame(figure, clip)
    _draw_regions(figure, clip)
    figure.text(_LEFT, 0.046, "Orange speaks for the label, blue against it.", size=_SIZE, color=_FAINT)
    if timeline.synthetic:
        figure.text(_LEFT, 0.016, SYNTHETIC, size=_SIZE - 0.5, color="#b03a2e")
    return figure


def _when(times: list[float], between: str) -> str:
    return between.join(f"{time:.2f}" for time in dict.fromkeys((times[0], times[-1]))) + " s"


def _draw_frame(figure: Any, clip: ClipExplanation) -> None:
    """Draw the frame of a network of single frames, and its map."""
    width = 0.5 - _LEFT
    for left, image in ((_LEFT, clip.frames[0]), (0.5, coloured(clip.frames[0], heat(clip.maps)[0]))):
        axes = figure.add_axes((left, 0.42, width * 0.97, width * 0.97 * _WIDTH / _HEIGHT))
        axes.imshow(image, interpolation="bilinear")
        axes.set_axis_off()


def _draw_strip(figure: Any, clip: ClipExplanation, times: list[float]) -> None:
    """Draw the frames with the strongest maps, these maps, and below them what hiding each moment changes."""
    count = len(clip.frames)
    heats = heat(clip.maps)
    strongest = np.sort(np.argsort(-abs(heats).sum(axis=(1, 2)), kind="stable")[:_FRAMES])
    width = (1 - 2 * _LEFT) / _FRAMES
    height = width * 0.97 * _WIDTH / _HEIGHT
    for place, number in enumerate(strongest):
        for bottom, image in ((0.71, clip.frames[number]), (0.53, coloured(clip.frames[number], heats[number]))):
            axes = figure.add_axes((_LEFT + place * width, bottom, width * 0.97, height))
            axes.imshow(image, interpolation="bilinear")
            axes.set_axis_off()
        middle = _LEFT + (place + 0.485) * width
        figure.text(middle, 0.897, f"{times[number]:.2f} s", size=_SIZE - 1, color=_FAINT, ha="center")
    figure.text(_LEFT, 0.497, "change if a moment and its two neighbours are hidden", size=_SIZE, color=_FAINT)
    bars = figure.add_axes((_LEFT, 0.4, 1 - 2 * _LEFT, 0.085))
    top = max(0.1, float(abs(clip.moments).max()))
    bars.bar(range(count), clip.moments * 100, width=0.7, color=_colours(clip.moments))
    bars.axhline(0, color=_FAINT, lw=0.8)
    picked = np.unique(np.linspace(0, count - 1, min(count, _MOMENTS)).round().astype(int))
    bars.set(xlim=(-0.5, count - 0.5), ylim=(min(0, 110 * float(clip.moments.min())), 110 * top), yticks=[])
    bars.set_xticks(picked, [f"{times[number]:.2f}\n{_change(clip.moments[number])}" for number in picked])
    bars.tick_params(labelsize=_SIZE - 1, colors=_FAINT, length=0)
    bars.spines[:].set_visible(False)


def _change(lost: float) -> str:
    return f"{round(-100 * float(lost)):+d}%"


def _draw_regions(figure: Any, clip: ClipExplanation) -> None:
    lost, alone = (np.array(list(values.values())) for values in (clip.regions, clip.alone))
    places = np.arange(len(lost))[::-1]
    for left, title, values, texts in (
        (0.135, "change if hidden", lost, [_change(value) for value in lost]),
        (0.6, "probability if alone", alone, [f"{value:.0%}" for value in alone]),
    ):
        axes = figure.add_axes((left, 0.085, 0.37, 0.215))
        axes.barh(places, values, height=0.6, color=_colours(values))
        axes.axvline(0, color=_FAINT, lw=0.8)
        axes.set(xlim=(min(-0.02, 1.1 * float(values.min())), 1.35), xticks=[], yticks=[])
        for place, value, text in zip(places, values, texts, strict=True):
            axes.text(max(0.0, float(value)) + 0.03, place, text, va="center", fontsize=_SIZE, color=_INK)
        axes.set_title(title, fontsize=_SIZE, color=_FAINT, loc="left")
        axes.spines[:].set_visible(False)
        if left < 0.5:
            axes.set_yticks(places, list(clip.regions), fontsize=_SIZE, color=_INK)
            axes.tick_params(length=0)


def _colours(lost: NDArray[Any]) -> list[str]:
    return [f"#{bytes((_FOR if value > 0 else _AGAINST).astype(np.uint8)).hex()}" for value in lost]
