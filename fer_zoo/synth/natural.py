"""The style "natural": variants of expressions by FACS, at any strength, on varied resting faces.

What is drawn is in ``data/expressions.yaml``; the style "posed" is in ``prototypes`` and ``expression``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fer_zoo.synth import expression as ex
from fer_zoo.synth.expression_table import Units, table
from fer_zoo.synth.head import Traits
from fer_zoo.synth.movement import GAZE, HEAD, draw_movements
from fer_zoo.synth.prototypes import sides
from fer_zoo.synth.skin import Skin, wrinkle_maps

Floats = NDArray[np.float64]

_LOWEST, _HIGHEST = 0.7, 1.15
_DROPPED = 0.12
_EXTRA = (0.55, 0.3, 0.15)  # probabilities of 0, 1, 2 units that do not belong
_FAINTEST = 0.25
_LEAST_MEAN = 0.2
_REST_FADE = 0.7  # share of the resting face that a full expression replaces
_MOUTH_FADE = 0.5


HeadUnits = Mapping[str, Units]  # the head's own units for weight 1 of a unit of the table


def head_units(unit_set: str) -> HeadUnits:
    """Return the units of a head that weight 1 of a unit in the table stands for, for those that differ."""
    entry = table()["heads"][unit_set]
    return {unit: own if isinstance(own, Mapping) else {unit: own} for unit, own in entry.items()}


def draw_apex(label: str, head: HeadUnits, rng: np.random.Generator) -> dict[str, float]:
    """Draw the unit weights of an expression at full strength.

    A variant of the label, its action units 0.7 to 1.15 times as strong as in the table, one of the weaker ones dropped
    or others added now and then, up to two units that do not belong, and sides that differ.
    """
    entry = table()["labels"][label]
    shares = np.array([variant["share"] for variant in entry["variants"]], float)
    chosen = entry["variants"][int(rng.choice(len(shares), p=shares / shares.sum()))]["units"]
    strengths = {unit: strength * rng.uniform(_LOWEST, _HIGHEST) for unit, strength in chosen.items()}
    weaker = [unit for unit, strength in chosen.items() if strength < max(chosen.values())]
    if weaker and rng.random() < _DROPPED:
        del strengths[weaker[int(rng.integers(len(weaker)))]]
    for unit, probability in entry["often"].items():
        if rng.random() < probability and unit not in strengths:
            strengths[unit] = rng.uniform(0.3, 0.9)
    weights: dict[str, float] = {}
    for action, strength in strengths.items():
        for unit, weight in table()["action_units"][action].items():
            weights[unit] = max(weights.get(unit, 0.0), weight * strength)
    if label != "neutral":
        for unit in rng.choice(list(table()["loose"]), int(rng.choice(3, p=_EXTRA)), replace=False):
            weights[str(unit)] = weights.get(str(unit), 0.0) + rng.uniform(0, table()["loose"][unit])
    return _sided(weights, head, 0.35 if rng.random() < 0.1 else 0.08, rng)


def _sided(weights: Units, head: HeadUnits, spread: float, rng: np.random.Generator) -> dict[str, float]:
    """Return the target weights of a head, stronger on one side by ``spread`` on average; rotations in degrees stay."""
    lopsided, placed = rng.normal(0, spread), dict[str, float]()
    for unit, weight in weights.items():
        if unit in HEAD:
            placed[unit] = weight
            continue
        uneven = np.clip(1 + np.array([1, -1]) * lopsided + rng.normal(0, 0.04, 2), 0.3, 1.5)
        if unit == "eyeBlink":  # both eyes close; the sides of other units differ
            uneven[:] = 1.0
        for own, share in head.get(unit, {unit: 1.0}).items():
            # What a unit takes back of another is left where that one is meant: brows raised and drawn together.
            taken = share if share > 0 else share * (1 - min(max(weights.get(own, 0.0), 0.0), 1.0))
            for side, factor in zip(sides(own), uneven, strict=False):
                placed[side] = placed.get(side, 0.0) + float(weight * taken * factor)
    return placed


def draw_intensity(label: str, n_frames: int, fps: float, rng: np.random.Generator) -> Floats:
    """Draw the strength (n,) from faint to full; mean at least 0.2 unless neutral."""
    strength = _FAINTEST + (1 - _FAINTEST) * rng.beta(1.5, 1.0)
    for _ in range(64):
        curve = strength * ex.draw_intensity(label, n_frames, fps, rng)
        if label == "neutral" or curve.mean() >= _LEAST_MEAN:
            return curve
    return np.full(n_frames, strength)


def draw_rest(unit_set: str, rng: np.random.Generator) -> ex.Rest:
    """Draw a resting face: corners of the mouth, brows, lids and lips anywhere between what people have."""
    weights: dict[str, float] = dict(table()["rest_base"][unit_set])
    for above, below, spread, most, least in table()["rest"]:
        amount = float(np.clip(rng.normal(0, spread), -least, most))
        for unit, weight in (above if amount > 0 else below).items():
            weights[unit] = weights.get(unit, 0.0) + abs(amount) * weight
    return _sided(weights, head_units(unit_set), 0.15, rng)


def add_folds(skin: Skin, traits: Traits, rng: np.random.Generator) -> Skin:
    """Return the skin with folds that stay when nothing is expressed, deeper with age."""
    paint, maps = skin.albedo.astype(np.float64), wrinkle_maps()
    for name, (probability, most) in table()["folds"].items():
        depth = (0.05 + 0.95 * traits.age) * most * rng.uniform(0.2, 1.0)
        if rng.random() < probability:
            paint *= 1 - (depth * maps[name])[..., None] * np.array([0.8, 1, 1])
    return replace(skin, albedo=paint.astype(np.float32))


def draw_tracks(
    parts: Sequence[tuple[str, Floats]],
    rest: ex.Rest,
    head: HeadUnits,
    fps: float,
    rng: np.random.Generator,
    *,
    without: frozenset[str] = frozenset(),
    still: bool = False,
    lid_limits: Mapping[str, float] = ex.LID_LIMITS,
) -> tuple[dict[str, Floats], Floats]:
    """Draw all unit weights (n,) over time, and rotations of the head (n, 3) in degrees.

    Args:
        parts: labels with their strengths (n,), which do not overlap.
        without: movements to leave out.
        still: no movement at all, blinks included.
    """
    n = len(parts[0][1])
    intensity = np.sum([curve for _, curve in parts], axis=0)
    tracks: dict[str, Floats] = {f"unit/eyeBlink{side}": np.zeros(n) for side in ("Left", "Right")}
    for name, weight in rest.items():
        ex.add_track(tracks, name, weight * (1 - _REST_FADE * intensity))
    turns = np.zeros((n, 3))
    for label, curve in parts:
        for name, weight in draw_apex(label, head, rng).items():
            track = weight * curve ** rng.uniform(0.8, 1.3)  # parts of a face do not move in sync
            if name in HEAD:
                turns[:, HEAD.index(name)] += track
            else:
                ex.add_track(tracks, name, track)
    if not still:
        only = parts[0][0] if len(parts) == 1 else "neutral"
        moving = draw_movements(only, n, fps, rng, without)
        turns += _move(tracks, moving, intensity, head, fps, rng)
    ex.settle_lids(tracks, lid_limits)
    return tracks, turns


def _move(
    tracks: dict[str, Floats],
    moving: Sequence[Mapping[str, Floats]],
    intensity: Floats,
    head: HeadUnits,
    fps: float,
    rng: np.random.Generator,
) -> Floats:
    """Add movements, blinks and small motion of the eyes, in place; return the rotations (n, 3) of the head."""
    n = len(intensity)
    free = {name: np.zeros(n) for name in (*HEAD, *GAZE)}
    for name, track in ((name, track) for movement in moving for name, track in movement.items()):
        if name in free:
            free[name] += track
            continue
        fade = 1 - _MOUTH_FADE * intensity if name.startswith(("mouth", "jaw")) else 1.0
        for own, share in head.get(name, {name: 1.0}).items():
            for side in sides(own):
                ex.add_track(tracks, side, share * track * fade)
    across, up = (free[name] + 0.06 * ex.wander(n, fps, rng) + rng.normal(0, 0.12) for name in GAZE)
    for name, track in ex.looks(across, up).items():
        ex.add_track(tracks, name, track)
    closed = ex.blinks(n, fps, rng)
    for side in ("Left", "Right"):
        tracks[f"unit/eyeBlink{side}"] = np.maximum(tracks[f"unit/eyeBlink{side}"], closed)
    return np.stack([free[name] for name in HEAD], 1)
