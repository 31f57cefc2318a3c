"""Variation of subjects beyond a head's own targets: facial features at rest, and facial units.

A network trained on one kind of head can take the resting brows of another for an expression. Here features are moved,
tilted and resized by smooth local fields, and the facial units of each subject are scaled, rotated slightly, and spread
unevenly, so that a label is what all subjects have in common.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import OptionError
from fer_zoo.synth.family import HeadFamily
from fer_zoo.synth.head import EYE, SKIN, Head
from fer_zoo.synth.warp import fading

Floats = NDArray[np.float64]

# Decimetres on a head with 0.63 between the eyes: about twice the variation of the MakeHuman targets.
_BROW_HEIGHT, _BROW_TILT, _BROW_BEND = 0.045, 0.05, 0.02
_EYE_HEIGHT, _EYE_APART, _EYE_SIZE = 0.02, 0.025, 0.09
_MOUTH_HEIGHT, _MOUTH_WIDTH, _CORNER = 0.04, 0.035, 0.022
_NOSE_LENGTH, _NOSE_WIDTH, _CHIN = 0.04, 0.03, 0.06
_UNEVEN = 0.15  # relative difference between the two sides
_REACH = 0.14  # standard deviation of a field
_GAIN, _TURN, _SPREAD = 0.25, 0.1, 0.3
_LEAST_GAIN, _MOST_GAIN = 0.55, 1.4
# Lids slide over the eyeball: stronger or rotated motion would detach them or turn them inside out.
_LIDS, _FIXED = ("eyeSquint", "eyeWide", "cheekSquint"), ("eyeBlink", "eyeLook")


@lru_cache(maxsize=8)
def varied(family: HeadFamily, amount: float) -> HeadFamily:
    """Return the family with additional variation: 0 for none, 1 for the most that still looks like a face.

    Raises:
        OptionError: the amount is not in 0..1.
    """
    if not 0 <= amount <= 1:
        raise OptionError(f"variety={amount}.", "0 to 1", "use 0 for no additional variation")
    return replace(family, variety=amount) if amount else family


@dataclass(frozen=True)
class Field:
    """A sum of displacements with Gaussian falloff."""

    centres: Floats  # (k, 3)
    reach: Floats  # (k,)
    moves: Floats  # (k, 3)

    def at(self, points: Floats) -> Floats:
        """Return the displacements (n, 3) of points (n, 3)."""
        return np.asarray(fading(points, self.centres, self.reach) @ self.moves)


def own_features(head: Head, shape: Floats, amount: float, rng: np.random.Generator) -> Floats:
    """Return a subject's shape (n, 3) with brows, eyes, nose, mouth and chin moved, tilted and resized."""
    marks = shape[head.landmark_vertices]
    moved = shape + _feature_field(marks, amount * rng.uniform(0.25, 1.0), rng).at(shape)
    size = 1 + _EYE_SIZE * amount * float(np.clip(rng.normal(), -2, 2))
    for sign, rows in ((-1, slice(36, 42)), (1, slice(42, 48))):
        ball = np.flatnonzero((head.vertex_material == EYE) & (head.base[:, 0] * sign > 0))
        centre = shape[ball].mean(0) if len(ball) else marks[rows].mean(0)
        # The eyeball moves rigidly, with its centre.
        middle = (moved[ball] - shape[ball]).mean(0) if len(ball) else np.zeros(3)
        moved[ball] = shape[ball] + middle
        near = np.exp(-((shape - centre) ** 2).sum(1) / (2 * 0.2**2))[:, None]
        moved += near * (size - 1) * (moved - centre - middle) * [1, 1, 0]
    inside = ~np.isin(head.vertex_material, (SKIN, EYE))
    moved[inside] = shape[inside] + (moved - shape)[head.landmark_vertices[[51, 57]]].mean(0) * [0, 1, 1]
    return moved


def _feature_field(marks: Floats, amount: float, rng: np.random.Generator) -> Field:
    drawn = {name: amount * float(np.clip(rng.normal(), -2.2, 2.2)) for name in _NAMES}
    centres, reach, moves = [], [], []

    def add(at: Floats, across: float, up: float, width: float = _REACH) -> None:
        centres.append(at)
        reach.append(width)
        moves.append([across, up, 0.0])

    for sign, brow, eye, corner, nostril in (
        (-1, slice(17, 22), slice(36, 42), 48, 31),
        (1, slice(22, 27), slice(42, 48), 54, 35),
    ):
        side = 1 + _UNEVEN * amount * rng.normal()
        points = marks[brow] if sign > 0 else marks[brow][::-1]  # from the nose outwards
        height, tilt = _BROW_HEIGHT * drawn["brow"] * side, _BROW_TILT * drawn["tilt"] * side
        bend = _BROW_BEND * drawn["bend"]
        for row, up in zip((0, 2, 4), (height + tilt, height * 0.7 + bend, height - tilt), strict=True):
            add(points[row], 0.0, up)
        add(marks[eye].mean(0), sign * _EYE_APART * drawn["apart"], _EYE_HEIGHT * drawn["eye"], 0.18)
        add(marks[corner], sign * _MOUTH_WIDTH * drawn["width"], _CORNER * drawn["corner"] * side, 0.1)
        add(marks[nostril], sign * _NOSE_WIDTH * drawn["nostril"], 0.0, 0.1)
    add(marks[[48, 54, 51, 57]].mean(0), 0.0, _MOUTH_HEIGHT * drawn["mouth"], 0.25)
    add(marks[33], 0.0, _NOSE_LENGTH * drawn["nose"], 0.2)
    add(marks[8], 0.0, _CHIN * drawn["chin"], 0.25)
    return Field(np.array(centres), np.array(reach), np.array(moves))


_NAMES = ("brow", "tilt", "bend", "apart", "eye", "width", "corner", "nostril", "mouth", "nose", "chin")


def own_units(head: Head, amount: float, rng: np.random.Generator) -> Head:
    """Return the head with one subject's facial units: own strength, direction and spread over the face."""
    front = head.base[head.landmark_vertices]
    gains: dict[str, tuple[float, Floats]] = {}
    targets = dict(head.targets)
    for name in sorted(head.targets):
        if not name.startswith("unit/") or name.removeprefix("unit/").startswith(_FIXED):
            continue
        stem = name.removesuffix("Left").removesuffix("Right")
        if stem not in gains:
            gain = float(np.exp(_GAIN * amount * rng.normal()))
            gains[stem] = (gain, _TURN * amount * rng.normal(size=(3, 3)))
        gain, turn = gains[stem]
        gain *= float(np.exp(0.07 * amount * rng.normal()))
        rows, values = head.targets[name]
        if stem.removeprefix("unit/") in _LIDS:
            targets[name] = (rows, values * np.clip(gain, _LEAST_GAIN, 1.0))
            continue
        if name.endswith("Right"):  # mirrored
            turn = turn * np.outer([-1, 1, 1], [-1, 1, 1])
        uneven = Field(
            front[rng.integers(0, 68, 3)], np.full(3, 0.3), _SPREAD * amount * rng.normal(size=(3, 1)) * np.ones((1, 3))
        ).at(head.base[rows])
        strength = np.clip(gain * np.exp(uneven), _LEAST_GAIN, _MOST_GAIN)
        targets[name] = (rows, strength * (values + values @ turn))
    return replace(head, targets=targets)
