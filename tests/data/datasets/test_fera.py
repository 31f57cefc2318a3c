"""GEMEP-FERA: videos below a root and the user's table, odd lines included."""

from __future__ import annotations

from pathlib import Path

import pytest
from reader_trees import check

from fer_zoo.data.datasets._reading import Reader
from fer_zoo.data.datasets.fera import TEMPLATE
from fer_zoo.data.sources import LABELS, Difference, Source
from fer_zoo.errors import InputError
from fer_zoo.registry import DATASETS


def reader(root: Path, **options: object) -> Reader:
    database = DATASETS.get("fera").build(options=options, root=root)
    assert isinstance(database, Reader)
    return database


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("emotion/train_010.avi", "emotion/Train_009.AVI", "a/same.avi", "b/same.avi", ".trash/x.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "emotion" / "._train_010.avi").touch()
    return tmp_path


def table(root: Path, *lines: str) -> None:
    (root / "fera.csv").write_text("\n".join(("clip,emotion,subject", *lines, "")))


def test_videos_by_any_of_their_names(root: Path) -> None:
    table(root, "train_010.avi,Joy,actor2", "", "# a remark", "emotion/train_009,relief,actor1", "b\\same.avi,fear,a 3")
    database = reader(root)
    assert list(database.sources()) == [
        Source("b/same", (Path("b/same.avi"),), "fear", "a 3"),
        Source("emotion/Train_009", (Path("emotion/Train_009.AVI"),), "relief", "actor1"),
        Source("emotion/train_010", (Path("emotion/train_010.avi"),), "happiness", "actor2"),
    ]
    assert database.problems == []


def test_odd_lines_become_problems(root: Path) -> None:
    table(
        root,
        "train_010,joy,a",
        "train_010.avi,anger,a",
        "same.avi,fear,a",
        "gone.avi,fear,a",
        "train_009.avi,disgust,a",
        "emotion/train_009.avi,sadness",
        '"a/same.avi",anger,"b, c"',
    )
    database = reader(root)
    assert [(source.key, source.label, source.subject) for source in database.sources()] == [
        ("a/same", "anger", "b, c"),
        ("emotion/Train_009", "sadness", None),
    ]
    assert database.problems == [
        "fera.csv, line 4: 2 videos 'same.avi' below the root",
        "fera.csv, line 5: no video 'gone.avi' below the root",
        "fera.csv, line 6: emotion 'disgust' is outside the map",
        "fera.csv, line 7: emotion/train_009.avi has no subject",
        "fera.csv, line 2 and fera.csv, line 3: emotion/train_010.avi is happiness of a, "
        "but emotion/train_010.avi is anger of a; both are left out",
    ]


@pytest.mark.parametrize(
    "content",
    [
        "clip;emotion;subject\ntrain_010;joy;Zoë\n".encode("latin-1"),
        "Subject\tClip\tEmotion\tnote\nZoë\ttrain_010\tjoy\tx\n".encode("utf-16"),
        "clip, emotion, subject\r\ntrain_010, joy, Zoë\r\n".encode("utf-8-sig"),
    ],
)
def test_tables_as_spreadsheets_write_them(content: bytes, root: Path) -> None:
    (root / "other.csv").write_bytes(content)
    (source,) = reader(root, table="other.csv").sources()
    assert (source.key, source.label, source.subject) == ("emotion/train_010", "happiness", "Zoë")


def test_a_table_elsewhere(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    table(elsewhere, "train_010,joy,a")
    assert len(list(reader(root, table=str(elsewhere / "fera.csv")).sources())) == 1


def test_the_template_is_a_table_once_its_marks_are_taken_off(root: Path) -> None:
    (root / "fera.csv").write_text(TEMPLATE)
    database = reader(root)
    assert (list(database.sources()), database.problems) == ([], [])
    (root / "train_001.avi").touch()
    (root / "train_002.avi").touch()
    (root / "fera.csv").write_text(TEMPLATE.replace("# train", "train"))
    assert [(source.label, source.subject) for source in database.sources()] == [
        ("happiness", "actor1"),
        ("relief", "actor2"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "is not there"), ("", "no clip, emotion, subject"), ("clip,label\nx,fear\n", "no emotion, subject")],
)
def test_without_a_table_it_says_how_to_make_one(content: str | None, message: str, root: Path) -> None:
    if content is not None:
        (root / "fera.csv").write_text(content)
    with pytest.raises(InputError) as caught:
        reader(root).sources()
    assert message in caught.value.given
    assert caught.value.do == f"fer-zoo data template fera > {root / 'fera.csv'}, then fill it in"


def test_a_root_that_is_not_there(root: Path) -> None:
    table(root)
    with pytest.raises(InputError, match="is not a folder"):
        reader(root / "gone", table=str(root / "fera.csv")).sources()


def test_check(root: Path) -> None:
    table(root, "train_010,joy,a", "train_009,fear,a")
    assert check(reader(root)) == [
        Difference("clips (expected number unverified)", 2, 155),
        Difference("subjects (expected number unverified)", 1, 7),
        Difference("videos that the table does not name", 2, 0),
    ]


@pytest.mark.parametrize(("count", "actors"), [(155, 7), (155 + 134, 10)])
def test_check_of_the_whole(count: int, actors: int, tmp_path: Path) -> None:
    for number in range(count):
        (tmp_path / f"v{number}.avi").touch()
    table(tmp_path, *(f"v{number}.avi,joy,a{number % actors}" for number in range(count)))
    assert check(reader(tmp_path)) == []


def test_its_labels_are_of_the_one_vocabulary() -> None:
    assert set(DATASETS.get("fera").defaults["labels"]) < set(LABELS)
