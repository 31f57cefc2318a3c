"""Photographs fitted by the ICT head: on rendered portraits, whose shape, landmarks and skin are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ict_heads import made_up_pack
from PIL import Image, ImageDraw, ImageFilter

from fer_zoo.errors import OptionError
from fer_zoo.synth import render_clip, subject_groups
from fer_zoo.synth.character import build_character
from fer_zoo.synth.family import HeadFamily
from fer_zoo.synth.head import SKIN, Traits
from fer_zoo.synth.ict import ict_family
from fer_zoo.synth.photo import Portrait, _draw_skin, photo_family
from fer_zoo.synth.photo_fit import Photograph, fit_photograph
from fer_zoo.synth.skin import both_brows
from fer_zoo.synth.still import render_still
from fer_zoo.synth.texture import ANGLE, HEIGHT_Y, spot

SUBJECT = 4


@pytest.fixture(scope="module")
def ict(tmp_path_factory: pytest.TempPathFactory) -> HeadFamily:
    return ict_family(made_up_pack(tmp_path_factory.mktemp("head")))


@pytest.fixture(scope="module")
def fitted(ict: HeadFamily) -> Photograph:
    portrait = render_clip(SUBJECT, "neutral", frames=1, size=448, plain=True, family=ict)
    marks = portrait.landmarks[0].astype(float)
    marks[3:6] = np.nan  # not all may be known
    return fit_photograph(ict, portrait.frames[0], marks)


def test_the_fit_recovers_the_landmarks(fitted: Photograph) -> None:
    assert fitted.error < 0.02


def test_a_wrong_landmark_shows_in_the_error(ict: HeadFamily) -> None:
    portrait = render_clip(SUBJECT, "neutral", frames=1, size=128, plain=True, family=ict)
    marks = portrait.landmarks[0] + np.where(np.arange(68) == 33, 30.0, 0.0)[:, None]
    assert fit_photograph(ict, portrait.frames[0], marks).error > 0.05


def test_the_texture_comes_back(ict: HeadFamily, fitted: Photograph) -> None:
    painted = build_character(0, SUBJECT, ict).skin.albedo.mean(-1)
    found = ((fitted.albedo / 255.0) ** 2.2).mean(-1)
    face = (np.abs(ANGLE) < 0.55) & (HEIGHT_Y > 6.9) & (HEIGHT_Y < 7.6)
    face &= sum(spot(side * 0.29, 7.28, 0.12, 0.06) for side in (-1, 1)) < 0.2  # filled, since the eyes were open
    assert np.corrcoef(painted[face], found[face])[0, 1] > 0.7
    brow, cheek = (
        found[(np.abs(np.abs(ANGLE) - at) < 0.05) & (np.abs(HEIGHT_Y - y) < 0.015)].mean()
        for at, y in ((0.28, 7.48), (0.35, 6.95))
    )
    assert brow < 0.6 * cheek


def test_brows_keep_their_place_and_have_their_landmarks(ict: HeadFamily, fitted: Photograph) -> None:
    drawn = build_character(0, SUBJECT, ict).skin.brows
    np.testing.assert_allclose(fitted.brows, drawn, atol=0.06)  # a resting face may raise and slant them a little
    assert np.corrcoef(fitted.brows[:, 1], drawn[:, 1])[0, 1] > 0.9


@pytest.mark.slow
def test_unknown_brows_are_where_the_head_has_them(ict: HeadFamily) -> None:
    portrait = render_clip(SUBJECT, "neutral", frames=1, size=128, plain=True, family=ict)
    marks = np.where(np.isin(np.arange(68), range(17, 22))[:, None], np.nan, portrait.landmarks[0])
    right, left = np.split(fit_photograph(ict, portrait.frames[0], marks).brows, 2)
    np.testing.assert_allclose(right, left[::-1] * [-1, 1], atol=0.12)


def test_open_eyes_are_not_painted_on_the_lids(fitted: Photograph) -> None:
    """Neither the dark pupil and iris nor the white of the eye is left where the eyes were."""
    found = ((fitted.albedo / 255.0) ** 2.2).mean(-1)
    eye = sum(spot(side * 0.29, 7.29, 0.04, 0.02) for side in (-1, 1)) > 0.5
    cheek = np.median(found[(np.abs(ANGLE) < 0.5) & (np.abs(HEIGHT_Y - 6.95) < 0.08)])
    assert found[eye].min() > 0.4 * cheek
    assert found[eye].std() < 0.2 * cheek


def test_lashes_and_shadows_are_not_painted_on_the_lids(ict: HeadFamily) -> None:
    """Nothing dark round the eyes of the photograph is left when they close."""
    portrait = render_clip(SUBJECT, "neutral", frames=1, size=448, plain=True, family=ict)
    picture, marks = Image.fromarray(portrait.frames[0]), portrait.landmarks[0]
    for eye in (marks[36:42], marks[42:48]):
        outline = [tuple(point) for point in 1.25 * eye.astype(float) - 0.25 * eye.mean(0)]
        ImageDraw.Draw(picture).line([*outline, outline[0]], fill=(20, 10, 10), width=3)
    found = ((fit_photograph(ict, np.asarray(picture), marks.astype(float)).albedo / 255.0) ** 2.2).mean(-1)
    lid = sum(spot(side * 0.29, 7.29, 0.07, 0.03) for side in (-1, 1)) > 0.5
    cheek = np.median(found[(np.abs(ANGLE) < 0.5) & (np.abs(HEIGHT_Y - 6.95) < 0.08)])
    assert np.percentile(found[lid], 2) > 0.6 * cheek


def test_the_shade_below_the_brows_is_not_painted_on_the_skin(ict: HeadFamily) -> None:
    """It is rendered, and would be there twice."""
    portrait = render_clip(SUBJECT, "neutral", frames=1, size=448, plain=True, family=ict)
    marks, mask = portrait.landmarks[0].astype(float), Image.new("L", (448, 448))
    for eye, brow in ((marks[36:40], marks[21:16:-1]), (marks[42:46], marks[26:21:-1])):
        ImageDraw.Draw(mask).polygon([tuple(point) for point in np.concatenate([eye, brow])], fill=255)
    shade = 1 - 0.2 * np.asarray(mask.filter(ImageFilter.GaussianBlur(4)))[..., None] / 255.0
    plain, shaded = (
        ((fit_photograph(ict, image, marks).albedo / 255.0) ** 2.2).mean(-1)
        for image in (portrait.frames[0], (portrait.frames[0] * shade).astype(np.uint8))
    )
    between = sum(spot(side * 0.30, 7.40, 0.06, 0.02) for side in (-1, 1)) > 0.5
    assert shaded[between].mean() > 0.88 * plain[between].mean()


@pytest.mark.parametrize("strength", [0.1, 1.0])
def test_fair_brows_are_seen_and_dark_ones_keep_their_shape(strength: float) -> None:
    brow = sum(spot(side * 0.3, 7.48, 0.08, 0.02) for side in (-1, 1))
    skin = np.full((*ANGLE.shape, 3), 200.0) * np.exp(-strength * brow / 2.2)[..., None]
    marks = both_brows(np.column_stack([np.linspace(0.15, 0.45, 5), np.full(5, 7.51)]))
    photograph = Photograph(np.rint(skin).astype(np.uint8), np.zeros(1), np.full(3, 0.1), np.full(3, 0.1), 0.0, marks)
    for seed in range(5):
        traits = Traits(skin_tone=0.1, age=0.1, sex=1.0, weight=0.5, races=(1.0, 0.0, 0.0))
        paint = _draw_skin(photograph, traits, np.random.default_rng(seed)).albedo.mean(-1)
        inside, above = brow > 0.8, (np.abs(np.abs(ANGLE) - 0.3) < 0.05) & (np.abs(HEIGHT_Y - 7.6) < 0.02)
        assert paint[inside].mean() < 0.8 * paint[above].mean()
        assert np.corrcoef(paint[HEIGHT_Y > 7.42], -brow[HEIGHT_Y > 7.42])[0, 1] > 0.5


@pytest.fixture(scope="module")
def family(ict: HeadFamily, fitted: Photograph) -> HeadFamily:
    other = replace(fitted, albedo=fitted.albedo // 2, identity=-fitted.identity)
    return photo_family(ict, [Portrait("one", fitted, sex=0.0, age=20), Portrait("two", other)], per_photo=3)


def test_subjects_of_one_photograph_are_one_group(family: HeadFamily) -> None:
    groups = [subject_groups(0, subject, family) for subject in range(9)]
    photos = [group["photo"] for group in groups]
    assert photos == [photos[0]] * 3 + [photos[3]] * 3 + [photos[0]] * 3
    assert set(photos) == {"one", "two"}
    assert {group["sex"] for group in groups if group["photo"] == "one"} == {"female"}
    assert {group["age"] for group in groups if group["photo"] == "one"} == {"young"}


def test_subjects_of_one_photograph_differ_in_shape_and_tone(family: HeadFamily) -> None:
    first, second = (build_character(0, subject, family) for subject in (0, 1))
    marks = family.head.landmark_vertices
    assert np.abs(first.shape[marks] - second.shape[marks]).max() > 0.01
    assert np.abs(first.skin.albedo - second.skin.albedo).mean() > 0.01
    assert first.family.groups == second.family.groups


def test_the_same_arguments_give_the_same_bytes(family: HeadFamily) -> None:
    def drawn() -> tuple[np.ndarray, np.ndarray]:
        build_character.cache_clear()
        clip = render_clip(4, "fear", frames=2, size=48, family=family)
        return clip.frames, clip.landmarks

    (one, marks), (two, same) = drawn(), drawn()
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(marks, same)


def test_stills_have_photographed_skin_too(family: HeadFamily) -> None:
    stills = [render_still(subject, 0, size=48, family=family) for subject in (0, 3)]
    assert all(still.image.shape == (48, 48, 3) for still in stills)
    assert (stills[0].image != stills[1].image).any()


def test_photographed_lips_are_not_painted_over(family: HeadFamily, ict: HeadFamily) -> None:
    assert family.head.lip.max() == 0
    assert ict.head.lip.max() > 0.5
    assert (family.head.vertex_material == SKIN).any()


def test_a_number_of_subjects_that_is_none_is_refused(ict: HeadFamily, fitted: Photograph) -> None:
    with pytest.raises(OptionError, match="per_photo=0"):
        photo_family(ict, [Portrait("one", fitted)], per_photo=0)
