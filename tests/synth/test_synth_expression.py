"""Every label has the expected geometry, measured on the landmarks of clean renders."""

import numpy as np
import pytest

from fer_zoo.synth import LABELS
from fer_zoo.synth.character import build_character
from fer_zoo.synth.expression import blinks, draw_rest, talking, unit_tracks
from fer_zoo.synth.head import load_head
from fer_zoo.synth.prototypes import MAKEHUMAN, draw_apex, prototype_weights, sides


def face(label, subject=0):
    """Frontal landmarks (68, 2) of the first variant at full weight; x right, y up, in eye distances."""
    character, head = build_character(0, subject), load_head()
    weights = {s: w for n, w in prototype_weights(MAKEHUMAN[label][0][1]).items() for s in sides(n)}
    points = (character.shape + head.offsets(weights))[head.landmark_vertices][:, :2]
    neutral = character.shape[head.landmark_vertices][:, :2]
    return points / np.linalg.norm(neutral[36:42].mean(0) - neutral[42:48].mean(0))


def change(label, measure):
    """Mean change of the measure from neutral over subjects."""
    return np.mean([measure(face(label, k)) - measure(face("neutral", k)) for k in (0, 3, 7)])


def corners_up(p):
    return p[[48, 54], 1].mean() - p[[51, 57], 1].mean()


def mouth_width(p):
    return p[54, 0] - p[48, 0]


def mouth_open(p):
    return p[62, 1] - p[66, 1]


def eye_open(p):
    return (p[[37, 38, 43, 44], 1] - p[[41, 40, 47, 46], 1]).mean()


def brow_height(p):
    return p[17:27, 1].mean() - p[27, 1]


def inner_brow(p):
    return p[[21, 22], 1].mean() - p[[17, 26], 1].mean()


def upper_lip_to_nose(p):
    return p[33, 1] - p[[50, 51, 52], 1].mean()


@pytest.mark.parametrize(
    ("label", "measure", "low", "high"),
    [
        ("happiness", corners_up, 0.05, 1),
        ("happiness", mouth_width, 0.1, 1),
        ("sadness", corners_up, -1, -0.03),
        ("sadness", inner_brow, 0.03, 1),
        ("surprise", mouth_open, 0.15, 1),
        ("surprise", brow_height, 0.05, 1),
        ("surprise", eye_open, 0.02, 1),
        ("fear", eye_open, 0.02, 1),
        ("fear", mouth_width, 0.02, 1),
        ("fear", inner_brow, 0.03, 1),
        ("anger", brow_height, -1, -0.05),
        ("disgust", upper_lip_to_nose, -1, -0.01),
        ("disgust", eye_open, -1, -0.005),
    ],
)
def test_label_has_the_expected_geometry(label, measure, low, high):
    assert low < change(label, measure) < high


def test_every_label_has_variants_of_known_units():
    targets = load_head().targets
    assert tuple(MAKEHUMAN) == LABELS
    for variants in MAKEHUMAN.values():
        assert sum(share for share, _ in variants) == pytest.approx(1)
        for _, text in variants:
            assert all(s in targets for name in prototype_weights(text) for s in sides(name))


def test_apex_varies_and_keeps_what_makes_the_label():
    rng = np.random.default_rng(0)
    drawn = [draw_apex("happiness", rng) for _ in range(100)]
    smiles = np.array([a["unit/mouthSmileLeft"] for a in drawn])
    assert smiles.min() > 0.5
    assert smiles.std() > 0.05
    assert len({len(a) for a in drawn}) > 1  # some units were dropped
    assert any(a["unit/mouthSmileLeft"] != a["unit/mouthSmileRight"] for a in drawn)
    assert draw_apex("neutral", rng) == {}


def test_closed_lids_win_over_wide_eyes():
    rng = np.random.default_rng(1)
    for _ in range(20):
        apex = draw_apex("surprise", rng)
        tracks = unit_tracks(apex, np.ones(100), draw_rest(rng), 25.0, rng, 0.0)
        closed = tracks["unit/eyeBlinkLeft"] > 0.99
        assert (tracks.get("unit/eyeWideLeft", np.zeros(100))[closed] < 0.02).all()


def test_blinks_occur_and_are_rare():
    rng = np.random.default_rng(2)
    closed = np.concatenate([blinks(250, 25.0, rng) for _ in range(40)])
    assert 0.01 < (closed > 0.5).mean() < 0.12
    assert closed.max() <= 1


def test_talking_moves_the_jaw():
    rng = np.random.default_rng(3)
    jaw = talking(100, 25.0, rng, 1.0)["unit/jawOpen"]
    assert 0.03 < jaw.max() < 0.4
    assert jaw.min() >= 0
