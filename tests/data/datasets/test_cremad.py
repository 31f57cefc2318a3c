"""CREMA-D: codes of the file names, folds, and what is odd."""

from __future__ import annotations

from pathlib import Path

import pytest
from reader_trees import check_reader, database, differences, sources, tree

from fer_zoo.errors import InputError

CODES = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happiness", "NEU": "neutral", "SAD": "sadness"}


def test_codes_and_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, *(f"VideoFlash/1001_DFA_{code}_XX.flv" for code in CODES), "AudioWAV/1001_DFA_ANG_XX.wav")
    edges = {1018: "1", 1019: "2", 1036: "2", 1037: "3", 1054: "3", 1055: "4", 1072: "4", 1073: "5", 1091: "5"}
    tree(tmp_path, *(f"VideoFlash/{actor}_IEO_SAD_HI.flv" for actor in edges))
    found = sources("cremad", tmp_path)
    assert {code: found[f"1001_DFA_{code}_XX"].label for code in CODES} == CODES
    for actor, fold in edges.items():
        parts = {f"fold_{number}": "test" if str(number) == fold else "train" for number in range(1, 6)}
        assert found[f"{actor}_IEO_SAD_HI"].split == parts
    assert found["1091_IEO_SAD_HI"].subject == "1091"
    assert found["1091_IEO_SAD_HI"].files == (Path("VideoFlash/1091_IEO_SAD_HI.flv"),)
    check_reader("cremad", tmp_path, monkeypatch)


def test_known_counts_agree_with_each_other(tmp_path: Path) -> None:
    tree(tmp_path, "VideoFlash/1001_DFA_NEU_XX.flv")
    known = {what: expected for what, (_, expected) in differences("cremad", tmp_path).items()}
    assert known["clips"] == 7442
    assert sum(known[f"fold_{fold} test"] for fold in range(1, 6)) == 7442
    assert sum(known[label] for label in CODES.values()) == 7442
    assert differences("cremad", tmp_path)["subjects"] == (1, 91)


@pytest.mark.parametrize("folder", ["", "videoflash/", "VideoMP4/"])
def test_where_videos_may_be(folder: str, tmp_path: Path) -> None:
    tree(tmp_path, f"{folder}1002_TIE_HAP_XX.mp4", ".DS_Store")
    assert list(sources("cremad", tmp_path)) == ["1002_TIE_HAP_XX"]


def test_what_is_odd_is_left_out_and_named(tmp_path: Path) -> None:
    tree(tmp_path, "VideoFlash/1001_DFA_HAP_XX.flv", "VideoFlash/1001_DFA_HAP_XX.mp4", "VideoFlash/1040_ITH_SAD_X.flv")
    tree(tmp_path, "VideoFlash/1001_DFA_SUR_XX.flv", "VideoFlash/1092_DFA_SAD_XX.flv", "VideoFlash/readme.mp4")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 400000\n"
    (tmp_path / "VideoFlash/1003_DFA_SAD_XX.flv").write_bytes(pointer)
    (tmp_path / "VideoFlash/1004_DFA_SAD_XX.flv").symlink_to("../.git/annex/objects/absent")
    reader = database("cremad", tmp_path)
    found = list(reader.sources())
    assert [source.key for source in found] == ["1001_DFA_HAP_XX", "1040_ITH_SAD_X"]
    assert found[0].files[0].suffix == ".flv"
    assert sorted(problem.split(":")[0] for problem in reader.problems) == [
        "1001_DFA_HAP_XX",
        "actor 1092 is not one of 1001 to 1091",
        "emotion code SUR is not one of ANG, DIS, FEA, HAP, NEU, SAD",
        "the name is not of the form actor_sentence_emotion_level",
        "the video was not downloaded, only its pointer (run `git lfs pull` or `git annex get .`)",
    ]
    assert any("1003_DFA_SAD_XX.flv" in problem and "2" in problem for problem in reader.problems)


def test_a_wrong_root(tmp_path: Path) -> None:
    tree(tmp_path, "AudioWAV/1001_DFA_ANG_XX.wav")
    with pytest.raises(InputError, match=r"looked for VideoFlash/ or VideoMP4/.*; there is AudioWAV/"):
        sources("cremad", tmp_path)


def test_what_the_makers_tell_of_actors_becomes_groups(tmp_path: Path) -> None:
    """The first lines of the makers' table; somebody who is not in it has no groups."""
    tree(tmp_path, "VideoFlash/1001_DFA_HAP_XX.flv", "VideoFlash/1013_DFA_HAP_XX.flv", "VideoFlash/1090_DFA_HAP_XX.flv")
    table = tmp_path / "VideoDemographics.csv"
    table.write_text(
        '"ActorID","Age","Sex","Race","Ethnicity"\n'
        '1001,51,"Male","Caucasian","Not Hispanic"\n1013,22,"Female","Caucasian","Hispanic"\n'
    )
    assert [source.groups for source in sources("cremad", tmp_path).values()] == [
        {"age": "50-59", "sex": "male", "race": "caucasian"}, {"age": "20-29", "sex": "female", "race": "caucasian"}, {}
    ]  # fmt: skip
    table.write_text("actor,age\n1001,51\n")
    with pytest.raises(InputError, match="has the columns actor, age"):
        sources("cremad", tmp_path)
