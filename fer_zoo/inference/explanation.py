"""What explains a prediction, apart from how it is drawn and computed, so that both can import it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_zoo.csv_cells import to_cell
from fer_zoo.inference.rows import TimelineData
from fer_zoo.landmarks.base import Floats, UInt8
from fer_zoo.paths import shown
from fer_zoo.video.writer import output_file


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
class ExplanationData:
    """Why a network labelled the main face of a video so.

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
        lines = [f"{name}, {times[0]:.2f} - {times[-1]:.2f} s: {clip.label} {clip.probability:.1%}"]
        lines.append(f"  {'part':<8} {'when hidden':>12} {'when alone':>11} {'share of map':>13}")
        for part, lost, alone, share in self.table():
            lines.append(f"  {part:<8} {-lost:+12.1%} {'' if alone is None else f'{alone:.1%}':>11} {share:13.0%}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.timeline.notes)])

    def table(self) -> list[tuple[str, float, float | None, float]]:
        """Return the parts of the clip: a region, or a moment "N.NN s".

        Each with the probability that is lost when it is hidden, the probability when it alone is seen (None for
        moments), and its share of the map.
        """
        clip = self.clip
        strength = abs(clip.maps).sum(axis=(1, 2))
        strength /= max(float(strength.sum()), 1e-12)
        regions = [(name, lost, clip.alone[name], clip.shares[name]) for name, lost in clip.regions.items()]
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


def heat(maps: Floats) -> Floats:
    """Return maps (T, S, S) of a window as they are drawn: smoothed, as pixels alone mean little, and about -1 to 1."""
    from scipy.ndimage import gaussian_filter

    sigma = maps.shape[-1] / 25
    smooth = gaussian_filter(maps, (0, sigma, sigma))
    return np.asarray(smooth / max(float(np.percentile(abs(smooth), 99.5)), 1e-12), np.float32)
