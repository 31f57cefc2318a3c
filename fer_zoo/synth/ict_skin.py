"""Skin of ``synthict``, painted differently from MakeHuman's so that textures learned on one do not transfer.

The tone is a mix of two pigments instead of a colour table, brows are single hairs, pores are finer, moles are round.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fer_zoo.synth.head import Traits
from fer_zoo.synth.skin import (
    ALONG,
    EDGE,
    IRISES,
    Skin,
    age_lines,
    beard_cover,
    blush,
    both_brows,
    clothes,
    hair_colour,
    lash_line,
    mix,
)
from fer_zoo.synth.texture import HEIGHT, WIDTH, cloud, texel_positions

Floats = NDArray[np.float64]

_PALE = np.array([0.93, 0.74, 0.64])
# Transmission of red, green and blue at full strength is exp(-number).
MELANIN, _BLOOD = np.array([2.45, 3.1, 3.6]), np.array([0.05, 0.45, 0.35])
_FINE = 4  # supersampling of strokes


def draw_skin(traits: Traits, rng: np.random.Generator) -> Skin:
    """Draw the skin of a subject."""
    melanin = np.clip(traits.skin_tone + rng.normal(0, 0.03), 0.02, 1.0) + 0.05 * cloud(rng, 60, 2) * rng.random()
    blood = rng.uniform(0.1, 0.5) + rng.uniform(0.02, 0.1) * cloud(rng, 22, 3)
    pores = np.exp(rng.uniform(0.015, 0.05) * cloud(rng, 2.5, 1))
    paint = _PALE * np.exp(-melanin[..., None] * MELANIN - blood[..., None] * _BLOOD) * pores[..., None]
    tone = paint.mean((0, 1))
    hair = hair_colour(traits, rng)
    blush(paint, traits, rng)
    age_lines(paint, traits, rng)
    lash_line(paint, traits, rng)
    if rng.random() < 0.4:
        mix(paint, tone * 0.25, _moles(rng))
    beard = float(rng.uniform(0.1, 0.9)) if traits.sex > 0.5 and rng.random() < 0.5 else 0.0
    if beard:
        mix(paint, hair * 0.8, beard_cover(beard, rng))
    shade = rng.uniform(0.1, 0.5)
    cover, brows = brow_hairs(traits, rng)
    mix(paint, hair * shade, cover)
    clothes(paint, rng)
    lip = tone * np.exp(-rng.uniform(0.6, 1.5) * _BLOOD) * np.array([1.0, 0.85, 0.9])
    if traits.sex < 0.4 and rng.random() < 0.4:
        lip = lip * 0.4 + 0.6 * np.array([0.45, 0.05, 0.10]) * rng.uniform(0.4, 1.2) * (1 - 0.6 * traits.skin_tone)
    return Skin(
        albedo=np.clip(paint, 0, 1).astype(np.float32),
        lip=lip,
        iris=IRISES[rng.integers(6 if traits.skin_tone < 0.45 else 2)] * rng.uniform(0.7, 1.3),
        hair=hair,
        teeth=np.array([0.66, 0.58, 0.46]) * rng.uniform(0.75, 1.2),
        gloss=float(rng.uniform(0.15, 0.7)),
        # Unit weights are at most 1, MakeHuman's at most 2.
        wrinkle_gain=0.8 + 0.9 * traits.age,
        beard=beard,
        brows=brows,
    )


def _place(angle: Floats, y: Floats) -> list[tuple[float, float]]:
    """Return pixel coordinates in the supersampled drawing."""
    return [(float(x), float(y)) for x, y in texel_positions(np.column_stack([angle, y])) * _FINE]


def _shrunk(drawing: Image.Image) -> Floats:
    return np.asarray(drawing.resize((WIDTH, HEIGHT), Image.Resampling.BOX), np.float64) / 255


def brow_hairs(traits: Traits, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw the cover 0..1 of single hairs, upright at the inner end, along the brow farther out; and `Skin.brows`."""
    thick = rng.uniform(0.035, 0.065) * (0.85 + 0.3 * traits.sex)
    arch, lift, tilt = rng.uniform(0.0, 0.06), rng.normal(0, 0.012), rng.normal(0, 0.015)
    inner, outer = rng.uniform(0.09, 0.15), rng.uniform(0.50, 0.60)
    count = int(rng.uniform(240, 480))
    drawing = Image.new("L", (WIDTH * _FINE, HEIGHT * _FINE))
    pen = ImageDraw.Draw(drawing)

    def middle(u: Floats) -> Floats:
        return np.asarray(7.475 + lift + tilt * u + arch * np.sin(2.2 * u) - 0.15 * np.clip(u - 0.6, 0, 1))

    for side in (-1, 1):
        u = rng.beta(1.0, 1.2, count)
        angle = inner + (outer - inner) * u
        y = middle(u) + thick * (1 - 0.65 * u) * np.clip(rng.normal(0, 0.45, count), -1, 1)
        lean = np.radians(75 - 80 * np.clip(1.5 * u, 0, 1) + rng.normal(0, 10, count))
        long = 0.055 * rng.uniform(0.6, 1.2, count)
        ends = _place(side * (angle + long * np.cos(lean)), y + 0.6 * long * np.sin(lean))
        for start, end in zip(_place(side * angle, y), ends, strict=True):
            pen.line([start, end], fill=255, width=2)
    height = middle(ALONG) + EDGE * 0.7 * thick * (1 - 0.65 * ALONG)  # few hairs are farther out
    marks = np.column_stack([inner + (outer - inner) * ALONG, height])
    return np.clip(1.5 * _shrunk(drawing), 0, 1) * rng.uniform(0.75, 0.97), both_brows(marks)


def _moles(rng: np.random.Generator) -> Floats:
    drawing = Image.new("L", (WIDTH * _FINE, HEIGHT * _FINE))
    pen = ImageDraw.Draw(drawing)
    count = int(rng.integers(2, 30))
    centres = _place(rng.normal(0, 0.5, count), rng.normal(6.95, 0.35, count))
    for (x, y), radius in zip(centres, rng.uniform(1.5, 6.0, count), strict=True):
        pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=int(rng.integers(60, 220)))
    return _shrunk(drawing)
