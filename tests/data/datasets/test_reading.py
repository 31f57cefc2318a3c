"""What the readers share: words, keys, counts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from fer_zoo.data.datasets._reading import WORDS, Reader, counts, unique_key, unknown_word
from fer_zoo.data.sources import LABELS, Difference, Source
from fer_zoo.paths import shown


def test_words_lead_to_labels() -> None:
    assert set(WORDS.values()) == set(LABELS)
    assert all(word == word.lower() for word in WORDS)


def test_keys_are_kept_or_made_different() -> None:
    assert unique_key("a", "b-1.mp4") == "a/b-1.mp4"
    changed = [unique_key(name) for name in ("a b", "a\udcffb", "a/b c")]
    assert [key.rpartition("-")[0] for key in changed] == ["a_b", "a_b", "a_b_c"]
    assert len({*changed, unique_key("a_b")}) == 4
    assert unique_key("a b") == changed[0]


def test_text_can_always_be_printed() -> None:
    assert shown("a\udcff").encode() == b"a\\xff"
    assert unknown_word("\udcff") == "'\\\\xff' is not a label"
    assert unknown_word("Neutral", "CREMA-D") == "'Neutral' is not a label of CREMA-D"


def test_unknown_subjects_are_not_counted() -> None:
    files = (Path("x.mp4"),)
    found = counts(
        [
            Source("a", files, "fear", "anna", split={"set_1": "train", "set_2": "test"}),
            Source("b", files, "fear", "anna", split={"set_1": "test"}),
            Source("c", files, "anger", None),
        ]
    )
    assert found == {
        "clips": 3,
        "subjects": 1,
        "fear": 2,
        "anger": 1,
        "set_1 train": 1,
        "set_1 test": 1,
        "set_2 test": 1,
    }


def test_check_names_what_differs_only() -> None:
    expected = {"fear": 1, "anger": 2, "clips": range(3, 6), "subjects": (0, 7), "rows": 5, "videos": 1}
    reader = Reader(lambda problems: [], expected, " (unverified)", Counter(rows=4, videos=1, odd=3))
    sources = [Source(label, (Path("x.mp4"),), label, "anna") for label in ("fear", "anger")]
    assert reader.check(sources) == [
        Difference("anger (unverified)", 1, 2),
        Difference("clips (unverified)", 2, 3),
        Difference("subjects (unverified)", 1, 0),
        Difference("rows (unverified)", 4, 5),
        Difference("odd", 3, 0),
    ]
