"""Which stored frames the network sees: windows, speed, direction; landmarks always go with their frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_zoo.data.clips import ClipSet
from fer_zoo.data.playback import central_frames, random_frames, view_frames
from fer_zoo.errors import InputError
from fer_zoo.specs import AugmentSpec, InputSpec


def numbered_clips(count: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Clips whose pixels and landmarks say which frame of which clip they are: 20 * clip + frame."""
    numbers = 20 * np.arange(count)[:, None] + np.arange(length)
    frames = np.broadcast_to(numbers[:, :, None, None, None], (count, length, 1, 1, 3)).astype(np.uint8)
    return frames, np.broadcast_to(numbers[:, :, None, None], (count, length, 68, 2)).astype(np.float32)


def shown(length: int, augment: AugmentSpec, count: int = 12, stored: int = 20, seed: int = 0) -> np.ndarray:
    """Frame numbers (count, length) that a window shows; the landmarks must be of the same."""
    frames, landmarks = numbered_clips(count, stored)
    cut, points = random_frames([frames, landmarks], length, augment, np.random.default_rng(seed))
    assert cut.shape == (count, length, 1, 1, 3)
    np.testing.assert_array_equal(points, np.broadcast_to(cut[:, :, 0, 0, :1, None], points.shape))
    clip, number = np.divmod(cut[:, :, 0, 0, 0].astype(int), 20)
    assert (clip == np.arange(count)[:, None]).all()
    return number


def test_by_default_frames_are_consecutive_from_a_random_start() -> None:
    numbers = shown(4, AugmentSpec(), stored=10)
    assert (np.diff(numbers) == 1).all()
    assert len(set(numbers[:, 0])) > 1
    # One draw, as recipes were trained by: whoever changes it changes their results.
    np.testing.assert_array_equal(numbers[:, 0], np.random.default_rng(0).integers(0, 7, 12))


def test_the_whole_clip_draws_nothing() -> None:
    frames, landmarks = numbered_clips(2, 10)
    rng = np.random.default_rng(0)
    assert random_frames([frames, landmarks], 10, AugmentSpec(), rng)[0] is frames
    assert rng.random() == np.random.default_rng(0).random(), "resuming older runs must see the same numbers"


@settings(max_examples=60, deadline=None)
@given(
    stored=st.integers(4, 14),
    face=st.integers(0, 13),
    sampling=st.sampled_from(["dense", "segments", "uniform"]),
    options=st.sampled_from([{}, {"stride": 2}, {"still": 1.0}, {"reverse": 1.0, "frame_jitter": 0.5}]),
    seed=st.integers(0, 99),
)
def test_what_is_shown_of_a_clip_with_a_face_has_a_face(
    stored: int, face: int, sampling: str, options: dict[str, float], seed: int
) -> None:
    """Else a training could not crop it, and would end, hours after it began."""
    frames, landmarks = numbered_clips(3, stored)
    landmarks = landmarks + np.arange(68)[:, None]
    landmarks[:, np.arange(stored) != face % stored] = np.nan
    length = 2 if options.get("stride") else min(4, stored)
    generators = [np.random.default_rng([seed, clip]) for clip in range(3)]
    cut, points = random_frames([frames, landmarks], length, AugmentSpec(**options), generators, sampling)
    seen = np.isfinite(points).all(axis=(2, 3))
    assert seen.any(axis=1).all()
    assert (cut[seen][:, 0, 0, 0] % 20 == face % stored).all()


def test_stride_plays_faster() -> None:
    numbers = shown(5, AugmentSpec(stride=3), count=12, seed=2)
    steps = np.diff(numbers)
    assert (steps == steps[:, :1]).all()
    assert set(steps[:, 0]) == {1, 2, 3}
    assert numbers.max() < 20
    assert len(set(numbers[steps[:, 0] == 1, 0])) > 1, "a slower clip may start anywhere"


def test_a_stride_that_the_stored_clips_are_too_short_for_is_refused() -> None:
    assert shown(7, AugmentSpec(stride=3), stored=19).shape == (12, 7)
    with pytest.raises(InputError, match=r"(?s)Clips of 18 frames for a network of 7 at stride 3.*19 frames or more"):
        shown(7, AugmentSpec(stride=3), stored=18)
    with pytest.raises(InputError, match="Clips of 6 frames for a network of 7"):
        shown(7, AugmentSpec(), stored=6)
    assert shown(1, AugmentSpec(stride=3), stored=1).tolist() == [[0]] * 12


def test_reverse_plays_backwards() -> None:
    forwards, backwards = (shown(6, AugmentSpec(reverse=share), seed=3) for share in (0.0, 1.0))
    np.testing.assert_array_equal(backwards, forwards[:, ::-1])
    some = np.diff(shown(6, AugmentSpec(reverse=0.5), seed=3))
    assert set(some[:, 0]) == {-1, 1}
    assert (some == some[:, :1]).all()


def test_still_repeats_one_frame_of_the_window() -> None:
    steady, stopped = (shown(6, AugmentSpec(still=share), seed=3) for share in (0.0, 0.5))
    repeated = (np.diff(stopped) == 0).all(axis=1)
    assert 0.3 < repeated.mean() < 0.7
    np.testing.assert_array_equal(stopped[~repeated], steady[~repeated])
    places = stopped[repeated, 0] - steady[repeated, 0]
    assert len(set(places)) > 2, "any frame of the window"
    assert set(places) <= set(range(6))


def test_frame_jitter_repeats_and_skips_frames_in_order() -> None:
    steady, shaken = (shown(8, AugmentSpec(frame_jitter=share), seed=4) for share in (0.0, 0.5))
    assert (np.abs(shaken - steady) <= 1).all()
    assert (np.diff(shaken) >= 0).all()
    assert 0.2 < (shaken != steady).mean() < 0.6


@settings(max_examples=60, deadline=None)
@given(
    stored=st.integers(1, 20), length=st.integers(1, 20), stride=st.integers(1, 4), jitter=st.floats(0, 1),
    reverse=st.floats(0, 1), still=st.floats(0, 1), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_frames_and_landmarks_move_together(
    stored: int, length: int, stride: int, jitter: float, reverse: float, still: float, seed: int
) -> None:
    augment = AugmentSpec(stride=stride, frame_jitter=jitter, reverse=reverse, still=still)
    if (length > 1 and stored < (length - 1) * stride + 1) or stored < length:
        with pytest.raises(InputError):
            shown(length, augment, 4, stored, seed)
        return
    numbers = shown(length, augment, 4, stored, seed)  # compares the landmarks
    assert numbers.min() >= 0
    assert numbers.max() < stored
    steps = np.diff(numbers)
    assert ((steps >= 0).all(axis=1) | (steps <= 0).all(axis=1)).all()
    assert (np.abs(numbers[:, -1] - numbers[:, 0]) <= (length - 1) * stride + 2).all()


def test_central_frames() -> None:
    frames, landmarks = numbered_clips(3, 10)
    clips = ClipSet.from_arrays(frames, landmarks, [0, 1, 0], [5, 6, 7], ["a", "b"])
    one = central_frames(clips.take(np.array([2, 0])), InputSpec(frames=1))
    assert one.read(np.arange(2))[:, :, 0, 0, 0].tolist() == [[44], [4]]
    assert one.landmarks[:, 0, 0, 0].tolist() == [44, 4]
    assert one.subjects.tolist() == [7, 5]
    assert central_frames(clips, InputSpec(frames=10)) is clips


def test_central_frames_without_a_face_move_to_one() -> None:
    frames, landmarks = numbered_clips(3, 10)
    landmarks = landmarks + np.arange(68)[:, None]
    landmarks[1, 1:] = np.nan  # the face is in the first frame only
    landmarks[2] = np.nan  # nowhere: left as it is, for whoever crops it
    clips = ClipSet.from_arrays(frames, landmarks.astype(np.float32), [0, 1, 0], [5, 6, 7], ["a", "b"])
    middle = central_frames(clips, InputSpec(frames=4))
    assert (middle.read(np.arange(3))[:, :, 0, 0, 0] % 20).tolist() == [[3, 4, 5, 6], [0, 1, 2, 3], [3, 4, 5, 6]]
    assert np.isfinite(middle.landmarks).all(axis=(2, 3)).any(axis=1).tolist() == [True, True, False]


def spec(frames: int, sampling: str = "dense") -> InputSpec:
    return InputSpec.model_validate({"frames": frames, "sampling": sampling})


@given(stored=st.integers(1, 40), length=st.integers(1, 20), count=st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_each_frame_of_a_spread_clip_is_in_its_own_part(stored: int, length: int, count: int) -> None:
    for view in view_frames(stored, spec(length, "uniform"), count) if stored > length else ():
        parts = view * length / stored  # part k is [k, k + 1): whole frames may begin a little before it
        assert ((parts > np.arange(length) - length / stored) & (parts < np.arange(length) + 1)).all()


def test_views() -> None:
    """Three stored frames for each part: the only view is the middle ones, as of the whole video."""
    assert [view.tolist() for view in view_frames(12, spec(4, "segments"))] == [[1, 4, 7, 10]]
    assert [view.tolist() for view in view_frames(12, spec(4, "uniform"), 2)] == [[0, 3, 6, 9], [2, 5, 8, 11]]
    assert [view.tolist() for view in view_frames(7, spec(4), 2)] == [[0, 1, 2, 3], [3, 4, 5, 6]]
    assert [view.tolist() for view in view_frames(5, spec(4), 9)] == [[0, 1, 2, 3], [1, 2, 3, 4]], "each once"
    assert [view.tolist() for view in view_frames(4, spec(4, "uniform"), 3)] == [[0, 1, 2, 3]]


def test_in_training_segments_are_random_and_uniform_is_not() -> None:
    numbers, points = np.arange(12)[None].repeat(200, axis=0), np.zeros((200, 12, 68, 2), np.float32)
    rng = np.random.default_rng(0)
    drawn, _ = random_frames([numbers, points], 4, AugmentSpec(), rng, "segments")
    assert [set(part) for part in drawn.T] == [{0, 1, 2}, {3, 4, 5}, {6, 7, 8}, {9, 10, 11}]
    assert len(np.unique(drawn, axis=0)) > 40, "of 81"
    fixed, _ = random_frames([numbers, points], 4, AugmentSpec(), rng, "uniform")
    assert (fixed == [1, 4, 7, 10]).all()
