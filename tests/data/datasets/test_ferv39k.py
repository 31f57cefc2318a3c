"""FERV39k: words, the one split, and what is odd."""

from __future__ import annotations

from pathlib import Path

import pytest
from reader_trees import check_reader, database, differences, sources, tree

from fer_zoo.errors import InputError

WORDS = {
    "Happy": "happiness",
    "Sad": "sadness",
    "Neutral": "neutral",
    "Angry": "anger",
    "Surprise": "surprise",
    "Disgust": "disgust",
    "Fear": "fear",
}


def make(root: Path, train: str, test: str, *clips: str) -> Path:
    tree(root, *(f"2_ClipsforFaceCrop/{clip}/{n}.jpg" for clip in clips for n in (0, 1)))
    tree(root, "4_setups/All_scenes/")
    (root / "4_setups/All_scenes/train_All.csv").write_text(train)
    (root / "4_setups/All_scenes/test_All.csv").write_text(test)
    return root


def test_words_and_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [f"DailyLife/{word}/0007" for word in WORDS]
    train = "".join(f"{clip} {word}\n" for clip, word in zip(clips[1:], list(WORDS)[1:], strict=True))
    make(tmp_path, train, f"{clips[0]} Happy", *clips)
    found = sources("ferv39k", tmp_path)
    assert {word: found[f"DailyLife/{word}/0007"].label for word in WORDS} == WORDS
    assert found["DailyLife/Happy/0007"].split == {"all_scenes": "test"}
    assert found["DailyLife/Sad/0007"].split == {"all_scenes": "train"}
    assert all(source.subject is None and len(source.files) == 2 for source in found.values())
    check_reader("ferv39k", tmp_path, monkeypatch)


def test_what_is_odd_is_left_out_and_named(tmp_path: Path) -> None:
    good, both, moved, odd = "War/Sad/0001", "War/Sad/0002", "War/Fear/0003", "War/Bored/0004"
    train = f"{good} Sad\n{both} Sad\n{moved} Sad\n{odd} Bored\n\nWar/Sad/9999 Sad\n../Sad/1 Sad\n"
    make(tmp_path, train, f"{both} Sad\n", good, both, moved, odd)
    reader = database("ferv39k", tmp_path)
    assert [source.key for source in reader.sources()] == [good]
    place = "4_setups/All_scenes/train_All.csv"
    assert sorted(reader.problems) == [
        f"{place}: 'Bored' is not a label of FERV39k: 1 left out, such as line 4",
        f"{place}: rows that are not `Scene/Emotion/0001 Emotion`: 1 left out, such as line 7",
        "clips of the lists that are not in 2_ClipsforFaceCrop: 1 left out, such as War/Sad/9999",
        "clips that are in two parts of one split: 1 left out, such as War/Sad/0002",
        "clips whose folder has another emotion than the list: 1 left out, such as War/Fear/0003",
    ]
    assert differences("ferv39k", tmp_path)["sadness"] == (1, 6916)


def test_a_clip_listed_with_a_wrong_and_a_right_emotion_is_left_out(tmp_path: Path) -> None:
    make(tmp_path, "War/Sad/0001 Fear\nWar/Sad/0001 Sad\nWar/Sad/0002 Sad\n", "", "War/Sad/0001", "War/Sad/0002")
    reader = database("ferv39k", tmp_path)
    assert [source.key for source in reader.sources()] == ["War/Sad/0002"]
    assert "clips that the lists give two labels: 1 left out, such as War/Sad/0001" in reader.problems


def test_one_list_is_enough(tmp_path: Path) -> None:
    make(tmp_path, "War/Sad/0001 Sad\n", "", "War/Sad/0001")
    (tmp_path / "4_setups/All_scenes/test_All.csv").unlink()
    reader = database("ferv39k", tmp_path)
    assert len(list(reader.sources())) == 1
    assert reader.problems == ["4_setups/All_scenes: no test list of all_scenes"]
    (tmp_path / "4_setups/All_scenes/train_All.csv").unlink()
    with pytest.raises(InputError, match="No list of FERV39k"):
        reader.sources()


def test_a_list_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "War/Sad/0001 Sad\n", "War/Sad/0002 Sad\n", "War/Sad/0001", "War/Sad/0002")
    read = Path.read_bytes

    def fail(path: Path) -> bytes:
        if path.name == "test_All.csv":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", fail)
    reader = database("ferv39k", tmp_path)
    assert [source.key for source in reader.sources()] == ["War/Sad/0001"]
    (problem,) = reader.problems
    assert problem.startswith("4_setups/All_scenes/test_All.csv: the list is left out: ")


def test_known_counts_agree_with_each_other(tmp_path: Path) -> None:
    make(tmp_path, "War/Sad/0001 Sad\n", "", "War/Sad/0001")
    known = {what: expected for what, (_, expected) in differences("ferv39k", tmp_path).items()}
    assert known["clips"] == sum(known[label] for label in WORDS.values())
    assert known["clips"] == known["all_scenes train"] + known["all_scenes test"]


def test_a_wrong_root(tmp_path: Path) -> None:
    tree(tmp_path, "2_ClipsForFaceCrops/")
    with pytest.raises(InputError, match=r"did you mean .*2_ClipsForFaceCrops"):
        sources("ferv39k", tmp_path)
