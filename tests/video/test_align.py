"""Alignment: the fit against an independent one, what a face's crop is, and points that stay on their pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fer_zoo.errors import InputError
from fer_zoo.landmarks.base import MIRROR_68
from fer_zoo.specs import CropSpec
from fer_zoo.synth import render_video
from fer_zoo.video.align import MEAN_FACE, STEADY, fit_mean_face
from fer_zoo.video.crop import Placement, clip_box, crop_clip, place_crop

ALIGNED = CropSpec(align="similarity")
MEAN = np.array(MEAN_FACE)


def face(x: float, y: float, side: float, degrees: float) -> NDArray[np.float32]:
    """The mean face (68, 2) with its origin at (x, y), turned clockwise as seen (y points down)."""
    angle = np.deg2rad(degrees)
    right, down = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    return ((x, y) + side * (MEAN[:, :1] * right + MEAN[:, 1:] * down)).astype(np.float32)


def umeyama(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 3) of the paper's equations 38 to 43, by singular values."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, d, vt = np.linalg.svd(b.T @ a / len(a))
    sign = np.diag([1, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    scale = np.trace(np.diag(d) @ sign) / a.var(0).sum()
    linear = scale * u @ sign @ vt
    return np.column_stack([linear, target.mean(0) - linear @ source.mean(0)])


def test_the_mean_face_is_symmetric_and_its_square_is_the_unit_square() -> None:
    np.testing.assert_allclose(MEAN[list(MIRROR_68)] * (-1, 1), MEAN, atol=1e-9)
    low, high = MEAN.min(axis=0), MEAN.max(axis=0)
    np.testing.assert_allclose(low + high, 0, atol=2e-3)
    assert (high - low).max() == pytest.approx(1)
    assert MEAN[8, 1] > MEAN[57, 1] > MEAN[30, 1] > MEAN[27, 1], "chin below mouth below nose, y pointing down"
    assert sorted(MIRROR_68[point] for point in STEADY) == sorted(STEADY)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), noise=st.floats(0, 0.1), degrees=st.floats(-180, 180), side=st.floats(5, 900))
def test_the_fit_is_umeyamas(seed: int, noise: float, degrees: float, side: float) -> None:
    rng = np.random.default_rng(seed)
    points = face(*rng.uniform(-500, 500, 2), side, degrees) + rng.normal(0, noise * side, (68, 2))
    (origin,), (found,), (angle,) = fit_mean_face(points[None].astype(np.float32))
    expected = umeyama(MEAN[list(STEADY)], points[list(STEADY)])
    turned = found * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(np.column_stack([turned, origin]), expected, atol=1e-3)


def test_an_upright_mean_face_is_cropped_as_a_box_is() -> None:
    points = face(80, 70, 60, 0)[None]
    crop = CropSpec(scale=1.6, shift_up=0.11)
    place, box = place_crop(points, crop.model_copy(update={"align": "similarity"})), clip_box(points, crop)
    assert place is not None
    assert box is not None
    np.testing.assert_allclose(place.centres, [box.centre], atol=0.1)
    np.testing.assert_allclose(place.sides, box.width, rtol=2e-3)
    np.testing.assert_allclose(place.angles, 0, atol=1e-6)
    y, x = np.mgrid[0:160, 0:160] / 160
    frame = (127 + 60 * (np.sin(19 * x) + np.cos(17 * y)))[..., None].repeat(3, 2).astype(np.uint8)
    upright = Placement(np.array([box.centre]), np.array([box.width]), np.zeros(1))
    for size in (30, 60, 150):
        aligned, moved = crop_clip([frame], points, upright, size)
        boxed, expected = crop_clip([frame], points, box, size)
        assert np.abs(aligned.astype(int) - boxed).mean() < 0.7
        np.testing.assert_allclose(moved, expected, atol=1e-3)


def test_a_turned_face_comes_out_upright_in_every_frame() -> None:
    poses = [(80, 80, 60, 0), (90, 75, 70, 25), (70, 85, 45, -40), (80, 80, 60, 170)]
    points = np.stack([face(*pose) for pose in poses])
    place = place_crop(points, ALIGNED)
    assert place is not None
    _, moved = crop_clip(np.zeros((4, 160, 160, 3), np.uint8), points, place, 100)
    np.testing.assert_allclose(moved, moved[:1].repeat(4, 0), atol=0.01)
    # As the specification says: the mean face's square is 1 / 1.3 of the crop, and lower by 0.08 of it.
    np.testing.assert_allclose(moved[0], 49.5 + 100 * (MEAN / 1.3 + (0, 0.08)), atol=0.1)


@settings(max_examples=60, deadline=None)
@given(
    x=st.floats(60, 100), y=st.floats(60, 100), side=st.floats(40, 80), degrees=st.floats(-180, 180),
    scale=st.floats(1.2, 2.0), size=st.sampled_from([40, 64, 96, 150]), point=st.integers(27, 67),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_points_stay_on_the_pixels_they_marked(
    x: float, y: float, side: float, degrees: float, scale: float, size: int, point: int, seed: int
) -> None:
    points = face(x, y, side, degrees) + np.random.default_rng(seed).normal(0, 0.01 * side, (68, 2))
    points = points[None].astype(np.float32)
    ys, xs = np.mgrid[0:160, 0:160]
    spot = 250 * np.exp(-((xs - points[0, point, 0]) ** 2 + (ys - points[0, point, 1]) ** 2) / 8)
    place = place_crop(points, ALIGNED.model_copy(update={"scale": scale}))
    assert place is not None
    crop, moved = crop_clip([spot[..., None].repeat(3, 2).astype(np.uint8)], points, place, size)
    light = crop[0, :, :, 0].astype(float)
    rows, columns = np.mgrid[0:size, 0:size]
    found = np.array([(light * columns).sum(), (light * rows).sum()]) / light.sum()
    assert np.abs(found - moved[0, point]).max() < 0.5


def test_a_frame_without_a_face_takes_the_nearest_frames_square() -> None:
    points = np.stack([face(80 + t, 80, 60, 10 * t) for t in range(7)])
    alone = place_crop(points, ALIGNED)
    points[[0, 2, 4, 5, 6]] = np.nan
    points[5] = 3.0  # all in one place: no face either
    place = place_crop(points, ALIGNED)
    assert alone is not None
    assert place is not None
    nearest = [1, 1, 1, 3, 3, 3, 3]  # of frame 2's neighbours the earlier
    np.testing.assert_array_equal(place.centres, alone.centres[nearest])
    np.testing.assert_array_equal(place.sides, alone.sides[nearest])
    np.testing.assert_array_equal(place.angles, alone.angles[nearest])
    points[:, STEADY] = 5.0  # other points alone tell no turn
    assert place_crop(points, ALIGNED) is None
    assert place_crop(np.full((3, 68, 2), np.nan, np.float32), ALIGNED) is None


def test_an_expression_hardly_moves_the_crop() -> None:
    """A jaw that drops by a tenth of the face does not shrink it, as it would by all 68 points or by a frame's box."""
    film = render_video(31001, ["neutral", "surprise"], seconds_each=0.6, size=32, plain=True)
    points = film.landmarks
    neutral, surprised = points[2], points[np.abs(points - points[2]).sum(axis=(1, 2)).argmax()]
    assert np.ptp(surprised, axis=0).max() > 1.06 * np.ptp(neutral, axis=0).max()
    _, sides, angles = fit_mean_face(np.stack([neutral, surprised]))
    assert sides[1] == pytest.approx(sides[0], rel=0.015)
    assert np.rad2deg(np.abs(np.diff(angles))) < 0.5


def test_shrinking_a_turned_crop_averages_instead_of_skipping() -> None:
    frame = np.zeros((160, 160, 3), np.uint8)
    frame[:, ::2] = 200
    for degrees in (0, 20, 45):
        place = Placement(np.array([[80.0, 80.0]]), np.array([96.0]), np.deg2rad([degrees]))
        crop, _ = crop_clip([frame], face(80, 80, 60, 0)[None], place, 24)
        assert np.abs(crop.astype(int) - 100).max() <= 8


def test_outside_the_frame_the_edge_is_repeated() -> None:
    frame = np.zeros((30, 30, 3), np.uint8)
    frame[:, 0], frame[:, -1] = (10, 20, 30), (200, 210, 220)
    place = Placement(np.array([[14.5, 14.5]]), np.array([90.0]), np.deg2rad([8.0]))
    crop, _ = crop_clip([frame], face(15, 15, 10, 0)[None], place, 90)
    assert (crop[0, :, :20] == (10, 20, 30)).all()
    assert (crop[0, :, -20:] == (200, 210, 220)).all()


def test_what_cannot_be_aligned_is_refused() -> None:
    with pytest.raises(InputError, match="68 points"):
        place_crop(np.random.default_rng(0).random((2, 5, 2), np.float32), ALIGNED)
    points = np.stack([face(15, 15, 10, 0)] * 2)
    place = place_crop(points, ALIGNED)
    assert place is not None
    with pytest.raises(InputError, match="3 frames, but a crop placed in 2"):
        crop_clip(np.zeros((3, 30, 30, 3), np.uint8), points[[0, 1, 1]], place, 8)
    far = place_crop(points * 100, ALIGNED)
    assert far is not None
    with pytest.raises(InputError, match="A box of 1300 pixels in a frame of 30 x 30"):
        crop_clip(np.zeros((2, 30, 30, 3), np.uint8), points, far, 8)
