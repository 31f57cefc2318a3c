"""Subjects: the packed data, variation, and independence of tone and shape."""

from pathlib import Path

import numpy as np
import pytest

import fer_zoo.synth
from fer_zoo.synth.character import build_character, subject_groups
from fer_zoo.synth.family import makehuman
from fer_zoo.synth.head import draw_traits, load_head

DATA = Path(fer_zoo.synth.__file__).parent / "data"


def test_packed_head_is_small_whole_and_licensed():
    assert (DATA / "mh_head.npz").stat().st_size < 1.2e6
    text = (DATA / "LICENSE.md").read_text()
    assert "CC0" in text
    assert "0.6.2" in text
    head = load_head()
    assert head.triangles.max() < len(head.base)
    assert sum(name.startswith("unit/") for name in head.targets) >= 50


def test_offsets_add_up():
    head = load_head()
    one, two = head.offsets({"unit/jawOpen": 1.0}), head.offsets({"unit/mouthSmileLeft": 0.5})
    both = head.offsets({"unit/jawOpen": 1.0, "unit/mouthSmileLeft": 0.5})
    np.testing.assert_allclose(both, one + two)
    assert (head.offsets({}) == 0).all()


@pytest.mark.slow
def test_subjects_differ_in_shape_tone_and_hair():
    characters = [build_character(0, k) for k in range(30)]
    assert len({p.style for p in characters}) >= 4
    tones = [p.traits.skin_tone for p in characters]
    assert min(tones) < 0.25
    assert max(tones) > 0.75
    assert any(p.skin.beard for p in characters)
    assert np.std([p.shape[:, 0].max() for p in characters]) > 0.01
    brightness = [p.skin.albedo[180:220, 180:200].mean() for p in characters]
    assert np.corrcoef(tones, brightness)[0, 1] < -0.8


def test_skin_tone_is_independent_of_shape():
    rng = np.random.default_rng(0)
    drawn = [draw_traits(rng) for _ in range(2000)]
    tone = [t.skin_tone for t in drawn]
    for other in ([t.sex for t in drawn], [t.age for t in drawn], *zip(*(t.races for t in drawn), strict=True)):
        assert abs(np.corrcoef(tone, other)[0, 1]) < 0.08


def test_groups_match_the_subject():
    """They are computed without building the subject, so both must use the same random numbers."""
    for subject in range(12):
        traits, groups = build_character(0, subject).traits, subject_groups(0, subject, makehuman())
        assert groups["sex"] == ("male" if traits.sex >= 0.5 else "female")
        assert groups["age"] == ("old" if traits.age >= 2 / 3 else "young" if traits.age < 1 / 3 else "middle")
        assert groups["skin"] == (
            "dark" if traits.skin_tone >= 2 / 3 else "light" if traits.skin_tone < 1 / 3 else "medium"
        )


def test_character_does_not_depend_on_cache():
    first = build_character(0, 11).shape.copy()
    build_character.cache_clear()
    assert (build_character(0, 11).shape == first).all()
