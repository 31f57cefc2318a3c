"""RAVDESS: codes of the file names, modality and channel, folds, and what is odd."""

from __future__ import annotations

from pathlib import Path

import pytest
from reader_trees import check_reader, database, differences, sources, tree

from fer_zoo.errors import InputError

EMOTIONS = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")


def whole(root: Path, modality: str = "02") -> Path:
    """Names of all takes, made as the makers describe: 60 spoken by each actor, 44 sung by all but actor 18."""
    names = []
    for actor in range(1, 25):
        for voice, last in (("01", 8), ("02", 6 if actor != 18 else 0)):
            for emotion in range(1, last + 1):
                for strength in ("01", "02")[: 1 if emotion == 1 else 2]:
                    for take in ("01-01", "01-02", "02-01", "02-02"):
                        name = f"{modality}-{voice}-{emotion:02}-{strength}-{take}-{actor:02}.mp4"
                        names.append(f"Actor_{actor:02}/{name}")
    return tree(root, *names)


def test_the_whole_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole(tmp_path)
    for channel, clips in (("speech", 1440), ("song", 1012), ("all", 2452)):
        assert len(sources("ravdess", tmp_path, channel=channel)) == clips
        assert differences("ravdess", tmp_path, channel=channel) == {}
    check_reader("ravdess", tmp_path, monkeypatch)


def test_codes_and_folds(tmp_path: Path) -> None:
    tree(tmp_path, *(f"Actor_05/02-01-0{code}-01-02-01-05.mp4" for code in range(1, 9)))
    tree(tmp_path, "Actor_24/02-01-01-01-01-01-24.mp4")
    found = sources("ravdess", tmp_path)
    assert [found[f"Actor_05/02-01-0{code}-01-02-01-05"].label for code in range(1, 9)] == list(EMOTIONS)
    one = found["Actor_05/02-01-03-01-02-01-05"]
    assert one.subject == "05"
    assert [source.groups["sex"] for source in (one, found["Actor_24/02-01-01-01-01-01-24"])] == ["male", "female"]
    train = {f"fold_{fold}": "train" for fold in range(1, 7)}
    assert one.split == {**train, "fold_2": "test"}
    assert one.files == (Path("Actor_05/02-01-03-01-02-01-05.mp4"),)
    assert found["Actor_24/02-01-01-01-01-01-24"].split == {**train, "fold_6": "test"}


def test_a_take_is_read_in_one_modality(tmp_path: Path) -> None:
    tree(tmp_path, *(f"Actor_01/{mode}-01-03-01-01-01-01.mp4" for mode in ("01", "02")))
    tree(tmp_path, "Actor_01/03-01-03-01-01-01-01.wav")
    assert list(sources("ravdess", tmp_path)) == ["Actor_01/02-01-03-01-01-01-01"]
    assert list(sources("ravdess", tmp_path, modality="audio_video")) == ["Actor_01/01-01-03-01-01-01-01"]
    with pytest.raises(InputError, match=r"None of the 2 videos .* channel=song") as caught:
        sources("ravdess", tmp_path, channel="song")
    assert "modality: audio_video or video" in caught.value.accepted


def test_what_is_odd_is_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = "Actor_01/02-01-03-01-01-01-01.mp4"
    tree(tmp_path, good, "actor_02/02-01-04-01-01-01-02.mp4", "Actor_01/._02-01-03-01-01-01-01.mp4")
    tree(tmp_path, "Actor_01/02-01-09-01-01-01-01.mp4", "Actor_01/02-01-03-01-01-01-25.mp4", "Actor_01/notes.mp4")
    tree(tmp_path, f"Video_Speech_Actor_01/{good}", "Actor_03/")
    reader = database("ravdess", tmp_path)
    assert [source.key for source in reader.sources()] == [
        "Actor_01/02-01-03-01-01-01-01",
        "Actor_02/02-01-04-01-01-01-02",
    ]
    assert reader.problems == [
        "the name is not of the form MM-VV-EE-II-SS-RR-AA: 1 left out, such as notes.mp4",
        "actor 25 is not one of 01 to 24: 1 left out, such as 02-01-03-01-01-01-25.mp4",
        "emotion code 09 is not one of 01 to 08: 1 left out, such as 02-01-09-01-01-01-01.mp4",
        f"Actor_01/02-01-03-01-01-01-01: duplicate; Video_Speech_Actor_01/{good} is left out, {good} is used",
    ]
    assert differences("ravdess", tmp_path)["clips"] == (2, 1440)
    check_reader("ravdess", tmp_path, monkeypatch)


def test_archives_in_folders_of_their_own(tmp_path: Path) -> None:
    tree(tmp_path, "Video_Speech_Actor_07/Actor_07/02-01-03-01-01-01-07.mp4")
    (source,) = sources("ravdess", tmp_path).values()
    assert source.files[0].parts[0] == "Video_Speech_Actor_07"
    assert source.key == "Actor_07/02-01-03-01-01-01-07"


def test_a_wrong_root(tmp_path: Path) -> None:
    tree(tmp_path, "other/")
    with pytest.raises(InputError, match=r"looked for Actor_01/; there is other/"):
        sources("ravdess", tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        sources("ravdess", tmp_path / "othr")
