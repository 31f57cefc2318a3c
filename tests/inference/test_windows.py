"""Sampling by time and windows: pure index arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_zoo.errors import OptionError
from fer_zoo.inference.windows import check_hop, nearest_ticks, plan_whole, plan_windows, sample_frames, windows


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


@pytest.mark.parametrize(("length", "hop"), [(1, 1), (2, 2), (10, 2)])
def test_the_default_step_fits_every_window(length: int, hop: int) -> None:
    assert check_hop(None, length) == hop


def test_hop_zero_is_refused() -> None:
    with pytest.raises(OptionError, match="hop=0"):
        windows(10, 5, 0)


def test_frames_get_their_nearest_tick() -> None:
    np.testing.assert_array_equal(nearest_ticks(even(6, 50), 25, 3), [0, 0, 1, 2, 2, 2])
    np.testing.assert_array_equal(nearest_ticks(np.array([0, 0.1, 5.0]), 10, 3), [0, 1, 2])


def test_without_gaps_the_plan_is_one_clock_from_end_to_end() -> None:
    times = even(30, 30000 / 1001)
    plan = plan_windows(times, 25, 10, 2)
    np.testing.assert_array_equal(plan.frames, sample_frames(times, 25))
    np.testing.assert_array_equal(plan.windows, windows(len(plan.frames), 10, 2))
    np.testing.assert_array_equal(plan.nearest, nearest_ticks(times, 25, len(plan.frames)))
    assert plan.gaps_s == ()


def test_an_hour_between_two_frames_costs_nothing_and_no_window_bridges_it() -> None:
    times = np.concatenate([even(20, 25), 3600 + even(15, 25)])
    plan = plan_windows(times, 25, 10, 2)
    np.testing.assert_array_equal(plan.frames, np.arange(35))
    np.testing.assert_array_equal(plan.nearest, np.arange(35))
    rows = plan.frames[plan.windows]
    assert ((rows < 20).all(axis=1) | (rows >= 20).all(axis=1)).all()
    assert set(rows.ravel().tolist()) == set(range(35))
    assert plan.gaps_s == pytest.approx((3600 - 19 / 25,))


def test_a_gap_of_one_window_is_bridged() -> None:
    assert plan_windows(np.array([0.0, 0.04, 0.44, 0.48]), 25, 10, 1).gaps_s == ()
    assert len(plan_windows(np.array([0.0, 0.04, 0.46, 0.50]), 25, 10, 1).gaps_s) == 1


@given(
    steps=st.lists(st.floats(0.001, 0.2) | st.floats(0.2, 1e6), max_size=50),
    length=st.integers(1, 12),
    hop=st.integers(1, 12),
)
def test_any_time_stamps_give_few_ticks_and_every_frame_a_near_one(steps: list[float], length: int, hop: int) -> None:
    times = np.concatenate([[0.0], np.cumsum(steps)])
    plan = plan_windows(times, 25, length, min(hop, length))
    assert len(plan.frames) <= (length + 1) * len(times)
    assert (np.diff(plan.frames) >= 0).all()
    rows = plan.frames[plan.windows]
    assert len(rows) <= 2 * len(np.unique(rows, axis=0))
    assert set(plan.windows.ravel().tolist()) == set(range(len(plan.frames)))
    # The frames that a prediction depends on are within one window.
    assert np.abs(times[plan.frames[plan.nearest]] - times).max() <= length / 25 + 1e-3


def test_one_window_over_the_seen_part_that_no_change_of_the_picture_divides() -> None:
    seen = np.array([False, True, False, True, True, True, True, True, True, False])
    assert plan_whole(seen, 4).frames.tolist() == [2, 4, 6, 8]
    assert plan_whole(seen, 4, shape_changes=[5]).frames.tolist() == [1, 2, 3, 4], "of 1 to 4 and 5 to 8, the first"
    plan = plan_whole(np.zeros(3, bool), 4)
    assert (plan.frames.tolist(), plan.windows.tolist(), plan.nearest.tolist()) == (
        [0, 1, 1, 2],
        [[0, 1, 2, 3]],
        [0] * 3,
    )


def test_a_step_for_a_network_of_single_frames() -> None:
    assert check_hop(None, 1) == 1
    with pytest.raises(OptionError, match=r"(?s)hop=2 for a network of single frames.*Accepted: 1\n.*omit hop"):
        check_hop(2, 1)
