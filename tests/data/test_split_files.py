"""Files of splits and of groups: what is read is what was written, and what does not hold for a store is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fer_zoo.data.split_files import disjoint, fingerprint_of, read_split, read_splits, write_splits
from fer_zoo.data.splits import LabelledClip, Split, k_fold
from fer_zoo.errors import InputError, RecipeError
from fer_zoo.specs import DisjointSplit


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
    data["splits"][0]["train"].append(data["splits"][0]["test"].pop())
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


@pytest.mark.parametrize("key", ["", "unknown"])
def test_a_clip_that_the_store_does_not_have(tmp_path: Path, key: str) -> None:
    write_splits(tmp_path / "s.json", [Split("a", (key,), (), ())], store="abc", seed=0)
    with pytest.raises(InputError, match=f"the store has no clip {key!r}"):
        read_splits(tmp_path / "s.json", store="abc", subjects={"known": "s1"})


def test_a_video_of_an_unknown_subject_is_in_one_set(tmp_path: Path) -> None:
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
    with pytest.raises(InputError, match="3 splits; no name was given") as caught:
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


KEYS = [f"k{number}" for number in range(9)]
PLAIN = {"train": KEYS[:3], "validation": KEYS[3:6], "test": KEYS[6:]}


def read(path: Path, *splits: dict[str, object]) -> list[Split]:
    path.write_text(json.dumps({"format": 1, "store": "abc", "splits": splits}))
    return read_splits(path, store="abc", subjects={key: f"subject of {key}" for key in KEYS})


@pytest.mark.parametrize("part", ["train", "validation", "test"])
@pytest.mark.parametrize("again", [KEYS[0], KEYS[3], KEYS[6]])
def test_a_clip_that_is_named_twice_is_refused(part: str, again: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    assert len(read(path, {"name": "mine", **PLAIN})) == 1
    with pytest.raises(InputError) as caught:
        read(path, {"name": "mine", **PLAIN, part: [*PLAIN[part], again]})
    assert caught.value.given.startswith(f"{path}, mine: clip '{again}' is named 2 times (")
    assert part in caught.value.given
    assert caught.value.do


def test_folds_test_a_clip_once(tmp_path: Path) -> None:
    path = tmp_path / "folds.json"
    first = {"name": "fold 1 of 2", **PLAIN}
    other = {"name": "fold 2 of 2", "train": KEYS[6:], "validation": KEYS[3:6], "test": KEYS[:3]}
    assert len(read(path, first, other)) == 2
    with pytest.raises(InputError, match=r"clip 'k6' is in the test sets of 'fold 1 of 2' and 'fold 2 of 2'"):
        read(path, first, {**other, "train": KEYS[7:], "test": [*KEYS[:3], KEYS[6]]})
    with pytest.raises(InputError, match="two splits named 'fold 1 of 2'"):
        read(path, first, {**other, "name": "fold 1 of 2"})
    # Random splits of one's own may test a clip twice.
    assert len(read(path, {**first, "name": "a"}, {**first, "name": "b"})) == 2


@pytest.mark.parametrize("part", [None, 5, "k0", {"k0": 1}, [1], [None], [["k0"]], [True]])
def test_parts_that_are_no_lists_of_keys_are_refused(part: object, tmp_path: Path) -> None:
    for name in PLAIN:
        with pytest.raises(InputError, match="is damaged"):
            read(tmp_path / "bad.json", {"name": "mine", **PLAIN, name: part})


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe{", b"[" * 100_000, b"null", b'{"format": 1, "store": 3, "splits": 7}']
)
def test_files_that_hold_no_splits_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.json") as caught:
        read_splits(path, store="abc", subjects={}, database="mmi")
    assert caught.value.do


def test_two_spellings_of_a_subject_are_one_side(tmp_path: Path) -> None:
    """A store of an earlier version may have both."""
    write_splits(tmp_path / "s.json", [Split("mine", ("a",), ("b",), ("c",))], store="abc", seed=0)
    with pytest.raises(InputError, match="subject '7' is in train and in test"):
        read_splits(tmp_path / "s.json", store="abc", subjects={"a": "007", "b": "8", "c": "7"})


# Four films of three videos, one of them cut into two clips.
CLIPS = [
    LabelledClip(f"v{number:02}/{cut:03}", None, "fear" if number % 2 else "anger", {}, f"v{number:02}")
    for number in range(12)
    for cut in range(2 if number == 5 else 1)
]
ROWS = [f"v{number:02},film {number // 3}" for number in range(12)]


def split(folder: Path, rows: list[str], head: str = "video,group", **options: object) -> Split:
    path = folder / "films.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return disjoint(CLIPS, DisjointSplit.model_validate({"identity_disjoint": str(path), **options}), others=["lost"])


def films(keys: tuple[str, ...]) -> set[int]:
    return {int(key[1:3]) // 3 for key in keys}


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_folds_keep_groups_together(fold: int, tmp_path: Path) -> None:
    made = split(tmp_path, [*ROWS, "lost,film 9"], folds=3, fold=fold)
    parts = [films(made.train), films(made.validation), films(made.test)]
    assert set.union(*parts) == {0, 1, 2, 3}
    assert sum(map(len, parts)) == 4
    assert len(made.train + made.validation + made.test) == len(CLIPS)


def test_parts_of_the_file(tmp_path: Path) -> None:
    parts = ["train", "train", "TEST", "train"]
    rows = [f"{row},{parts[number // 3]}" for number, row in enumerate(ROWS)]
    made = split(tmp_path, rows, "video,group,part", folds=3)
    assert films(made.test) == {2}
    assert films(made.train) | films(made.validation) == {0, 1, 3}
    assert len(films(made.validation)) == 1, "one in `folds` of the training groups"
    assert not made.note


def test_numbers_of_groups_may_be_written_in_several_ways(tmp_path: Path) -> None:
    """007 and 7.0 of a spreadsheet are the same group, so that it cannot be on both sides."""
    rows = [f"v{number:02},{('007', '7.0', '7')[number % 3] if number < 6 else number // 3}" for number in range(12)]
    made = split(tmp_path, rows, folds=3, fold=1)
    sides = [keys for keys in (made.train, made.validation, made.test) if films(keys) & {0, 1}]
    assert len(sides) == 1


FAULTS = {
    "unknown video": ([*ROWS, "v77,film 1"], "names 1 videos that the store does not have, e.g. 'v77'"),
    "missing video": (ROWS[:-2], "no row for 2 of the 12 videos of the store, e.g. 'v10'"),
    "two groups": ([*ROWS, "v00,film 3"], "lines 2 and 14: two groups or parts for the video 'v00'"),
    "no group": ([*ROWS[:-1], "v11,"], "line 13: video 'v11', group ''"),
    "empty cell of a program": ([*ROWS[:-1], "v11,NaN"], "line 13: video 'v11', group 'NaN'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_file_is_refused(fault: str, tmp_path: Path) -> None:
    rows, message = FAULTS[fault]
    with pytest.raises(InputError) as caught:
        split(tmp_path, rows, folds=3, fold=1)
    assert message in caught.value.given
    assert "films.csv" in caught.value.given
    assert caught.value.do


def test_other_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has the columns clip, group, and no video"):
        split(tmp_path, ROWS, "clip,group", fold=1)
    with pytest.raises(InputError, match=r"films.csv cannot be read|No such file"):
        disjoint(CLIPS, DisjointSplit(identity_disjoint=str(tmp_path / "nowhere" / "films.csv"), fold=1))
    with pytest.raises(InputError, match=r"line 2: .* part 'dev'"):
        split(tmp_path, [f"{row},dev" for row in ROWS], "video,group,part")


def test_a_group_on_both_sides_is_refused(tmp_path: Path) -> None:
    rows = [f"{row},{'test' if number == 4 else 'train'}" for number, row in enumerate(ROWS)]
    with pytest.raises(InputError, match=r"group 'film 1' is in train and test, which leaves it on both sides"):
        split(tmp_path, rows, "video,group,part")


def test_a_known_subject_on_both_sides_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "films.csv"
    path.write_text("\n".join(["video,group", *ROWS]))
    known = [LabelledClip(clip.key, "ann" if clip.key < "v04" else clip.key, "fear", {}, clip.video) for clip in CLIPS]
    with pytest.raises(InputError, match=r"subject 'ann' is in groups 'film 0' and 'film 1'"):
        disjoint(known, DisjointSplit(identity_disjoint=str(path), folds=3, fold=1))


def test_a_fold_or_parts(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"split.fold is None, and .* has no column part"):
        split(tmp_path, ROWS, folds=3)
    with pytest.raises(RecipeError, match=r"split.fold is 1, and .* has a column part"):
        split(tmp_path, [f"{row},train" for row in ROWS], "video,group,part", folds=3, fold=1)
