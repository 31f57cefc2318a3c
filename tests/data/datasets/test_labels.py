"""Labels of the user's own: usual words are mapped, all others kept, and near-duplicates named."""

from __future__ import annotations

from pathlib import Path

import pytest
from reader_trees import database, tree

from fer_zoo.data.datasets._labels import LONGEST, near_duplicates, read_labels
from fer_zoo.data.sources import LABELS


def test_usual_words_become_the_labels_of_the_databases() -> None:
    labels = read_labels(["Angry", "JOY", " sad ", *LABELS])
    assert [labels.of(word) for word in ("Angry", "JOY", "sad")] == ["anger", "happiness", "sadness"]
    assert labels.problems == []


def test_other_words_are_kept_as_written() -> None:
    labels = read_labels(["bored", "Very interested", "happy", "ge\u0301ne\u0301"])
    assert labels.of("happy") == "happy"
    assert labels.of(" Very  interested") == "Very interested"
    assert labels.of("g\u00e9n\u00e9") == "g\u00e9n\u00e9"
    assert labels.problems == []


def test_a_typing_error_among_usual_words_is_no_label() -> None:
    labels = read_labels(["happy", "suprise", "fear"])
    assert labels.of("happy") == "happiness"
    assert labels.of("suprise") is None
    assert labels.reason("suprise") == "'suprise' is not a label (did you mean 'surprise'?)"


@pytest.mark.parametrize("word", ["", "nan", "NULL", "x" * (LONGEST + 1)])
def test_what_cannot_be_a_label(word: str) -> None:
    labels = read_labels(["bored", word])
    assert labels.of(word) is None
    assert labels.reason(word).startswith("label ")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("happy", "happiness"), ("Happy", "happy"), ("bored", "boredom"), ("interested", "interest"),
        ("confused", "confusion"), ("suprised", "surprised"), ("intrested", "interested"), ("amused", "amusement"),
        ("very bored", "very_bored"), ("laid back", "laidback"), ("calm down", "clam down"), ("joy", "Happy"),
    ],
)  # fmt: skip
def test_near_duplicates(one: str, other: str) -> None:
    (problem,) = near_duplicates({one, other, "something else"})
    assert repr(one) in problem
    assert repr(other) in problem


def test_labels_that_differ_on_purpose() -> None:
    labels = ["level 1", "level 2", "class_a", "class_b", "high", "low", "interested", "uninterested", "yes", "no",
              "pos", "neg", "stress", "rest", "angry", "hungry", "like", "dislike", "AU1", "AU11",
              "\u559c", "\u6012"]  # fmt: skip
    assert near_duplicates(labels) == []


def test_hundreds_of_labels_are_hardly_labels() -> None:
    (problem,) = near_duplicates([f"what the clip shows, {number}" for number in range(300)])
    assert problem.startswith("there are 300 different labels")


@pytest.mark.parametrize("name", ["csv", "folder"])
def test_both_readers_take_them(name: str, tmp_path: Path) -> None:
    tree(tmp_path, "bored/a.mp4", "interested/b.mp4", "Bored/c.mp4")
    (tmp_path / "clips.csv").write_text(
        "path,label,subject\nbored/a.mp4,bored,x\ninterested/b.mp4,interested ,y\nBored/c.mp4,Bored,z\n"
    )
    reader = database(name, tmp_path)
    assert sorted(source.label for source in reader.sources()) == ["Bored", "bored", "interested"]
    (problem,) = reader.problems
    assert "labels 'Bored' and 'bored' may be meant to be one" in problem
