"""The crop: exact coordinates, antialiasing, edges, and points that move with the pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_zoo.errors import InputError
from fer_zoo.specs import CropSpec, InputSpec
from fer_zoo.video.align import MEAN_FACE
from fer_zoo.video.crop import Box, clip_box, crop_clip, faces_in, normalise, place_crop, to_crop


def square(x: float, y: float, side: float) -> Box:
    return Box(x, y, x + side, y + side)


def points_on(corners: tuple[float, float, float, float], count: int = 68) -> np.ndarray:
    """Points spread over a rectangle, corners included."""
    x0, y0, x1, y1 = corners
    fraction = np.linspace(0, 1, count)
    return np.stack([x0 + fraction * (x1 - x0), y0 + fraction * (y1 - y0)], axis=1).astype(np.float32)


def centroid(image: np.ndarray) -> tuple[float, float]:
    weight = image[..., 0].astype(np.float64)
    ys, xs = np.indices(weight.shape)
    return float((weight * xs).sum() / weight.sum()), float((weight * ys).sum() / weight.sum())


def test_box_of_the_pixel_grid_is_the_identity() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    points = points_on((12, 9, 20, 30))[None]
    crop, moved = crop_clip([frame], points, square(9.5, 4.5, 32), 32)
    np.testing.assert_array_equal(crop[0], frame[5:37, 10:42])
    np.testing.assert_allclose(moved, points - (10, 5), atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    left=st.floats(10, 60), top=st.floats(10, 60), side=st.floats(20, 120), size=st.sampled_from([24, 48, 96, 150]),
    mark_x=st.floats(0.3, 0.7), mark_y=st.floats(0.3, 0.7),
)  # fmt: skip
def test_a_marked_pixel_lands_where_its_landmark_lands(
    left: float, top: float, side: float, size: int, mark_x: float, mark_y: float
) -> None:
    x, y = round(left + mark_x * side), round(top + mark_y * side)
    frame = np.zeros((200, 200, 3), np.uint8)
    frame[y - 2 : y + 3, x - 2 : x + 3] = 250  # 5 x 5, so that shrinking leaves enough of it to weigh
    landmarks = np.full((1, 68, 2), (x, y), np.float32)
    crop, moved = crop_clip([frame], landmarks, square(left, top, side), size)
    found = centroid(crop[0])
    # 8-bit rounding of the blurred edge moves the centroid a little; half a pixel off would be a convention error.
    assert np.abs(np.array(found) - moved[0, 0]).max() < 0.12


def test_shrinking_averages_instead_of_skipping() -> None:
    frame = np.zeros((128, 128, 3), np.uint8)
    frame[:, ::2] = 200
    crop, _ = crop_clip([frame], points_on((30, 30, 90, 90))[None], square(15.5, 15.5, 96), 24)
    assert np.abs(crop.astype(int) - 100).max() <= 2


def test_outside_the_frame_the_edge_is_repeated() -> None:
    frame = np.zeros((30, 30, 3), np.uint8)
    frame[:, 0] = (10, 20, 30)
    frame[:, -1] = (200, 210, 220)
    crop, _ = crop_clip([frame], points_on((2, 2, 20, 20))[None], square(-20.5, -20.5, 70), 70)
    assert (crop[0, :, :20] == (10, 20, 30)).all()
    assert (crop[0, :, -20:] == (200, 210, 220)).all()
    wholly_outside, _ = crop_clip([frame], points_on((2, 2, 20, 20))[None], square(100, 100, 10), 5)
    assert (wholly_outside == (200, 210, 220)).all()


def test_content_beyond_the_box_reaches_the_filter() -> None:
    """A box in a large frame and the same box in a frame cut 10 pixels round it give the same crop."""
    frame = np.random.default_rng(1).integers(0, 256, (120, 120, 3), dtype=np.uint8)
    points = points_on((40, 40, 80, 80))[None]
    whole, _ = crop_clip([frame], points, square(30.3, 30.7, 60), 20)
    cut, _ = crop_clip([np.ascontiguousarray(frame[20:110, 20:110])], points - 20, square(10.3, 10.7, 60), 20)
    np.testing.assert_array_equal(whole, cut)


def test_clip_box_is_the_median_square_scaled_and_raised() -> None:
    frames = np.stack([points_on((10, 20, 50, 40)), points_on((12, 22, 52, 42)), points_on((90, 90, 100, 190))])
    box = clip_box(frames, CropSpec(scale=1.5, shift_up=0.1))
    assert box is not None
    # centres (30, 30), (32, 32), (95, 140); sides 40, 40, 100: the jump does not move the medians.
    assert (box.width, box.height) == pytest.approx((60, 60))
    assert box.centre == pytest.approx((32, 32 - 6))


def test_frames_without_a_face_do_not_count() -> None:
    frames = np.stack([points_on((10, 20, 50, 40)), np.full((68, 2), np.nan, np.float32), np.full((68, 2), 7.0)])
    frames = np.concatenate([frames, frames[:1]]).astype(np.float32)
    frames[3, 5] = np.nan
    np.testing.assert_array_equal(faces_in(frames), [True, False, False, False])
    assert clip_box(frames, CropSpec()) == clip_box(frames[:1], CropSpec())
    assert clip_box(frames[1:], CropSpec()) is None


@pytest.mark.parametrize("box", [Box(0, 0, 0, 0), Box(0, 0, 10, 20), Box(float("nan"), 0, 10, 10), Box(0, 0, 1e5, 1e5)])
def test_impossible_boxes_are_refused(box: Box) -> None:
    with pytest.raises(InputError, match=r"[Bb]ox"):
        crop_clip([np.zeros((30, 30, 3), np.uint8)], points_on((2, 2, 20, 20))[None], box, 8)


def test_wrong_shapes_are_refused() -> None:
    frame, points = np.zeros((30, 30, 3), np.uint8), points_on((2, 2, 20, 20))[None]
    with pytest.raises(InputError, match="2 frames, but landmarks of 1"):
        crop_clip([frame, frame], points, square(0, 0, 10), 8)
    with pytest.raises(InputError, match="Landmarks of shape"):
        crop_clip([frame], points[0], square(0, 0, 10), 8)
    with pytest.raises(InputError, match="A frame of type"):
        crop_clip([frame.astype(np.float32)], points, square(0, 0, 10), 8)  # type: ignore[list-item]


def test_normalise_follows_the_spec() -> None:
    spec = InputSpec(mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 0.25))
    frames = torch.randint(0, 256, (2, 4, 5, 6, 3), dtype=torch.uint8)
    clip = normalise(frames, spec)
    assert (clip.shape, clip.dtype) == ((2, 3, 4, 5, 6), torch.float32)
    one = frames[1, 2, 3, 4].double() / 255
    expected = torch.tensor([one[0], (one[1] - 0.5) / 0.5, (one[2] - 1) / 0.25])
    torch.testing.assert_close(clip[1, :, 2, 3, 4], expected.float())
    with pytest.raises(InputError, match="uint8"):
        normalise(clip, spec)


@pytest.mark.parametrize("degrees", [-170, -40, -12.5, -11.5, 0, 5, 13, 60])
def test_a_tilted_head_is_turned_by_what_exceeds_12_degrees(degrees: float) -> None:
    angle, face = np.radians(degrees), np.array(MEAN_FACE) * 60
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    tilted = (face @ turn.T + (90, 80)).astype(np.float32)
    place = place_crop(np.stack([tilted] * 3), CropSpec())
    assert place is not None
    assert (place.box is None) == (abs(degrees) > 12)
    seen = to_crop(tilted[None], place, 96)[0]
    across = seen[42:48].mean(0) - seen[36:42].mean(0)
    assert np.degrees(np.arctan2(across[1], across[0])) == pytest.approx(np.clip(degrees, -12, 12), abs=0.1)
    assert (seen > 0).all()
    assert (seen < 95).all()
    assert np.ptp(seen, axis=0).max() == pytest.approx(96 / 1.3, abs=0.1)


def test_the_pixels_of_a_tilted_head_move_with_its_landmarks() -> None:
    frame = np.zeros((160, 180, 3), np.uint8)
    tilted = (np.array(MEAN_FACE) @ np.array([[0.5, 0.866], [-0.866, 0.5]]) * 60 + (90, 80)).astype(np.float32)
    x, y = np.rint(tilted[30]).astype(int)  # the tip of the nose
    frame[y - 2 : y + 3, x - 2 : x + 3] = 255
    place = place_crop(np.stack([tilted] * 2), CropSpec())
    assert place is not None
    cut, seen = crop_clip([frame] * 2, np.stack([tilted] * 2), place, 96)
    np.testing.assert_allclose(centroid(cut[1]), seen[1, 30], atol=0.7)
