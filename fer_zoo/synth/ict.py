"""The light head of ICT-FaceKit (MIT; not in the package), registered to the MakeHuman head, and its subjects."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import InputError
from fer_zoo.synth.brows import levelled
from fer_zoo.synth.family import HeadFamily
from fer_zoo.synth.head import EYE, LASH, SKIN, TEETH, TONGUE, Head, Traits, load_head
from fer_zoo.synth.ict_pack import EYES, FACE, GUMS, LASHES, SOCKET
from fer_zoo.synth.ict_pack import TEETH as TOOTH
from fer_zoo.synth.ict_skin import draw_skin
from fer_zoo.synth.occlusion import bake_occlusion
from fer_zoo.synth.prototypes import ICT, prototype_weights, sides
from fer_zoo.synth.scene import EYE_CENTRE, rotation
from fer_zoo.synth.warp import bending, carry_over, similarity

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

IDENTITY_SPREAD = 0.8
_MATERIAL = {FACE: SKIN, SOCKET: SKIN, EYES: EYE, TOOTH: TEETH, GUMS: TONGUE, LASHES: LASH}
# The first faces of each eyeball are the white with the cornea; the rest is an inner iris, which is painted instead.
_SHELL_QUADS = 800
# In radii of the eyeball; the lash sheets are twice as long, which would be too long without their texture.
_LASH_REACH = 1.33
# The gaze shapes move only the lids. Rotation of the left eyeball at weight 1, in degrees (yaw, pitch).
_LOOKS = {"Out": (28.0, 0.0), "In": (-28.0, 0.0), "Up": (0.0, -22.0), "Down": (0.0, 22.0)}
# Paint depth (decimetres) of the foremost point, and its slope: points farther back are darker.
_MOUTH_DEPTH = {TOOTH: (1.36, 1.6), GUMS: (1.24, 1.3)}  # this tongue fills the mouth more than MakeHuman's
_LID_LIMITS = {"eyeSquint": 1.0, "eyeWide": 1.0, "cheekSquint": 1.0}
# A weight of 1 is the extreme of the scanned subject, who hardly drew the brows together.
_MOST = {"": 1.0, "unit/browDownLeft": 2.6, "unit/browDownRight": 2.6}
# Heights for `levelled`: the mean over 300 rendered neutral subjects.
_BROWS = np.array([0.40, 0.45, 0.45, 0.40, 0.27])
_BOTH_SIDES = ("browInnerUp", "cheekPuff")
_KEYS = ("base", "quads", "part", "identity", "shapes", "shape_names", "landmarks68")
_MIRROR = [
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
]  # fmt: skip


def ict_family(pack: Path) -> HeadFamily:
    """Return the family of a packed ICT-FaceKit (see ``ict_pack``), cached until the file changes.

    Raises:
        InputError: the file cannot be read or is not a packed ICT-FaceKit.
    """
    try:
        state = pack.stat()
    except OSError as error:
        raise _no_pack(pack, str(error)) from error
    return _family(pack.resolve(), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=2)
def _family(pack: Path, _modified: int, _size: int) -> HeadFamily:
    data = _read(pack)
    base, paint, matrix = _placed(data)
    quads, part = data["quads"].astype(np.int64), data["part"]
    keep = _drawn(base, quads, part)
    used = np.unique(quads[keep])
    place = np.zeros(len(base), np.int64)
    place[used] = np.arange(len(used))
    # einsum, because the order of summation of `@` may depend on the number of threads.
    modes, shapes = (
        np.einsum("knc,cd->knd", data[name][:, used].astype(np.float32), matrix.astype(np.float32))
        for name in ("identity", "shapes")
    )
    named = dict(zip(data["shape_names"].tolist(), shapes, strict=True))
    try:
        head = _head(base[used], paint[used], place[quads[keep]], part[keep], place[data["landmarks68"]], named)
    except KeyError as error:
        raise _no_pack(pack, f"the shape {error} is missing") from error
    level = levelled(head.base, head.landmark_vertices, _BROWS)
    shapes = partial(_draw_shape, modes, level)
    return HeadFamily(head, shapes, draw_skin, ICT, _LID_LIMITS, (1,), modes=modes, unit_set="synthict")


def _no_pack(pack: Path, why: str) -> InputError:
    return InputError(
        f"{pack} is not a packed ICT-FaceKit: {why}.",
        "an .npz file with " + ", ".join(_KEYS),
        "pass the checkout of ICT-FaceKit itself, or pack it: python tools/pack_ict.py CHECKOUT OUT.npz",
    )


def _read(pack: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with np.load(pack) as data:
            arrays = {key: data[key] for key in _KEYS}
    except Exception as error:  # whatever damaged bytes lead zipfile and numpy to
        raise _no_pack(pack, str(error).strip(".") or type(error).__name__) from error
    count = len(arrays["base"])
    fits = all(arrays[key].shape[1:] == (count, 3) for key in ("identity", "shapes"))
    fits &= len(arrays["shape_names"]) == len(arrays["shapes"]) and len(arrays["part"]) == len(arrays["quads"])
    if not fits or arrays["quads"].max() >= count or arrays["landmarks68"].shape != (68,):
        raise _no_pack(pack, "its arrays do not match each other")
    return arrays


def _placed(data: dict[str, NDArray[np.generic]]) -> tuple[Floats, Floats, Floats]:
    """Return the vertices registered to the MakeHuman head, their paint positions, and the matrix for offsets."""
    model, marks = load_head(), data["landmarks68"]
    wanted = model.base[model.landmark_vertices]
    wanted = (wanted + wanted[_MIRROR] * [-1, 1, 1]) / 2
    plain = data["base"].astype(np.float64)
    inner = slice(17, 68)  # the two sets of landmarks differ along the jaw
    matrix, shift = similarity(plain[marks[inner]], wanted[inner])
    base = plain @ matrix + shift
    paint = bending(base[marks[inner]], wanted[inner], smoothing=0.02)(base)
    for sign in (1, -1):
        ball = _ball(base, data["quads"], data["part"], sign)
        paint[ball] = base[ball] - _centre(base[ball]) + EYE_CENTRE * [sign, 1, 1]
    for kind, (front, fall) in _MOUTH_DEPTH.items():
        rows = np.unique(data["quads"][data["part"] == kind])
        paint[rows, 2] = front - fall * (base[rows, 2].max() - base[rows, 2])
    return base, paint, matrix


def _ball(base: Floats, quads: NDArray[np.generic], part: NDArray[np.generic], sign: int) -> Ints:
    rows = np.unique(quads[part == EYES])
    return np.asarray(rows[base[rows, 0] * sign > 0], np.int64)


def _centre(points: Floats) -> Floats:
    """Fit a sphere to the points (n, 3) and return its centre."""
    system = np.column_stack([2 * points, np.ones(len(points))])
    return np.asarray(np.linalg.lstsq(system, (points**2).sum(1), rcond=None)[0][:3])


def _drawn(base: Floats, quads: Ints, part: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Select the faces to render: no shoulders, inner irises or back teeth; only the roots of the upper lashes."""
    corners = base[quads]
    middle = corners.mean(1)
    keep = (corners[:, :, 1].min(1) > 4.8) & (part != LASHES)
    for sign in (1, -1):
        side = middle[:, 0] * sign > 0
        ball = np.flatnonzero((part == EYES) & side)
        keep[ball[_SHELL_QUADS:]] = False
        points = base[_ball(base, quads, part, sign)]
        centre = _centre(points)
        near = np.linalg.norm(middle - centre, axis=1) < _LASH_REACH * np.linalg.norm(points - centre, axis=1).mean()
        keep |= (part == LASHES) & side & near & (middle[:, 1] > centre[1])
    return np.asarray(keep & ~(np.isin(part, (TOOTH, GUMS)) & (corners[:, :, 2].max(1) < 0.75)))


def _head(
    base: Floats,
    paint: Floats,
    quads: Ints,
    part: NDArray[np.generic],
    marks: Ints,
    shapes: dict[str, NDArray[np.float32]],
) -> Head:
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    parts = np.concatenate([part, part])
    whole = (np.diff(np.sort(triangles, 1), axis=1) > 0).all(1)
    triangles, parts = triangles[whole], parts[whole]
    material = np.array([_MATERIAL[k] for k in range(len(_MATERIAL))])[parts]
    vertex_material, inside = np.zeros(len(base), np.int64), np.ones(len(base))
    vertex_material[triangles.ravel()] = np.repeat(material, 3)
    inside[triangles[parts != SOCKET].ravel()] = 0.0
    is_skin = (vertex_material == SKIN) & (inside == 0)
    model = load_head()
    outer = (model.vertex_material == SKIN) & (model.occlusion > 0.45)
    masks = np.stack([model.lip, model.lid, model.ear], 1)[outer]
    carried = np.zeros((len(base), 3))
    carried[is_skin] = carry_over(masks, model.base[outer], paint[is_skin])
    lip, lid, ear = carried.T
    shading = bake_occlusion(base, triangles[np.isin(material, (SKIN, EYE))], 96, 256)
    return Head(
        base=base,
        paint=paint,
        triangles=triangles,
        material=material,
        vertex_material=vertex_material,
        lip=lip,
        lid=lid,
        mouth_inside=inside,
        ear=ear,
        occlusion=np.where(vertex_material == SKIN, shading, 1.0),
        landmark_vertices=marks,
        targets=_targets(base, vertex_material, shapes),
        sink={EYE: 0.012, TEETH: 0.02, TONGUE: 0.02},
        most=_MOST,
    )


def _targets(
    base: Floats, vertex_material: Ints, shapes: dict[str, NDArray[np.float32]]
) -> dict[str, tuple[Ints, Floats]]:
    """Return the targets by unit name, with rotating eyeballs and two-sided units; KeyError if one is missing."""
    dense = {name: shape.astype(np.float64) for name, shape in shapes.items()}
    for side, sign in (("L", 1), ("R", -1)):
        ball = np.flatnonzero((vertex_material == EYE) & (base[:, 0] * sign > 0))
        arm = base[ball] - _centre(base[ball])
        for way, (yaw, pitch) in _LOOKS.items():
            turn = rotation(np.radians(sign * yaw), np.radians(pitch), 0.0)
            dense[f"eyeLook{way}_{side}"][ball] += arm @ turn.T - arm
    for name in _BOTH_SIDES:
        dense[name] = dense.pop(f"{name}_L") + dense.pop(f"{name}_R")
    targets = {}
    for name, offsets in dense.items():
        rows = np.flatnonzero(np.abs(offsets).max(1) > 2e-4)
        stem = f"{name[:-2]}Left" if name.endswith("_L") else f"{name[:-2]}Right" if name.endswith("_R") else name
        targets[f"unit/{stem}"] = (rows, offsets[rows])
    shown = {name for variants in ICT.values() for _, text in variants for name in prototype_weights(text)}
    for unit in (side for name in sorted({*shown, "mouthPucker"}) for side in sides(name)):
        if unit not in targets:
            raise KeyError(unit.removeprefix("unit/"))
    return targets


def _draw_shape(modes: NDArray[np.float32], level: Floats, traits: Traits, rng: np.random.Generator) -> Floats:
    """Draw the offsets of a subject; the traits are not used, since the identity modes have no names."""
    total = level.copy()
    for weight, mode in zip(rng.normal(0, IDENTITY_SPREAD, len(modes)), modes, strict=True):
        total += weight * mode
    return total
