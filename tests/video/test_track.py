"""Tracking one face through a video of coloured squares, where the right square is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from video_files import COLOURS, Square, Squares, dlib_or_skip, rendered_face, video_frames

from fer_zoo.landmarks.base import Box
from fer_zoo.video.reader import VideoFrame
from fer_zoo.video.track import FaceTrack, track_faces

World = list[list[Square]]


def follow(world: World, **options: float) -> FaceTrack:
    (track,) = track_faces(video_frames(world), Squares(), "largest", **options)
    return track


def colours(world: World, track: FaceTrack) -> list[str | None]:
    """Colour of the pixel in the middle of each box."""
    seen: list[str | None] = []
    names = {value: name for name, value in COLOURS.items()}
    for frame, box in zip(video_frames(world), track.boxes, strict=True):
        if box is None:
            seen.append(None)
        else:
            x, y = box.centre
            seen.append(names.get(tuple(int(v) for v in frame.image[round(y), round(x)])))
    return seen


def test_a_moving_face_is_followed_exactly() -> None:
    world: World = [[("red", 30 + 3 * i, 60, 30)] for i in range(30)]
    track = follow(world)
    assert set(track.states) == {"tracked"}
    assert track.faces == 1
    for i, box in enumerate(track.boxes):
        assert box == Box(30 + 3 * i - 15.5, 44.5, 30 + 3 * i + 14.5, 74.5)
        assert Box.of_points(track.landmarks[i]) == box


def test_results_are_in_pixels_of_the_video_as_shown() -> None:
    world: World = [[("red", 60, 60, 30)]] * 3
    half, whole = follow(world, scale=0.5), follow(world)
    box = whole.boxes[0]
    assert box is not None
    assert half.boxes[0] == Box(*(2 * (edge + 0.5) - 0.5 for edge in box))
    np.testing.assert_allclose(half.landmarks, 2 * (whole.landmarks + 0.5) - 0.5)


def test_the_whole_image_is_searched_only_now_and_then() -> None:
    landmarker = Squares(detect_every=5)
    track_faces(video_frames([[("red", 60, 60, 30)]] * 30), landmarker)
    assert landmarker.searches == 6


def test_short_gaps_are_interpolated_and_long_ones_are_not() -> None:
    world: World = [[("red", 40 + i, 60, 30)] for i in range(40)]
    for i in (*range(10, 14), *range(20, 27)):  # 0.16 s and 0.28 s at 25 a second
        world[i] = []
    track = follow(world)
    assert [i for i, state in enumerate(track.states) if state == "interpolated"] == [10, 11, 12, 13]
    assert [i for i, state in enumerate(track.states) if state == "none"] == list(range(20, 27))
    box = track.boxes[12]
    assert box is not None
    assert box.x0 == pytest.approx(40 + 12 - 15.5)
    assert np.isfinite(track.landmarks[12]).all()
    assert np.isnan(track.landmarks[20:27]).all()
    assert track.faces == 1


def test_a_face_that_appears_between_searches_is_followed_back() -> None:
    world: World = [[] for _ in range(8)] + [[("red", 60, 60, 30)] for _ in range(12)]
    assert follow(world).states == ("none",) * 8 + ("tracked",) * 12


def test_a_face_that_appears_after_the_last_search_is_not_missed() -> None:
    world: World = [[] for _ in range(12)] + [[("red", 60, 60, 30)] for _ in range(3)]
    assert follow(world).states == ("none",) * 12 + ("tracked",) * 3


def test_a_returning_only_face_continues_its_track() -> None:
    world: World = [[("red", 30, 60, 30)] for _ in range(20)] + [[] for _ in range(60)]
    world += [[("red", 130, 60, 30)] for _ in range(20)]
    track = follow(world)
    assert track.faces == 1
    assert track.states == ("tracked",) * 20 + ("none",) * 60 + ("tracked",) * 20


def test_of_two_faces_the_larger_is_followed() -> None:
    world: World = [[("green", 30, 60, 20), ("red", 110, 60, 40)] for _ in range(20)]
    track = follow(world)
    assert track.faces == 2
    assert set(colours(world, track)) == {"red"}


def test_the_main_face_may_come_later() -> None:
    world: World = [[("green", 30, 60, 20)] + ([("red", 110, 60, 44)] if i >= 8 else []) for i in range(40)]
    track = follow(world)
    assert colours(world, track) == [None] * 8 + ["red"] * 32


def test_when_the_main_face_leaves_the_other_is_not_taken_for_it() -> None:
    both: list[Square] = [("green", 30, 60, 16), ("red", 110, 60, 40)]
    world: World = [both] * 40 + [both[:1]] * 60 + [both] * 20
    track = follow(world)
    assert colours(world, track) == ["red"] * 40 + [None] * 60 + ["red"] * 20
    assert track.faces == 2


def test_a_stranger_far_away_just_after_a_loss_is_somebody_else() -> None:
    world: World = [[("red", 30, 60, 36)]] * 30 + [[("green", 135, 30, 30)]] * 20
    track = follow(world)
    assert colours(world, track) == ["red"] * 30 + [None] * 20
    assert track.faces == 2


def test_crossing_faces_stay_apart_or_are_given_up_but_never_swapped() -> None:
    world: World = [[("green", 140 - 3 * i, 60, 30), ("red", 20 + 3 * i, 55, 34)] for i in range(41)]
    seen = colours(world, follow(world))
    assert seen[:15] == ["red"] * 15
    assert "green" not in seen[:18]


@settings(max_examples=25, deadline=None)
@given(gaps=st.lists(st.tuples(st.integers(0, 59), st.integers(1, 12)), max_size=4))
def test_whatever_the_gaps_states_boxes_and_points_agree(gaps: list[tuple[int, int]]) -> None:
    world: World = [[("red", 40 + i, 60, 30)] for i in range(60)]
    for start, length in gaps:
        for i in range(start, min(60, start + length)):
            world[i] = []
    track = follow(world)
    assert len(track) == 60
    for i, (state, box) in enumerate(zip(track.states, track.boxes, strict=True)):
        assert (box is None) == (state == "none") == bool(np.isnan(track.landmarks[i]).any())
        # Every five frames are searched once, and what is found is followed both ways.
        if all(world[j] for j in range(max(0, i - 4), i + 1)) and i >= 4:
            assert state == "tracked"
    # A gap that is bridged has a face on both sides and is at most 0.2 s long.
    for i, state in enumerate(track.states):
        if state == "interpolated":
            before = max(j for j in range(i) if track.states[j] == "tracked")
            after = min(j for j in range(i, 60) if track.states[j] == "tracked")
            assert after - before - 1 <= 5


def test_no_face_at_all() -> None:
    track = follow([[] for _ in range(7)])
    assert track.states == ("none",) * 7
    assert track.faces == 0
    assert not track.found.any()


def test_a_rendered_face_with_dlib() -> None:
    landmarker = dlib_or_skip()
    frames = rendered_face()
    empty = np.full_like(frames[0], 128)
    images = [*frames, *[empty] * 8, *frames[:6]]
    video = [VideoFrame(index, index / 25, image) for index, image in enumerate(images)]
    (track,) = track_faces(video, landmarker)
    count = len(frames)
    assert track.states == ("tracked",) * count + ("none",) * 8 + ("tracked",) * 6
    # Following adds nothing to what a fresh search finds.
    fresh = landmarker.detect(images[count // 2])[0]
    side = fresh.box.side
    assert np.abs(track.landmarks[count // 2] - fresh.landmarks).mean() < 0.02 * side
