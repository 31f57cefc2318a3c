"""Single pictures that vary far more than clips do, with exact landmarks: what a landmark detector is trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_zoo.errors import OptionError
from fer_zoo.synth.body import follow_share, with_torso
from fer_zoo.synth.character import Character, build_character
from fer_zoo.synth.cover import KINDS, cover, skin_colour
from fer_zoo.synth.degrade import degrade
from fer_zoo.synth.expression import settle_lids
from fer_zoo.synth.family import HeadFamily
from fer_zoo.synth.post import develop, draw_background, draw_recorder
from fer_zoo.synth.prototypes import LABELS, draw_apex, sides
from fer_zoo.synth.raster import Visible, vertex_normals
from fer_zoo.synth.scene import PIVOT, Camera, Light, draw_light, key_shadow, look, rotation, shade

Floats = NDArray[np.float64]

# Largest yaw, pitch and roll in degrees; the spread of the common, smaller rotations; the share of the others.
_TURN_LIMITS, _TURN_SPREADS, _TURNED = np.array([75.0, 40.0, 60.0]), np.array([18.0, 10.0, 9.0]), 0.4
_NO_FACE, _CLEAN, _COVERED = 1 / 16, 0.3, 0.4  # shares: of all pictures, and covered ones of those with a face
_SCALE = (0.4, 0.72)  # side of the landmarks' bounding square relative to the picture
_FINE = 1.3  # rendered pixels per pixel and axis: smooth edges
_HIDDEN = 0.07  # decimetres behind the nearest surface: less is the landmark's own surface
_LOOKS = (("Out", "In"), ("In", "Out"), ("Up", "Up"), ("Down", "Down"))  # units of the left and the right eye
_UNITS = (
    "browDown", "browInnerUp", "browOuterUp", "cheekPuff", "cheekSquint", "eyeSquint", "eyeWide", "jawForward",
    "jawLeft", "jawOpen", "jawRight", "mouthDimple", "mouthFrown", "mouthFunnel", "mouthLeft", "mouthLowerDown",
    "mouthPress", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower",
    "mouthShrugUpper", "mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer",
)  # fmt: skip


@dataclass(frozen=True)
class Still:
    """A rendered picture of one face, or of none.

    Attributes:
        image: (S, S, 3) uint8, RGB.
        landmarks: (68, 2) float32 in pixels, pixel centres at integers, also where hidden; NaN without a face.
        visible: (68,) bool, in the picture and neither turned away nor covered.
        pose: yaw (to the subject's left), pitch (down) and roll in degrees; NaN without a face.
        attributes: what was drawn: label, covers, traits of the subject.
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

    Yaw up to 75, pitch to 40, roll to 60 degrees, any expression at any strength, open mouths, closed eyes and looks
    aside, hard and coloured light, wide-angle lenses, masks, hats, scarves, sunglasses, hands, blur, low resolution,
    compression. One picture in sixteen shows no face.

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
    character = with_torso(build_character(seed, subject, family))
    rng = np.random.default_rng(np.random.SeedSequence([seed, subject, take, 5, *character.family.stream]))
    still = _without_face(character, size, rng) if rng.random() < _NO_FACE else _with_face(character, size, rng)
    return still if rng.random() < _CLEAN else replace(still, image=degrade(still.image, rng))


def _with_face(character: Character, size: int, rng: np.random.Generator) -> Still:
    turn, units, label = _draw_turn(rng), *_draw_units(character, rng)
    image, landmarks, visible = _photograph(character, turn, units, size, rng)
    covers: list[str] = []
    if rng.random() < _COVERED:
        covers = [str(kind) for kind in rng.choice(list(KINDS), size=1 + (rng.random() < 0.2), replace=False)]
        skin = skin_colour(image, landmarks, rng)
        for kind in covers:
            image, free = cover(image, landmarks, kind, skin, rng)
            visible &= free
    attributes = {
        "face": True,
        "label": label,
        "covers": covers,
        "hair": character.style,
        "glasses": character.glasses,
        "beard": character.skin.beard,
        "skin_tone": character.traits.skin_tone,
        "age": character.traits.age,
        "sex": character.traits.sex,
    }
    return Still(image, landmarks, visible, turn.astype(np.float32), attributes)


def _without_face(character: Character, size: int, rng: np.random.Generator) -> Still:
    """Render the back of a head, or a background, with things before it."""
    if rng.random() < 0.25:
        image = _photograph(character, _draw_turn(rng) * [0.6, 0.5, 0.5] + [180, 0, 0], {}, size, rng)[0]
    else:
        image = develop(draw_background(rng, size), draw_recorder(rng, size, plain=True))
    for kind in rng.choice(list(KINDS), rng.integers(0, 4)):
        spots = rng.uniform(0, size, 2) + rng.uniform(-0.5, 0.5, (68, 2)) * size * rng.uniform(0.2, 0.8)
        image, _ = cover(image, spots, str(kind), rng.uniform(40, 230) * np.array([1.0, 0.8, 0.7]), rng)
    nowhere = np.full((68, 2), np.nan, np.float32)
    return Still(image, nowhere, np.zeros(68, bool), np.full(3, np.nan, np.float32), {"face": False, "covers": []})


def _draw_turn(rng: np.random.Generator) -> Floats:
    """Draw yaw, pitch and roll in degrees, each usually small and sometimes anything within the limits."""
    wide = rng.uniform(-_TURN_LIMITS, _TURN_LIMITS)
    return np.where(rng.random(3) < _TURNED, wide, np.clip(rng.normal(0, _TURN_SPREADS), -_TURN_LIMITS, _TURN_LIMITS))


def _draw_units(character: Character, rng: np.random.Generator) -> tuple[dict[str, float], str]:
    """Draw unit weights: rest, an expression of any strength, other units, lids, gaze, mouth and tongue."""
    label, strength = str(rng.choice(LABELS)), float(rng.uniform(0.05, 1.05))
    weights: dict[str, float] = dict(character.rest)

    def add(name: str, weight: float) -> None:
        if name in character.head.targets:
            weights[name] = weights.get(name, 0.0) + weight

    for name, weight in draw_apex(label, rng, character.family.prototypes).items():
        add(name, weight * strength)
    for unit in rng.choice(_UNITS, rng.choice(5, p=[0.3, 0.2, 0.2, 0.2, 0.1]), replace=False):
        amount = float(rng.uniform(0, 0.8))
        uneven = rng.uniform(-0.5, 0.5) if rng.random() < 0.3 else 0.0
        for sign, name in zip((1, -1), sides(str(unit)), strict=False):
            add(name, amount * (1 + sign * uneven))
    if rng.random() < 0.2:  # wide open
        add("unit/jawOpen", float(rng.uniform(0.3, 1.0)))
        if rng.random() < 0.3:
            add("unit/tongueOut", float(rng.uniform(0.2, 1.0)))
    lids = rng.random()
    closed = rng.uniform(0.85, 1.0, 2) if lids < 0.12 else rng.uniform(0.1, 0.8, 2) * (lids < 0.22)
    if lids < 0.03:  # a wink
        closed[rng.integers(2)] = 0.0
    for side, amount in zip(("Left", "Right"), closed, strict=True):
        add(f"unit/eyeBlink{side}", float(amount))
    across, upward = np.clip(rng.normal(0, [0.35, 0.22]), -1, 1)
    for (left, right), amount in zip(_LOOKS, (across, -across, upward, -upward), strict=True):
        for side, way in (("Left", left), ("Right", right)):
            add(f"unit/eyeLook{way}{side}", max(0.0, float(amount)))
    tracks = {name: np.array([weight]) for name, weight in weights.items()}
    settle_lids(tracks, character.family.lid_limits)
    return {name: float(track[0]) for name, track in tracks.items()}, label


def _photograph(
    character: Character, turn: Floats, units: Mapping[str, float], size: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
    """Return the picture, the landmarks in its pixels, and which of them are visible."""
    bent, spin = character.shape + character.head.offsets(units), rotation(*np.radians(turn))
    body, share = rotation(*np.radians(turn * rng.uniform(0, [0.9, 0.3, 0.6]))), follow_share(character)

    def turned(arrows: Floats) -> Floats:
        return np.asarray(share * (arrows @ spin.T) + (1 - share) * (arrows @ body.T))

    posed = turned(np.vstack([bent, character.extra]) - PIVOT)
    camera = _draw_camera(posed[character.head.landmark_vertices], rng)
    normals = turned(np.vstack([vertex_normals(bent, character.head.triangles), character.extra_normals]))
    light = draw_light(rng) if rng.random() < 0.6 else _strong_light(rng)
    lit = key_shadow(character, posed, light, size=96)
    rendered = round(size * _FINE)
    seen = look(character, posed, camera, rendered)
    scene = shade(character, light, seen, normals, lit, units, draw_background(rng, rendered))
    scene *= np.float32(_exposure(scene, seen, rng))
    landmarks, depth = camera.project(character.landmarks(posed))
    visible = _unhidden(landmarks * rendered - 0.5, depth, seen.depth)
    image = Image.fromarray(develop(scene, draw_recorder(rng, rendered, plain=True)))
    small = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    return small, (landmarks * size - 0.5).astype(np.float32), visible


def _draw_camera(marks: Floats, rng: np.random.Generator) -> Camera:
    """Draw distance, size and place of the face; sometimes a close wide-angle lens, or a face cut by the border."""
    near, far = (3.2, 6.0) if rng.random() < 0.2 else (6.0, 25.0)
    distance = float(np.exp(rng.uniform(np.log(near), np.log(far))))
    flat = Camera(distance).project(marks)[0] - 0.5
    low, high = flat.min(0), flat.max(0)
    share = float(rng.uniform(*_SCALE))
    focal = share / float((high - low).max())
    place = rng.uniform(-1, 1, 2) * max(0.0, (1 - share) / 2 - 0.08)
    if rng.random() < 0.1:  # up to 40 % of the face outside
        place += rng.uniform(-0.4, 0.4, 2) * share
    middle = (low + high) / 2 * focal - place
    return Camera(distance, focal, (float(middle[0]), float(middle[1])))


def _strong_light(rng: np.random.Generator) -> Light:
    """Draw a light from any side, often hard, sometimes saturated in colour."""

    def direction() -> Floats:
        across, up = rng.uniform(-1.7, 1.7), rng.uniform(-0.7, 1.3)
        return np.array([np.sin(across) * np.cos(up), np.sin(up), np.cos(across) * np.cos(up)])

    def tint() -> Floats:
        colour = 1 - rng.uniform(0, 0.9 if rng.random() < 0.4 else 0.25) * rng.random(3)
        return np.asarray(colour / colour.mean())

    hard = rng.uniform(0.3, 1.0)
    return Light(
        ambient=(0.4 - 0.33 * hard) * tint(),
        key=direction(),
        key_colour=(0.4 + 0.8 * hard) * tint(),
        fill=direction(),
        fill_colour=rng.uniform(0.0, 0.5) * tint(),
    )


def _exposure(scene: NDArray[np.float32], seen: Visible, rng: np.random.Generator) -> float:
    """Meter the head, imperfectly."""
    level = float(scene.reshape(-1, 3)[seen.pixel].mean()) if len(seen.pixel) else 0.3
    return float(min((0.22 / max(level, 1e-3)) ** 0.7, 8.0) * np.exp(rng.normal(0, 0.3)))


def _unhidden(landmarks: Floats, depth: Floats, nearest: Floats) -> NDArray[np.bool_]:
    """Return which landmarks lie in the picture with nothing before them, by the farthest of the nine pixels around."""
    size = len(nearest)
    inside = ((landmarks >= -0.5) & (landmarks < size - 0.5)).all(1)
    column, row = np.clip(np.rint(landmarks.T), 0, size - 1).astype(int)
    steps = range(-1, 2)
    around = [nearest[np.clip(row + y, 0, size - 1), np.clip(column + x, 0, size - 1)] for y in steps for x in steps]
    return np.asarray(inside & (depth <= np.max(around, axis=0) + _HIDDEN))
