"""What hides parts of a face in a still: masks, hats, scarves, sunglasses, hands, things; placed by its landmarks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fer_zoo.synth.texture import cloud

Floats = NDArray[np.floating]
Shape = Sequence[tuple[float, float]]
_FINE = 2  # shapes are drawn at twice the size and reduced, so that edges are smooth


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
    mask = Image.new("L", (size * _FINE, size * _FINE))
    draw = ImageDraw.Draw(mask)
    for shape in KINDS[kind](np.asarray(landmarks, float), rng):
        draw.polygon([((x + 0.5) * _FINE, (y + 0.5) * _FINE) for x, y in shape], fill=255)
    share = np.asarray(mask.resize((size, size), Image.Resampling.BOX), np.float32)[..., None] / 255
    shade = 1 + 0.12 * cloud(rng, float(rng.uniform(2, 14)), 2, size, size)[..., None]
    if kind not in ("hand", "sunglasses") and rng.random() < 0.35:  # stripes or checks
        grid = np.arange(size) * rng.uniform(0.3, 1.6)
        shade = shade * (1 + 0.3 * np.sign(np.sin(grid)))[:: rng.choice([1, -1]), None, None]
    light = picture.mean() / 110
    painted = np.clip(colour * shade * np.clip(light, 0.3, 1.6), 0, 255)
    alpha = share * (rng.uniform(0.75, 1.0) if kind == "sunglasses" else 1.0)
    at = np.clip(np.rint(landmarks), 0, size - 1).astype(int)
    free = share[at[:, 1], at[:, 0], 0] < 0.5
    return (picture * (1 - alpha) + painted * alpha).astype(np.uint8), free


def _colour(rng: np.random.Generator) -> Floats:
    grey = rng.beta(0.8, 0.8) * 255
    return np.clip(grey + rng.normal(0, 1) * rng.normal(0, 45, 3), 3, 252)


def _axes(marks: Floats) -> tuple[Floats, Floats, Floats]:
    """Middle between the eyes, and the vectors from it to the chin and from eye to eye."""
    eyes = marks[36:48].mean(0)
    return eyes, marks[8] - eyes, marks[42:48].mean(0) - marks[36:42].mean(0)


def _blob(centre: Floats, along: Floats, across: Floats, rng: np.random.Generator, rough: float) -> Shape:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radius = 1 + rough * rng.normal(0, 1, 24)
    points = centre + radius[:, None] * (np.cos(angle)[:, None] * along + np.sin(angle)[:, None] * across)
    return [(float(x), float(y)) for x, y in points]


def _mask(marks: Floats, rng: np.random.Generator) -> list[Shape]:
    """Over mouth and nose, from one side of the jaw to the other; sometimes below the nose."""
    first = int(rng.integers(1, 4))
    _, down, _ = _axes(marks)
    jaw = marks[first : 17 - first] + 0.04 * down * np.linspace(-1, 1, 17 - 2 * first)[:, None] ** 2
    nose = marks[28 if rng.random() < 0.8 else 33]
    return [
        [(float(x), float(y)) for x, y in [*jaw, nose + 0.25 * (jaw[-1] - nose), nose, nose + 0.25 * (jaw[0] - nose)]]
    ]


def _hat(marks: Floats, rng: np.random.Generator) -> list[Shape]:
    """Everything above a line on the forehead: hats, caps, bands, fringes."""
    eyes, down, across = _axes(marks)
    line = eyes - down * rng.uniform(0.2, 0.6)
    wide = across * rng.uniform(1.2, 2.6)
    sag = down * rng.normal(0.0, 0.06)
    top = -down * rng.uniform(0.25, 1.6)
    points = [line - wide, line + sag, line + wide, line + wide + top, line - wide + top]
    return [[(float(x), float(y)) for x, y in points]]


def _scarf(marks: Floats, rng: np.random.Generator) -> list[Shape]:
    """Cloth round the face, as of a headscarf or a hood: a ring whose inner edge follows jaw and forehead."""
    eyes, down, _ = _axes(marks)
    middle = eyes + 0.35 * down
    inner = np.concatenate(
        [marks[0:17:2], [marks[26] - 0.35 * down, eyes - rng.uniform(0.45, 0.7) * down, marks[17] - 0.35 * down]]
    )
    inner = middle + (inner - middle) * rng.uniform(0.95, 1.1)
    outer = middle + (inner - middle) * rng.uniform(1.4, 2.2)
    shapes: list[Shape] = []
    for k in range(len(inner)):
        n = (k + 1) % len(inner)
        shapes.append([(float(x), float(y)) for x, y in (inner[k], inner[n], outer[n], outer[k])])
    return shapes


def _sunglasses(marks: Floats, rng: np.random.Generator) -> list[Shape]:
    _, down, across = _axes(marks)
    wide, tall = across * rng.uniform(0.3, 0.42), down * rng.uniform(0.12, 0.22)
    shapes = [_blob(marks[a:b].mean(0) + 0.03 * down, wide, tall, rng, 0.02) for a, b in ((36, 42), (42, 48))]
    thick = 0.02 * down
    ends = (
        (marks[0], marks[36:42].mean(0)),
        (marks[36:42].mean(0), marks[42:48].mean(0)),
        (marks[42:48].mean(0), marks[16]),
    )
    bars = [[tuple(a - thick), tuple(b - thick), tuple(b + thick), tuple(a + thick)] for a, b in ends]
    return [*shapes, *bars]


def _hand(marks: Floats, rng: np.random.Generator) -> list[Shape]:
    """A palm and four fingers, pointing somewhere over the face."""
    _, down, across = _axes(marks)
    unit = max(float(np.hypot(*down)), 1.5 * float(np.hypot(*across))) * rng.uniform(0.6, 0.9)
    centre = marks[rng.integers(68)] + rng.normal(0, 0.2, 2) * unit
    angle = rng.uniform(0, 2 * np.pi)
    along, side = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    shapes = [_blob(centre, 0.33 * unit * along, 0.3 * unit * side, rng, 0.03)]
    spread = rng.uniform(0.0, 0.25)
    for finger in range(4):
        start = centre + side * unit * (finger - 1.5) * 0.15
        way = along + side * spread * (finger - 1.5)
        middle = start + way * unit * rng.uniform(0.4, 0.5)
        shapes.append(_blob(middle, way * unit * 0.4, side * unit * 0.07, rng, 0.02))
    return shapes


def _thing(marks: Floats, rng: np.random.Generator) -> list[Shape]:
    """A bar, cup, phone or leaf somewhere before the face."""
    _, down, across = _axes(marks)
    unit = max(float(np.hypot(*down)), 1.5 * float(np.hypot(*across)))
    centre = marks[rng.integers(68)] + rng.normal(0, 0.25, 2) * unit
    angle = rng.uniform(0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)]) * unit * rng.uniform(0.15, 0.9)
    side = np.array([-np.sin(angle), np.cos(angle)]) * unit * rng.uniform(0.05, 0.35)
    if rng.random() < 0.5:
        return [_blob(centre, along, side, rng, 0.05)]
    return [
        [
            tuple(centre - along - side),
            tuple(centre + along - side),
            tuple(centre + along + side),
            tuple(centre - along + side),
        ]
    ]


KINDS: dict[str, Callable[[Floats, np.random.Generator], list[Shape]]] = {
    "mask": _mask,
    "hat": _hat,
    "scarf": _scarf,
    "sunglasses": _sunglasses,
    "hand": _hand,
    "thing": _thing,
}
