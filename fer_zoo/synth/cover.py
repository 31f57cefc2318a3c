"""What hides parts of a face: masks, hats, scarves, sunglasses, hands, things; placed by its landmarks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from fer_zoo.synth.texture import cloud

Floats = NDArray[np.floating]
Painted = tuple[list[tuple[float, float]], int]  # an outline in pixels, and its tone from 0 to 255
_FINE = 2  # shapes are drawn at twice the size and reduced, so that edges are smooth
_FINGER = ((185, 1.0), (225, 0.72), (255, 0.4))  # tones and widths: fingers are round, dark at their edges


def cover(
    picture: NDArray[np.uint8], landmarks: Floats, kind: str, skin: Floats, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw something of `kind`, one of `KINDS`, over a picture (S, S, 3); returns it and which landmarks stay visible.

    Args:
        landmarks: (68, 2) in pixels.
        skin: colour of the subject's skin (3,), 0 to 255, for hands.
    """
    size = picture.shape[0]
    colour = skin if kind == "hand" else _colour(rng)
    drawing = Image.new("RGB", (size * _FINE, size * _FINE), (0, 255, 0))  # red: how much is covered; green: tone
    pen = ImageDraw.Draw(drawing)
    for shape, tone in KINDS[kind](np.asarray(landmarks, float), rng):
        pen.polygon([((x + 0.5) * _FINE, (y + 0.5) * _FINE) for x, y in shape], fill=(255, tone, 0))
    if rng.random() < 0.3:  # out of focus
        drawing = drawing.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 2.5))))
    drawn = np.asarray(drawing.resize((size, size), Image.Resampling.BOX), np.float32) / 255
    share, relief = drawn[..., :1], drawn[..., 1:2]
    shade = 1 + 0.12 * cloud(rng, float(rng.uniform(2, 14)), 2, size, size)[..., None]
    if kind not in ("hand", "sunglasses") and rng.random() < 0.35:  # stripes or checks
        grid = np.arange(size) * rng.uniform(0.3, 1.6)
        shade = shade * (1 + 0.3 * np.sign(np.sin(grid)))[:: rng.choice([1, -1]), None, None]
    light = picture.mean() / 110
    painted = np.clip(colour * relief * shade * np.clip(light, 0.3, 1.6), 0, 255)
    alpha = share * (rng.uniform(0.75, 1.0) if kind == "sunglasses" else 1.0)
    at = np.clip(np.rint(landmarks), 0, size - 1).astype(int)
    free = share[at[:, 1], at[:, 0], 0] < 0.5
    return (picture * (1 - alpha) + painted * alpha).astype(np.uint8), free


def skin_colour(picture: NDArray[np.uint8], landmarks: Floats, rng: np.random.Generator) -> Floats:
    """Draw the colour (3,) of a hand: that of the nose, in somewhat other light."""
    column, row = np.clip(np.rint(landmarks[27:36].T), 0, len(picture) - 1).astype(int)
    return np.asarray(np.median(picture[row, column], axis=0) * rng.uniform(0.75, 1.2))


def _colour(rng: np.random.Generator) -> Floats:
    grey = rng.beta(0.8, 0.8) * 255
    return np.clip(grey + rng.normal(0, 1) * rng.normal(0, 45, 3), 3, 252)


def _axes(marks: Floats) -> tuple[Floats, Floats, Floats]:
    """Middle between the eyes, and the vectors from it to the chin and from eye to eye."""
    eyes = marks[36:48].mean(0)
    return eyes, marks[8] - eyes, marks[42:48].mean(0) - marks[36:42].mean(0)


def _outline(points: Sequence[Floats] | Floats) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in points]


def _plain(*shapes: Sequence[Floats] | Floats) -> list[Painted]:
    return [(_outline(shape), 255) for shape in shapes]


def _blob(centre: Floats, along: Floats, across: Floats, rng: np.random.Generator, rough: float) -> Floats:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radius = 1 + rough * rng.normal(0, 1, 24)
    return np.asarray(centre + radius[:, None] * (np.cos(angle)[:, None] * along + np.sin(angle)[:, None] * across))


def _mask(marks: Floats, rng: np.random.Generator) -> list[Painted]:
    """Over mouth and nose, from one side of the jaw to the other; sometimes below the nose."""
    first = int(rng.integers(1, 4))
    _, down, _ = _axes(marks)
    jaw = marks[first : 17 - first] + 0.04 * down * np.linspace(-1, 1, 17 - 2 * first)[:, None] ** 2
    nose = marks[28 if rng.random() < 0.8 else 33]
    return _plain([*jaw, nose + 0.25 * (jaw[-1] - nose), nose, nose + 0.25 * (jaw[0] - nose)])


def _hat(marks: Floats, rng: np.random.Generator) -> list[Painted]:
    """Everything above a line on the forehead: hats, caps, bands, fringes."""
    eyes, down, across = _axes(marks)
    line = eyes - down * rng.uniform(0.2, 0.6)
    wide = across * rng.uniform(1.2, 2.6)
    sag = down * rng.normal(0.0, 0.06)
    top = -down * rng.uniform(0.25, 1.6)
    return _plain([line - wide, line + sag, line + wide, line + wide + top, line - wide + top])


def _scarf(marks: Floats, rng: np.random.Generator) -> list[Painted]:
    """Cloth round the face, as of a headscarf or a hood: a ring whose inner edge follows jaw and forehead."""
    eyes, down, _ = _axes(marks)
    middle = eyes + 0.35 * down
    inner = np.concatenate(
        [marks[0:17:2], [marks[26] - 0.35 * down, eyes - rng.uniform(0.45, 0.7) * down, marks[17] - 0.35 * down]]
    )
    inner = middle + (inner - middle) * rng.uniform(0.95, 1.1)
    outer = middle + (inner - middle) * rng.uniform(1.4, 2.2)
    after = np.roll(np.arange(len(inner)), -1)
    return _plain(*(np.stack([inner[k], inner[n], outer[n], outer[k]]) for k, n in enumerate(after)))


def _sunglasses(marks: Floats, rng: np.random.Generator) -> list[Painted]:
    _, down, across = _axes(marks)
    wide, tall = across * rng.uniform(0.3, 0.42), down * rng.uniform(0.12, 0.22)
    shapes = [_blob(marks[a:b].mean(0) + 0.03 * down, wide, tall, rng, 0.02) for a, b in ((36, 42), (42, 48))]
    thick = 0.02 * down
    ends = (
        (marks[0], marks[36:42].mean(0)),
        (marks[36:42].mean(0), marks[42:48].mean(0)),
        (marks[42:48].mean(0), marks[16]),
    )
    bars = [np.stack([a - thick, b - thick, b + thick, a + thick]) for a, b in ends]
    return _plain(*shapes, *bars)


def _hand(marks: Floats, rng: np.random.Generator) -> list[Painted]:
    """A lower arm, a palm, four fingers and a thumb, pointing somewhere over the face."""
    _, down, across = _axes(marks)
    unit = max(float(np.hypot(*down)), 1.5 * float(np.hypot(*across))) * rng.uniform(0.7, 1.05)
    at = marks[rng.integers(68)] + rng.normal(0, 0.25, 2) * unit
    turn, spread, bend = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.3), rng.uniform(-0.25, 0.25)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    axes[0] *= rng.choice([-1.0, 1.0])  # the right or the left hand
    limbs = [(0.55, [(0.0, 2.6), (0.0, 0.6)])]
    limbs += [(0.42, [(x, 0.55), (1.2 * x, 0.05)]) for x in (-0.24, 0.0, 0.24)]
    for finger, length in enumerate((0.72, 0.82, 0.78, 0.6)):
        root, lean = -0.33 + 0.22 * finger, (finger - 1.5) * spread + bend * 0.3
        middle = (root + 0.5 * length * np.sin(lean), -0.05 - 0.5 * length * np.cos(lean))
        tip = (middle[0] + 0.5 * length * np.sin(lean + bend), middle[1] - 0.5 * length * np.cos(lean + bend))
        limbs.append((0.2, [(root, 0.0), middle, tip]))
    limbs.append((0.22, [(-0.35, 0.5), (-0.62, 0.15), (-0.68, -0.15)]))
    return [
        (_outline(at + unit * bone @ axes), tone)
        for width, path in limbs
        for tone, share in _FINGER
        for bone in _bones(np.array(path), width / 2 * share)
    ]


def _bones(path: Floats, radius: float) -> list[Floats]:
    """Round both ends of each straight part of a path: outlines of capsules."""
    outlines = []
    for start, end in itertools.pairwise(path):
        angle = np.arctan2(*(end - start)[::-1]) + np.linspace(np.pi / 2, 3 * np.pi / 2, 9)
        half = radius * np.stack([np.cos(angle), np.sin(angle)], 1)
        outlines.append(np.concatenate([start + half, end - half]))
    return outlines


def _thing(marks: Floats, rng: np.random.Generator) -> list[Painted]:
    """A bar, cup, phone or leaf somewhere before the face."""
    _, down, across = _axes(marks)
    unit = max(float(np.hypot(*down)), 1.5 * float(np.hypot(*across)))
    centre = marks[rng.integers(68)] + rng.normal(0, 0.25, 2) * unit
    angle = rng.uniform(0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)]) * unit * rng.uniform(0.15, 0.9)
    side = np.array([-np.sin(angle), np.cos(angle)]) * unit * rng.uniform(0.05, 0.35)
    if rng.random() < 0.5:
        return _plain(_blob(centre, along, side, rng, 0.05))
    return _plain(centre + np.stack([-along - side, along - side, along + side, side - along]))


KINDS: dict[str, Callable[[Floats, np.random.Generator], list[Painted]]] = {
    "mask": _mask,
    "hat": _hat,
    "scarf": _scarf,
    "sunglasses": _sunglasses,
    "hand": _hand,
    "thing": _thing,
}
