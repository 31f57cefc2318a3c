"""Draw what the landmark fusions see: `python tools/draw_fusions.py docs/img`.

fusions.png (one rendered face as each fusion gets it), points.png (the 68 points and their numbers).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_zoo.fusion.lm_in import LandmarkChannel
from fer_zoo.fusion.lm_traj import trajectories
from fer_zoo.landmarks.base import Floats, UInt8
from fer_zoo.landmarks.maps import POINT_SETS, Kernel, PointSet, landmark_map
from fer_zoo.specs import CropSpec
from fer_zoo.synth import render_video
from fer_zoo.video.crop import clip_box, crop_clip

SIZE = 299


def main() -> None:
    """Render one face and draw both pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    clip = render_video(7, ["surprise"], seconds_each=0.8, size=400, plain=True)
    box = clip_box(clip.landmarks, CropSpec())
    if box is None:
        raise SystemExit("no landmarks in the rendered clip")
    frames, landmarks = crop_clip(clip.frames, clip.landmarks, box, SIZE)
    folder.mkdir(parents=True, exist_ok=True)
    fusions(frames, landmarks).savefig(folder / "fusions.png", dpi=80)
    numbered(frames[len(frames) // 2], landmarks[len(frames) // 2]).savefig(folder / "points.png", dpi=80)


def fusions(frames: UInt8, landmarks: Floats) -> Figure:
    """The clip's middle frame as each fusion gets it."""
    figure = Figure(figsize=(15, 6.6), layout="constrained")
    axes = list(figure.subplots(2, 4).flat)
    middle = len(frames) // 2
    axes[0].imshow(frames[middle])
    _scatter(axes[0], landmarks[middle], 4, "cyan")
    axes[0].set_title("clip and its 68 points", fontsize=10)
    maps: list[tuple[str, Kernel, PointSet]] = [
        ("lm, lm_gate, lm_add at unit A\nmanhattan7, the paper's", "manhattan7", "all"),
        ('the same, kernel="gaussian"', "gaussian", "all"),
        ('the same, points="inner"', "manhattan7", "inner"),
    ]
    for axis, (title, kernel, points) in zip(axes[1:4], maps, strict=True):
        drawn = landmark_map(torch.from_numpy(landmarks[None]), (SIZE, SIZE), (38, 38), kernel=kernel, points=points)
        axis.imshow(drawn.weights[0, 0, middle].numpy(), vmin=0, vmax=1)
        axis.set_title(title, fontsize=10)
    no_face = torch.full((1, 1, 68, 2), torch.nan)
    plain = landmark_map(no_face, (SIZE, SIZE), (38, 38)).weights[0, 0, 0].numpy()
    axes[4].imshow(plain, vmin=0, vmax=1)
    axes[4].set_title("lm in a frame without a face:\nones, the plain shortcut", fontsize=10)
    fourth = LandmarkChannel()(
        torch.zeros(1, 3, len(frames), SIZE, SIZE), torch.from_numpy(landmarks[None]), (SIZE,) * 2
    )
    axes[5].imshow(fourth[0, 3, middle].numpy(), vmin=0, vmax=1)
    axes[5].set_title("lm_in: the fourth channel of the clip", fontsize=10)
    _samples(axes[6], frames[middle], landmarks[middle])
    _paths(axes[7], landmarks)
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
    return figure


def _samples(axis: Axes, frame: UInt8, points: Floats) -> None:
    axis.imshow(frame, alpha=0.35)
    for edge in np.arange(0, 9) * SIZE / 8 - 0.5:
        axis.axhline(edge, color="grey", lw=0.7)
        axis.axvline(edge, color="grey", lw=0.7)
    _scatter(axis, points[list(POINT_SETS["all"])], 9, "tab:red")
    axis.set_title("lm_attn: the 8 x 8 features,\nsampled at the points", fontsize=10)


def _paths(axis: Axes, landmarks: Floats) -> None:
    paths, _ = trajectories(torch.from_numpy(landmarks[None]), (SIZE, SIZE))
    for point in paths[0].numpy().transpose(1, 0, 2):
        axis.plot(point[:, 0], point[:, 1], lw=1.2, color="tab:blue")
    _scatter(axis, paths[0, -1].numpy(), 6, "tab:red")
    axis.set_aspect("equal")
    axis.invert_yaxis()
    axis.set_title("lm_traj: paths over the clip,\nwithout place and size (red: last frame)", fontsize=10)


def numbered(frame: UInt8, points: Floats) -> Figure:
    """The 68 points with their numbers: jaw, inner, and the two that no map uses."""
    figure = Figure(figsize=(9, 9), layout="constrained")
    axis = figure.subplots()
    axis.imshow(frame, alpha=0.45)
    sets = {
        'jaw: not in "inner"': ("tab:blue", set(POINT_SETS["all"]) - set(POINT_SETS["inner"])),
        'in "all" and "inner"': ("tab:red", set(POINT_SETS["inner"])),
        "in no map": ("black", set(range(68)) - set(POINT_SETS["all"])),
    }
    for label, (colour, chosen) in sets.items():
        _scatter(axis, points[sorted(chosen)], 14, colour, label)
        for index in chosen:
            axis.annotate(str(index), points[index], (2, 2), textcoords="offset points", fontsize=7, color=colour)
    axis.legend(loc="lower left")
    axis.set_axis_off()
    return figure


def _scatter(axis: Axes, points: Floats, size: float, colour: str, label: str | None = None) -> None:
    axis.scatter(points[:, 0], points[:, 1], s=size, c=colour, label=label)


if __name__ == "__main__":
    main()
