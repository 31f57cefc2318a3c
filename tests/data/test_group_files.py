"""Splits by a file of groups: no group in two sets, and every fault of the file is named before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_zoo.data.group_files import disjoint
from fer_zoo.data.splits import LabelledClip, Split
from fer_zoo.errors import InputError, RecipeError
from fer_zoo.specs import DisjointSplit

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
