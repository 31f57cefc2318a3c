"""Additional variation of subjects: at rest and in motion, without breaking the face."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from fer_zoo.errors import OptionError
from fer_zoo.synth.character import Character, build_character
from fer_zoo.synth.clip import render_clip
from fer_zoo.synth.family import makehuman
from fer_zoo.synth.head import EYE, SKIN
from fer_zoo.synth.raster import vertex_normals
from fer_zoo.synth.variety import varied

PEOPLE = 12


@cache
def characters(amount: float) -> list[Character]:
    return [build_character(0, subject, varied(makehuman(), amount)) for subject in range(PEOPLE)]


def slopes(character: Character) -> tuple[float, float]:
    """Slope of the brows, and their height above the eyes."""
    marks = character.shape[character.head.landmark_vertices]
    inner, outer = marks[[21, 22], 1].mean(), marks[[17, 26], 1].mean()
    return inner - outer, marks[17:27, 1].mean() - marks[36:48, 1].mean()


def test_zero_changes_nothing() -> None:
    assert varied(makehuman(), 0.0) is makehuman()
    assert varied(makehuman(), 0.5) is varied(makehuman(), 0.5)


@pytest.mark.parametrize("amount", [-0.1, 1.1, float("nan")])
def test_an_amount_out_of_range_is_an_error(amount: float) -> None:
    with pytest.raises(OptionError, match="variety"):
        varied(makehuman(), amount)


@pytest.mark.slow
def test_features_at_rest_vary_more() -> None:
    plain, more = (
        np.array([slopes(character) for character in characters(amount)]).std(axis=0) for amount in (0.0, 1.0)
    )
    assert (more > 1.3 * plain).all(), (plain, more)


@pytest.mark.slow
def test_other_properties_of_a_subject_do_not_change() -> None:
    for one, other in zip(characters(0.0), characters(1.0), strict=True):
        assert (one.traits, one.rest, one.style, one.glasses) == (other.traits, other.rest, other.style, other.glasses)
        away = one.head.base[:, 2] < 0
        np.testing.assert_allclose(one.shape[away], other.shape[away], atol=0.01)


@pytest.mark.slow
def test_an_eyeball_moves_rigidly() -> None:
    for one, other in zip(characters(0.0), characters(1.0), strict=True):
        ball = (one.head.vertex_material == EYE) & (one.head.base[:, 0] > 0)
        before, after = (character.shape[ball] - character.shape[ball].mean(0) for character in (one, other))
        grown = np.linalg.norm(after, axis=1).mean() / np.linalg.norm(before, axis=1).mean()
        assert 0.8 < grown < 1.2
        assert np.abs(after[:, :2] / grown - before[:, :2]).max() < 0.03


def test_the_skin_does_not_fold_over() -> None:
    for one, other in zip(characters(0.0), characters(1.0), strict=True):
        head = one.head
        before, after = (vertex_normals(character.shape, head.triangles) for character in (one, other))
        front = (head.vertex_material == SKIN) & (head.mouth_inside == 0) & (head.lid < 0.2)
        assert ((before * after).sum(1)[front] < 0).mean() < 0.003


def test_units_differ_between_subjects_and_lids_keep_their_limits() -> None:
    plain, drawn = makehuman().head, [character.head for character in characters(1.0)]

    def strength(unit: str) -> list[float]:
        size = np.abs(plain.targets[unit][1]).sum()
        return [float(np.abs(head.targets[unit][1]).sum() / size) for head in drawn]

    smiles = strength("unit/mouthSmileLeft")
    assert np.std(smiles) > 0.1
    assert 0.4 < min(smiles) < max(smiles) < 1.7
    assert max(strength("unit/eyeWideLeft")) <= 1.0
    assert strength("unit/eyeBlinkLeft") == [1.0] * PEOPLE
    both = [strength(f"unit/mouthSmile{side}") for side in ("Left", "Right")]
    assert np.corrcoef(both)[0, 1] > 0.5, "one character's two sides move alike"


def test_a_clip_is_reproducible() -> None:
    family = varied(makehuman(), 1.0)
    one, again = (render_clip(3, "fear", frames=2, size=48, family=family) for _ in range(2))
    plain = render_clip(3, "fear", frames=2, size=48)
    assert (one.frames == again.frames).all()
    assert (one.landmarks == again.landmarks).all()
    assert (one.frames != plain.frames).any()
