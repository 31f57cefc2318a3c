"""perturb_landmarks has the measured statistics."""

import numpy as np
import pytest

from fer_zoo.synth import perturb_landmarks, render_clip
from fer_zoo.synth.detector_noise import GROSS_SHARE, detector_table


@pytest.fixture(scope="module")
def points():
    return np.repeat(render_clip(0, "neutral", frames=1, size=128, plain=True).landmarks, 8, axis=0)


def relative(points, rng):
    eyes = np.linalg.norm(points[0, 36:42].mean(0) - points[0, 42:48].mean(0))
    return (perturb_landmarks(points, rng) - points) / eyes


def test_shape_type_and_determinism(points):
    moved = perturb_landmarks(points, np.random.default_rng(0))
    assert moved.shape == points.shape
    assert moved.dtype == np.float32
    assert (moved == perturb_landmarks(points, np.random.default_rng(0))).all()
    assert perturb_landmarks(points[0], np.random.default_rng(0)).shape == (68, 2)


def test_statistics_match_the_table(points):
    rng, table = np.random.default_rng(1), detector_table()
    clips = np.array([relative(points, rng) for _ in range(600)])
    clips = clips[np.abs(clips.mean((1, 2))).max(-1) < 0.08]  # leave out the gross ones
    bias = clips.mean(1)
    assert np.abs(np.median(bias, 0) - table["mean"]).mean() < 0.01
    assert np.abs(bias.std(0) - table["clip_std"]).mean() < 0.02
    within = clips.std(1, ddof=1).mean(0)
    assert np.abs(within - table["frame_std"]).mean() < 0.006


def test_bias_is_one_per_clip_and_gross_errors_are_rare(points):
    rng = np.random.default_rng(2)
    clips = [relative(points, rng) for _ in range(300)]
    assert np.mean([c.mean(0).std() > c.std(0).mean() for c in clips]) > 0.8
    gross = np.mean([np.abs(c.mean((0, 1))).max() > 0.12 for c in clips])
    assert gross < 4 * GROSS_SHARE


def test_table_is_small_where_it_matters():
    offset = np.linalg.norm(detector_table()["mean"], axis=1)
    assert offset[27:48].mean() < 0.03
    assert offset[48:68].mean() < 0.03


def test_other_numbers_of_points_are_an_error():
    with pytest.raises(ValueError, match=r"Accepted: \(\.\.\., 68, 2\)"):
        perturb_landmarks(np.zeros((5, 2)), np.random.default_rng(0))
