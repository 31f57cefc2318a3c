"""render_clip and render_video: shapes, determinism, framing, errors."""

import hashlib
import subprocess
import sys
import time

import numpy as np
import pytest

from fer_zoo.errors import OptionError
from fer_zoo.synth import LABELS, render_clip, render_video
from fer_zoo.synth.character import build_character

FINGERPRINT = """
import hashlib
from fer_zoo.synth import render_clip
clip = render_clip(5, "fear", 2, frames=2, size=48, seed=3)
print(hashlib.sha256(clip.frames.tobytes() + clip.landmarks.tobytes() + clip.intensity.tobytes()).hexdigest())
"""


def test_shapes_types_and_attributes():
    clip = render_clip(1, "happiness", frames=3, size=64)
    assert clip.frames.shape == (3, 64, 64, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.landmarks.shape == (3, 68, 2)
    assert clip.landmarks.dtype == np.float32
    assert clip.intensity.shape == (3,)
    assert clip.intensity.dtype == np.float32
    assert (clip.label, clip.subject) == ("happiness", 1)
    for name in ("skin_tone", "age", "sex"):
        assert 0 <= clip.attributes[name] <= 1


def test_same_arguments_give_the_same_bytes_in_any_process():
    clip = render_clip(5, "fear", 2, frames=2, size=48, seed=3)
    build_character.cache_clear()
    render_clip(6, "anger", frames=1, size=48, seed=3)  # what was made before must not matter
    again = render_clip(5, "fear", 2, frames=2, size=48, seed=3)
    assert again.frames.tobytes() == clip.frames.tobytes()
    here = hashlib.sha256(clip.frames.tobytes() + clip.landmarks.tobytes() + clip.intensity.tobytes()).hexdigest()
    there = subprocess.run([sys.executable, "-c", FINGERPRINT], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here


def test_take_subject_and_seed_change_the_clip():
    first = render_clip(5, "fear", frames=1, size=48)
    for other in (
        render_clip(5, "fear", 1, frames=1, size=48),
        render_clip(6, "fear", frames=1, size=48),
        render_clip(5, "fear", frames=1, size=48, seed=1),
    ):
        assert (other.frames != first.frames).any()


def test_global_random_state_is_neither_used_nor_touched():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = render_clip(2, "anger", frames=1, size=48)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    assert render_clip(2, "anger", frames=1, size=48).frames.tobytes() == first.frames.tobytes()


@pytest.mark.parametrize("label", LABELS)
def test_landmarks_fill_the_expected_part_of_the_frame(label):
    for subject in range(4):
        points = render_clip(subject, label, frames=3, size=100).landmarks
        low, high = points.min(1), points.max(1)
        side = (high - low).max(1)
        assert side.min() > 48
        assert side.max() < 68
        middle = (low + high) / 2 - 49.5
        assert np.abs(middle).max() < 9
        assert points.min() > 5
        assert points.max() < 94


@pytest.mark.parametrize("label", [x for x in LABELS if x != "neutral"])
def test_expression_is_strong_on_average(label):
    from fer_zoo.synth.expression import draw_intensity

    rng = np.random.default_rng(0)
    for _ in range(200):
        curve = draw_intensity(label, int(rng.integers(1, 20)), 25.0, rng)
        assert curve.mean() >= 0.5
        assert curve.min() >= 0
        assert curve.max() <= 1


def test_onsets_offsets_and_holds_all_occur():
    from fer_zoo.synth.expression import draw_intensity

    rng = np.random.default_rng(0)
    curves = [draw_intensity("anger", 10, 25.0, rng) for _ in range(300)]
    change = np.array([c[-1] - c[0] for c in curves])
    assert (change > 0.2).mean() > 0.08
    assert (change < -0.2).mean() > 0.05
    assert (np.abs(change) < 0.1).mean() > 0.2
    assert any(c[0] < 0.5 and c[-1] < 0.5 and c.max() > 0.8 for c in curves)


def test_neutral_moves_little():
    biggest = []
    for subject in range(8):
        clip = render_clip(subject, "neutral", frames=6, size=100)
        assert (clip.intensity == 0).all()
        centred = clip.landmarks - clip.landmarks.mean(1, keepdims=True)
        biggest.append(np.abs(centred - centred.mean(0)).max())
        assert (clip.frames[0] != clip.frames[-1]).any()
    assert max(biggest) < 6  # pixels of 100: blinks and speech, no expression
    assert max(biggest) > 0.3


def test_video_runs_from_neutral_to_neutral():
    video = render_video(2, ["happiness", "surprise"], seconds_each=1.0, size=64, fps=12)
    assert video.frames.shape == (24, 64, 64, 3)
    assert video.landmarks.shape == (24, 68, 2)
    assert len(video.labels) == 24
    assert video.labels[0] == video.labels[11] == video.labels[-1] == "neutral"
    assert video.labels[6] == "happiness"
    assert video.labels[18] == "surprise"
    assert video.intensity[6] > 0.9
    assert video.intensity[0] < 0.2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"label": "joy"}, ("joy", "happiness", "LABELS")),
        ({"size": 8}, ("8", "32")),
        ({"frames": 0}, ("0", "integer >= 1")),
        ({"fps": 0.0}, ("0.0", "positive")),
        ({"subject": -1}, ("subject", "-1", "integer >= 0")),
        ({"seed": -2}, ("seed", "-2")),
    ],
)
def test_errors_name_the_value_and_what_is_accepted(arguments, words):
    with pytest.raises(OptionError) as error:
        render_clip(**{"subject": 0, "label": "fear", **arguments})
    assert isinstance(error.value, ValueError)
    for word in words:
        assert word in str(error.value)


def test_video_without_labels_is_an_error():
    with pytest.raises(ValueError, match="No labels"):
        render_video(0, [])
    for strength in (-0.1, 1.5, float("nan")):
        with pytest.raises(OptionError, match="strength"):
            render_video(0, ["fear"], strength=strength)


def test_a_faint_expression_moves_the_face_less():
    half, full = (
        render_video(2, ["surprise"], strength=strength, seconds_each=0.5, size=48, fps=10) for strength in (0.5, 1)
    )
    np.testing.assert_allclose(half.intensity, full.intensity / 2)
    moved = [np.abs(video.landmarks[3] - video.landmarks[0]).max() for video in (half, full)]
    assert moved[0] < 0.8 * moved[1]


@pytest.mark.slow
def test_speed():
    """The target is 60 frames/s per core; half of it is required on a shared test machine (processor time)."""
    pytest.importorskip("numba")
    render_clip(0, "anger", size=112)
    start, frames = time.process_time(), 0
    for subject in (300, 301):
        for label in LABELS:
            frames += len(render_clip(subject, label, size=112).frames)
    assert frames / (time.process_time() - start) > 30
