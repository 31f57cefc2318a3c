"""DFEW: both releases, lists that count from 1 and from 0, folds, and what is odd."""

from __future__ import annotations

from pathlib import Path

import pytest
from reader_trees import check_reader, database, differences, sources, tree

from fer_zoo.errors import InputError

EMOTIONS = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")


def lists(root: Path, rows: dict[str, str], name: str = "EmoLabel_DataSplit/{part}(single-labeled)/set_1.csv") -> None:
    for part, text in rows.items():
        file = root / name.format(part=part)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def pictures(root: Path, *clips: int, folder: str = "Clip/jpg_256") -> Path:
    return tree(root, *(f"{folder}/{clip:05}/{n}.jpg" for clip in clips for n in (10, 2, 1)))


def test_official_codes_count_from_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path, *range(1, 9))
    rows = "".join(f"{code},{code}\n" for code in range(1, 8))
    lists(tmp_path, {"train": f"video_name,label\n{rows}", "test": "video_name,label\n8,7\n"})
    found = sources("dfew", tmp_path)
    assert [found[f"{clip:05}"].label for clip in range(1, 8)] == list(EMOTIONS)
    assert found["00008"].split == {"set_1": "test"}
    assert found["00001"].split == {"set_1": "train"}
    assert found["00001"].subject is None
    assert [file.name for file in found["00001"].files] == ["1.jpg", "2.jpg", "10.jpg"]
    check_reader("dfew", tmp_path, monkeypatch)


def test_redistributed_codes_count_from_0(tmp_path: Path) -> None:
    pictures(tmp_path, *range(1, 9))
    rows = "".join(f"{clip:05},{clip - 1}\n" for clip in range(1, 8))
    name = "EmoLabel_DataSplit/{part}(single-labeled)/{part}_set_1.csv"
    lists(tmp_path, {"train": rows, "test": "00008,6\n"}, name)
    found = sources("dfew", tmp_path)
    assert [found[f"{clip:05}"].label for clip in range(1, 8)] == list(EMOTIONS)
    assert found["00008"].label == "fear"


@pytest.mark.parametrize(("name", "code"), [("set_1.csv", 0), ("train_set_1.csv", 7)])
def test_a_list_that_counts_from_elsewhere_is_refused(name: str, code: int, tmp_path: Path) -> None:
    pictures(tmp_path, 1, 2)
    place = "EmoLabel_DataSplit/{part}(single-labeled)/"
    lists(tmp_path, {"train": f"video_name,label\n1,{code}\n2,3\n"}, place + name)
    lists(tmp_path, {"test": ""}, place + "set_1.csv")
    with pytest.raises(InputError, match=rf"{name} has the label {code}; by its name its labels count from") as caught:
        sources("dfew", tmp_path)
    assert "set_k.csv with labels 1 to 7" in caught.value.accepted


def test_folds_join(tmp_path: Path) -> None:
    pictures(tmp_path, 1, 2)
    lists(tmp_path, {"train": "video_name,label\n1,1\n", "test": "video_name,label\n2,2\n"})
    name = "EmoLabel_DataSplit/{part}(single-labeled)/set_2.csv"
    lists(tmp_path, {"train": "video_name,label\n2,2\n", "test": "video_name,label\n1,1\n"}, name)
    assert {key: dict(source.split) for key, source in sources("dfew", tmp_path).items()} == {
        "00001": {"set_1": "train", "set_2": "test"},
        "00002": {"set_1": "test", "set_2": "train"},
    }


def test_a_list_that_is_missing_is_named(tmp_path: Path) -> None:
    pictures(tmp_path, 1)
    lists(tmp_path, {"train": "1,1\n", "test": ""})
    (tmp_path / "EmoLabel_DataSplit/test(single-labeled)/set_1.csv").unlink()
    reader = database("dfew", tmp_path)
    assert [source.key for source in reader.sources()] == ["00001"]
    assert reader.problems == ["EmoLabel_DataSplit/test(single-labeled): no test list of set_1"]


def test_the_raw_release(tmp_path: Path) -> None:
    pictures(tmp_path, 16372, folder="single_label/data")
    lists(tmp_path, {"train": "16372,4\n", "test": ""}, "single_label/label/single_{part}set_3.csv")
    (source,) = sources("dfew", tmp_path).values()
    assert (source.key, source.label, source.split) == ("16372", "anger", {"set_3": "train"})


def test_other_pictures_only_with_the_option(tmp_path: Path) -> None:
    pictures(tmp_path, 1, folder="Clip/jpg_224_16f")
    lists(tmp_path, {"train": "1,1\n", "test": ""})
    with pytest.raises(InputError, match=r"looked for Clip/jpg_256/"):
        sources("dfew", tmp_path)
    assert list(sources("dfew", tmp_path, pictures="jpg_224_16f")) == ["00001"]


def test_what_is_odd_is_left_out_and_named(tmp_path: Path) -> None:
    pictures(tmp_path, 1, 2, 3, 4)
    tree(tmp_path, "Clip/jpg_256/00005/")
    lists(tmp_path, {"train": "video_name,label\n1,1\n2,2\n3,9\nx,y\n5,1\n6,1\n4,1\n", "test": "2,2\n4,2\n"})
    reader = database("dfew", tmp_path)
    assert [source.key for source in reader.sources()] == ["00001"]
    train = "EmoLabel_DataSplit/train(single-labeled)/set_1.csv"
    assert sorted(reader.problems) == [
        f"{train}: label 9: 1 left out, such as line 4",
        f"{train}: rows that are not `video_name,label`: 1 left out, such as line 5",
        "clips of the lists that are not in jpg_256: 2 left out, such as 00005",
        "clips that are in two parts of one split: 1 left out, such as 00002",
        "clips that the lists give two labels: 1 left out, such as 00004",
    ]


def test_known_counts_agree_with_each_other(tmp_path: Path) -> None:
    pictures(tmp_path, 1)
    lists(tmp_path, {"train": "1,1\n", "test": ""})
    known = {what: expected for what, (_, expected) in differences("dfew", tmp_path).items()}
    assert known["clips"] == sum(known[label] for label in EMOTIONS) == 11697
    assert all(known[f"set_{fold} train"] + known[f"set_{fold} test"] == 11697 for fold in range(1, 6))
    assert sum(known[f"set_{fold} test"] for fold in range(1, 6)) == 11697


def test_a_wrong_root(tmp_path: Path) -> None:
    pictures(tmp_path / "DFEW", 1)
    with pytest.raises(InputError, match="did you mean the root") as caught:
        sources("dfew", tmp_path)
    assert caught.value.do.endswith("DFEW?")
    with pytest.raises(InputError, match="lists of DFEW"):
        sources("dfew", tmp_path / "DFEW")
    tree(tmp_path / "DFEW", *(f"EmoLabel_DataSplit/{part}(single-labeled)/sets.csv" for part in ("train", "test")))
    with pytest.raises(InputError, match=r"there is sets\.csv"):
        sources("dfew", tmp_path / "DFEW")
