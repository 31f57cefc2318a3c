"""What transforms, fusions and landmarkers do to a clip of a rendered face, drawn by `tools/gallery.py`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fer_zoo.compose import build, model_spec
from fer_zoo.data.augment import augment_batch
from fer_zoo.data.playback import random_frames
from fer_zoo.data.synthetic import ict_pack, photo_folder, photo_heads
from fer_zoo.fusion.lm_traj import trajectories
from fer_zoo.landmarks import create_landmarker
from fer_zoo.landmarks.base import MIRROR_68, Floats, UInt8
from fer_zoo.landmarks.maps import POINT_SETS, landmark_map
from fer_zoo.specs import AugmentSpec, CropSpec, InputSpec
from fer_zoo.synth import LABELS, render_clip, render_video
from fer_zoo.synth.family import makehuman
from fer_zoo.synth.ict import ict_family
from fer_zoo.video.crop import Placement, crop_clip, normalise, place_crop

SUBJECT, SIZE, LENGTH = 7, 112, 10
ALIGNED = CropSpec(align="similarity", scale=1.5)
NOTHING = {
    "flip": 0, "rotate_deg": 0, "scale": 0, "shift": 0, "brightness": 0, "contrast": 0, "colour": 0, "gamma": 0,
    "grey": 0, "noise": 0, "noise_share": 1, "blur": 0, "lowres": 0, "compress": 0, "erase": 0, "detector_noise": False,
    "lose_landmarks": 0,
}  # fmt: skip
# As strong as they may be, or stronger than a recipe would have them, so that they are seen; and a telling seed.
CHANGES: dict[str, list[tuple[str, dict[str, float], int]]] = {
    "place": [
        ("flip", {"flip": 1}, 0), ("rotate_deg", {"rotate_deg": 25}, 2), ("scale", {"scale": 0.3}, 0),
        ("shift", {"shift": 0.15}, 1), ("warp", {"warp": 0.06}, 1),
    ],
    "colour": [
        ("brightness", {"brightness": 0.5}, 0), ("contrast", {"contrast": 0.7}, 3), ("colour", {"colour": 0.4}, 2),
        ("gamma", {"gamma": 0.9}, 1), ("grey", {"grey": 1}, 0),
    ],
    "quality": [
        ("noise, noise_share", {"noise": 0.12}, 2), ("blur", {"blur": 1}, 0), ("lowres", {"lowres": 1}, 1),
        ("compress", {"compress": 1}, 1), ("jpeg", {"jpeg": 1}, 3), ("erase", {"erase": 1}, 3),
    ],
    "landmarks": [("detector_noise", {"detector_noise": True}, 0), ("lose_landmarks", {"lose_landmarks": 0.6}, 1)],
}  # fmt: skip
TIMES: list[tuple[str, dict[str, float]]] = [
    ("no change", {}), ("stride: 2", {"stride": 2}), ("frame_jitter: 0.4", {"frame_jitter": 0.4}),
    ("reverse: 1", {"reverse": 1}), ("still: 1", {"still": 1}),
]  # fmt: skip
LEFT = np.array([point > mirrored for point, mirrored in enumerate(MIRROR_68)])
FOUND = "#19a350"
# Subjects that are shown of each rendered dataset.
FACES = {"synthmh": (12, 62, 400), "synthict": (0, 7, 11), "synthphoto": (0, 30, 55)}


def sheet(rows: int, columns: int, height: float = 3.0, **options: Any) -> tuple[Figure, NDArray[Any]]:
    """A figure that is legible at 360 px, and its axes (rows, columns) without ticks."""
    figure = Figure(figsize=(5, height), layout="constrained", facecolor="white")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    return figure, axes


@functools.cache
def surprise(size: int) -> tuple[UInt8, Floats]:
    """A rendered clip of surprise, cropped to the face at a size, and its landmarks."""
    film = _film()
    place = place_crop(film[1], CropSpec())
    assert place is not None
    return crop_clip(*film, place, size)


@functools.cache
def _film() -> tuple[UInt8, Floats]:
    video = render_video(SUBJECT, ["surprise"], seconds_each=0.8, size=400, plain=True)
    return video.frames, video.landmarks.astype(np.float32)


@functools.cache
def turned_clip(length: int = 20) -> tuple[UInt8, Floats]:
    """A rendered smile, in which the head is turned from -25 to 25 degrees."""
    film = render_video(SUBJECT, ["neutral", "happiness"], seconds_each=0.6, size=260, plain=True)
    kept = np.linspace(0, len(film.frames) - 1, length).round().astype(int)
    angles = np.deg2rad(np.linspace(-25, 25, length))
    middle = np.stack([np.full(length, 130.0), np.full(length, 130.0)], axis=1)
    place = Placement(middle + 8 * np.stack([np.sin(3 * angles), angles], axis=1), np.full(length, 230.0), angles)
    return crop_clip(film.frames[kept], film.landmarks[kept].astype(np.float32), place, 200)


def crops() -> Figure:
    """Four frames as they are stored, in a box crop, and aligned."""
    frames, points = turned_clip()
    figure, axes = sheet(3, 4, 4.0)
    rows: list[tuple[str, UInt8, Floats]] = [("stored", frames, points)]
    for crop in (CropSpec(), ALIGNED):
        place = place_crop(points, crop)
        assert place is not None
        rows.append((f"align: {crop.align}\nscale: {crop.scale:g}", *crop_clip(frames, points, place, SIZE)))
    for row, (title, pictures, marks) in zip(axes, rows, strict=True):
        for axis, number in zip(row, np.linspace(0, len(frames) - 1, 4).round().astype(int), strict=True):
            show(axis, pictures[number], marks[number])
        row[0].set_ylabel(title, fontsize=9)
    return figure


def changes(group: str) -> Figure:
    """The clip's middle frame before and after each change of a group of `train.augment`."""
    frames, points = (part[5:15] for part in turned_clip())
    shown: list[tuple[str, dict[str, float], int]] = [("not changed", {}, 0), *CHANGES[group]]
    columns = 3 if len(shown) < 7 else 4
    figure, axes = sheet(-(-len(shown) // columns), columns, 1.9 if len(shown) == 3 else 3.4 if columns == 3 else 2.9)
    for axis, (title, options, seed) in zip(axes.flat, shown, strict=False):
        show(axis, *changed(frames, points, AugmentSpec.model_validate({**NOTHING, **options}), seed))  # type: ignore[arg-type]
        axis.set_title(title, fontsize=8.5)
    return figure


def playback() -> Figure:
    """Ten of twenty stored frames, and their numbers, for each change in time."""
    frames, points = turned_clip()
    numbers = np.arange(len(frames), dtype=np.uint8)
    figure, axes = sheet(len(TIMES), LENGTH, 3.3)
    for row, (title, options) in zip(axes, TIMES, strict=True):
        spec = AugmentSpec.model_validate({**NOTHING, **options})
        draw: dict[str, Any] = {"length": LENGTH, "augment": spec}
        columns: list[Any] = [frames[None], points[None], numbers[None]]
        cut, marks, shown = random_frames(columns, rng=np.random.default_rng(4), **draw)
        for axis, picture, mark, number in zip(row, cut[0], marks[0], shown[0], strict=True):
            show(axis, picture, mark, dot=0.2)
            axis.set_xlabel(number, fontsize=8.5, labelpad=1)
        row[0].set_title(title, fontsize=9, loc="left")
    return figure


def changed(frames: UInt8, points: Floats, spec: AugmentSpec, seed: int) -> tuple[UInt8, Floats]:
    """The middle frame and its landmarks after a change, as the network would get them."""
    source = InputSpec(frames=len(frames), size=SIZE, crop=ALIGNED)
    clip, marks = augment_batch(frames[None], points[None], source, spec, np.random.default_rng(seed))
    middle = len(frames) // 2
    picture = (clip[0, :, middle].permute(1, 2, 0).numpy() * source.std + source.mean) * 255
    return picture.round().clip(0, 255).astype(np.uint8), marks[0, middle].numpy()


def show(axis: Axes, picture: UInt8, points: Floats | None = None, dot: float = 2.5, colour: Any = None) -> None:
    """A picture with its landmarks: orange on the subject's right side, blue on the left."""
    axis.imshow(picture)
    if points is not None:
        colour = np.where(LEFT, "#35a7ff", "#ff9f1c") if colour is None else colour
        axis.scatter(points[:, 0], points[:, 1], s=dot, c=colour, linewidths=0)
    axis.set_xlim(-0.5, picture.shape[1] - 0.5)
    axis.set_ylim(picture.shape[0] - 0.5, -0.5)


def fusion(name: str) -> Figure:
    """What a fusion gets from the landmarks of one frame, and what it makes of the network's input or features."""
    size = 299
    frames, points = surprise(size)
    frames, points = frames[5:15], points[5:15]
    figure, axes = sheet(1, 4 if name in ("lm", "lm_gate", "lm_add") else 3, 1.75)
    row = list(axes[0])
    show(row[0], frames[5], points[5], 2, "cyan")
    _FUSIONS[name](row[1:], frames, points)
    row[0].set_title("a frame", fontsize=9)
    return figure


def _shortcut(name: str, frames: UInt8, points: Floats) -> tuple[Floats, Floats, Floats]:
    """The shortcut of the first residual site, the map there, and the fused shortcut, in the middle step."""
    torch.manual_seed(0)
    spec = model_spec("incres3d_mean" if name == "none" else f"incres3d_mean_{name}")
    model: Any = build(spec).eval()
    clip, marks = normalise(torch.from_numpy(frames)[None], spec.input), torch.from_numpy(points)[None]
    kept: list[Any] = []

    def fuse(site: str, shortcut: torch.Tensor) -> torch.Tensor:
        if name != "none":
            for gain in model.fusion.gain.values() if model.fusion.gains != "none" else ():
                gain.data.fill_(1.0 if name == "lm_gate" else float(shortcut.std()))
            out = model.fusion(shortcut, marks, clip.shape[3:], site)
            drawn = model.fusion.map_at(site, shortcut, marks, clip.shape[3:]).weights
        else:
            out, drawn = shortcut, torch.zeros_like(shortcut)
        if not kept:
            kept.extend(part[0, :, part.shape[2] // 2].mean(0).numpy() for part in (shortcut, drawn, out))
        return shortcut

    with torch.inference_mode():
        model.backbone(clip, fuse)
    return kept[0], kept[1], kept[2]


def _residual(name: str, result: str) -> Callable[[Sequence[Axes], UInt8, Floats], None]:
    def draw(axes: Sequence[Axes], frames: UInt8, points: Floats) -> None:
        before, weights, after = _shortcut(name, frames, points)
        shown = [("shortcut x", before), ("map w", weights), (result, after)] if name != "none" else [
            ("shortcut x", before), (result, after)]  # fmt: skip
        for axis, (title, values) in zip(axes, shown, strict=True):
            axis.imshow(values, vmin=0, vmax=1.0 if title == "map w" else max(before.max(), after.max()))
            axis.set_title(title, fontsize=9)

    return draw


def _channel(axes: Sequence[Axes], frames: UInt8, points: Floats) -> None:
    drawn = landmark_map(torch.from_numpy(points[None]), (299, 299), (299, 299), radius=9).weights
    for axis, number in zip(axes, (0, 5), strict=True):
        axis.imshow(drawn[0, 0, number].numpy(), vmin=0, vmax=1)
        axis.set_title(f"4th channel, frame {number}", fontsize=9)


def _samples(axes: Sequence[Axes], frames: UInt8, points: Floats) -> None:
    axes[0].imshow(frames[5], alpha=0.35)
    for edge in np.arange(0, 9) * 299 / 8 - 0.5:
        axes[0].axhline(edge, color="grey", lw=0.7)
        axes[0].axvline(edge, color="grey", lw=0.7)
    axes[0].scatter(*points[5][list(POINT_SETS["all"])].T, s=4, c="tab:red")  # type: ignore[misc]
    axes[0].set_title("8 x 8 features,\nsampled there", fontsize=9)
    axes[1].imshow(frames[5], alpha=0.2)
    for target in points[5][[36, 45, 30, 48, 54, 19, 24]]:
        axes[1].annotate("", (95, 205), target, arrowprops={"arrowstyle": "-|>", "color": "tab:red", "lw": 0.8})
    axes[1].add_patch(_cell())
    axes[1].set_title("each cell attends\nto all landmarks", fontsize=9)


def _cell() -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((76, 187), 37, 37, fc="#ffd27f", ec="black", alpha=0.9)


def _paths(axes: Sequence[Axes], frames: UInt8, points: Floats) -> None:
    paths, _ = trajectories(torch.from_numpy(points[None]), (299, 299))
    for axis, chosen in zip(axes, (range(68), range(48, 68)), strict=True):
        for point in paths[0].numpy().transpose(1, 0, 2)[list(chosen)]:
            axis.plot(point[:, 0], point[:, 1], lw=1.2, color="tab:blue")
        axis.scatter(*paths[0, -1].numpy()[list(chosen)].T, s=3, c="tab:red")  # type: ignore[misc]
        axis.set_aspect("equal")
        axis.invert_yaxis()
    axes[0].set_title("paths, without\nplace and size", fontsize=9)
    axes[1].set_title("the mouth\n(red: last frame)", fontsize=9)


_FUSIONS: dict[str, Callable[[Sequence[Axes], UInt8, Floats], None]] = {
    "none": _residual("none", "unchanged"),
    "lm": _residual("lm", "w · x"),
    "lm_gate": _residual("lm_gate", "(1 + a w) x, a = 1"),
    "lm_add": _residual("lm_add", "x + a w"),
    "lm_in": _channel,
    "lm_attn": _samples,
    "lm_traj": _paths,
}


def faces(dataset: str) -> Figure:
    """Seven labels (columns) of three subjects (rows) of a rendered dataset."""
    family = makehuman() if dataset == "synthmh" else ict_family(ict_pack())
    if dataset == "synthphoto":
        family = photo_heads(ict_pack(), photo_folder())
    figure, axes = sheet(3, len(LABELS), 2.7)
    for row, subject in zip(axes, FACES[dataset], strict=True):
        for axis, label in zip(row, LABELS, strict=True):
            clip = render_clip(subject, label, frames=5, size=112, fps=10.0, family=family)
            show(axis, clip.frames[int(clip.intensity.argmax())])
    for axis, label in zip(axes[0], LABELS, strict=True):
        axis.set_title(label, fontsize=8.5)
    return figure


def landmarker(name: str) -> Figure:
    """Landmarks of a landmarker in frames of a rendered video with a moving head and camera noise; white: exact."""
    video = render_video(SUBJECT, ["happiness", "surprise", "anger"], seconds_each=0.5, size=320)
    figure, axes = sheet(1, 3, 2.3)
    engine = None if name in ("given", "face_alignment") else create_landmarker(name)
    for axis, number in zip(axes[0], (6, 18, 30), strict=True):
        frame, exact = video.frames[number], video.landmarks[number].astype(np.float32)
        show(axis, frame, exact, 3, "white")
        if name == "face_alignment":  # its weights are a download, so heat maps round the exact landmarks
            heat = landmark_map(torch.from_numpy(exact[None, None]), (320, 320), (64, 64), kernel="gaussian", radius=2)
            axis.imshow(heat.weights[0, 0, 0].numpy(), extent=(-0.5, 319.5, 319.5, -0.5), cmap="magma", alpha=0.6)
            title = "heat maps (a sketch)"
        elif engine is None:
            title = "part of the data"
        else:
            faces = engine.detect(frame)
            found = faces[0].landmarks if faces else np.full((68, 2), np.nan, np.float32)
            axis.scatter(found[:, 0], found[:, 1], s=3, c=FOUND, linewidths=0)
            eyes = float(np.linalg.norm(exact[36] - exact[45]))
            error = float(np.linalg.norm(found - exact, axis=1).mean()) / eyes
            title = f"off by {error:.1%} of\nthe eye distance"
        axis.set_title(title, fontsize=9)
        middle, reach = exact.mean(0), 0.85 * float(np.ptp(exact, axis=0).max())
        axis.set_xlim(max(0, middle[0] - reach), min(319, middle[0] + reach))
        axis.set_ylim(min(319, middle[1] + reach), max(0, middle[1] - reach))
    return figure


def numbered() -> Figure:
    """The 68 landmarks with their numbers: jaw, inner, and the two that no map uses."""
    frames, landmarks = surprise(299)
    frame, points = frames[len(frames) // 2], landmarks[len(frames) // 2]
    figure = Figure(figsize=(9, 9), layout="constrained")
    axis = figure.subplots()
    axis.imshow(frame, alpha=0.45)
    sets = {
        'jaw: not in "inner"': ("tab:blue", set(POINT_SETS["all"]) - set(POINT_SETS["inner"])),
        'in "all" and "inner"': ("tab:red", set(POINT_SETS["inner"])),
        "in no map": ("black", set(range(68)) - set(POINT_SETS["all"])),
    }
    for label, (colour, chosen) in sets.items():
        axis.scatter(*points[sorted(chosen)].T, s=14, c=colour, label=label)  # type: ignore[misc]
        for index in chosen:
            axis.annotate(str(index), points[index], (2, 2), textcoords="offset points", fontsize=11, color=colour)
    axis.legend(loc="lower left", fontsize=14)
    axis.set_axis_off()
    return figure


def maps() -> Figure:
    """The landmark map on the paper's grids (38 and 18 cells of a 299 px clip), and on the tiny network's grid."""
    frames, landmarks = surprise(299)
    middle = len(frames) // 2
    panels = [("unit A: 38 x 38", 38, 3), ("unit B: 18 x 18", 18, 3), ("tiny: 20 x 20", 20, 3),
              ("tiny: 20 x 20", 20, 2), ("tiny: 20 x 20", 20, 1)]  # fmt: skip
    figure, axes = sheet(2, 3, 4.4)
    show(axes.flat[0], frames[middle], landmarks[middle], 3, "cyan")
    axes.flat[0].set_title("clip, 68 landmarks", fontsize=9)
    for axis, (title, grid, radius) in zip(axes.flat[1:], panels, strict=True):
        weights = landmark_map(torch.from_numpy(landmarks[None]), (299, 299), (grid, grid), radius=radius).weights
        axis.imshow(weights[0, 0, middle].numpy(), vmin=0, vmax=1)
        side = 2 * radius + 1
        axis.set_title(f"{title}\n{side} x {side}, {float((weights == 0).float().mean()):.0%} zeros", fontsize=9)
    return figure
