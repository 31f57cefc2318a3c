"""Draw alignment and every training change: `python tools/draw_transforms.py docs/img/transforms.jpg`.

A rendered face whose head is turned from frame to frame. The numbers of the points are orange on the side of the
person's right eye and blue on the other, and so they are in a mirrored face, because mirroring exchanges them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from fer_zoo.data.augment import MIRROR_68, augment_batch
from fer_zoo.data.playback import random_frames
from fer_zoo.landmarks.base import Floats, UInt8
from fer_zoo.specs import AugmentSpec, CropSpec, InputSpec
from fer_zoo.synth import render_video
from fer_zoo.video.crop import Placement, crop_clip, place_crop

SIDE, SIZE, LENGTH = 200, 112, 10
ALIGNED = CropSpec(align="similarity", scale=1.5)
NOTHING = {
    "flip": 0, "rotate_deg": 0, "scale": 0, "shift": 0, "brightness": 0, "contrast": 0, "colour": 0, "gamma": 0,
    "grey": 0, "noise": 0, "noise_share": 1, "blur": 0, "lowres": 0, "compress": 0, "erase": 0, "detector_noise": False,
    "lose_landmarks": 0,
}  # fmt: skip
# As strong as they may be, or stronger than a recipe would have them, so that they are seen; and a telling draw.
SHOWN: list[tuple[str, dict[str, float], int]] = [
    ("flip", {"flip": 1}, 0), ("rotate_deg", {"rotate_deg": 25}, 2), ("scale", {"scale": 0.3}, 0),
    ("shift", {"shift": 0.15}, 1), ("warp", {"warp": 0.06}, 1),
    ("brightness", {"brightness": 0.5}, 0), ("contrast", {"contrast": 0.7}, 3),
    ("colour", {"colour": 0.4}, 2), ("gamma", {"gamma": 0.9}, 1), ("grey", {"grey": 1}, 0),
    ("noise", {"noise": 0.12}, 2), ("blur", {"blur": 1}, 0), ("lowres", {"lowres": 1}, 1),
    ("compress", {"compress": 1}, 1), ("jpeg", {"jpeg": 1}, 3), ("erase", {"erase": 1}, 3),
]  # fmt: skip
TIMES: list[tuple[str, dict[str, float]]] = [
    ("window", {}), ("stride: 2", {"stride": 2}), ("frame_jitter: 0.4", {"frame_jitter": 0.4}),
    ("reverse: 1", {"reverse": 1}),
]  # fmt: skip
LEFT = np.array([point > mirrored for point, mirrored in enumerate(MIRROR_68)])


def main() -> None:
    """Render, change, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    out: Path = parser.parse_args().out
    frames, points = turned_clip(20)
    figure = Figure(figsize=(13, 9.2), layout="constrained", facecolor="white")
    top, bottom = figure.subfigures(2, 1, height_ratios=(3.3, 2.5), squeeze=False)[:, 0]
    left, right = top.subfigures(1, 2, width_ratios=(4, 5.2), squeeze=False)[0]
    draw_alignment(left, frames, points)
    draw_changes(right, frames[5:15], points[5:15])
    draw_playback(bottom, frames, points)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=90, pil_kwargs={"quality": 82})


def turned_clip(length: int) -> tuple[UInt8, Floats]:
    """A rendered smile, in which the head is turned from -25 to 25 degrees."""
    film = render_video(7, ["neutral", "happiness"], seconds_each=0.6, size=260, plain=True)
    kept = np.linspace(0, len(film.frames) - 1, length).round().astype(int)
    angles = np.deg2rad(np.linspace(-25, 25, length))
    middle = np.stack([np.full(length, 130.0), np.full(length, 130.0)], axis=1)
    place = Placement(middle + 8 * np.stack([np.sin(3 * angles), angles], axis=1), np.full(length, 230.0), angles)
    return crop_clip(film.frames[kept], film.landmarks[kept].astype(np.float32), place, SIDE)


def draw_alignment(figure: SubFigure, frames: UInt8, points: Floats) -> None:
    """Four frames as they are stored, in a box crop, and aligned."""
    figure.suptitle("crop.align", fontsize=11, fontweight="bold")
    axes = figure.subplots(3, 4)
    chosen = np.linspace(0, len(frames) - 1, 4).round().astype(int)
    rows: list[tuple[str, UInt8, Floats]] = [("stored", frames, points)]
    for crop in (CropSpec(), ALIGNED):
        place = place_crop(points, crop)
        if place is None:
            raise SystemExit("no landmarks in the rendered clip")
        rows.append((f"{crop.align}, scale {crop.scale:g}", *crop_clip(frames, points, place, SIZE)))
    for row, (title, pictures, marks) in zip(axes, rows, strict=True):
        for axis, number in zip(row, chosen, strict=True):
            show(axis, pictures[number], marks[number])
        row[0].set_title(title, fontsize=9, loc="left")


def draw_changes(figure: SubFigure, frames: UInt8, points: Floats) -> None:
    """The clip's middle frame after each change of `train.augment`."""
    figure.suptitle("train.augment", fontsize=11, fontweight="bold")
    for axis, (title, options, seed) in zip(figure.subplots(4, 4).flat, SHOWN, strict=True):
        spec = AugmentSpec.model_validate({**NOTHING, **options})
        show(axis, *changed(frames, points, spec, seed))
        axis.set_title(title, fontsize=9)


def draw_playback(figure: SubFigure, frames: UInt8, points: Floats) -> None:
    """The ten frames of a window of twenty stored ones, and their numbers."""
    figure.suptitle(f"train.augment, in time: {LENGTH} of {len(frames)} stored frames", fontsize=11, fontweight="bold")
    numbers = np.arange(len(frames), dtype=np.uint8)
    grid = figure.subplots(len(TIMES), LENGTH)
    for row, (title, options) in zip(grid, TIMES, strict=True):
        spec = AugmentSpec.model_validate({**NOTHING, **options})
        draw: dict[str, Any] = {"length": LENGTH, "augment": spec}
        columns: list[Any] = [frames[None], points[None], numbers[None]]
        cut, marks, shown = random_frames(columns, rng=np.random.default_rng(4), **draw)
        for axis, picture, mark, number in zip(row, cut[0], marks[0], shown[0], strict=True):
            show(axis, picture, mark, dot=0.6)
            axis.text(0.03, 0.97, number, transform=axis.transAxes, fontsize=8, va="top", color="white")
        row[0].set_ylabel(title, fontsize=9, rotation=0, ha="right", va="center")


def changed(frames: UInt8, points: Floats, spec: AugmentSpec, seed: int) -> tuple[UInt8, Floats]:
    """The middle frame and its points after a change, as the network would get them."""
    source = InputSpec(frames=len(frames), size=SIZE, crop=ALIGNED)
    clip, marks = augment_batch(frames[None], points[None], source, spec, np.random.default_rng(seed))
    middle = len(frames) // 2
    picture = (clip[0, :, middle].permute(1, 2, 0).numpy() * source.std + source.mean) * 255
    return picture.round().clip(0, 255).astype(np.uint8), marks[0, middle].numpy()


def show(axis: Axes, picture: UInt8, points: Floats, dot: float = 3.5) -> None:
    """A picture with its points."""
    axis.imshow(picture)
    axis.scatter(points[:, 0], points[:, 1], s=dot, c=np.where(LEFT, "#35a7ff", "#ff9f1c"), linewidths=0)
    axis.set_xlim(-0.5, picture.shape[1] - 0.5)
    axis.set_ylim(picture.shape[0] - 0.5, -0.5)
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)


if __name__ == "__main__":
    main()
