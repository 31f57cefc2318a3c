"""Augmentation: without changes it is the evaluation crop; with them points and pixels move together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fer_zoo.data.augment import augment_batch, compress, gaussian_blur, jpeg, low_resolution
from fer_zoo.errors import InputError
from fer_zoo.landmarks.base import MIRROR_68
from fer_zoo.specs import AugmentSpec, CropSpec, InputSpec
from fer_zoo.video.crop import crop_clip, normalise, place_crop

NOTHING = AugmentSpec(
    flip=0, rotate_deg=0, scale=0, shift=0, brightness=0, contrast=0, colour=0, gamma=0, grey=0, noise=0,
    noise_share=0, blur=0, lowres=0, compress=0, erase=0, detector_noise=False, lose_landmarks=0, jpeg=0,
)  # fmt: skip


def changed(**fields: float | bool) -> AugmentSpec:
    return NOTHING.model_copy(update=fields)


def smooth_clips(side: int, count: int = 2, length: int = 3) -> np.ndarray:
    """Smooth colour waves, another in each clip and frame."""
    y, x = np.mgrid[0:side, 0:side] / side
    phase = np.arange(count * length * 3).reshape(count, length, 1, 1, 3)
    waves = np.sin(9 * x[..., None] + phase) + np.cos(7 * y[..., None] - 2 * phase)
    return np.asarray(127 + 60 * waves, np.uint8)


def points_around(centre: tuple[float, float], reach: float, count: int = 2, length: int = 3) -> np.ndarray:
    rng = np.random.default_rng(1)
    spread = rng.uniform(-1, 1, (count, length, 68, 2))
    spread[:, :, 0], spread[:, :, 1] = -1, 1  # the box is the same in every frame
    return np.asarray(np.array(centre) + reach * spread, np.float32)


def evaluated(frames: np.ndarray, landmarks: np.ndarray, spec: InputSpec) -> tuple[torch.Tensor, np.ndarray]:
    cut = []
    for clip, points in zip(frames, landmarks, strict=True):
        place = place_crop(points, spec.crop)
        assert place is not None
        cut.append(crop_clip(clip, points, place, spec.size))
    return normalise(torch.from_numpy(np.stack([c for c, _ in cut])), spec), np.stack([p for _, p in cut])


@pytest.mark.parametrize(
    ("side", "reach", "size", "centre"),
    [
        (100, 30, 96, (50.3, 55.1)),  # enlarged a little
        (100, 30, 40, (49.0, 50.0)),  # shrunk to half
        (160, 60, 40, (80.0, 85.5)),  # shrunk to a quarter
        (100, 40, 80, (25.0, 20.0)),  # partly outside
    ],
)
def test_without_changes_it_is_the_evaluation_crop(
    side: int, reach: float, size: int, centre: tuple[float, float]
) -> None:
    spec = InputSpec(frames=3, size=size)
    frames, landmarks = smooth_clips(side), points_around(centre, reach)
    expected, expected_points = evaluated(frames, landmarks, spec)
    clip, points = augment_batch(frames, landmarks, spec, NOTHING, np.random.default_rng(0))
    assert clip.shape == (2, 3, 3, size, size)
    # Half a grey level is the rounding of the 8-bit crop.
    assert (clip - expected).abs().mean() * spec.std[0] < 1 / 255
    np.testing.assert_allclose(points, expected_points, atol=1e-3)


def test_points_move_with_the_pixels() -> None:
    """A bright spot at a landmark is still at that landmark after rotation, scaling, shift and mirroring."""
    rng = np.random.default_rng(3)
    count, side, spec = 12, 120, InputSpec(frames=1, size=96, crop=CropSpec(scale=2.0, shift_up=0))
    landmarks = points_around((60, 60), 20, count, 1)
    y, x = np.mgrid[0:side, 0:side]
    spots = rng.integers(2, 68, count)
    frames = np.zeros((count, 1, side, side, 3), np.uint8)
    for clip, spot in enumerate(spots):
        cx, cy = landmarks[clip, 0, spot]
        frames[clip, 0] = (250 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 18))[..., None]
    moves = changed(flip=0.5, rotate_deg=25, scale=0.2, shift=0.05)
    clip, points = augment_batch(frames, landmarks, spec, moves, rng)
    light = (clip[:, 0, 0] * spec.std[0] + spec.mean[0]).numpy()
    ys, xs = np.mgrid[0:96, 0:96]
    flipped = 0
    for number, spot in enumerate(spots):
        found = [(light[number] * axis).sum() / light[number].sum() for axis in (xs, ys)]
        distance = np.linalg.norm(points[number, 0].numpy() - found, axis=1)
        where = int(distance.argmin())
        assert distance[where] < 0.2
        assert where in (spot, MIRROR_68[spot])
        flipped += where != spot
    assert 0 < flipped < count


def test_mirror_table_is_its_own_inverse_and_fits_a_face() -> None:
    table = np.array(MIRROR_68)
    np.testing.assert_array_equal(table[table], np.arange(68))
    from fer_zoo.synth import render_clip

    face = np.mean([render_clip(i, "neutral", frames=1, size=64, plain=True).landmarks[0] for i in range(6)], axis=0)
    mirrored = face[table] * [-1, 1]
    mirrored += face.mean(axis=0) - mirrored.mean(axis=0)
    across = np.ptp(face[:, 0])
    assert np.linalg.norm(mirrored - face, axis=1).max() < 0.1 * across
    # The same face left unpermuted is far off, so the line above says something.
    unpermuted = face * [-1, 1]
    unpermuted += face.mean(axis=0) - unpermuted.mean(axis=0)
    assert np.linalg.norm(unpermuted - face, axis=1).max() > 0.5 * across


def test_all_frames_of_a_clip_change_alike() -> None:
    spec = InputSpec(frames=3, size=48)
    frames, landmarks = smooth_clips(64), points_around((32, 32), 20)
    frames[:], landmarks[:] = frames[:, :1], landmarks[:, :1]
    everything = changed(
        flip=0.5, rotate_deg=20, scale=0.2, shift=0.1, brightness=0.3, contrast=0.3, colour=0.2, gamma=0.3, blur=1,
        lowres=1, compress=1, jpeg=1, erase=1,
    )  # fmt: skip
    clip, _ = augment_batch(frames, landmarks, spec, everything, np.random.default_rng(5))
    torch.testing.assert_close(clip[:, :, 1], clip[:, :, 0], atol=1e-4, rtol=0)
    assert (clip[0] - clip[1]).abs().mean() > 0.1
    noisy, _ = augment_batch(frames, landmarks, spec, changed(noise=0.1, noise_share=1), np.random.default_rng(5))
    assert (noisy[:, :, 1] - noisy[:, :, 0]).abs().mean() > 0.01


def test_the_same_generator_gives_the_same_batch() -> None:
    spec, spoken = InputSpec(frames=3, size=48), AugmentSpec(noise_share=1)
    frames, landmarks = smooth_clips(64), points_around((32, 32), 20)
    one, again, other = (
        augment_batch(frames, landmarks, spec, spoken, np.random.default_rng(seed)) for seed in (7, 7, 8)
    )
    assert torch.equal(one[0], again[0])
    assert torch.equal(one[1].nan_to_num(-1), again[1].nan_to_num(-1))
    assert not torch.equal(one[0], other[0])


def test_values_stay_what_a_camera_gives() -> None:
    spec = InputSpec(frames=3, size=48)
    frames, landmarks = smooth_clips(64), points_around((32, 32), 20)
    clip, _ = augment_batch(frames, landmarks, spec, AugmentSpec(brightness=0.9, noise=0.5), np.random.default_rng(2))
    pixels = clip * spec.std[0] + spec.mean[0]
    assert pixels.min() >= -1e-5
    assert pixels.max() <= 1 + 1e-5
    assert torch.isfinite(clip).all()


def test_light_multiplies_so_black_stays_black() -> None:
    spec = InputSpec(frames=3, size=48)
    black, landmarks = np.zeros((2, 3, 64, 64, 3), np.uint8), points_around((32, 32), 20)
    light = changed(brightness=0.5, contrast=0.5, colour=0.3, gamma=0.5)
    clip, _ = augment_batch(black, landmarks, spec, light, np.random.default_rng(1))
    torch.testing.assert_close(clip * spec.std[0] + spec.mean[0], torch.zeros_like(clip))
    lit, _ = augment_batch(black + 100, landmarks, spec, light, np.random.default_rng(1))
    colours = ((lit * spec.std[0] + spec.mean[0]) * 255).mean((2, 3, 4))
    assert colours.std() > 5


def test_grey_is_grey() -> None:
    spec = InputSpec(frames=3, size=48)
    frames, landmarks = smooth_clips(64), points_around((32, 32), 20)
    clip, _ = augment_batch(frames, landmarks, spec, changed(grey=1), np.random.default_rng(0))
    torch.testing.assert_close(clip[:, 0], clip[:, 2])


def test_lost_landmarks_are_nan_but_never_in_a_whole_clip() -> None:
    spec = InputSpec(frames=3, size=16)
    frames, landmarks = smooth_clips(32, 40), points_around((16, 16), 10, 40)
    _, points = augment_batch(frames, landmarks, spec, changed(lose_landmarks=0.6), np.random.default_rng(0))
    lost = points.isnan().flatten(2)
    assert torch.equal(lost.any(2), lost.all(2))
    assert 0.2 < lost.all(2).float().mean() < 0.6
    assert not lost.all(2).all(1).any()


def test_landmarks_are_not_lost_in_all_frames_that_have_a_face() -> None:
    spec = InputSpec(frames=3, size=16)
    frames, landmarks = smooth_clips(32, 40), points_around((16, 16), 10, 40)
    landmarks[:, 1:] = np.nan
    _, points = augment_batch(frames, landmarks, spec, changed(lose_landmarks=0.9), np.random.default_rng(0))
    assert points[:, 0].isfinite().all()


def test_detector_noise_moves_points_and_box() -> None:
    spec = InputSpec(frames=3, size=48)
    frames, landmarks = smooth_clips(64), points_around((32, 32), 20)
    exact, exact_points = augment_batch(frames, landmarks, spec, NOTHING, np.random.default_rng(0))
    clip, points = augment_batch(frames, landmarks, spec, changed(detector_noise=True), np.random.default_rng(0))
    assert 0.05 < (points - exact_points).abs().mean() < 5
    assert (clip - exact).abs().mean() > 1e-3


def test_a_clip_without_a_face_is_refused() -> None:
    landmarks = np.full((2, 3, 68, 2), np.nan, np.float32)
    with pytest.raises(InputError, match="no face"):
        augment_batch(smooth_clips(32), landmarks, InputSpec(frames=3, size=16), NOTHING, np.random.default_rng(0))


def picture(height: int = 32, width: int = 40) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0)) * 255


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.3])
def test_blur_is_a_convolution_with_a_gaussian(sigma: float) -> None:
    reach = max(1, -int(-2.5 * sigma // 1))
    offsets = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = torch.outer(kernel, kernel) / kernel.sum() ** 2
    padded = torch.nn.functional.pad(picture(), (reach,) * 4, mode="replicate")
    expected = torch.nn.functional.conv2d(padded, kernel.expand(3, 1, -1, -1), groups=3)
    torch.testing.assert_close(gaussian_blur(picture(), sigma), expected, atol=1e-3, rtol=0)


def test_an_even_picture_stays_as_it_is() -> None:
    even = torch.full((1, 3, 20, 28), 80.0)
    for changed in (gaussian_blur(even, 1.5), low_resolution(even, 0.3)):
        torch.testing.assert_close(changed, even)
    # 8 x 80 is a multiple of the first quantum, 40 / 8.
    torch.testing.assert_close(compress(even, 40.0), even)


def test_low_resolution_loses_detail_and_keeps_the_mean() -> None:
    small = low_resolution(picture(), 0.25)
    assert small.shape == picture().shape
    assert small.std() < 0.5 * picture().std()
    torch.testing.assert_close(small.mean(), picture().mean(), atol=1.0, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(32, 40), (30, 37)])
def test_compression_stays_within_its_quantum_and_loses_more_when_coarser(height: int, width: int) -> None:
    errors = [
        (compress(picture(height, width), step) - picture(height, width)).square().mean() for step in (1.0, 10, 50)
    ]
    assert errors[0] < errors[1] < errors[2]
    # The cosine transform keeps squares: at most (quantum / 2)^2 a pixel, and the coarsest quantum is 15 / 8 of a step.
    assert errors[0] <= (15 / 8 / 2) ** 2 * (1 if height % 8 == 0 and width % 8 == 0 else 1.5)


def test_jpeg_loses_more_at_lower_quality_and_shares_colours_between_pixels() -> None:
    # Grey, so that only the coarseness of the steps counts, and smooth as photographs are.
    smooth = gaussian_blur(picture(), 1.5)[:, :1].expand(-1, 3, -1, -1)
    errors = [float((jpeg(smooth, quality) - smooth).square().mean()) for quality in (20, 50, 90)]
    assert errors[0] > 1.5 * errors[1] > 2 * errors[2]
    assert errors[2] < 4
    assert jpeg(smooth, 50).dtype == smooth.dtype
    checks = torch.zeros(1, 3, 16, 16)
    checks[:, 0, ::2, ::2] = checks[:, 0, 1::2, 1::2] = 200
    checks[:, 2, 1::2, ::2] = checks[:, 2, ::2, 1::2] = 200
    apart = jpeg(checks, 95)[:, 0] - jpeg(checks, 95)[:, 2]
    assert apart.abs().max() < 60, "red and blue become one colour at half the sides"
    torch.testing.assert_close(jpeg(torch.full((1, 3, 9, 11), 300.0), 90), torch.full((1, 3, 9, 11), 255.0))
