"""AFEW: both sets of words, both parts, and what is odd."""

from __future__ import annotations

from pathlib import Path

import pytest
from reader_trees import check_reader, database, differences, sources, tree

from fer_zoo.errors import InputError

SHORT = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
LONG = ("Anger", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise")


@pytest.mark.parametrize("words", [SHORT, LONG])
def test_words_differ_by_copy_keys_do_not(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, *(f"Train_AFEW/{word}/00000000{n}.avi" for n, word in enumerate(words)))
    tree(tmp_path, f"Val_AFEW/{words[0]}/013736360.avi", f"Train_AFEW/{words[0]}/.DS_Store")
    found = sources("afew", tmp_path)
    labels = [word.lower() for word in LONG]
    assert [found[f"train/{label}/00000000{n}"].label for n, label in enumerate(labels)] == labels
    assert found["val/anger/013736360"].split == {"official": "test"}
    assert found["train/fear/000000002"].split == {"official": "train"}
    check_reader("afew", tmp_path, monkeypatch)


def test_folders_of_pictures(tmp_path: Path) -> None:
    tree(tmp_path, *(f"train_afew/Fear/013736360/{n}.jpg" for n in (10, 9)), "val_afew/")
    (source,) = sources("afew", tmp_path).values()
    assert [file.name for file in source.files] == ["9.jpg", "10.jpg"]
    assert source.key == "train/fear/013736360"


def test_what_is_odd_is_left_out_and_named(tmp_path: Path) -> None:
    tree(tmp_path, "Train_AFEW/Fear/000000001.avi", "Train_AFEW/Fear/000000001.mp4", "Train_AFEW/Fear/000000002/")
    tree(tmp_path, "Train_AFEW/Sad/", "Train_AFEW/Hapy/000000003.avi", "Train_AFEW/AlignedFaces_LBPTOP_Points/Faces/")
    reader = database("afew", tmp_path)
    (source,) = reader.sources()
    assert source.files == (Path("Train_AFEW/Fear/000000001.avi"),)
    duplicate = "Train_AFEW/Fear/000000001.mp4 is left out, Train_AFEW/Fear/000000001.avi is used"
    assert sorted(reader.problems) == [
        "Train_AFEW/Fear/000000002: no picture; left out",
        "Train_AFEW/Sad: no clip",
        "Train_AFEW: 'Hapy' is not a label of AFEW (did you mean 'happy'?); left out",
        "no Val_AFEW: the val part is left out",
        f"train/fear/000000001: duplicate; {duplicate}",
    ]


def test_known_counts_agree_with_each_other(tmp_path: Path) -> None:
    tree(tmp_path, "Train_AFEW/Fear/000000001.avi")
    known = {what: expected for what, (_, expected) in differences("afew", tmp_path).items()}
    assert known["clips"] == sum(known[word.lower()] for word in LONG)
    assert known["clips"] == known["official train"] + known["official test"]


def test_a_wrong_root(tmp_path: Path) -> None:
    tree(tmp_path, "Test_AFEW/")
    with pytest.raises(InputError, match=r"looked for Train_AFEW/ or Train/ .*; there is Test_AFEW/"):
        sources("afew", tmp_path)
