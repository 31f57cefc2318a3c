"""Which spellings are one subject, which may be, and that no program's word for an empty cell is a subject."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_zoo.data.datasets._layout import in_order
from fer_zoo.data.sources import Source
from fer_zoo.data.subjects import folded, similar_subjects, subject_key, subject_name, tidy

SAME = [
    ("7", "007"),
    ("7", "7.0"),
    ("0", "000"),
    ("Anna Lee", " Anna\u00a0 Lee\t"),
    ("Anna", "An\u200bna\ufeff"),
    ("zo\u00eb", "zoe\u0308"),
    ("Anna B", "Anna\nB"),
]
PERHAPS = [
    ("Anna", "anna"),
    ("S01", "S1"),
    ("Anna_", "Anna"),
    ("Anna-Lee", "Anna Lee"),
    ("Zoe", "Zo\u00eb"),
    ("Anna", "\u0410nna"),
    ("\uff21nna", "Anna"),
    ("S\u0391", "SA"),
    ("Strasse", "Stra\u00dfe"),
    ("S-007", "s7"),
]
OTHERS = [
    ("1_12", "11_2"),
    ("P1", "P11"),
    ("7.5", "7"),
    ("anna", "ana"),
    ("10", "1"),
    ("S1a", "S1b"),
    ("\u738b", "\u674e"),
]


def sources(*subjects: str | None) -> list[Source]:
    return [Source(f"{n}", (Path(f"{n}.mp4"),), "fear", subject) for n, subject in enumerate(subjects)]


@pytest.mark.parametrize(("one", "other"), [*SAME, *[pair[::-1] for pair in SAME]])
def test_what_programs_change_is_folded(one: str, other: str) -> None:
    problems: list[str] = []
    assert len({source.subject for source in in_order(sources(one, other, "else"), problems)}) == 2
    assert subject_key(one) == subject_key(other)
    assert problems == []


@pytest.mark.parametrize(("one", "other"), PERHAPS)
def test_what_somebody_typed_otherwise_is_reported(one: str, other: str) -> None:
    problems: list[str] = []
    assert len({source.subject for source in in_order(sources(one, other, "else"), problems)}) == 3
    (problem,) = problems
    assert repr(tidy(one)) in problem
    assert repr(tidy(other)) in problem


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_other_names_are_other_subjects(one: str, other: str) -> None:
    assert subject_key(one) != subject_key(other)
    assert similar_subjects([one, other]) == []


@pytest.mark.parametrize(
    "empty", [None, "", " ", "nan", "NaN", "None", "null", "NULL", "N/A", "NA", "#N/A", "<NA>", "\u200b", "\u00a0"]
)
def test_an_empty_cell_is_no_subject(empty: str | None) -> None:
    assert Source("a", (Path("a"),), "fear", empty).subject is None


def test_the_most_frequent_spelling_stays() -> None:
    assert folded(["007", "7", "7", None]) == {"007": "7", "7": "7"}
    assert folded(["7", "007"]) == {"007": "007", "7": "007"}
    assert folded(["01", "02"]) == {"01": "01", "02": "02"}


@given(st.text())
def test_tidying_is_stable_and_forms_of_unicode_are_one(text: str) -> None:
    name = subject_name(text)
    assert subject_name(name) == name
    assert subject_name(unicodedata.normalize("NFD", text)) == name
    assert name is None or (name.strip() == name != "")
