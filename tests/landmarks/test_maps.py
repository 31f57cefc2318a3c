"""The landmark map against a slow, independent implementation of the paper's formula."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_zoo.landmarks.maps import POINT_SETS, at_steps, landmark_map
from fer_zoo.specs import Site

CLIP = (40, 56)  # height, width


def slow_map(
    points: np.ndarray, clip: tuple[int, int], grid: tuple[int, int], chosen: list[int], kernel: str, radius: int
) -> np.ndarray:
    """Paper: 1 - 0.1 * d(L, P), the slope such that a corner has 0.4. Gaussian: exp(-d^2 / 2 sigma^2), sigma r / 2."""
    out = np.zeros(grid)
    places = []
    for k in chosen:
        x, y = float(points[k, 0]), float(points[k, 1])
        if math.isnan(x) or math.isnan(y):
            continue
        # Position as a fraction of the image: pixel centres are at half-integers of the extent.
        u, v = (x + 0.5) / clip[1], (y + 0.5) / clip[0]
        if 0 <= u < 1 and 0 <= v < 1:
            places.append((v * grid[0], u * grid[1]))
    if not places:
        return np.ones(grid)
    for row in range(grid[0]):
        for column in range(grid[1]):
            for v, u in places:
                down, right = abs(row - int(v)), abs(column - int(u))
                if down > radius or right > radius:
                    continue
                if radius == 0:
                    weight = 1.0
                elif kernel == "manhattan7":
                    weight = 1 - 0.6 / (2 * radius) * (down + right)
                else:
                    distance = math.hypot(row + 0.5 - v, column + 0.5 - u)
                    weight = math.exp(-(distance**2) / (2 * (radius / 2) ** 2))
                out[row, column] = max(out[row, column], weight)
    return out


# Multiples of 1/8 are exact in float32, so that both sides put a point into the same cell.
coordinate = st.one_of(st.integers(-120, 500).map(lambda i: i / 8), st.just(math.nan))
points_of_a_frame = st.lists(st.tuples(coordinate, coordinate), min_size=68, max_size=68)
kernels = st.sampled_from(["manhattan7", "gaussian"])


@settings(max_examples=40, deadline=None)
@given(
    points_of_a_frame,
    st.sampled_from([(20, 28), (10, 14), (40, 56), (5, 8)]),
    st.sampled_from(["all", "inner"]),
    kernels,
    st.sampled_from([3, 2, 1, 0, 5]),
)
def test_equals_the_formula(
    points: list[tuple[float, float]], grid: tuple[int, int], subset: Any, kernel: Any, radius: int
) -> None:
    array = np.array(points, np.float32)
    drawn = landmark_map(torch.from_numpy(array)[None, None], CLIP, grid, points=subset, kernel=kernel, radius=radius)
    chosen = [i for i in range(68) if i not in (60, 64) and (subset == "all" or i > 16)]
    expected = slow_map(array, CLIP, grid, chosen, kernel, radius)
    np.testing.assert_allclose(drawn.weights[0, 0, 0].numpy(), expected, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(points_of_a_frame, kernels, st.integers(0, 4))
def test_mirrored_points_give_the_mirrored_map(points: list[tuple[float, float]], kernel: Any, radius: int) -> None:
    # A sixteenth off the edges between cells, which belong to one side only.
    landmarks = torch.tensor(points)[None, None] + 1 / 16
    mirrored = torch.stack((CLIP[1] - 1 - landmarks[..., 0], landmarks[..., 1]), -1)
    one, other = (landmark_map(p, CLIP, (20, 28), kernel=kernel, radius=radius).weights for p in (landmarks, mirrored))
    torch.testing.assert_close(other, one.flip(-1), rtol=0, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(points_of_a_frame, kernels, st.integers(0, 4), st.randoms())
def test_order_does_not_matter_and_more_points_never_lower_a_weight(
    points: list[tuple[float, float]], kernel: Any, radius: int, random: Any
) -> None:
    landmarks = torch.tensor(points)[None, None]
    whole = landmark_map(landmarks, CLIP, (20, 28), kernel=kernel, radius=radius)
    order = [i for i in range(68) if i not in (60, 64)]
    shuffled = landmarks.clone()
    shuffled[:, :, order] = landmarks[:, :, random.sample(order, len(order))]
    assert torch.equal(landmark_map(shuffled, CLIP, (20, 28), kernel=kernel, radius=radius).weights, whole.weights)
    fewer = landmarks.clone()
    fewer[:, :, 30:] = torch.nan
    part = landmark_map(fewer, CLIP, (20, 28), kernel=kernel, radius=radius)
    assert not part.found.any() or (part.weights <= whole.weights).all()
    assert ((whole.weights >= 0) & (whole.weights <= 1)).all()


def one_point(x: float, y: float, **options: Any) -> torch.Tensor:
    landmarks = torch.full((1, 1, 68, 2), torch.nan)
    landmarks[0, 0, 30] = torch.tensor([x, y])
    return landmark_map(landmarks, (19, 19), (19, 19), **options).weights[0, 0, 0]


def test_window_of_one_point() -> None:
    drawn = one_point(9, 9)
    assert drawn[9, 9] == 1
    assert drawn[6, 12] == pytest.approx(0.4)
    assert drawn[9, 12] == pytest.approx(0.7)
    assert drawn[9, 13] == 0
    assert int((drawn > 0).sum()) == 49


def test_window_is_clipped_at_the_edge() -> None:
    drawn = one_point(0, 18)
    assert drawn[18, 0] == 1
    assert int((drawn > 0).sum()) == 16


def test_other_windows_keep_the_corner_weight() -> None:
    drawn = one_point(9, 9, radius=1)
    assert drawn[8:11, 8:11].flatten().tolist() == pytest.approx([0.4, 0.7, 0.4, 0.7, 1, 0.7, 0.4, 0.7, 0.4])
    assert int((one_point(9, 9, radius=0) > 0).sum()) == 1


def test_gaussian_of_one_point() -> None:
    drawn = one_point(9, 9, kernel="gaussian", radius=2)
    assert drawn[9, 9] == 1
    assert drawn[9, 10] == pytest.approx(math.exp(-0.5)), "sigma is half the radius"
    assert drawn[11, 11] == pytest.approx(math.exp(-4))
    assert int((drawn > 0).sum()) == 25, "cut to the window"


def test_gaussian_moves_with_the_point_inside_its_pixel() -> None:
    left, right = (one_point(9 + shift, 9, kernel="gaussian") for shift in (-0.25, 0.25))
    assert left[9, 8] == right[9, 10] > left[9, 10] == right[9, 8]
    assert torch.equal(one_point(8.75, 9), one_point(9.25, 9)), "the paper's does not"


@pytest.mark.parametrize("kernel", ["manhattan7", "gaussian"])
def test_invalid_landmarks_affect_neither_map_nor_gradients(kernel: Any) -> None:
    landmarks = torch.rand(1, 3, 68, 2) * 38
    clean = landmark_map(landmarks, CLIP, (10, 14), kernel=kernel)
    wild = landmarks.clone()
    wild[0, 1, 20:40] = torch.tensor([torch.inf, -3e38])
    wild[0, 2] = torch.nan
    wild.requires_grad_()
    drawn = landmark_map(wild, CLIP, (10, 14), kernel=kernel)
    assert torch.equal(drawn.weights[0, 0, 0], clean.weights[0, 0, 0])
    if kernel == "gaussian":
        drawn.weights.sum().backward()
        assert wild.grad is not None
        assert wild.grad.isfinite().all()
        assert wild.grad[0, 0].abs().sum() > 0


def test_or_zero() -> None:
    landmarks = torch.rand(2, 3, 68, 2) * 38
    landmarks[0, 1] = torch.nan
    drawn = landmark_map(landmarks, CLIP, (10, 14))
    assert (drawn.or_zero()[0, 0, 1] == 0).all()
    rest = drawn.found.clone()
    assert torch.equal(drawn.or_zero()[:, 0][rest], drawn.weights[:, 0][rest])


def test_at_steps_takes_the_centre_frames() -> None:
    landmarks = torch.arange(10.0)[None, :, None, None].expand(1, 10, 68, 2)
    for site, steps, frames in [
        (Site(1, 0), 10, list(range(10))),
        (Site(1, 2), 6, [2, 3, 4, 5, 6, 7]),
        (Site(1, 0.5, 2), 5, [0, 2, 4, 6, 8]),
        (Site(1, 3.5, 8), 2, [3, 9]),
    ]:
        assert at_steps(landmarks, site, steps)[0, :, 0, 0].tolist() == frames


def test_frames_without_usable_landmarks_have_ones_and_are_marked() -> None:
    landmarks = torch.rand(2, 4, 68, 2) * 38
    landmarks[0, 1] = torch.nan
    landmarks[1, 2] = 1e9
    landmarks[1, 3] = -torch.inf
    drawn = landmark_map(landmarks, CLIP, (10, 14))
    assert drawn.found.tolist() == [[True, False, True, True], [True, True, False, False]]
    assert (drawn.weights[0, 0, 1] == 1).all()
    assert (drawn.weights[1, 0, 2:] == 1).all()
    assert (drawn.weights[0, 0, 0] == 0).any()


def test_a_frame_with_unused_landmarks_only_counts_as_without_landmarks() -> None:
    landmarks = torch.full((1, 1, 68, 2), torch.nan)
    landmarks[0, 0, [60, 64]] = 5.0
    assert not landmark_map(landmarks, CLIP, (10, 14)).found.any()


def test_point_sets_match_the_paper() -> None:
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
