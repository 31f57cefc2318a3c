"""Stills for landmark training: the same bytes again, landmarks where the features are, every variation occurs."""

from __future__ import annotations

import numpy as np
import pytest

from fer_zoo.errors import OptionError
from fer_zoo.synth.cover import KINDS
from fer_zoo.synth.degrade import degrade
from fer_zoo.synth.still import Still, render_still


@pytest.fixture(scope="module")
def stills() -> list[Still]:
    return [render_still(subject, take) for subject in range(4) for take in range(30)]


def test_the_same_arguments_give_the_same_bytes(stills: list[Still]) -> None:
    again = render_still(1, 3)
    assert np.array_equal(again.image, stills[33].image)
    assert np.array_equal(again.landmarks, stills[33].landmarks, equal_nan=True)


def test_shapes(stills: list[Still]) -> None:
    for still in stills:
        assert (still.image.shape, still.image.dtype) == ((128, 128, 3), np.uint8)
        assert (still.landmarks.shape, still.visible.shape, still.pose.shape) == ((68, 2), (68,), (3,))
        inside = ((still.landmarks > -0.5) & (still.landmarks < 127.5)).all(1)
        assert not (still.visible & ~inside).any()


def test_every_variation_occurs(stills: list[Still]) -> None:
    faces = [still for still in stills if still.attributes["face"]]
    assert 0 < len(stills) - len(faces) < 15
    yaw, pitch, roll = np.abs(np.stack([still.pose for still in faces])).max(0)
    assert 45 < yaw <= 75
    assert 25 < pitch <= 40
    assert 30 < roll <= 60
    assert {cover for still in faces for cover in still.attributes["covers"]} == set(KINDS)
    grey = [still for still in faces if (still.image[..., 0] == still.image[..., 2]).all()]
    assert 0 < len(grey) < len(faces)


def test_a_head_turned_to_its_left_looks_to_the_pictures_right(stills: list[Still]) -> None:
    """The tip of the nose moves off the middle between the eyes, to the side to which the head turns."""
    for still in stills:
        if still.attributes["face"] and abs(still.pose[0]) > 30 and abs(still.pose[2]) < 20:
            offset = still.landmarks[30, 0] - still.landmarks[36:48, 0].mean()
            assert np.sign(offset) == np.sign(still.pose[0])


def test_sides_turned_away_are_not_visible(stills: list[Still]) -> None:
    for still in stills:
        if still.attributes["face"] and abs(still.pose[0]) > 55 and not still.attributes["covers"]:
            right, left = still.visible[1:7].mean(), still.visible[10:16].mean()
            assert (right > left) if still.pose[0] > 0 else (left > right)


def test_hidden_landmarks_are_few_and_none_is_visible_outside(stills: list[Still]) -> None:
    faces = [still for still in stills if still.attributes["face"]]
    assert 0.5 < np.mean([still.visible.mean() for still in faces]) < 0.95


@pytest.mark.parametrize("seed", range(20))
def test_degrade_is_pure_and_keeps_size_and_place(seed: int) -> None:
    image = np.zeros((60, 90, 3), np.uint8)
    image[25:35, 40:50] = 255  # a square in the middle must stay there
    before = image.copy()
    degraded = degrade(image, np.random.default_rng(seed))
    assert np.array_equal(image, before)
    assert np.array_equal(degraded, degrade(image, np.random.default_rng(seed)))
    assert (degraded.shape, degraded.dtype) == (image.shape, np.uint8)
    light = degraded.astype(float).mean(2)
    light = np.clip(light - (light.min() + light.max()) / 2, 0, None)
    rows, columns = np.mgrid[:60, :90]
    assert abs((light * rows).sum() / light.sum() - 29.5) < 2
    assert abs((light * columns).sum() / light.sum() - 44.5) < 2


@pytest.mark.parametrize("arguments", [{"subject": -1}, {"take": -1}, {"size": 8}, {"seed": -3}])
def test_numbers_out_of_range(arguments: dict[str, int]) -> None:
    with pytest.raises(OptionError, match=f"{next(iter(arguments))}="):
        render_still(**{"subject": 0, **arguments})
