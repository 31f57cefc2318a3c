"""Properties of every augmentation: landmarks move with their pixels; images change by the set strength."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_augment import NOTHING, changed, evaluated, smooth_clips

from fer_zoo.data.augment import augment_batch
from fer_zoo.landmarks.base import MIRROR_68
from fer_zoo.specs import AugmentSpec, CropSpec, InputSpec
from fer_zoo.video.align import MEAN_FACE

# Pixels alone: how strong, and what of them at their strongest still leaves a picture.
PHOTOMETRIC = {
    "brightness": 0.9, "contrast": 0.9, "colour": 0.9, "gamma": 0.9, "grey": 1.0, "noise": 0.2, "blur": 1.0,
    "lowres": 1.0, "compress": 1.0, "jpeg": 1.0, "erase": 1.0,
}  # fmt: skip
SIDE, SIZES = 160, [40, 64, 96]


def faces(length: int, degrees: float, rng: np.random.Generator) -> np.ndarray:
    """A face (length, 68, 2) that wanders and turns on from `degrees` by up to 20, each point a little off."""
    angle = np.deg2rad(degrees + rng.uniform(-20, 20, length))
    turns = np.stack([np.stack([np.cos(angle), -np.sin(angle)], -1), np.stack([np.sin(angle), np.cos(angle)], -1)], -2)
    shape = np.array(MEAN_FACE) + rng.normal(0, 0.01, (length, 68, 2))
    sizes = rng.uniform(45, 55, (length, 1, 1))
    return np.asarray(SIDE / 2 + rng.uniform(-5, 5, (length, 1, 2)) + sizes * (shape @ turns.mT), np.float32)


def spots(points: np.ndarray) -> np.ndarray:
    """Frames (1, T, SIDE, SIDE, 3), black but for a bright spot at each of `points` (T, 2)."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    distance = (x - points[:, 0, None, None]) ** 2 + (y - points[:, 1, None, None]) ** 2
    return (250 * np.exp(-distance / 18))[None, ..., None].repeat(3, -1).astype(np.uint8)


def middles(light: np.ndarray) -> np.ndarray:
    """Centroids (T, 2) of pictures (T, H, W)."""
    y, x = np.mgrid[0 : light.shape[1], 0 : light.shape[2]]
    sums = np.stack([(light * x).sum((1, 2)), (light * y).sum((1, 2))], axis=1)
    return np.asarray(sums / light.sum((1, 2))[:, None])


def light_of(clip: torch.Tensor, spec: InputSpec) -> np.ndarray:
    """Red of the one clip, 0 to 255."""
    return (255 * (clip[0, 0] * spec.std[0] + spec.mean[0])).numpy()


@settings(max_examples=80, deadline=None)
@given(
    align=st.sampled_from(["box", "similarity"]), degrees=st.floats(-40, 40), size=st.sampled_from(SIZES),
    rotate=st.floats(0, 45), scale=st.floats(0, 0.2), shift=st.floats(0, 0.1), flip=st.booleans(),
    point=st.integers(27, 67), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_points_stay_on_the_pixels_they_marked(
    align: str, degrees: float, size: int, rotate: float, scale: float, shift: float, flip: bool, point: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    landmarks = faces(3, degrees, rng)
    spec = InputSpec(frames=3, size=size, crop=CropSpec(scale=1.9, align=align))  # type: ignore[arg-type]
    moves = changed(flip=float(flip), rotate_deg=rotate, scale=scale, shift=shift)
    clip, points = augment_batch(spots(landmarks[:, point]), landmarks[None], spec, moves, rng)
    # What was left is right in a mirror: the face's other eye has the spot.
    now = MIRROR_68[point] if flip else point
    assert np.abs(middles(light_of(clip, spec)) - points[0, :, now].numpy()).max() < 0.5


@settings(max_examples=40, deadline=None)
@example(align="similarity", size=40, warp=0.0625, flip=False, seed=10499)  # stretched to more than twice at one place
@given(
    align=st.sampled_from(["box", "similarity"]), size=st.sampled_from(SIZES), warp=st.floats(0.005, 0.1),
    flip=st.booleans(), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_warped_points_stay_on_the_pixels_they_marked(
    align: str, size: int, warp: float, flip: bool, seed: int
) -> None:  # fmt: skip
    """The frames' colours say where a pixel is, so the crop tells where each point was taken from."""
    rng = np.random.default_rng(seed)
    landmarks = faces(3, 0, rng)
    y, x = np.mgrid[0:SIDE, 0:SIDE] * (255 / (SIDE - 1))
    frames = np.rint(np.stack([x, y, x], axis=-1)).astype(np.uint8)[None, None].repeat(3, 1)
    spec = InputSpec(frames=3, size=size, crop=CropSpec(scale=1.9, align=align))  # type: ignore[arg-type]
    clip, points = augment_batch(frames, landmarks[None], spec, changed(warp=warp, flip=float(flip)), rng)
    taken = F.grid_sample(clip[0, :2].transpose(0, 1), (points[0, :, None] + 0.5) * (2 / size) - 1, align_corners=False)
    places = (taken[:, :, 0].mT * spec.std[0] + spec.mean[0]).numpy() * (SIDE - 1)
    was = landmarks[:, MIRROR_68] if flip else landmarks
    shrunk = size / (1.9 * np.ptp(landmarks, axis=1).mean())  # pixels of the crop to one of the frame
    assert np.abs(places - was)[:, 27:].max() * shrunk < 0.5


@settings(max_examples=30, deadline=None)
@given(size=st.sampled_from(SIZES), rotate=st.floats(0, 45), seed=st.integers(0, 2**32 - 1))
def test_flipping_twice_is_the_identity(size: int, rotate: float, seed: int) -> None:
    """A clip that was mirrored before it came in, points exchanged, comes out of `flip` as the clip itself."""
    rng = np.random.default_rng(seed)
    landmarks, frames = faces(3, 0, rng)[None], smooth_clips(SIDE, 1)
    spec = InputSpec(frames=3, size=size)
    straight, points = augment_batch(frames, landmarks, spec, changed(flip=0), np.random.default_rng(seed))
    mirrored = landmarks[:, :, MIRROR_68].copy()
    mirrored[..., 0] = SIDE - 1 - mirrored[..., 0]
    twice, again = augment_batch(frames[:, :, :, ::-1].copy(), mirrored, spec, changed(flip=1), rng)
    torch.testing.assert_close(twice, straight, atol=0.02, rtol=0)
    np.testing.assert_allclose(again, points, atol=1e-2)
    assert [MIRROR_68[MIRROR_68[point]] for point in range(68)] == list(range(68))


@pytest.mark.parametrize("align", ["box", "similarity"])
@pytest.mark.parametrize("seed", range(4))
def test_without_changes_nothing_is_random(align: str, seed: int) -> None:
    landmarks, frames = faces(3, 20, np.random.default_rng(0))[None], smooth_clips(SIDE, 1)
    spec = InputSpec(frames=3, size=64, crop=CropSpec(align=align))  # type: ignore[arg-type]
    expected, expected_points = evaluated(frames, landmarks, spec)
    clip, points = augment_batch(frames, landmarks, spec, NOTHING, np.random.default_rng(seed))
    assert (clip - expected).abs().mean() * spec.std[0] < 1 / 255
    np.testing.assert_allclose(points, expected_points, atol=1e-3)


@pytest.mark.parametrize("name", PHOTOMETRIC)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([75, 80]))
def test_pixel_augmentation_does_not_change_landmarks(name: str, seed: int, size: int) -> None:
    landmarks, frames = faces(3, 20, np.random.default_rng(0))[None], smooth_clips(SIDE, 1)
    spec = InputSpec(frames=3, size=size)
    plain, points = augment_batch(frames, landmarks, spec, NOTHING, np.random.default_rng(0))
    for strength in (0.0, PHOTOMETRIC[name]):
        augment = changed(**{"noise_share": 1.0, name: strength})
        clip, same = augment_batch(frames, landmarks, spec, augment, np.random.default_rng(seed))
        np.testing.assert_array_equal(same, points)
        light = light_of(clip, spec)
        assert light.min() >= -1e-3
        assert light.max() <= 255 + 1e-3
        assert torch.isfinite(clip).all()
        assert torch.equal(clip, plain) == (strength == 0)


def test_what_came_later_draws_nothing_while_it_is_off() -> None:
    """`AugmentSpec()` takes the same random numbers as it did for the weights that are shipped."""
    later = {"jpeg", "stride", "frame_jitter", "reverse", "still", "warp"}
    assert all(AugmentSpec.model_fields[name].default in (0, 1) for name in later)
    rng = np.random.default_rng(0)
    spec = AugmentSpec(detector_noise=False, erase=0, noise_share=0, blur=0, lowres=0, compress=0)
    augment_batch(smooth_clips(SIDE, 1), faces(3, 0, rng)[None], InputSpec(frames=3, size=32), spec, rng)
    plain = np.random.default_rng(0)
    faces(3, 0, plain)
    # Lost landmarks 3; flip, turn, scale, shift 5; erase 1; gamma, contrast, light 6; blur to grey 5.
    plain.random(3 + 5 + 1 + 6 + 5)
    assert rng.random() == plain.random()
