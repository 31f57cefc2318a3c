"""Hair as a shell around the scalp, and glasses: extra geometry that moves with the head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_zoo.synth.head import FRAME, HAIR, SKIN, Head, Traits
from fer_zoo.synth.texture import cloud, resize

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_AROUND, _DOWN, _HANG = 72, 15, 9
_CENTRE = np.array([0.0, 7.45, 0.1])
STYLES = ("bald", "buzz", "short", "crop", "curly", "bob", "long", "fringe")
_SHARES = {
    "female": (0.02, 0.03, 0.1, 0.05, 0.12, 0.22, 0.3, 0.16),
    "male": (0.14, 0.16, 0.3, 0.22, 0.1, 0.02, 0.03, 0.03),
}


@dataclass(frozen=True)
class Extra:
    """Additional geometry. ``cutout`` is negative where the sheet has a hole."""

    vertices: Floats  # (n, 3)
    normals: Floats  # (n, 3); the sheets are two-sided, so face normals would cancel
    triangles: Ints
    material: int
    cutout: Floats  # (n,)
    uv: Floats  # (n, 2)


def draw_style(traits: Traits, rng: np.random.Generator) -> str:
    """Draw a hair style; the probabilities depend on the sex value, and every style is possible."""
    shares = _SHARES["male" if traits.sex > 0.5 else "female"]
    style = str(rng.choice(STYLES, p=np.array(shares) / sum(shares)))
    return "bald" if style == "short" and traits.sex > 0.5 and traits.age > 0.7 and rng.random() < 0.3 else style


def scalp_line(angle: Floats, style: str, rng: np.random.Generator, recede: float) -> Floats:
    """Draw the height of the hairline at each angle from the nose, on the base mesh."""
    a = np.abs(angle)
    front = 7.93 + rng.normal(0, 0.06) + recede * np.exp(-(((a - 0.5) / 0.28) ** 2))
    knots = {
        "sides": [0.0, 0.7, 0.85, 1.05, 1.2, 1.35, 1.7, 1.9, 2.3, 3.2],
        "short": [9.0, 9.0, 7.85, 7.55, 7.35, 7.40, 7.48, 7.4, 7.0, 6.6],
        "long": [9.0, 9.0, 7.7, 7.2, 5.0, 4.0, 4.0, 4.0, 4.0, 4.0],
    }
    hanging = style in ("bob", "long", "fringe")
    side = np.interp(a, knots["sides"], knots["long" if hanging else "short"])
    if style == "fringe":
        front = 7.66 + rng.normal(0, 0.04) + 0.05 * np.cos(3 * a)
    return np.asarray(np.minimum(front, side))


def draw_hair(head: Head, shape: Floats, style: str, traits: Traits, rng: np.random.Generator) -> Extra | None:
    """Draw the hair of a subject, None if bald."""
    if style == "bald":
        return None
    azimuth = np.linspace(-np.pi, np.pi, _AROUND, endpoint=False)
    elevation = np.linspace(np.pi / 2 - 0.02, -0.12, _DOWN)
    lon, lat = np.meshgrid(azimuth, elevation)
    toward = np.stack([np.sin(lon) * np.cos(lat), np.sin(lat), np.cos(lon) * np.cos(lat)], -1)
    radius = _skull_radius(head, shape, toward)
    lumps = cloud(rng, 14, 3, _AROUND, _DOWN)
    up = np.clip(np.sin(lat), 0, 1)
    thick = {
        "buzz": 0.03 + 0 * up,
        "short": rng.uniform(0.05, 0.10) + rng.uniform(0.0, 0.22) * up,
        "crop": 0.05 + rng.uniform(0.1, 0.35) * up**2,
        "curly": rng.uniform(0.15, 0.45) + 0.1 * up,
        "bob": rng.uniform(0.09, 0.2) + 0.06 * up,
        "long": rng.uniform(0.06, 0.14) + 0.08 * up,
        "fringe": rng.uniform(0.08, 0.16) + 0.08 * up,
    }[style]
    rough = {"buzz": 0.05, "short": 0.3, "crop": 0.35, "curly": 0.25}.get(style, 0.12)
    thick = thick * np.clip(1 + rough * lumps, 0.2, 2)
    dome = _CENTRE + toward * (radius + thick)[..., None]
    grid, on_skull = _with_hanging(dome, _CENTRE + toward * radius[..., None], style, rng)
    angle = np.arctan2(on_skull[..., 0], on_skull[..., 2] - 0.25)
    # Hairlines are defined on the base mesh; this subject's brows may be higher or lower.
    marks = head.landmark_vertices[[19, 24]]
    raised = float(np.clip((shape[marks, 1] - head.paint[marks, 1]).mean(), -0.2, 0.2))
    recede = rng.uniform(0, 0.18) if traits.sex > 0.5 and traits.age > 0.3 else rng.uniform(0, 0.06)
    ragged = resize(rng.standard_normal((8, _AROUND)), _AROUND, grid.shape[0]) + 0.7 * rng.standard_normal(
        grid.shape[:2]
    )
    margin = on_skull[..., 1] - raised - scalp_line(angle, style, rng, recede)
    # Near the hairline the sheet approaches the skin, so that its edge does not float.
    near = np.clip(margin / 0.12, 0.0, 1.0)[..., None] if style != "fringe" else np.ones((*margin.shape, 1))
    outward = (on_skull - _CENTRE) / np.linalg.norm(on_skull - _CENTRE, axis=-1, keepdims=True)
    grid = on_skull + 0.025 * outward + (grid - on_skull) * (0.15 + 0.85 * near)
    rows = grid.shape[0]
    uv = np.stack(np.meshgrid(np.arange(_AROUND) / _AROUND, np.arange(rows) / rows), -1)
    normals = _hair_normals(grid, rng)
    return Extra(
        grid.reshape(-1, 3), normals, _grid_triangles(rows), HAIR, (margin + 0.015 * ragged).ravel(), uv.reshape(-1, 2)
    )


def _hair_normals(grid: Floats, rng: np.random.Generator) -> Floats:
    """Return normals that point away from the head, with variation between locks."""
    arm = grid - _CENTRE
    arm[..., 1] = np.maximum(arm[..., 1], -0.15)
    unit = arm / np.linalg.norm(arm, axis=-1, keepdims=True)
    locks = np.stack([cloud(rng, 4, 2, _AROUND, grid.shape[0], stretch=3.0) for _ in range(3)], -1)
    return np.asarray((unit + rng.uniform(0.1, 0.3) * locks).reshape(-1, 3))


def _skull_radius(head: Head, shape: Floats, toward: Floats) -> Floats:
    """Return the smoothed distance from the centre to the skin in each direction."""
    rows = np.flatnonzero(
        (head.vertex_material == SKIN) & (head.ear < 0.2) & (head.base[:, 1] > 6.9) & (head.occlusion > 0.35)
    )
    arm = shape[rows] - _CENTRE
    length = np.linalg.norm(arm, axis=1)
    alike = np.einsum("ac,bc->ab", toward.reshape(-1, 3), arm / length[:, None])
    share = np.exp((alike - alike.max(1, keepdims=True)) * 350.0)
    return np.asarray(((share * length).sum(1) / share.sum(1)).reshape(toward.shape[:2]))


def _with_hanging(dome: Floats, skull: Floats, style: str, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Add rows that hang below the ears; returns the hair surface and the skull beneath."""
    length = {"bob": rng.uniform(0.7, 1.2), "long": rng.uniform(1.4, 2.4), "fringe": rng.uniform(0.5, 2.0)}.get(
        style, 0.45
    )
    fall = np.linspace(0, 1, _HANG + 1)[1:, None]
    flare = rng.uniform(-0.15, 0.08) * fall if style in ("bob", "long", "fringe") else -0.4 * fall
    wave = 1 + flare + rng.uniform(0, 0.03) * np.sin(6 * fall + rng.uniform(0, 6))
    ring = dome[-1]
    low = np.stack(
        [ring[:, 0] * wave, ring[:, 1] - length * fall + 0 * ring[:, 0], 0.1 + (ring[:, 2] - 0.1) * wave], -1
    )
    base = np.broadcast_to(skull[-1], low.shape).copy()
    base[..., 1] = low[..., 1]
    if style in ("bob", "long", "fringe"):
        base[...] = low
    return np.concatenate([dome, low]), np.concatenate([skull, base])


def _grid_triangles(rows: int) -> Ints:
    """Return the triangles of a ring grid with both windings, so that hanging strands are visible from inside."""
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(_AROUND), indexing="ij")
    a, b = row * _AROUND + column, row * _AROUND + (column + 1) % _AROUND
    c, d = a + _AROUND, b + _AROUND
    faces = np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)])
    return np.concatenate([faces, faces[:, ::-1]])


def draw_glasses(head: Head, shape: Floats, rng: np.random.Generator) -> Extra:
    """Draw glasses: two rims, a bridge and two temples as flat ribbons in front of the eyes."""
    eyes = [shape[(head.vertex_material == 1) & (sign * head.base[:, 0] > 0)].mean(0) for sign in (-1, 1)]
    wide, tall, thick = rng.uniform(0.20, 0.255), rng.uniform(0.15, 0.24), rng.uniform(0.015, 0.05)
    square, front = rng.uniform(2.0, 4.5), float(shape[head.landmark_vertices[[28, 19, 24]], 2].max()) + 0.07
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    power = 2 / square
    outline = np.stack(
        [np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power, np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** power],
        1,
    )
    strips: list[tuple[Floats, Floats]] = []
    for eye in eyes:
        flat = np.array([eye[0], eye[1] - 0.02])
        bent = front - 0.25 * (np.abs(flat[0] + outline[:, 0] * wide) / 0.6) ** 2
        ring = [np.column_stack([flat + outline * (np.array([wide, tall]) + grow), bent]) for grow in (0.0, thick)]
        strips.append((np.vstack([ring[0], ring[0][:1]]), np.vstack([ring[1], ring[1][:1]])))
    lift = np.array([0, thick, 0])
    inner, level = eyes[1][0] - wide, eyes[1][1] + 0.05
    bridge = np.array([[-inner, level, front], [0, level + 0.03, front + 0.05], [inner, level, front]])
    strips.append((bridge, bridge + lift))
    for sign, eye in zip((-1, 1), eyes, strict=True):
        hinge = np.array([eye[0] + sign * (wide + thick / 2), eye[1] + 0.04, front - 0.25])
        ear = np.array([sign * (np.abs(shape[head.landmark_vertices[[0, 16]], 0]).mean() + 0.03), eye[1] + 0.06, 0.5])
        arm = np.linspace(hinge, ear, 5)
        strips.append((arm, arm + lift))
    vertices, triangles, count = [], [], 0
    for low, high in strips:
        n = len(low)
        k = np.arange(n - 1) + count
        faces = np.concatenate([np.stack([k, k + 1, k + n], 1), np.stack([k + 1, k + n + 1, k + n], 1)])
        triangles += [faces, faces[:, ::-1]]
        vertices += [low, high]
        count += 2 * n
    points = np.vstack(vertices)
    return Extra(
        points,
        np.tile([0.0, 0.0, 1.0], (len(points), 1)),
        np.concatenate(triangles),
        FRAME,
        np.zeros(len(points)),
        np.zeros((len(points), 2)),
    )
