"""Type I error, power and coverage by simulation, at the corners of the table in docs/statistics.md."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

import simulate_statistics as simulation

REPEATS = 800
WORLDS = {(world.name, world.subjects, world.folds, world.seeds): world for world in simulation.worlds()}
CORNERS = [
    ("one clip per class", 10, 1, 1), ("one clip per class", 30, 1, 2), ("one clip per class", 30, 1, 3),
    ("one clip per class", 150, 1, 5), ("one clip per class", 50, 5, 2), ("1 to 3 clips", 60, 1, 1),
    ("2 to 40 clips", 60, 1, 1), ("a class in 2 % of clips", 60, 1, 1), ("about 97.5 % right", 60, 1, 1),
]  # fmt: skip


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def within(rate: float, low: float, high: float, count: int = REPEATS) -> bool:
    """Within the bounds, give or take 2.6 binomial standard errors: 1 in 100 for a rate on the bound."""
    errors = [2.6 * np.sqrt(bound * (1 - bound) / count) for bound in (low, high)]
    return low - errors[0] <= rate <= high + errors[1]


@pytest.mark.slow
@pytest.mark.parametrize("corner", CORNERS, ids=str)
def test_type_one_error_and_coverage(corner: tuple[str, int, int, int]) -> None:
    world = WORLDS[corner]
    found = [simulation.p_values(world, rng(n), 0.0, bootstrap=False)[:2] for n in range(REPEATS)]
    truth = world.truth()
    held = [simulation.covers(world, rng(n, 1), truth) for n in range(REPEATS)]
    for error, coverage in zip((np.array(found) < 0.05).mean(axis=0), np.mean(held, axis=0), strict=True):
        assert within(error, 0.03, 0.06)
        assert within(coverage, 0.93, 0.97)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [2, 3])
def test_power_is_at_least_that_of_welch(seeds: int) -> None:
    world = WORLDS["one clip per class", 30, 1, seeds]
    found = np.array([simulation.p_values(world, rng(n, 2), 0.6, bootstrap=False) for n in range(500)])
    ours, welch = (found[:, [0, 4]] < 0.05).mean(axis=0)
    assert ours >= welch
    assert ours > {2: 0.15, 3: 0.22}[seeds]
