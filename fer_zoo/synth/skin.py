"""Procedural skin of a subject: tone, blotches, brows, beard, lips, clothes; and wrinkles driven by facial units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fer_zoo.synth.head import Traits
from fer_zoo.synth.texture import ANGLE, HEIGHT_Y, cloud, ramp, spot, stroke

Floats = NDArray[np.float64]

_TONES = np.array(
    [
        (250, 222, 204),
        (238, 203, 178),
        (222, 180, 148),
        (198, 150, 116),
        (164, 115, 84),
        (124, 84, 60),
        (94, 64, 49),
        (74, 51, 41),
    ],
    float,
)
_HAIRS = np.array(
    [(26, 20, 17), (40, 28, 20), (66, 44, 28), (104, 72, 46), (160, 124, 80), (120, 56, 30), (196, 166, 116)], float
)
IRISES = np.array(
    [
        (0.10, 0.055, 0.028),
        (0.16, 0.09, 0.045),
        (0.20, 0.15, 0.07),
        (0.16, 0.22, 0.12),
        (0.12, 0.20, 0.30),
        (0.25, 0.28, 0.30),
    ]
)


# Landmarks of a brow, as annotators set them (300-W): lower at its ends, between them its upper edge. How far along the
# brow, and how far above its middle, in half its thickness.
ALONG, EDGE = np.linspace(0, 1, 5), np.array([-0.5, 0.9, 1.0, 0.9, -0.8])


@dataclass(frozen=True)
class Skin:
    """Colours in linear light; ``albedo`` is on the cylinder of ``texture``."""

    albedo: NDArray[np.float32]  # (h, w, 3)
    lip: Floats  # (3,)
    iris: Floats
    hair: Floats
    teeth: Floats
    gloss: float
    wrinkle_gain: float
    beard: float
    brows: Floats  # (10, 2), angle and height of the landmarks of both brows, in the order of all 68


def linear(rgb: Floats) -> Floats:
    """Convert 8-bit sRGB-like values to linear light."""
    return np.asarray((rgb / 255.0) ** 2.2)


def pick(table: Floats, value: float) -> Floats:
    """Interpolate a colour table linearly, ``value`` in 0..1."""
    place = value * (len(table) - 1)
    k = min(int(place), len(table) - 2)
    return np.asarray(table[k] + (place - k) * (table[k + 1] - table[k]))


def draw_skin(traits: Traits, rng: np.random.Generator) -> Skin:
    """Draw the skin of a subject."""
    tone = linear(pick(_TONES, traits.skin_tone)) * rng.uniform(0.9, 1.1) * (1 + rng.normal(0, 0.03, 3))
    hair = hair_colour(traits, rng)
    paint = np.ones((*ANGLE.shape, 3)) * tone
    paint *= np.exp(rng.uniform(0.02, 0.06) * cloud(rng, 40) + rng.uniform(0.01, 0.05) * cloud(rng, 5, 2))[..., None]
    blush(paint, traits, rng)
    age_lines(paint, traits, rng)
    lash_line(paint, traits, rng)
    if rng.random() < 0.25:
        spots = np.clip(cloud(rng, 4, 1) - rng.uniform(1.6, 2.4), 0, 1) * spot(0, 7.0, 0.5, 0.35)
        paint *= 1 - spots[..., None] * np.array([0.35, 0.5, 0.6])
    beard = float(rng.uniform(0.1, 0.95)) if traits.sex > 0.5 and rng.random() < 0.55 else 0.0
    if beard:
        mix(paint, hair * 0.8, beard_cover(beard, rng))
    shade = rng.uniform(0.15, 0.6)
    cover, brows = _brows(traits, rng)
    mix(paint, hair * shade, cover)
    clothes(paint, rng)
    lip_tint = np.array([rng.uniform(0.8, 1.0), rng.uniform(0.5, 0.75), rng.uniform(0.52, 0.75)])
    lip = tone * lip_tint
    if traits.sex < 0.4 and rng.random() < 0.4:
        lip = lip * 0.3 + 0.7 * np.array([rng.uniform(0.25, 0.6), 0.06, 0.09]) * rng.uniform(0.6, 1.3) * (
            1 - 0.6 * traits.skin_tone
        )
    iris_range = 6 if traits.skin_tone < 0.45 else 2
    return Skin(
        albedo=np.clip(paint, 0, 1).astype(np.float32),
        lip=lip,
        iris=IRISES[rng.integers(iris_range)] * rng.uniform(0.8, 1.2),
        hair=hair,
        teeth=np.array([0.66, 0.59, 0.48]) * rng.uniform(0.75, 1.2) * (1 + rng.normal(0, 0.02, 3)),
        gloss=float(rng.uniform(0.1, 0.6)),
        wrinkle_gain=0.55 + 0.9 * traits.age,
        beard=beard,
        brows=brows,
    )


def mix(paint: Floats, colour: Floats, alpha: Floats) -> None:
    """Blend a colour (3,) over the paint (h, w, 3) with alpha (h, w) 0..1, in place."""
    paint += alpha[..., None] * (colour - paint)


def hair_colour(traits: Traits, rng: np.random.Generator) -> Floats:
    """Draw a hair colour that suits the skin tone, greyer with age."""
    colour = linear(_HAIRS[rng.integers(len(_HAIRS) if traits.skin_tone < 0.4 else 3)]) * rng.uniform(0.7, 1.2)
    grey = np.clip(2.2 * traits.age - 1.1 + rng.normal(0, 0.25), 0, 0.95)
    return np.asarray(colour * (1 - grey) + grey * linear(np.array([158.0, 155, 150])))


def blush(paint: Floats, traits: Traits, rng: np.random.Generator) -> None:
    """Redden cheeks, nose and chin and darken the skin around the eyes, in place."""
    gain = rng.uniform(0.2, 1.0)
    cheeks = [(side * 0.42, 6.98, 0.16, 0.16, 0.8) for side in (-1, 1)]
    for angle, y, wide, tall, share in (*cheeks, (0, 6.95, 0.08, 0.12, 0.7), (0, 6.35, 0.15, 0.1, 0.35)):
        paint *= 1 + (gain * share * spot(angle, y, wide, tall))[..., None] * np.array([0.08, -0.13, -0.14])
    tired = rng.uniform(0.05, 0.3) + 0.1 * traits.age
    shade = rng.uniform(0.0, 0.45) if traits.sex < 0.4 and rng.random() < 0.5 else 0.1
    for side in (-1, 1):
        paint *= 1 - (tired * spot(side * 0.29, 7.13, 0.11, 0.035))[..., None] * np.array([0.8, 1, 0.9])
        paint *= 1 - (shade * spot(side * 0.28, 7.37, 0.13, 0.045))[..., None]


def lash_line(paint: Floats, traits: Traits, rng: np.random.Generator) -> None:
    """Paint the dark lash line around the eyes, stronger and wider with make-up, in place."""
    made_up = rng.random() < 0.65 - 0.6 * traits.sex
    strength = rng.uniform(0.6, 0.95) if made_up else rng.uniform(0.3, 0.7)
    width = rng.uniform(0.014, 0.028) if made_up else 0.012
    t = np.linspace(0, 1, 24)
    upper_y = np.interp(t, [0, 0.35, 0.6, 1], [7.275, 7.335, 7.345, 7.30])
    lower_y = np.interp(t, [0, 0.4, 0.7, 1], [7.265, 7.235, 7.235, 7.285])
    for side in (-1, 1):
        angle = side * (0.165 + 0.22 * t)
        line = np.maximum(stroke(angle, upper_y, width), rng.uniform(0.2, 0.7) * stroke(angle, lower_y, 0.7 * width))
        paint *= 1 - (strength * line)[..., None]


def age_lines(paint: Floats, traits: Traits, rng: np.random.Generator) -> None:
    """Paint the folds that stay when nothing is shown, in place; none on the young."""
    if traits.age < 0.35:
        return
    depth = (traits.age - 0.35) / 0.65
    lines = wrinkle_maps()
    for name, share in (("forehead", 0.35), ("nasolabial", 0.4), ("crow", 0.3), ("glabella", 0.15)):
        paint *= 1 - (depth * share * rng.uniform(0.2, 1.0) * lines[name])[..., None] * np.array([0.8, 1, 1])
    paint *= np.exp(0.06 * depth * cloud(rng, 8, 3))[..., None]


def beard_cover(strength: float, rng: np.random.Generator) -> Floats:
    """Draw the cover of chin, cheek and moustache; low strength is stubble."""
    reach = rng.uniform(0.0, 1.0)
    cheek = ramp(-0.06, 0.06, 6.55 + 0.45 * ramp(0.3, 1.0, np.abs(ANGLE)) * (0.6 + 0.5 * reach) - HEIGHT_Y)
    jaw = ramp(6.08, 6.28, HEIGHT_Y) * (1 - ramp(1.1, 1.3, np.abs(ANGLE)))
    moustache = spot(0, 6.79, 0.17, 0.05) * rng.uniform(0.3, 1.2)
    cover = np.maximum(cheek * jaw * (rng.random() < 0.75), moustache)
    grain = np.clip(0.85 + 0.2 * cloud(rng, 2.0, 1), 0, 1.3)
    return np.asarray(np.clip(cover * strength * grain, 0, 0.92))


def _brows(traits: Traits, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw the cover 0..1 of the brows, and their landmarks, as `Skin.brows`."""
    thick = rng.uniform(0.028, 0.058) * (0.85 + 0.3 * traits.sex)
    arch, lift, tilt = rng.uniform(0.0, 0.06), rng.normal(0, 0.012), rng.normal(0.0, 0.012)
    inner, outer = rng.uniform(0.10, 0.15), rng.uniform(0.50, 0.60)

    def middle(u: Floats) -> Floats:
        bend = arch * np.sin(np.pi * np.clip(u, 0, 1) * 0.7) - 0.15 * np.clip(u - 0.6, 0, 1)
        return np.asarray(7.475 + lift + tilt * u + bend)

    def half(u: Floats) -> Floats:
        return np.asarray(thick * (1 - 0.6 * np.clip(u, 0, 1)))

    u = (np.abs(ANGLE) - inner) / (outer - inner)
    inside = np.exp(-(((HEIGHT_Y - middle(u)) / half(u)) ** 4)) * ramp(-0.12, 0.08, u) * (1 - ramp(0.9, 1.08, u))
    hairs = np.clip(0.9 + 0.12 * cloud(rng, 3, 1, stretch=2.0), 0, 1)
    marks = np.column_stack([inner + (outer - inner) * ALONG, middle(ALONG) + EDGE * half(ALONG)])
    return np.clip(inside * hairs, 0, 1) * rng.uniform(0.7, 1.0), both_brows(marks)


def both_brows(marks: Floats) -> Floats:
    """Return `Skin.brows` of landmarks (5, 2) of the left brow, from the nose outwards."""
    return np.vstack([marks[::-1] * [-1, 1], marks])


def clothes(paint: Floats, rng: np.random.Generator) -> None:
    """Paint everything below a neckline, in place."""
    colour = linear(rng.uniform(10, 235, 3) * 0.4 + 0.6 * rng.uniform(10, 235))
    neckline = 5.82 - rng.uniform(0.0, 0.5) * np.exp(-((ANGLE / rng.uniform(0.3, 0.8)) ** 2))
    cover = ramp(-0.02, 0.02, neckline - HEIGHT_Y)
    weave = np.exp(rng.uniform(0.02, 0.2) * cloud(rng, rng.uniform(3, 30), 2))
    paint += cover[..., None] * (colour * weave[..., None] - paint)


@cache
def wrinkle_maps() -> Mapping[str, Floats]:
    """Return the depth 0..1 of each group of wrinkles, on the cylinder."""
    line = np.linspace
    maps = {
        name: np.zeros_like(ANGLE) for name in ("forehead", "glabella", "nose", "nasolabial", "crow", "lid", "chin")
    }

    def add(name: str, angle: Floats, y: Floats, width: float) -> None:
        np.maximum(maps[name], stroke(angle, y, width), out=maps[name])

    for k in range(4):
        a = line(-0.38 + 0.03 * k, 0.38 - 0.03 * k, 41)
        add("forehead", a, 7.66 + 0.085 * k + 0.02 * np.cos(6 * a), 0.016)
    for side in (-1, 1):
        add("glabella", np.full(16, side * 0.05), line(7.38, 7.60, 16), 0.016)
        add("glabella", np.full(12, side * 0.10), line(7.47, 7.60, 12), 0.014)
        for k in range(3):
            a = line(0.03, 0.13, 9)
            add("nose", side * a, 7.22 + 0.05 * k + 0.15 * a, 0.014)
        drop = line(0, 1, 24)
        add("nasolabial", side * line(0.17, 0.37, 24), 6.95 - 0.42 * drop**0.85, 0.030)
        for k in range(3):
            a = line(0.53, 0.66, 8)
            add("crow", side * a, 7.27 + (k - 1) * 0.5 * (a - 0.50), 0.012)
        a = line(0.16, 0.44, 20)
        add("lid", side * a, 7.135 - 0.25 * (a - 0.3) ** 2 + 0.10 * (a - 0.16), 0.016)
    add("nose", line(-0.07, 0.07, 9), np.full(9, 7.36), 0.014)
    add("chin", line(-0.12, 0.12, 15), 6.44 - 0.8 * line(-0.12, 0.12, 15) ** 2, 0.025)
    return maps


def wrinkle_depth(units: Mapping[str, float], gain: float) -> NDArray[np.float32]:
    """Return the wrinkle map of one frame from the unit weights (left and right are averaged)."""

    def mean(name: str) -> float:
        return max(0.0, 0.5 * (units.get(f"unit/{name}Left", 0.0) + units.get(f"unit/{name}Right", 0.0)))

    smile, sneer, upper = mean("mouthSmile"), mean("noseSneer"), mean("mouthUpperUp")
    strength = {
        "forehead": 0.3 * max(0.0, units.get("unit/browInnerUp", 0.0)) + 0.3 * mean("browOuterUp"),
        "glabella": 0.5 * mean("browDown"),
        "nose": 0.7 * sneer,
        "nasolabial": 0.75 * max(smile, 0.7 * upper, 0.75 * sneer),
        "crow": 0.9 * mean("cheekSquint") * min(1.0, 2 * smile),
        "lid": 0.8 * max(mean("cheekSquint"), 0.6 * mean("eyeSquint")),
        "chin": 0.6 * max(0.0, units.get("unit/mouthShrugLower", 0.0)),
    }
    total = np.zeros((*ANGLE.shape, 1), np.float32)
    for name, amount in strength.items():
        if amount > 0.02:
            total[..., 0] += np.float32(min(amount, 1.0) * gain) * _wrinkle_maps32()[name]
    return np.minimum(total, np.float32(1.2))


@cache
def _wrinkle_maps32() -> Mapping[str, NDArray[np.float32]]:
    return {name: field.astype(np.float32) for name, field in wrinkle_maps().items()}
