"""Single pictures that vary far more than clips do, with exact landmarks: what a landmark detector is trained on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import OptionError
from fer_zoo.synth import expression as ex
from fer_zoo.synth.character import Character, build_character
from fer_zoo.synth.cover import KINDS, cover
from fer_zoo.synth.family import HeadFamily
from fer_zoo.synth.post import develop, draw_background, draw_recorder, metered, record, render_side
from fer_zoo.synth.prototypes import LABELS, draw_apex, sides
from fer_zoo.synth.raster import kernels, vertex_normals
from fer_zoo.synth.scene import PIVOT, Camera, Light, draw_light, key_shadow, rotation, shade

_NO_FACE = 0.04
_COVERED = 0.45
# Units that are added at random, apart from the expression.
_LOOSE = (
    "jawOpen", "mouthPucker", "mouthFunnel", "mouthStretch", "mouthSmile", "mouthFrown", "mouthRollLower",
    "mouthRollUpper", "mouthUpperUp", "mouthLowerDown", "cheekPuff", "browInnerUp", "browDown", "browOuterUp",
    "eyeSquint",
)  # fmt: skip


@dataclass(frozen=True)
class Still:
    """A rendered picture of one face, or of none.

    Attributes:
        image: (S, S, 3) uint8, RGB.
        landmarks: (68, 2) float32 in pixels, pixel centres at integers; NaN without a face.
        visible: (68,) bool, neither turned away nor covered.
        pose: yaw (to the subject's left), pitch (down) and roll in degrees; NaN without a face.
        attributes: what was drawn: expression, covers, traits of the subject.
    """

    image: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    visible: NDArray[np.bool_]
    pose: NDArray[np.float32]
    attributes: dict[str, Any] = field(default_factory=dict)


def render_still(
    subject: int, take: int = 0, *, size: int = 128, seed: int = 0, family: HeadFamily | None = None
) -> Still:
    """Render one picture of a subject; the same arguments give the same bytes.

    Yaw up to 75, pitch to 40, roll to 25 degrees, any expression at any strength with open mouths, closed eyes and
    looks aside, hard and coloured light, near cameras, masks, hats, scarves, sunglasses, hands, low resolution.

    Args:
        subject, take: numbers of the subject and of the picture. Takes of one subject in a row are fastest.
        size: side in pixels.
        seed: changes all subjects.
        family: the heads; by default the MakeHuman head of the package.

    Raises:
        OptionError: a number out of range.
    """
    for name, number, least in (("subject", subject, 0), ("take", take, 0), ("seed", seed, 0), ("size", size, 32)):
        if number < least:
            raise OptionError(f"{name}={number}.", f"an integer >= {least}", f"set {name} to at least {least}")
    kernels("auto")
    character = build_character(seed, subject, family)
    rng = np.random.default_rng(np.random.SeedSequence([seed, subject, take, 5, *character.family.stream]))
    recorder = replace(draw_recorder(rng, size), oversampling=1.0)
    if rng.random() < 0.25:  # a small face
        recorder = replace(recorder, source=max(24, round(size * float(rng.uniform(0.3, 0.6)))), oversampling=1.5)
    background = draw_background(rng, render_side(recorder))
    if rng.random() < _NO_FACE:
        nothing = np.full((68, 2), np.nan, np.float32)
        image = record(develop(background, metered(background, recorder)), recorder, size, rng)
        return Still(image, nothing, np.zeros(68, bool), np.full(3, np.nan, np.float32), {"face": False})
    label = LABELS[int(rng.integers(len(LABELS)))]
    units = _units(character, label, rng)
    pose = _pose(rng)
    spin = rotation(*np.radians(pose))
    bent = character.shape + character.head.offsets(units)
    posed = (np.vstack([bent, character.extra]) - PIVOT) @ spin.T
    normals = np.vstack([vertex_normals(bent, character.head.triangles), character.extra_normals]) @ spin.T
    camera = _camera(character, posed, rng)
    light = _light(rng)
    lit = key_shadow(character, posed, light, "auto", size=96)
    view = shade(character, light, posed, normals, lit, camera, units, background)
    marks = character.head.landmark_vertices
    at = camera.project(posed[marks])[0]
    toward = np.array([0.0, 0.0, camera.distance]) - posed[marks]
    visible = (normals[marks] * toward).sum(1) > -0.1 * np.linalg.norm(toward, axis=1)
    picture = develop(view, metered(view, recorder))
    side = len(picture)
    covers = []
    if rng.random() < _COVERED:
        skin = picture[tuple(np.clip((at[[30, 33]].mean(0) * side).astype(int)[::-1], 0, side - 1))].astype(float)
        for kind in rng.choice(list(KINDS), size=1 + (rng.random() < 0.2), replace=False):
            picture, free = cover(picture, at * side - 0.5, str(kind), skin, rng)
            visible &= free
            covers.append(str(kind))
    image = record(picture, recorder, size, rng)
    landmarks = np.asarray(at * size - 0.5, np.float32)
    inside = ((landmarks > -0.5) & (landmarks < size - 0.5)).all(1)
    facts = {"face": True, "label": label, "covers": covers, "glasses": character.glasses, "source": recorder.source}
    return Still(image, landmarks, visible & inside, np.asarray(pose, np.float32), facts)


def _units(character: Character, label: str, rng: np.random.Generator) -> dict[str, float]:
    """Expression of any strength, some units that do not belong to it, lids from wide to closed, looks aside."""
    apex = draw_apex(label, rng, character.family.prototypes)
    strength = np.array([rng.beta(1.2, 0.9)])
    tracks = ex.unit_tracks(apex, strength, character.rest, 25.0, rng, 0.0, lid_limits=character.family.lid_limits)
    for name in rng.choice(_LOOSE, size=rng.integers(0, 4), replace=False):
        amount = rng.uniform(0, 0.9 if name == "jawOpen" else 0.6)
        for side in sides(str(name)):
            tracks[side] = tracks.get(side, np.zeros(1)) + amount * rng.uniform(0.6, 1.2)
    closed = rng.uniform(0.3, 1.0) if rng.random() < 0.2 else 0.0
    wink = rng.random() < 0.15
    for side in ("Left", "Right"):
        key = f"unit/eyeBlink{side}"
        tracks[key] = np.maximum(tracks[key], 0.0 if wink and side == "Left" else closed)
    if rng.random() < 0.3:
        across, up = rng.uniform(-0.8, 0.8), rng.uniform(-0.6, 0.5)
        for name, amount in {"OutLeft": across, "InRight": across, "InLeft": -across, "OutRight": -across,
                             "UpLeft": up, "UpRight": up, "DownLeft": -up, "DownRight": -up}.items():  # fmt: skip
            tracks[f"unit/eyeLook{name}"] = np.array([max(amount, 0.0)])
    ex.settle_lids(tracks, character.family.lid_limits)
    return {name: float(track[0]) for name, track in tracks.items() if name in character.head.targets}


def _pose(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw yaw, pitch and roll in degrees: most faces nearly frontal, a third anywhere."""
    if rng.random() < 0.4:
        return float(rng.uniform(-75, 75)), float(rng.uniform(-40, 40)), float(rng.uniform(-25, 25))
    return tuple(float(v) for v in rng.normal(0, 1, 3) * (16, 10, 8))  # type: ignore[return-value]


def _camera(character: Character, posed: NDArray[np.float64], rng: np.random.Generator) -> Camera:
    """Draw a camera, as near as an outstretched arm to far away; the face fills 0.4 to 0.7 of the picture."""
    distance = float(np.exp(rng.uniform(np.log(3.8), np.log(20.0))))
    flat = Camera(distance).project(posed[character.head.landmark_vertices])[0] - 0.5
    low, high = flat.min(0), flat.max(0)
    focal = float(rng.uniform(0.4, 0.7)) / float((high - low).max())
    edge = 0.16 if rng.random() < 0.1 else 0.03  # some are cut by the border
    middle = (low + high) / 2 * focal + rng.normal(0, edge, 2)
    return Camera(distance, focal, (float(middle[0]), float(middle[1])))


def _light(rng: np.random.Generator) -> Light:
    """Draw a light; a quarter of them hard, strong or coloured beyond what clips have."""
    light = draw_light(rng)
    if rng.random() < 0.25:
        tint = np.exp(rng.normal(0, 0.35, 3))
        return replace(light, ambient=light.ambient * rng.uniform(0.2, 0.8), key_colour=light.key_colour * tint * 1.4)
    return light
