"""MAFW: eleven classes, folds, captions in GB encoding, and what is odd."""

from __future__ import annotations

from pathlib import Path

import pytest
from reader_trees import check_reader, database, differences, sources, tree

from fer_zoo.errors import InputError

LABELS = (
    "anger disgust fear happiness neutral sadness surprise contempt anxiety helplessness disappointment".split()  # noqa: SIM905
)


def listed(root: Path, text: str | bytes, name: str = "split/single/no_caption/set_1/train.txt") -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)


def test_words_and_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, *(f"data/clips/{n:05}.mp4" for n in range(12)))
    listed(tmp_path, "".join(f"{n:05}.mp4 {label}\n" for n, label in enumerate(LABELS)))
    listed(tmp_path, "00011.mp4 Anger\n", "split/single/no_caption/set_1/test.txt")
    listed(tmp_path, "00011.mp4 anger\n", "split/single/no_caption/set_5/train.txt")
    found = sources("mafw", tmp_path)
    assert [found[f"{n:05}"].label for n in range(11)] == LABELS
    assert found["00011"].split == {"set_1": "test", "set_5": "train"}
    assert found["00011"].files == (Path("data/clips/00011.mp4"),)
    check_reader("mafw", tmp_path, monkeypatch)


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "utf-8-sig"])
def test_captions_of_any_encoding(encoding: str, tmp_path: Path) -> None:
    tree(tmp_path, "clips/03747.mp4", "clips/00002.mp4")
    # In GB encoding the first sign of the second caption holds a byte that some take for a line end in Latin-1.
    rows = "03747.mp4\tanger\t一个男人对着面前的激动地说话。\tA man speaks.\n00002.mp4\tfear\t亝眉头紧蹙\tA frown.\n"
    listed(tmp_path, rows.encode(encoding), "single/with_caption/set_1/train.txt")
    reader = database("mafw", tmp_path)
    assert {source.key: source.label for source in reader.sources()} == {"03747": "anger", "00002": "fear"}
    assert reader.problems == ["single/with_caption: no test list of set_1"]


def test_folders_of_pictures(tmp_path: Path) -> None:
    tree(tmp_path, "data/faces/00001/2.png", "data/faces/00001/10.png", "data/clips/")
    listed(tmp_path, "00001.mp4 anxiety\n", "anno/single/no_caption/set_2/test.txt")
    (source,) = sources("mafw", tmp_path, pictures="faces").values()
    assert [file.name for file in source.files] == ["2.png", "10.png"]


def test_what_is_odd_is_left_out_and_named(tmp_path: Path) -> None:
    tree(tmp_path, *(f"clips/{n:05}.mp4" for n in range(1, 5)))
    listed(tmp_path, "00001.mp4 fear\n00002.mp4 anger_disgust\nwhat\n00003.mp4 fear\n00009.mp4 fear\n")
    listed(tmp_path, "00003.mp4 anger\n", "split/single/no_caption/set_2/train.txt")
    reader = database("mafw", tmp_path)
    assert [source.key for source in reader.sources()] == ["00001"]
    place = "split/single/no_caption/set_1/train.txt"
    assert sorted(reader.problems) == [
        "clips of the lists that are not in clips: 1 left out, such as 00009",
        "clips that the lists give two labels: 1 left out, such as 00003",
        f"{place}: compound labels: 1 left out, such as line 2",
        f"{place}: rows that are not `00001.mp4 label`: 1 left out, such as line 3",
        "split/single/no_caption: no test list of set_1",
        "split/single/no_caption: no test list of set_2",
    ]


def test_known_counts_agree_with_each_other(tmp_path: Path) -> None:
    tree(tmp_path, "clips/00001.mp4")
    listed(tmp_path, "00001.mp4 fear\n")
    known = {what: expected for what, (_, expected) in differences("mafw", tmp_path).items()}
    assert known["clips"] == sum(known[label] for label in LABELS) == 9172
    assert all(known[f"set_{fold} train"] + known[f"set_{fold} test"] == 9172 for fold in range(1, 6))


def test_a_wrong_root(tmp_path: Path) -> None:
    tree(tmp_path, "data/clips/00001.mp4")
    with pytest.raises(InputError, match="lists of MAFW"):
        sources("mafw", tmp_path)
    tree(tmp_path, "split/single/no_caption/set_1/")
    with pytest.raises(InputError, match="No list of MAFW"):
        sources("mafw", tmp_path)
