"""Split files: what is read is what was written, and what does not hold for the store is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fer_zoo.data.split_files import fingerprint_of, read_split, read_splits, write_splits
from fer_zoo.data.splits import LabelledClip, Split, k_fold
from fer_zoo.errors import InputError


def clip(subject: str | None, number: int, video: str | None = None) -> LabelledClip:
    return LabelledClip(f"{subject or video}/{number}", subject, "joy", {}, video)


def test_files_round_trip_and_are_checked(tmp_path: Path) -> None:
    clips = [clip(f"s{i}", n) for i in range(6) for n in range(2)]
    whose = {c.key: c.subject for c in clips}
    path = tmp_path / "splits.json"
    splits = k_fold(clips, 3, 7)
    write_splits(path, splits, store="abc", seed=7)
    assert read_splits(path, store="abc", subjects=whose) == splits
    with pytest.raises(InputError, match="was made for the store abc"):
        read_splits(path, store="abd", subjects=whose)
    data = json.loads(path.read_text())
    data["splits"][0]["train"].append(data["splits"][0]["test"][0])
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"fold 1 of 3: subject '.*' is in train and in test"):
        read_splits(path, store="abc", subjects=whose)
    for text in ("{}", "[]"):
        path.write_text(text)
        for database in ("", "mmi"):
            with pytest.raises(InputError, match="is damaged"):
                read_splits(path, store="abc", subjects=whose, database=database)
    with pytest.raises(InputError, match=r"(?s)No such file.*check the path"):
        read_splits(tmp_path / "absent.json", store="abc", subjects=whose)


def test_a_video_of_nobody_known_is_on_one_side(tmp_path: Path) -> None:
    clips = [clip(None, n, video) for video in ("a.avi", "b.avi", "c.avi") for n in range(2)]
    good = Split("mine", ("a.avi/0", "a.avi/1"), ("b.avi/0",), ("c.avi/0",))
    torn = Split("torn", ("a.avi/0",), ("b.avi/0",), ("a.avi/1",))
    write_splits(tmp_path / "good.json", [good], store="abc", seed=0)
    write_splits(tmp_path / "torn.json", [torn], store="abc", seed=0)
    assert read_split(tmp_path / "good.json", None, store="abc", clips=clips) == good
    with pytest.raises(InputError, match=r"torn: subject 'a.avi' is in train and in test"):
        read_split(tmp_path / "torn.json", None, store="abc", clips=clips)


def test_one_of_several_is_named(tmp_path: Path) -> None:
    clips = [clip(f"s{i}", 0) for i in range(6)]
    splits = k_fold(clips, 3, 0)
    write_splits(tmp_path / "s.json", splits, store="abc", seed=0)
    assert read_split(tmp_path / "s.json", "fold 2 of 3", store="abc", clips=clips) == splits[1]
    with pytest.raises(InputError, match="3 splits; none of them is named") as caught:
        read_split(tmp_path / "s.json", None, store="abc", clips=clips)
    assert "'fold 1 of 3'" in caught.value.accepted
    with pytest.raises(InputError, match="0 splits named 'fold 4'"):
        read_split(tmp_path / "s.json", "fold 4", store="abc", clips=clips)


def test_notes_are_kept(tmp_path: Path) -> None:
    noted = Split("mine", ("s0/0",), ("s1/0",), ("s2/0",), note="parts share something")
    write_splits(tmp_path / "s.json", [noted], store="abc", seed=0)
    assert read_splits(tmp_path / "s.json", store="abc", subjects={f"s{i}/0": None for i in range(3)}) == [noted]


def test_a_fingerprint_of_several_stores() -> None:
    assert fingerprint_of({"abc"}) == "abc"
    assert fingerprint_of(["b", "a"]) == fingerprint_of({"a", "b"}) not in ("a", "b")
    assert fingerprint_of(["a", "b"]) != fingerprint_of(["a", "c"])
