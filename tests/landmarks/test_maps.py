"""The landmark map against a slow evaluation of the paper's formula, written without looking at the fast one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_zoo.landmarks.maps import POINT_SETS, landmark_map

CLIP = (40, 56)  # height, width


def slow_map(points: np.ndarray, clip: tuple[int, int], grid: tuple[int, int], chosen: list[int]) -> np.ndarray:
    """w(L, P) = 1 - 0.1 * d(L, P) inside the 7x7 window, max over landmarks, pixel by pixel."""
    out = np.zeros(grid)
    cells = []
    for k in chosen:
        x, y = float(points[k, 0]), float(points[k, 1])
        if math.isnan(x) or math.isnan(y):
            continue
        # Position as a fraction of the picture: pixel centres are at half-integers of the extent.
        u, v = (x + 0.5) / clip[1], (y + 0.5) / clip[0]
        if 0 <= u < 1 and 0 <= v < 1:
            cells.append((int(v * grid[0]), int(u * grid[1])))
    if not cells:
        return np.ones(grid)
    for row in range(grid[0]):
        for column in range(grid[1]):
            for r, c in cells:
                if abs(row - r) <= 3 and abs(column - c) <= 3:
                    out[row, column] = max(out[row, column], 1 - 0.1 * (abs(row - r) + abs(column - c)))
    return out


# Multiples of 1/8 are exact in float32, so that both sides put a point into the same cell.
coordinate = st.one_of(st.integers(-120, 500).map(lambda i: i / 8), st.just(math.nan))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(coordinate, coordinate), min_size=68, max_size=68),
    st.sampled_from([(20, 28), (10, 14), (40, 56), (5, 8)]),
    st.sampled_from(["all", "inner"]),
)
def test_equals_the_formula(points: list[tuple[float, float]], grid: tuple[int, int], subset: str) -> None:
    array = np.array(points, np.float32)
    drawn = landmark_map(torch.from_numpy(array)[None, None], CLIP, grid, points=subset)  # type: ignore[arg-type]
    chosen = [i for i in range(68) if i not in (60, 64) and (subset == "all" or i > 16)]
    np.testing.assert_allclose(drawn.weights[0, 0, 0].numpy(), slow_map(array, CLIP, grid, chosen), atol=1e-6)


def one_point(x: float, y: float, **options: int) -> torch.Tensor:
    landmarks = torch.full((1, 1, 68, 2), torch.nan)
    landmarks[0, 0, 30] = torch.tensor([x, y])
    return landmark_map(landmarks, (19, 19), (19, 19), **options).weights[0, 0, 0]  # type: ignore[arg-type]


def test_window_of_one_point() -> None:
    drawn = one_point(9, 9)
    assert drawn[9, 9] == 1
    assert drawn[6, 12] == pytest.approx(0.4)
    assert drawn[9, 12] == pytest.approx(0.7)
    assert drawn[9, 13] == 0
    assert int((drawn > 0).sum()) == 49


def test_window_is_cut_at_the_edge() -> None:
    drawn = one_point(0, 18)
    assert drawn[18, 0] == 1
    assert int((drawn > 0).sum()) == 16


def test_other_windows_keep_the_corner_weight() -> None:
    drawn = one_point(9, 9, radius=1)
    assert drawn[8:11, 8:11].flatten().tolist() == pytest.approx([0.4, 0.7, 0.4, 0.7, 1, 0.7, 0.4, 0.7, 0.4])
    assert int((one_point(9, 9, radius=0) > 0).sum()) == 1


def test_frames_without_usable_points_get_ones_and_say_so() -> None:
    landmarks = torch.rand(2, 4, 68, 2) * 38
    landmarks[0, 1] = torch.nan
    landmarks[1, 2] = 1e9
    landmarks[1, 3] = -torch.inf
    drawn = landmark_map(landmarks, CLIP, (10, 14))
    assert drawn.found.tolist() == [[True, False, True, True], [True, True, False, False]]
    assert (drawn.weights[0, 0, 1] == 1).all()
    assert (drawn.weights[1, 0, 2:] == 1).all()
    assert (drawn.weights[0, 0, 0] == 0).any()


def test_only_unused_points_found_counts_as_no_point() -> None:
    landmarks = torch.full((1, 1, 68, 2), torch.nan)
    landmarks[0, 0, [60, 64]] = 5.0
    assert not landmark_map(landmarks, CLIP, (10, 14)).found.any()


def test_point_sets_are_the_papers() -> None:
    assert len(POINT_SETS["all"]) == 66
    assert len(POINT_SETS["inner"]) == 49


def test_batched_equals_one_by_one_and_keeps_dtype() -> None:
    landmarks = torch.rand(3, 5, 68, 2, dtype=torch.float64) * 50
    whole = landmark_map(landmarks, CLIP, (10, 14))
    assert whole.weights.shape == (3, 1, 5, 10, 14)
    assert whole.weights.dtype == torch.float64
    for b in range(3):
        assert torch.equal(whole.weights[b : b + 1], landmark_map(landmarks[b : b + 1], CLIP, (10, 14)).weights)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_same_on_the_gpu() -> None:
    landmarks = torch.rand(3, 5, 68, 2) * 50
    on_gpu = landmark_map(landmarks.cuda(), CLIP, (10, 14)).weights
    assert on_gpu.is_cuda
    torch.testing.assert_close(on_gpu.cpu(), landmark_map(landmarks, CLIP, (10, 14)).weights)
