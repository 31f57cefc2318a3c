"""Splits: no subject on two sides, all clips used once, labels evenly dealt, the same whatever the order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_zoo.data.splits import (
    LabelledClip,
    Split,
    cross_database,
    k_fold,
    leave_each_out,
    leave_one_out,
    published,
)
from fer_zoo.errors import InputError


def clip(subject: str | None, number: int, label: str, **split: str) -> LabelledClip:
    return LabelledClip(f"{subject}/{number}", subject, label, split)


@st.composite
def databases(draw: st.DrawFn) -> list[LabelledClip]:
    subjects = draw(st.integers(5, 14))
    return [
        clip(f"s{subject}", number, draw(st.sampled_from(["anger", "fear", "joy"])))
        for subject in range(subjects)
        for number in range(draw(st.integers(1, 6)))
    ]


def subjects_of(keys: tuple[str, ...]) -> set[str]:
    return {key.split("/")[0] for key in keys}


def assert_disjoint(split: Split) -> None:
    parts = [subjects_of(getattr(split, part)) for part in ("train", "validation", "test")]
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts))


@settings(max_examples=60, deadline=None)
@given(databases(), st.integers(3, 5), st.integers(0, 3))
def test_folds(clips: list[LabelledClip], folds: int, seed: int) -> None:
    splits = k_fold(clips, folds, seed)
    assert sorted(key for split in splits for key in split.test) == sorted(c.key for c in clips)
    assert sorted(key for split in splits for key in split.validation) == sorted(c.key for c in clips)
    for split in splits:
        assert_disjoint(split)
        assert len(split.train) + len(split.validation) + len(split.test) == len(clips)
    shuffled = random.Random(seed).sample(clips, len(clips))
    assert k_fold(shuffled, folds, seed) == splits


def test_labels_are_dealt_evenly() -> None:
    """Fear is rare, and each subject has few clips: random folds would lack it."""
    clips = [clip(f"s{i:02d}", n, label) for i in range(30) for n, label in enumerate(["joy", "joy", "anger"])]
    clips += [clip(f"s{i:02d}", 9, "fear") for i in range(0, 30, 3)]
    for split in k_fold(clips, 5, 0):
        labels = [next(c.label for c in clips if c.key == key) for key in split.test]
        assert labels.count("fear") == 2
        assert labels.count("joy") == 12


def test_another_seed_gives_other_folds() -> None:
    clips = [clip(f"s{i}", 0, "joy") for i in range(20)]
    assert k_fold(clips, 5, 0) != k_fold(clips, 5, 1)


@settings(max_examples=20, deadline=None)
@given(databases())
def test_leave_one_out(clips: list[LabelledClip]) -> None:
    subjects = sorted({str(clip.subject) for clip in clips})
    for subject in subjects:
        split = leave_one_out(clips, subject, 0, validation_folds=3)
        assert subjects_of(split.test) == {subject}
        assert subjects_of(split.train) | subjects_of(split.validation) == set(subjects) - {subject}
        assert_disjoint(split)
    with pytest.raises(InputError, match="no clips of the subject 'nobody'"):
        leave_one_out(clips, "nobody", 0)


def test_cross_database_keeps_same_names_apart() -> None:
    one = [clip(f"s{i}", 0, "joy") for i in range(6)]
    other = [clip(f"s{i}", 0, "fear") for i in range(4)]
    split = cross_database({"a": one, "b": other}, {"c": one}, 0)
    assert split.name == "a + b to c"
    assert split.test == tuple(sorted(f"c:{c.key}" for c in one))
    assert len(split.train) + len(split.validation) == 10
    assert not set(split.train) & set(split.validation)
    for wrong in (({"a": one}, {"a": one}), ({}, {"a": one}), ({"a": one}, {})):
        with pytest.raises(InputError, match="at least one database on each side, none on both"):
            cross_database(*wrong, 0)


def test_a_published_split_gets_a_validation_part_of_its_own() -> None:
    clips = [clip(None, i, "joy", set_1="train" if i < 20 else "test") for i in range(30)]
    clips = [LabelledClip(str(i), None, c.label, c.split) for i, c in enumerate(clips)]
    split = published(clips, "set_1", 0)
    assert set(split.test) == {str(i) for i in range(20, 30)}
    assert len(split.validation) == 4
    assert set(split.train) | set(split.validation) == {str(i) for i in range(20)}
    with pytest.raises(InputError, match="no published split 'set_2'"):
        published(clips, "set_2", 0)


def test_clips_without_subjects_are_not_dealt_by_subject() -> None:
    with pytest.raises(InputError, match="has no subject"):
        k_fold([clip(None, 0, "joy")], 3, 0)


@pytest.mark.parametrize(("folds", "subjects"), [(2, 9), (5, 4)])
def test_too_few(folds: int, subjects: int) -> None:
    with pytest.raises(InputError, match=f"{folds} folds of {subjects} subjects"):
        k_fold([clip(f"s{i}", 0, "joy") for i in range(subjects)], folds, 0)


def test_clips_of_a_video_without_subjects_stay_together() -> None:
    clips = [
        LabelledClip(f"{video}/{n}", None, "fear", {"set_1": "train" if video < 20 else "test"}, str(video))
        for video in range(25)
        for n in range(3)
    ]
    split = published(clips, "set_1", 0)
    assert split.validation
    assert not {key.split("/")[0] for key in split.train} & {key.split("/")[0] for key in split.validation}
    assert len(split.train) + len(split.validation) == 60


def with_subjects(train: list[int], validation: list[int], test: list[int]) -> list[LabelledClip]:
    """Two clips of each subject named in a part; a subject may be named in several."""
    parts = {"train": train, "validation": validation, "test": test}
    return [
        LabelledClip(f"{part}/s{who}/{n}", f"s{who}", "fear", {"official": part})
        for part, names in parts.items()
        for who in names
        for n in range(2)
    ]


def subjects_in(keys: tuple[str, ...]) -> set[str]:
    return {key.split("/")[1] for key in keys}


def test_validation_is_held_out_of_training_subjects_that_are_not_tested_on() -> None:
    clips = with_subjects(list(range(10)), [], [4, 5, 6, 7, 8, 9])
    for seed in range(5):
        split = published(clips, "official", seed, validation_folds=5)
        assert len(subjects_in(split.validation)) == 2
        assert not subjects_in(split.validation) & (subjects_in(split.test) | subjects_in(split.train))
        assert subjects_in(split.train) | subjects_in(split.validation) == {f"s{n}" for n in range(10)}
        assert split.note == "train and test share 6 subjects"


def test_too_few_training_subjects_that_are_not_tested_on() -> None:
    with pytest.raises(InputError, match="only 0 are not in its test part") as caught:
        published(with_subjects([0, 1, 2, 3, 4], [], [0, 1, 2, 3, 4]), "official", 0)
    assert "split {folds: 5}" in caught.value.do
    clips = with_subjects(list(range(20)), [], list(range(1, 20)))
    with pytest.raises(InputError, match="only 1 are not in its test part") as caught:
        published(clips, "official", 0, validation_folds=5)
    assert "split.validation_folds=20" in caught.value.do
    assert subjects_in(published(clips, "official", 0, validation_folds=20).validation) == {"s0"}


def test_published_sets_are_unchanged_and_shared_subjects_are_noted() -> None:
    clips = with_subjects([0, 1, 2], [2, 3], [3, 4])
    split = published(clips, "official", 0)
    assert (subjects_in(split.train), subjects_in(split.validation)) == ({"s0", "s1", "s2"}, {"s2", "s3"})
    assert split.note == "train and validation share 1 subject; validation and test share 1 subject"
    assert published(with_subjects([0, 1], [2], [3]), "official", 0).note == ""


def test_each_subject_is_left_out_once() -> None:
    clips = [clip(f"s{i}", n, "joy") for i in range(6) for n in range(2)]
    splits = leave_each_out(clips, 0)
    assert [split.name for split in splits] == [f"without s{i}" for i in range(6)]
    assert splits[2] == leave_one_out(clips, "s2", 0)
