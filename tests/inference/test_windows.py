"""Sampling by time and windows: pure index arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_zoo.errors import OptionError
from fer_zoo.inference.windows import nearest_ticks, sample_frames, windows


def even(count: int, rate: float) -> np.ndarray:
    return np.arange(count) / rate


def test_a_video_of_the_same_rate_is_taken_frame_by_frame() -> None:
    np.testing.assert_array_equal(sample_frames(even(40, 25), 25), np.arange(40))
    ntsc = even(300, 30000 / 1001)
    np.testing.assert_array_equal(sample_frames(ntsc, 30000 / 1001), np.arange(300))


def test_a_fast_video_is_thinned_and_a_slow_one_repeated() -> None:
    np.testing.assert_array_equal(sample_frames(even(9, 50), 25), [0, 2, 4, 6, 8])
    np.testing.assert_array_equal(sample_frames(even(4, 10), 30), [0, 0, 1, 1, 1, 2, 2, 2, 3, 3])


def test_one_frame() -> None:
    np.testing.assert_array_equal(sample_frames(np.array([0.0]), 25), [0])
    np.testing.assert_array_equal(windows(1, 4, 2), [[0, 0, 0, 0]])


@given(
    steps=st.lists(st.floats(0.002, 1.5), min_size=1, max_size=60),
    fps=st.sampled_from([5.0, 10.0, 24.0, 25.0, 30.0, 60.0]),
)
def test_every_tick_has_the_nearest_frame(steps: list[float], fps: float) -> None:
    times = np.concatenate([[0.0], np.cumsum(steps)])
    chosen = sample_frames(times, fps)
    ticks = np.arange(len(chosen)) / fps
    best = np.abs(times[None] - ticks[:, None]).min(axis=1)
    np.testing.assert_allclose(np.abs(times[chosen] - ticks), best, atol=1e-12)
    assert (np.diff(chosen) >= 0).all()
    # The clock runs to the end of the video, and not beyond it.
    assert times[-1] - 1 / fps - 1e-9 < ticks[-1] <= times[-1] + 1e-3


@given(ticks=st.integers(1, 200), length=st.integers(1, 16), hop=st.integers(1, 16))
def test_windows_hold_every_tick(ticks: int, length: int, hop: int) -> None:
    if hop > length:
        with pytest.raises(OptionError, match="hop"):
            windows(ticks, length, hop)
        return
    table = windows(ticks, length, hop)
    assert table.shape[1] == length
    assert set(table.ravel().tolist()) == set(range(ticks))
    assert (np.diff(table[:, 0]) > 0).all()
    if ticks >= length:
        assert (np.diff(table, axis=1) == 1).all()
        assert table[-1, -1] == ticks - 1
    else:
        np.testing.assert_array_equal(table, [[*range(ticks), *[ticks - 1] * (length - ticks)]])


def test_hop_zero_is_refused() -> None:
    with pytest.raises(OptionError, match="hop=0"):
        windows(10, 5, 0)


def test_frames_get_their_nearest_tick() -> None:
    np.testing.assert_array_equal(nearest_ticks(even(6, 50), 25, 3), [0, 0, 1, 2, 2, 2])
    np.testing.assert_array_equal(nearest_ticks(np.array([0, 0.1, 5.0]), 10, 3), [0, 1, 2])
