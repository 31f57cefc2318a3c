"""Smoothing over time: against a least-squares fit written out, and what it must leave alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_zoo.video.smooth import smooth_points


def tracks(values: np.ndarray) -> np.ndarray:
    """(N,) as x of point 0, and other motion elsewhere; (N, 2, 2)."""
    return np.stack([np.stack([values, -values], 1), np.stack([values * 0, values + 7], 1)], 1).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.02, 0.05, 0.2])
def test_it_is_a_weighted_line_fit_at_each_moment(seconds: float) -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.02, 0.06, 40))
    points = rng.normal(0, 5, (40, 3, 2)).astype(np.float32)
    found = smooth_points(points, times, seconds)
    for index, now in enumerate(times):
        near = np.abs(times - now) <= 3 * seconds + 1e-6
        root = np.exp(-0.25 * ((times[near] - now) / seconds) ** 2)  # square root of the weights
        design = np.stack([np.ones(near.sum()), times[near] - now], 1) * root[:, None]
        expected = np.linalg.lstsq(design, points[near].reshape(-1, 6) * root[:, None], rcond=None)[0][0]
        if near.sum() > 1:
            np.testing.assert_allclose(found[index].ravel(), expected, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(
    start=st.floats(-50, 50), speed=st.floats(-100, 100), seconds=st.floats(0.001, 0.5), seed=st.integers(0, 1000),
    count=st.integers(1, 40),
)  # fmt: skip
def test_still_and_even_motion_stay(start: float, speed: float, seconds: float, seed: int, count: int) -> None:
    times = np.cumsum(np.random.default_rng(seed).uniform(0.01, 0.1, count))
    points = tracks(start + speed * times)
    np.testing.assert_allclose(smooth_points(points, times, seconds), points, atol=2e-3)


def test_no_lag_and_less_noise() -> None:
    times = np.arange(100) / 25
    wave = 10 * np.sin(2 * np.pi * 0.5 * times)
    noisy = wave + np.random.default_rng(1).normal(0, 1, 100)
    found = smooth_points(tracks(noisy), times, 0.08)[:, 0, 0]
    assert np.abs(found - wave).mean() < 0.5 * np.abs(noisy - wave).mean()
    backwards = smooth_points(tracks(noisy[::-1]), times, 0.08)[::-1, 0, 0]
    np.testing.assert_allclose(found, backwards, atol=1e-4)  # a filter with a lag would differ


def test_nothing_is_carried_over_a_gap() -> None:
    times = np.arange(21) / 25
    values = np.where(np.arange(21) < 10, 0.0, 100.0)
    points = tracks(values)
    points[10] = np.nan
    found = smooth_points(points, times, 0.2)
    assert np.isnan(found[10]).all()
    np.testing.assert_allclose(np.delete(found, 10, 0), np.delete(points, 10, 0), atol=1e-4)
    assert found.dtype == np.float32


def test_off_is_off() -> None:
    points = tracks(np.random.default_rng(0).normal(size=9))
    assert np.array_equal(smooth_points(points, np.arange(9) / 25, 0.0), points)
