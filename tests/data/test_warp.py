"""Warps of features: limited by the strength, the same in all frames, exactly invertible, without folds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_augment_properties import faces

from fer_zoo.data.warp import Warp, draw_warp

MOST = 0.05


def points(count: int, seed: int = 0) -> np.ndarray:
    """Faces (count, 3, 68, 2) in a crop's coordinates; the first frame of the first clip has none."""
    rng = np.random.default_rng(seed)
    found = np.stack([faces(3, 0, rng) / 160 - 0.5 for _ in range(count)]).astype(np.float64)
    found[0, 0] = np.nan
    return found


def drawn(count: int = 40, most: float = MOST) -> Warp:
    return draw_warp(points(count), most, [np.random.default_rng(n) for n in range(count)])


def test_features_move_by_at_most_the_strength_and_differently() -> None:
    warp = drawn()
    far = np.linalg.norm(warp.moves, axis=-1)
    assert np.isfinite(warp.centres).all()
    assert far.max() <= MOST * 2**0.5 + 1e-9
    assert far.mean() > MOST / 5
    assert warp.moves.std(axis=0).min() > MOST / 20, "every feature moves, in every clip otherwise"


def test_the_two_sides_move_much_alike() -> None:
    moves = drawn(200).moves
    left, right = moves[:, 0], moves[:, 1]
    assert np.corrcoef(left[:, 1], right[:, 1])[0, 1] > 0.6
    assert np.corrcoef(left[:, 0], right[:, 0])[0, 1] < -0.6, "apart or together"


@pytest.mark.parametrize("most", [0.01, 0.05, 0.1])
def test_the_picture_never_folds(most: float) -> None:
    """What lies to the right of something before lies to its right after."""
    axis = np.linspace(-0.5, 0.5, 101)
    x, y = np.meshgrid(axis, axis)
    warp = drawn(40, most)
    places = np.broadcast_to(np.stack([x, y], -1).reshape(1, -1, 2), (40, 101 * 101, 2))
    grid = warp.displaced(places).reshape(40, 101, 101, 2)
    np.testing.assert_allclose(grid, warp.grid(axis), atol=1e-12)
    assert (np.diff(grid[..., 0], axis=2) > 0).all()
    assert (np.diff(grid[..., 1], axis=1) > 0).all()


@settings(max_examples=30, deadline=None)
@given(most=st.floats(0.001, 0.1), seed=st.integers(0, 2**32 - 1))
def test_where_things_land_is_where_they_come_from(most: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    warp = draw_warp(points(2, seed % 1000), most, [rng, rng])
    marks = rng.uniform(-0.5, 0.5, (2, 30, 2))
    np.testing.assert_allclose(warp.displaced(warp.landed(marks)), marks, atol=1e-4)


def test_a_point_that_is_not_there_stays_so() -> None:
    marks = np.full((40, 2, 2), np.nan)
    marks[:, 1] = 0.1
    landed = drawn().landed(marks)
    assert np.isnan(landed[:, 0]).all()
    assert np.isfinite(landed[:, 1]).all()


def test_a_clip_is_warped_the_same_beside_any_others() -> None:
    one = draw_warp(points(3)[1:2], MOST, [np.random.default_rng(5)])
    beside = draw_warp(points(3), MOST, [np.random.default_rng(n) for n in (4, 5, 6)])
    np.testing.assert_allclose(one.moves[0], beside.moves[1])
    np.testing.assert_allclose(one.centres[0], beside.centres[1])
