"""Resting brows: those of the mean face on both heads; the rest of the face does not move."""

from __future__ import annotations

import numpy as np
import pytest
from ict_heads import real_pack

from fer_zoo.synth.brows import levelled
from fer_zoo.synth.clip import render_clip
from fer_zoo.synth.family import HeadFamily, makehuman
from fer_zoo.synth.head import load_head
from fer_zoo.synth.ict import ict_family

# Mean of 40 neutral portraits (De Bruine and Jones 2017), as dlib finds them: heights above the centre of the eyes
# relative to their distance, from the nose outwards.
MEAN_FACE = np.array([0.28, 0.36, 0.39, 0.34, 0.21])
PEOPLE = 24


def heights(points: np.ndarray) -> np.ndarray:
    """Heights of the five brow landmarks from the nose outwards, mean of both sides, face upright."""
    right, left = points[36:42].mean(0), points[42:48].mean(0)
    across = left - right
    up = np.array([across[1], -across[0]]) / (across**2).sum()
    above = (points[17:27] - (left + right) / 2) @ up
    return np.asarray((above[5:] + above[4::-1]) / 2)


def at_rest(family: HeadFamily) -> np.ndarray:
    clips = [render_clip(i, "neutral", frames=1, size=32, plain=True, family=family) for i in range(PEOPLE)]
    return np.mean([heights(clip.landmarks[0].astype(float)) for clip in clips], axis=0)


@pytest.mark.slow
@pytest.mark.parametrize("head", ["makehuman", pytest.param("ict", marks=pytest.mark.slow)])
def test_neutral_subjects_have_the_brows_of_the_mean_face(head: str) -> None:
    """Up to the height, which varies most: slope and arch are what a network reads as an expression."""
    family = makehuman() if head == "makehuman" else ict_family(real_pack())
    found = at_rest(family)
    np.testing.assert_allclose(found - found.mean(), MEAN_FACE - MEAN_FACE.mean(), atol=0.035)


def test_the_rest_of_the_face_does_not_move() -> None:
    head = load_head()
    moved = levelled(head.base, head.landmark_vertices, np.array([0.2, 0.3, 0.5, 0.5, 0.4]))
    assert np.abs(moved[head.landmark_vertices[17:27], 1]).max() > 0.02
    assert np.abs(moved[head.landmark_vertices[36:48]]).max() < 0.006
    assert np.abs(moved[head.base[:, 1] < 6.9]).max() < 0.005
    assert (moved[:, [0, 2]] == 0).all()
