"""DISFA on a small tree made to its layout, and the rules from action units to emotions against cases by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from reader_trees import check

from fer_zoo.data.datasets import disfa
from fer_zoo.data.datasets._emfacs import SHIPPED, load_rules
from fer_zoo.data.datasets._reading import Reader
from fer_zoo.data.datasets.disfa import FOLDS, UNITS
from fer_zoo.data.sources import Difference, Source
from fer_zoo.errors import FerZooError, InputError, OptionError
from fer_zoo.registry import DATASETS

HAPPY, SURPRISED = {6: 3, 12: 2}, {1: 2, 2: 5, 26: 2}


def reader(root: Path, **options: object) -> Reader:
    database = DATASETS.get("disfa").build(options=options, root=root)
    assert isinstance(database, Reader)
    return database


def labels(database: Reader) -> Counter[str]:
    return Counter(source.label for source in database.sources())


def add(root: Path, subject: str, *stretches: tuple[dict[int, int], int], begin: int = 1, suffix: str = "au") -> Path:
    """Label files of a subject: stretches of (intensities of units, number of frames). Returns their folder."""
    folder = root / "ActionUnit_Labels" / subject
    folder.mkdir(parents=True)
    for unit in UNITS:
        values = [units.get(unit, 0) for units, length in stretches for _ in range(length)]
        rows = "".join(f"{number},{value}\n" for number, value in enumerate(values, begin))
        (folder / f"{subject}_{suffix}{unit}.txt").write_text(rows)
    for side in ("Left", "Right"):
        videos = root / f"Videos_{side}Camera"
        videos.mkdir(exist_ok=True)
        (videos / f"{side}Video{subject}_comp.avi").touch()
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    add(tmp_path, "SN002", ({}, 12), (HAPPY, 23), ({6: 1}, 15), (SURPRISED, 9), (HAPPY, 10))
    add(tmp_path, "SN010", (SURPRISED, 10), suffix="AU")
    (tmp_path / "ActionUnit_Labels" / "SN002" / ".DS_Store").touch()
    (tmp_path / "ActionUnit_Labels" / "readme.txt").touch()
    return tmp_path


def test_clips_of_ten_frames_from_labelled_stretches(root: Path) -> None:
    database = reader(root)
    sources = list(database.sources())
    assert database.problems == []
    assert [(source.key, source.label, source.frames) for source in sources] == [
        ("SN002/00000", "neutral", (0, 10)),
        ("SN002/00012", "happiness", (12, 22)),
        ("SN002/00022", "happiness", (22, 32)),
        # 15 frames that fit no rule, 9 of surprise, which are too few
        ("SN002/00059", "happiness", (59, 69)),
        ("SN010/00000", "surprise", (0, 10)),
    ]
    assert sources[-1] == Source(
        key="SN010/00000",
        files=(Path("Videos_LeftCamera/LeftVideoSN010_comp.avi"),),
        label="surprise",
        subject="SN010",
        frames=(0, 10),
        split={"fold_1": "test", "fold_2": "train", "fold_3": "train"},
    )


def test_it_says_which_rules_made_the_labels(root: Path, tmp_path: Path) -> None:
    facts = reader(root).facts
    assert facts == {"rules_version": 1, "rules_sha256": load_rules().fingerprint}
    other = yaml.safe_load(SHIPPED.read_text("utf-8"))
    other["minimum_run"] += 1
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(other))
    assert reader(root, rules=str(tmp_path / "mine.yaml")).facts["rules_sha256"] != facts["rules_sha256"]


def test_counts_of_the_classes(root: Path) -> None:
    assert labels(reader(root)) == {"neutral": 1, "happiness": 3, "surprise": 1}


def test_options(root: Path) -> None:
    (source, *_) = reader(root, camera="right", frames=12).sources()
    assert source.files == (Path("Videos_RightCamera/RightVideoSN002_comp.avi"),)
    assert source.frames == (0, 12)
    assert labels(reader(root, frames=5))["happiness"] == 6


def test_other_spellings(root: Path) -> None:
    expected = [(source.key, source.label) for source in reader(root, camera="right").sources()]
    (root / "Videos_RightCamera").rename(root / "Video_RightCamera")
    for subject in ("SN002", "SN010"):
        videos = root / "Video_RightCamera"
        (videos / f"RightVideo{subject}_comp.avi").rename(videos / f"RightVideo{subject}_Comp.avi")
    (root / "ActionUnit_Labels").rename(root / "inner")
    (root / "actionunit_labels").mkdir()
    (root / "inner").rename(root / "actionunit_labels" / "ActionUnit_Labels")
    assert [(source.key, source.label) for source in reader(root, camera="right").sources()] == expected


def test_frame_numbers_from_zero(tmp_path: Path) -> None:
    add(tmp_path, "SN001", ({6: 1}, 3), (HAPPY, 10), begin=0)
    assert [source.frames for source in reader(tmp_path).sources()] == [(3, 13)]


def test_odd_label_files(root: Path) -> None:
    (add(root, "SN001", ({}, 10)) / "SN001_au26.txt").unlink()
    (add(root, "SN003", ({}, 10)) / "SN003_au4.txt").write_text("no labels")
    short = add(root, "SN004", ({}, 30)) / "SN004_au5.txt"
    short.write_text("".join(f"{number},0\n" for number in range(1, 26)))
    broken = add(root, "SN005", (HAPPY, 30)) / "SN005_au1.txt"
    broken.write_text(broken.read_text().replace("\n5,0\n", "\n5,9\n").replace("\n17,0\n", "\n"))
    add(root, "SN006", (HAPPY, 30))
    (root / "Videos_LeftCamera" / "LeftVideoSN006_comp.avi").unlink()
    (root / "Videos_LeftCamera" / "leftvideosn002_Comp.avi").touch()
    (root / "ActionUnit_Labels" / "SN007").mkdir()
    database = reader(root)
    keys = [source.key for source in database.sources() if source.subject not in ("SN002", "SN010")]
    # Frames 5 and 17 of SN005 are not coded: 4 frames, then 11, then 13.
    assert keys == ["SN004/00000", "SN004/00010", "SN005/00005", "SN005/00017"]
    assert sorted(database.problems) == [
        "SN001: no labels of action units 26; left out",
        "SN002: a second video, leftvideosn002_Comp.avi, is left out",
        "SN003: SN003_au4.txt holds no row `frame,intensity`. The subject is left out.",
        "SN004: its label files have 25 to 30 frames",
        "SN005_au1.txt: 1 rows are no `frame,intensity`, or name a frame again",
        "SN006: no video of the left camera; left out",
        "SN007: no labels of action units 1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26; left out",
    ]


def test_the_folds_and_the_length_of_the_labels() -> None:
    subjects = [f"SN{number:03d}" for fold in FOLDS.values() for number in fold]
    assert len(set(subjects)) == len(subjects) == 27
    assert {subject: 4845 for subject in subjects} | {"SN010": 4844} == disfa._ROWS


def test_check_of_a_whole_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Hundredfold shorter than the true ones, to be quick.
    monkeypatch.setattr(disfa, "_ROWS", {subject: count - 4800 for subject, count in disfa._ROWS.items()})
    for subject, count in disfa._ROWS.items():
        add(tmp_path, subject, ({}, count))
    assert check(reader(tmp_path)) == []
    (tmp_path / "Videos_LeftCamera" / "LeftVideoSN032_comp.avi").unlink()
    add(tmp_path, "SN033", ({}, 7))
    for file in (tmp_path / "ActionUnit_Labels" / "SN004").iterdir():
        file.unlink()
    assert check(reader(tmp_path)) == [
        Difference("label rows of SN004", 0, 45),
        Difference("videos of SN032", 0, 1),
        Difference("videos of SN033", 1, 0),
        Difference("label rows of SN033", 7, 0),
    ]


@pytest.mark.parametrize("lacking", ["ActionUnit_Labels", "Videos_LeftCamera"])
def test_a_root_without_a_part(lacking: str, root: Path) -> None:
    (root / lacking).rename(root / "elsewhere")
    with pytest.raises(InputError, match=rf"looked for .*{lacking}/"):
        reader(root).sources()


@pytest.mark.parametrize(
    ("units", "label"),
    [
        ({}, "neutral"),
        ({25: 1}, None),
        ({6: 2, 12: 2}, "happiness"),
        ({6: 2, 12: 1}, None),
        ({6: 2, 12: 2, 25: 5, 26: 3}, "happiness"),
        ({6: 2, 12: 2, 9: 2}, None),
        ({6: 2, 12: 2, 9: 1}, "happiness"),
        ({1: 2, 4: 2, 15: 2}, "sadness"),
        ({1: 2, 4: 2}, None),
        ({1: 2, 2: 2, 5: 2}, "surprise"),
        ({1: 2, 2: 2, 26: 2}, "surprise"),
        ({1: 2, 2: 2}, None),
        ({1: 2, 2: 2, 4: 2, 5: 2, 26: 2}, "fear"),
        ({1: 2, 2: 2, 4: 2, 20: 2}, "fear"),
        ({9: 3, 17: 2}, "disgust"),
        ({9: 3, 15: 2, 12: 2}, None),
        ({9: 3}, None),
        ({4: 4, 5: 2}, "anger"),
        ({4: 4, 5: 2, 1: 2}, None),
        # Sadness has 3 of its units here, fear 5: the fuller one wins, though sadness comes first.
        ({1: 2, 2: 2, 4: 2, 5: 2, 15: 2, 25: 2}, "fear"),
        # Disgust has 9, 17 and 4, anger is forbidden by 9.
        ({4: 2, 5: 2, 9: 2, 17: 2}, "disgust"),
    ],
)
def test_the_shipped_rules(units: dict[int, int], label: str | None) -> None:
    row = np.array([[units.get(unit, 0) for unit in UNITS]])
    assert load_rules().label_frames(UNITS, row) == [label]


def test_of_equals_the_first_in_order_wins_and_uncoded_frames_have_no_label(tmp_path: Path) -> None:
    table = yaml.safe_load(SHIPPED.read_text())
    table["emotions"] = {"fear": {"required": [1]}, "anger": {"required": [4]}}
    labels = []
    for order in (["fear", "anger"], ["anger", "fear"]):
        (tmp_path / "rules.yaml").write_text(yaml.safe_dump({**table, "order": order}))
        labels += load_rules(tmp_path / "rules.yaml").label_frames((1, 4), np.array([[2, 2], [2, -1], [0, -1]]))
    assert labels == ["fear", None, None, "anger", None, None]


def test_rules_of_ones_own(root: Path, tmp_path: Path) -> None:
    table = yaml.safe_load(SHIPPED.read_text())
    own = tmp_path / "own.yaml"
    own.write_text("# a remark\n" + yaml.safe_dump(table))
    assert load_rules(own).fingerprint == load_rules().fingerprint
    own.write_text(yaml.safe_dump({**table, "minimum_run": 24}))
    assert load_rules(own).fingerprint != load_rules().fingerprint
    assert not labels(reader(root, rules=str(own)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"minimum_intensity": 6}, "minimum_intensity"),
        ({"order": ["fear"]}, "order must name each of emotions once"),
        ({"order": ["joy"], "emotions": {"joy": {"required": [6]}}}, "'joy' is not an emotion"),
        ({"order": ["fear"], "emotions": {"fear": {"required": []}}}, "required"),
        ({"order": ["fear"], "emotions": {"fear": {"required": [7]}}}, "DISFA does not code: 7"),
        ({"colour": 1}, "colour"),
    ],
)
def test_wrong_rules(change: dict[str, object], message: str, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump({**yaml.safe_load(SHIPPED.read_text()), **change}))
    with pytest.raises(OptionError, match=message):
        reader(tmp_path, rules=str(own))


@pytest.mark.parametrize("content", [None, "[", "- 1", "\xff"])
def test_rules_that_cannot_be_read(content: str | None, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    if content is not None:
        own.write_text(content, encoding="latin-1")
    with pytest.raises(FerZooError) as caught:
        reader(tmp_path, rules=str(own))
    assert isinstance(caught.value, InputError | OptionError)
    assert str(own) in str(caught.value)
