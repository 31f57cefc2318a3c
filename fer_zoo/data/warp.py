"""Other subjects' features out of the same pictures: brows, eyes, nose, mouth and chin moved by smooth local fields.

A network that sees few subjects takes the way their brows lie for an expression; each time that it sees a warped clip
they lie elsewhere, in all frames alike, and only what changes with the label stays. Coordinates are the crop's, from
(-0.5, -0.5) to (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Points of the 68 whose mean is the middle of a field; the first name is drawn once for both sides.
_PLACES: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = (
    ("inner brow", (20, 21), (22, 23)),
    ("outer brow", (17, 18), (25, 26)),
    ("eye", tuple(range(36, 42)), tuple(range(42, 48))),
    ("corner", (48, 60), (54, 64)),
    ("nostril", (31, 32), (34, 35)),
    ("jaw", (4, 5), (11, 12)),
)
_MIDDLE: tuple[tuple[int, ...], ...] = ((33,), (51, 62), (57, 66), (8,))
_REACH = 0.1  # standard deviation of a field, in sides of the crop
_UNEVEN = 0.3  # how much the two sides differ, of what they share
# Fields that overlap must not fold the picture: at the steepest place of a Gaussian it changes by 0.61 / reach.
_STEEPEST = 0.85
_ROUNDS, _CLOSE = 20, 1e-5


@dataclass(frozen=True)
class Warp:
    """Where fields lie and how far they move what is there: (clips, fields, 2) each."""

    centres: Floats
    moves: Floats

    def displaced(self, places: Floats) -> Floats:
        """Where the picture at places (clips, n, 2) comes from."""
        square = (places**2).sum(-1)[:, :, None] + (self.centres**2).sum(-1)[:, None]
        square -= 2 * places @ self.centres.swapaxes(1, 2)
        return np.asarray(places + np.exp(square / (-2 * _REACH**2)) @ self.moves)

    def grid(self, axis: Floats) -> Floats:
        """As `displaced` at every (y, x) of a square with this axis (n,): (clips, n, n, 2)."""
        x, y = (np.exp(-((axis - self.centres[..., [way]]) ** 2) / (2 * _REACH**2)) for way in (0, 1))
        moved = np.stack([y.swapaxes(1, 2) @ (x * self.moves[..., [way]]) for way in (0, 1)], axis=-1)
        return np.asarray(moved + np.stack(np.meshgrid(axis, axis), axis=-1))

    def landed(self, points: Floats) -> Floats:
        """Where what was at points (clips, n, 2) is seen: the inverse of `displaced`; NaN stays NaN."""
        places = points.copy()
        for _ in range(_ROUNDS):
            wrong = points - self.displaced(places)
            if not (np.abs(wrong) > _CLOSE).any():
                break
            # Newton's method: adding `wrong` itself never ends where a warp stretches the picture to more than twice.
            away = places[:, :, None] - self.centres[:, None]
            share = np.exp((away**2).sum(-1) / (-2 * _REACH**2))
            slope = np.eye(2) - np.einsum("cnf,cnfi,cfj->cnji", share, away, self.moves) / _REACH**2
            places += np.linalg.solve(slope, wrong[..., None])[..., 0]
        return places


def draw_warp(points: Floats, most: float, rngs: Sequence[np.random.Generator]) -> Warp:
    """Draw a warp for each clip.

    Args:
        points: (clips, T, 68, 2) in the crop's coordinates, NaN where there is no face.
        most: the largest move of a feature, as a fraction of the crop's side.
        rngs: one for each clip.
    """
    marks = np.stack([clip[np.isfinite(clip).all(axis=(1, 2))].mean(axis=0) for clip in points])
    groups = [rows for _, left, right in _PLACES for rows in (left, right)] + list(_MIDDLE)
    centres = np.stack([marks[:, rows].mean(axis=1) for rows in groups], axis=1)
    moves = np.stack([_draw_moves(most, rng) for rng in rngs])
    square = ((centres[:, :, None] - centres[:, None]) ** 2).sum(-1)
    steep = (np.exp(-square / (2 * _REACH**2)) @ np.linalg.norm(moves, axis=-1, keepdims=True)).max(axis=(1, 2))
    limit = _STEEPEST * _REACH / 0.61
    return Warp(centres, moves * np.minimum(1, limit / np.maximum(steep, 1e-9))[:, None, None])


def _draw_moves(most: float, rng: np.random.Generator) -> Floats:
    moves = []
    for _ in _PLACES:
        shared, apart = rng.uniform(-1, 1, 2), _UNEVEN * rng.uniform(-1, 1, (2, 2))
        moves += [shared + apart[0], shared * [-1, 1] + apart[1]]
    moves += [rng.uniform(-1, 1, 2) * [_UNEVEN, 1] for _ in _MIDDLE]
    return np.array(moves) * most / (1 + _UNEVEN)
