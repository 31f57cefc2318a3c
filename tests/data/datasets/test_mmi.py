"""MMI on a small tree made to its layout, odd cases included."""

from __future__ import annotations

from pathlib import Path

import pytest
from reader_trees import check

from fer_zoo.data.datasets._reading import Reader
from fer_zoo.data.sources import Difference, Source
from fer_zoo.errors import InputError, OptionError
from fer_zoo.registry import DATASETS


def reader(root: Path, **options: object) -> Reader:
    database = DATASETS.get("mmi").build(options=options, root=root)
    assert isinstance(database, Reader)
    return database


def add(
    root: Path, session: int, clip: str, emotion: str | None, view: str = "0", last: str = "{}-oao_aucs.xml"
) -> Path:
    """A session of one video; `last` names its last annotation. Returns its folder."""
    folder = root / "Sessions" / str(session)
    folder.mkdir(parents=True)
    (folder / f"{clip}.avi").touch()
    annotations = f'<annotation filename="{clip}.xml"/>' + (
        f'<annotation filename="{last.format(clip)}"/>' * bool(last)
    )
    (folder / "session.xml").write_text(
        f'<session xmlns="urn:x"><track filename="{clip}.avi" view="{view}">{annotations}</track></session>'
    )
    metatag = "" if emotion is None else f'<Metatag Name="Emotion" Value="{emotion}"/>'
    (folder / f"{clip}.xml").write_text(f'<a><Metatag Name="Sex" Value="9"/>{metatag}</a>')
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    add(tmp_path, 10, "S045-002", "4")
    add(tmp_path, 9, "S001-001", "1", last="notes.xml")
    add(tmp_path, 100, "S002-007", "6", view="2", last="notes.xml")
    add(tmp_path, 11, "S045-003", None)
    (tmp_path / "Sessions" / ".DS_Store").touch()
    (tmp_path / "Sessions" / "10" / "._S045-002.avi").touch()
    return tmp_path


def test_frontal_turned_and_dual_videos(root: Path) -> None:
    database = reader(root)
    assert list(database.sources()) == [
        Source("S001-001", (Path("Sessions/9/S001-001.avi"),), "anger", "S001", rotate=1, part="middle"),
        Source(
            "S002-007",
            (Path("Sessions/100/S002-007.avi"),),
            "surprise",
            "S002",
            region=(0.5, 0.0, 0.5, 1.0),
            part="middle",
        ),
        Source("S045-002", (Path("Sessions/10/S045-002.avi"),), "happiness", "S045", part="middle"),
    ]
    assert database.problems == []


def test_the_half_of_a_dual_view_is_an_option(root: Path) -> None:
    regions = {source.key: source.region for source in reader(root, frontal_half="left").sources()}
    assert regions == {"S001-001": None, "S002-007": (0.0, 0.0, 0.5, 1.0), "S045-002": None}
    with pytest.raises(OptionError, match="frontal_half"):
        reader(root, frontal_half="top")


def test_a_frontal_video_without_annotations_is_turned(tmp_path: Path) -> None:
    folder = add(tmp_path, 1, "S001-001", "1")
    (folder / "session.xml").write_text('<session><track view="0"/></session>')
    assert [source.rotate for source in reader(tmp_path).sources()] == [1]


@pytest.mark.parametrize("top", ["sessions", "."])
def test_other_top_folders(top: str, root: Path) -> None:
    if top == ".":
        assert len(list(reader(root / "Sessions").sources())) == 3
    else:
        (root / "Sessions").rename(root / top)
        assert len(list(reader(root).sources())) == 3


def test_codes(tmp_path: Path) -> None:
    labels = ["anger", "disgust", "fear", "happiness", "sadness", "surprise"]
    for code in range(9):
        add(tmp_path, code, f"S001-{code:03d}", str(code))
    add(tmp_path, 20, "S001-020", "7")
    database = reader(tmp_path)
    assert [source.label for source in database.sources()] == labels
    assert database.problems == [
        "videos of emotion code 0: 1 left out, such as 0/S001-000.avi",
        "videos of emotion code 7: 2 left out, such as 7/S001-007.avi",
        "videos of emotion code 8: 1 left out, such as 8/S001-008.avi",
    ]


def test_odd_sessions_become_problems(root: Path) -> None:
    add(root, 20, "S020-001", "1", view="1")
    (add(root, 21, "S021-001", "1") / "session.xml").write_text("<session><track")
    (add(root, 22, "S022-001", "1") / "session.xml").write_text("<session/>")
    (add(root, 23, "S023-001", "1") / "S023-001.xml").write_bytes(b"\xff\xfe\x00")
    (add(root, 24, "S024-001", "1") / "S024-001.xml").unlink()
    add(root, 25, "clip", "1")
    add(root, 26, "S001-001", "2")
    (root / "Sessions" / "27").mkdir()
    database = reader(root)
    assert [source.key for source in database.sources()] == ["S001-001", "S002-007", "S045-002"]
    message = "\n".join(database.problems)
    for part in (
        "21/S021-001.avi: session.xml cannot be read: ",
        "22/S022-001.avi: session.xml says no view of the track.",
        "23/S023-001.avi: S023-001.xml cannot be read: ",
        "videos whose names do not begin with a subject, as S001-001.avi: 1 left out, such as 25/clip.avi",
        "videos of view 1: 1 left out, such as 20/S020-001.avi",
        "S001-001: duplicate; Sessions/26/S001-001.avi is left out, Sessions/9/S001-001.avi is used",
    ):
        assert part in message
    assert len(database.problems) == 6, "no label file, or an empty folder, is nothing odd"


def test_check_compares_with_the_usual_counts(tmp_path: Path) -> None:
    for number in range(208):
        add(tmp_path, number, f"S{number % 29 + 1:03d}-{number:03d}", "3")
    assert check(reader(tmp_path)) == [Difference("subjects (usual number, unverified)", 29, 30)]


def test_a_root_without_sessions(root: Path) -> None:
    with pytest.raises(InputError) as caught:
        reader(root / "Sessions" / "10").sources()
    assert "No sessions of MMI (folders with a session.xml) below" in caught.value.given
    with pytest.raises(InputError, match="does not exist"):
        reader(root / "gone").sources()


def test_which_clips_of_a_video_is_an_option(root: Path) -> None:
    assert {source.part for source in reader(root, part="all").sources()} == {"all"}
    with pytest.raises(OptionError, match="part"):
        reader(root, part="first")
