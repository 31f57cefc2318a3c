"""One subject, ready to render: shape, skin, hair, and everything else that does not change with the expression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fer_zoo.synth.expression import Rest, draw_rest
from fer_zoo.synth.family import HeadFamily, makehuman
from fer_zoo.synth.hair import Extra, draw_glasses, draw_hair, draw_style
from fer_zoo.synth.head import EYE, HAIR, LASH, SKIN, Head, Traits, draw_traits
from fer_zoo.synth.natural import add_folds
from fer_zoo.synth.natural import draw_rest as draw_natural_rest
from fer_zoo.synth.skin import Skin
from fer_zoo.synth.texture import ANGLE, HEIGHT_Y, around, cloud, ramp, texture_coordinates
from fer_zoo.synth.variety import own_features, own_units

Floats = NDArray[np.float64]

# Columns of the per-vertex attributes that the renderer interpolates (after the three of the normal).
U, V, BASE_X, BASE_Y, BASE_Z, LIP, INSIDE, OCCLUSION = range(8)


@dataclass(frozen=True)
class Character:
    """One subject; vertices are those of the head, then hair, then glasses."""

    subject: int
    family: HeadFamily
    head: Head
    traits: Traits
    skin: Skin
    rest: Rest
    style: str
    glasses: bool
    shape: Floats  # (h, 3) head vertices without expression
    extra: Floats  # (e, 3) vertices of hair and glasses
    extra_normals: Floats  # (e, 3)
    triangles: NDArray[np.int64]
    material: NDArray[np.int64]
    cutout: Floats  # (h + e,)
    sink: Floats  # (h + e,) depth offset from head.sink
    attributes: Floats  # (h + e, 8)
    strands: NDArray[np.float32]  # (h, w, 1) hair brightness
    frame_colour: Floats
    marked: tuple[NDArray[np.int64], Floats]  # the vertices (68, 3) round each landmark, and their shares

    def landmarks(self, vertices: Floats) -> Floats:
        """Return the 68 landmarks (68, 3) on vertices (n, 3), however they are posed."""
        corners, shares = self.marked
        return np.asarray(np.einsum("kc,kcd->kd", shares, vertices[corners]))


@lru_cache(maxsize=8)
def build_character(seed: int, subject: int, family: HeadFamily | None = None) -> Character:
    """Build a subject, determined by the arguments alone; the default family is ``makehuman()``."""
    family = (family or makehuman()).of_subject(subject)
    head = family.head
    rng, traits = _first_draws(seed, subject, family)
    shape = _centred(head, head.base + family.draw_shape(traits, rng))
    if family.variety:
        # A separate stream, so that everything else about a subject is the same as without variety.
        own = np.random.default_rng(np.random.SeedSequence([seed, subject, 4, *family.stream]))
        shape = own_features(head, shape, family.variety, own)
        head = own_units(head, family.variety, own)
    skin, rest, style = family.draw_skin(traits, rng), draw_rest(rng), draw_style(traits, rng)
    if family.style == "natural":  # a separate stream here too
        own = np.random.default_rng(np.random.SeedSequence([seed, subject, 6, *family.stream]))
        rest, skin = draw_natural_rest(family.unit_set, own), add_folds(skin, traits, own)
    hair = draw_hair(head, shape, style, traits, rng)
    glasses = draw_glasses(head, shape, rng) if rng.random() < 0.12 else None
    if hair is not None:
        skin = _paint_scalp(skin, style, hair, rng)
    extras = [e for e in (hair, glasses) if e is not None]
    triangles, material, cutout = _join(head, extras, _lashes(head, traits, rng))
    frame = rng.uniform(0.005, 0.15) * (1 + rng.uniform(-0.3, 0.3, 3))
    strands = np.exp(rng.uniform(0.15, 0.4) * cloud(rng, 2.5, 2, 256, 48, stretch=6.0)) * np.exp(
        0.15 * cloud(rng, 16, 2, 256, 48)
    )
    return Character(
        subject=subject,
        family=family,
        head=head,
        traits=traits,
        skin=skin,
        rest=rest,
        style=style,
        glasses=glasses is not None,
        shape=shape,
        extra=np.vstack([np.zeros((0, 3)), *(e.vertices for e in extras)]),
        extra_normals=np.vstack([np.zeros((0, 3)), *(e.normals for e in extras)]),
        triangles=triangles,
        material=material,
        cutout=cutout,
        sink=_sink(head, len(cutout)),
        attributes=_attributes(head, extras),
        strands=strands.astype(np.float32)[..., None],
        frame_colour=frame,
        marked=_marked(head, skin),
    )


def subject_groups(seed: int, subject: int, family: HeadFamily) -> dict[str, str]:
    """Return the sex, age and skin groups of a subject, for metrics per group."""
    family = family.of_subject(subject)
    _, traits = _first_draws(seed, subject, family)
    thirds = {"age": ("young", "middle", "old"), "skin": ("light", "medium", "dark")}
    drawn = {"age": traits.age, "skin": traits.skin_tone}
    return {
        "sex": "female" if traits.sex < 0.5 else "male",
        **{name: words[min(int(3 * drawn[name]), 2)] for name, words in thirds.items()},
        **family.groups,
    }


def _first_draws(seed: int, subject: int, family: HeadFamily) -> tuple[np.random.Generator, Traits]:
    rng = np.random.default_rng(np.random.SeedSequence([seed, subject, 1, *family.stream]))
    return rng, replace(draw_traits(rng), **family.traits)


def _centred(head: Head, shape: Floats) -> Floats:
    """Move the head back to the position of the base mesh: macro targets change the height of the body."""
    upper = (head.vertex_material == SKIN) & (head.base[:, 1] > 6.9) & (head.ear < 0.2)
    moved = (shape - head.base)[upper].mean(0)
    return np.asarray(shape - np.array([0.0, moved[1], moved[2]]))


def _marked(head: Head, skin: Skin) -> tuple[NDArray[np.int64], Floats]:
    """Return the vertices (68, 3) round each landmark, and their shares: vertices, but for brows their own line.

    Brows are higher or lower, longer or shorter on the same vertices.
    """
    corners = np.repeat(head.landmark_vertices[:, None], 3, axis=1)
    shares = np.tile([1.0, 0.0, 0.0], (68, 1))
    corners[17:27], shares[17:27] = _on_skin(head, skin.brows)
    return corners, shares


def _on_skin(head: Head, places: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return the skin triangles (k, 3) at places (k, 2) of the texture, angle and height, and shares of the corners."""
    corners = head.triangles[head.material == SKIN]
    angle, reach = around(head.paint)
    flat = np.column_stack([angle, head.paint[:, 1]])[corners]
    origin, sides = flat[:, 0], (flat[:, 1:] - flat[:, :1]).transpose(0, 2, 1)
    solid = np.abs(np.linalg.det(sides)) > 1e-9
    corners, origin, sides = corners[solid], origin[solid], sides[solid]
    other = np.linalg.solve(sides, (places[:, None] - origin)[..., None])[..., 0]  # (k, m, 2)
    shares = np.concatenate([1 - other.sum(-1, keepdims=True), other], axis=-1)
    # Where skin lies over skin, the outer one; outside all triangles, the nearest.
    outside = np.minimum(shares.min(-1), 0.0)
    chosen = np.where(outside > -1e-6, reach[corners].mean(1), outside - 1).argmax(1)
    return corners[chosen], shares[np.arange(len(places)), chosen]


def _paint_scalp(skin: Skin, style: str, hair: Extra, rng: np.random.Generator) -> Skin:
    """Paint the skin under the hair in the hair colour, so that gaps in the shell are not visible."""
    line = 7.98 + (0.35 if style in ("buzz", "short", "crop") else 0.0) * np.exp(-(((np.abs(ANGLE) - 0.5) / 0.3) ** 2))
    side = np.interp(np.abs(ANGLE), [0, 0.8, 0.95, 1.2, 1.35, 1.9], [9, 9, 7.85, 7.5, 7.42, 7.3])
    cover = 0.9 * ramp(-0.03, 0.06, HEIGHT_Y - np.minimum(line, side) + 0.01 * cloud(rng, 3, 1))
    albedo = skin.albedo + cover[..., None] * (skin.hair * 0.8 - skin.albedo)
    return Skin(**{**skin.__dict__, "albedo": albedo.astype(np.float32)})


def _lashes(head: Head, traits: Traits, rng: np.random.Generator) -> Floats:
    """Draw the cut-out of the upper lashes: ragged, with a density per subject."""
    density = rng.uniform(-0.4, 0.5) + 0.5 * (1 - traits.sex)
    return np.where(head.vertex_material == LASH, rng.uniform(-1, 1, len(head.base)) + density, 0.0)


def _sink(head: Head, n_vertices: int) -> Floats:
    depth = np.zeros(n_vertices)
    for material, amount in head.sink.items():
        depth[: len(head.base)][head.vertex_material == material] = amount
    return depth


def _join(head: Head, extras: list[Extra], lash_cutout: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    lash = head.triangles[head.material == LASH]
    triangles, material = [head.triangles, lash[:, ::-1]], [head.material, np.full(len(lash), LASH)]
    cutout, count = [lash_cutout], len(head.base)
    for extra in extras:
        triangles.append(extra.triangles + count)
        material.append(np.full(len(extra.triangles), extra.material))
        cutout.append(extra.cutout)
        count += len(extra.vertices)
    return np.ascontiguousarray(np.vstack(triangles)), np.concatenate(material), np.concatenate(cutout)


def _attributes(head: Head, extras: list[Extra]) -> Floats:
    u, v = texture_coordinates(head.paint)
    # Lids are folded in the open eye; lighten their baked occlusion so that closed lids are not black.
    occlusion = np.clip(0.04 + 1.1 * head.occlusion**1.15, 0, 1) * (1 - 0.12 * head.lid)
    occlusion = np.where(head.lid > 0.5, np.maximum(occlusion, 0.55), occlusion)
    occlusion = np.where(head.vertex_material == EYE, 0.86, occlusion)
    own = np.column_stack([u, v, head.paint, head.lip, head.mouth_inside, occlusion])
    rows = [own]
    for extra in extras:
        n = len(extra.vertices)
        fall = np.clip(1.0 - 0.35 * extra.uv[:, 1], 0.5, 1) if extra.material == HAIR else np.ones(n)
        rows.append(np.column_stack([extra.uv, np.zeros((n, 5)), fall]))
    return np.vstack(rows)
