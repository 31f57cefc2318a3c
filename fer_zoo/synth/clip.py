"""Rendering of a clip: draws the motion, poses the head, renders the frames, and projects the landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import OptionError
from fer_zoo.synth import expression as ex
from fer_zoo.synth.character import Character, build_character
from fer_zoo.synth.cover import cover, skin_colour
from fer_zoo.synth.family import HeadFamily
from fer_zoo.synth.motion import Motion, clip_motion, video_motion
from fer_zoo.synth.post import develop, draw_background, draw_recorder, metered, record, render_side
from fer_zoo.synth.prototypes import LABELS
from fer_zoo.synth.raster import vertex_normals
from fer_zoo.synth.scene import PIVOT, Camera, draw_light, key_shadow, look, rotation, shade

Floats = NDArray[np.float64]

MIN_SIZE, MAX_SIZE = 32, 1024
_COVERED, _COVERS = 0.12, ("hand", "hand", "hand", "thing")  # share of clips of the style natural, and by what


@dataclass(frozen=True)
class SynthClip:
    """A rendered clip with exact landmarks."""

    frames: NDArray[np.uint8]  # (T, S, S, 3) RGB
    landmarks: NDArray[np.float32]  # (T, 68, 2) pixels, x right, y down, pixel centres at integers
    intensity: NDArray[np.float32]  # (T,) expression strength 0..1
    label: str
    subject: int
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SynthVideo:
    """A longer video of several expressions; ``labels`` has one entry per frame."""

    frames: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    intensity: NDArray[np.float32]
    labels: tuple[str, ...]
    subject: int
    attributes: dict[str, Any] = field(default_factory=dict)


def render_clip(
    subject: int,
    label: str,
    take: int = 0,
    *,
    frames: int = 10,
    size: int = 128,
    fps: float = 25.0,
    seed: int = 0,
    plain: bool = False,
    family: HeadFamily | None = None,
) -> SynthClip:
    """Render one clip of one subject with one label; the same arguments give the same bytes.

    Args:
        subject: number of the subject.
        label: one of ``LABELS``.
        take: number of the clip, for several clips of the same subject and label.
        frames, size, fps: number of frames, side in pixels, frames per second.
        seed: changes all subjects.
        plain: omit pose, noise, blur and compression (for figures).
        family: the heads; by default the MakeHuman head of the package, or e.g. ``ict_family(path)``.

    Raises:
        OptionError: an unknown label, or a number out of range.
    """
    _check(subject, [label], take, frames, size, fps, seed)
    character = build_character(seed, subject, family)
    stream = [seed, subject, LABELS.index(label), take, 2, *character.family.stream]
    rng = np.random.default_rng(np.random.SeedSequence(stream))
    plan_rng, view_rng = rng.spawn(2)
    motion = clip_motion(character, label, frames, fps, plan_rng, plain)
    pictures, points = _film(character, motion, size, fps, view_rng, plain)
    return SynthClip(pictures, points, motion.intensity.astype(np.float32), label, subject, _attributes(character))


def render_video(
    subject: int,
    labels: Sequence[str],
    take: int = 0,
    *,
    seconds_each: float = 2.0,
    strength: float = 1.0,
    size: int = 256,
    fps: float = 25.0,
    seed: int = 0,
    plain: bool = False,
    family: HeadFamily | None = None,
) -> SynthVideo:
    """Render a video with neutral -> apex -> neutral for each label in turn, with constant camera and light.

    ``strength``, 0 to 1, is that of the apex. Frames in which it is below 0.25 are labelled ``neutral``.
    """
    frames = round(seconds_each * fps)
    _check(subject, labels, take, frames, size, fps, seed)
    if not 0 <= strength <= 1:
        raise OptionError(f"strength={strength}.", "a number from 0 to 1", "set it to 1 for a full expression")
    if not labels:
        raise OptionError("No labels were given.", "one or more of " + ", ".join(LABELS), "name at least one")
    character = build_character(seed, subject, family)
    stream = [seed, subject, *(LABELS.index(x) for x in labels), take, 3, *character.family.stream]
    rng = np.random.default_rng(np.random.SeedSequence(stream))
    plan_rng, view_rng = rng.spawn(2)
    motion = video_motion(character, labels, frames, fps, plan_rng, strength)
    pictures, points = _film(character, motion, size, fps, view_rng, plain)
    intensity = motion.intensity.astype(np.float32)
    shown = tuple(labels[k // frames] if intensity[k] >= 0.25 else "neutral" for k in range(len(intensity)))
    return SynthVideo(pictures, points, intensity, shown, subject, _attributes(character))


def _check(subject: int, labels: Sequence[str], take: int, frames: int, size: int, fps: float, seed: int) -> None:
    for label in labels:
        if label not in LABELS:
            raise OptionError(f"Unknown label {label!r}.", ", ".join(LABELS), "use a label of fer_zoo.synth.LABELS")
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise OptionError(f"size={size}.", f"{MIN_SIZE} to {MAX_SIZE} pixels", "resize the frames to other sizes")
    if frames < 1:
        raise OptionError(f"frames={frames}.", "an integer >= 1", "set frames to at least 1")
    if not fps > 0:
        raise OptionError(f"fps={fps}.", "a positive number", "set it to 25, for example")
    for name, number in (("subject", subject), ("take", take), ("seed", seed)):
        if number < 0:
            raise OptionError(f"{name}={number}.", "an integer >= 0", "use a non-negative integer")


def _attributes(character: Character) -> dict[str, Any]:
    traits = character.traits
    return {
        "skin_tone": traits.skin_tone,
        "age": traits.age,
        "sex": traits.sex,
        "weight": traits.weight,
        "hair": character.style,
        "beard": character.skin.beard,
        "glasses": character.glasses,
    }


def _poses(n_frames: int, fps: float, rng: np.random.Generator, plain: bool) -> tuple[Floats, Floats]:
    """Draw head rotations (n, 3) in radians and shifts (n, 3) in decimetres."""
    if plain:
        return np.zeros((n_frames, 3)), np.zeros((n_frames, 3))
    limit, spread = np.array([25.0, 15.0, 12.0]), np.array([10.0, 6.0, 4.5])
    still = np.clip(rng.normal(0, spread), -0.85 * limit, 0.85 * limit)
    liveliness = rng.uniform(0.2, 1.3)
    sway = np.stack([ex.wander(n_frames, fps, rng) for _ in range(3)], 1) * np.array([2.5, 2.0, 1.5]) * liveliness
    shift = np.stack([ex.wander(n_frames, fps, rng) for _ in range(3)], 1) * np.array([0.06, 0.05, 0.15]) * liveliness
    return np.radians(np.clip(still + sway, -limit, limit)), shift


def _frame_camera(
    character: Character, posed: list[Floats], distance: float, rng: np.random.Generator, plain: bool
) -> Camera:
    """Draw a camera for which the bounding square of the landmarks has a suitable size and is near the centre."""
    marks = character.head.landmark_vertices
    flat = np.stack([Camera(distance).project(points[marks])[0] for points in posed]) - 0.5
    low, high = flat.min(1), flat.max(1)
    side = float((high - low).max(1).mean())
    focal = (0.58 if plain else float(rng.uniform(0.54, 0.62))) / side
    middle = ((low + high) / 2).mean(0) * focal + (0 if plain else rng.normal(0, 0.012, 2))
    return Camera(distance, focal, (float(middle[0]), float(middle[1])))


def _film(
    character: Character,
    motion: Motion,
    size: int,
    fps: float,
    rng: np.random.Generator,
    plain: bool,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Render frames (T, S, S, 3) and landmarks (T, 68, 2) of the motion."""
    n_frames = len(motion.intensity)
    turns, shifts = _poses(n_frames, fps, rng, plain)
    turns = turns + np.radians(motion.turns)
    recorder, light = draw_recorder(rng, size, plain), draw_light(rng)
    side = render_side(recorder)
    background = draw_background(rng, side)
    distance = 14.0 if plain else float(np.exp(rng.uniform(np.log(6.0), np.log(22.0))))
    units = [{name: float(track[t]) for name, track in motion.tracks.items()} for t in range(n_frames)]
    bent = [character.shape + character.head.offsets(weights) for weights in units]
    spins = [rotation(*turn) for turn in turns]
    posed = [
        (np.vstack([face, character.extra]) - PIVOT) @ spin.T + shift
        for face, spin, shift in zip(bent, spins, shifts, strict=True)
    ]
    camera = _frame_camera(character, posed, distance, rng, plain)
    middle = n_frames // 2
    lit = key_shadow(character, posed[middle], light)
    covered = character.family.style == "natural" and not plain and rng.random() < _COVERED
    cover_seed = int(rng.integers(2**32)) if covered else None
    pictures, points = np.empty((n_frames, size, size, 3), np.uint8), np.empty((n_frames, 68, 2), np.float32)
    for t in range(n_frames):
        normals = np.vstack([vertex_normals(bent[t], character.head.triangles), character.extra_normals]) @ spins[t].T
        seen = look(character, posed[t], camera, side)
        view = shade(character, light, seen, normals, lit, units[t], background)
        if t == 0:
            recorder = metered(view, recorder)
        picture, marks = develop(view, recorder), camera.project(character.landmarks(posed[t]))[0]
        if cover_seed is not None:
            picture = _covered(picture, marks * side - 0.5, np.random.default_rng(cover_seed))
        pictures[t] = record(picture, recorder, size, rng)
        points[t] = marks * size - 0.5
    return pictures, points


def _covered(picture: NDArray[np.uint8], landmarks: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a hand or a thing before the face; the same state of `rng` in every frame makes it move with the face."""
    kind = str(rng.choice(_COVERS))
    return cover(picture, landmarks, kind, skin_colour(picture, landmarks, rng), rng)[0]
