"""CK+ on a small tree made to its layout, odd cases included."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from reader_trees import check

from fer_zoo.data.datasets._reading import Reader
from fer_zoo.data.datasets.ckplus import EXPECTED
from fer_zoo.data.sources import Difference, Source
from fer_zoo.errors import InputError, OptionError
from fer_zoo.registry import DATASETS


def reader(root: Path, **options: object) -> Reader:
    database = DATASETS.get("ckplus").build(options=options, root=root)
    assert isinstance(database, Reader)
    return database


def add(root: Path, sequence: str, code: str | None, *, length: int = 12, peak: int | None = None) -> None:
    """A sequence "S005/001" with its label folder, empty if `code` is None."""
    stem = sequence.replace("/", "_")
    pictures = root / "cohn-kanade-images" / sequence
    pictures.mkdir(parents=True)
    for number in range(length, 0, -1):
        Image.new("L", (4, 4), number).save(pictures / f"{stem}_{number:08d}.png")
    labels = root / "Emotion" / sequence
    labels.mkdir(parents=True)
    if code is not None:
        (labels / f"{stem}_{peak or length:08d}_emotion.txt").write_text(code)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    add(tmp_path, "S010/002", "   5.0000000e+00\n")
    add(tmp_path, "S005/001", "   2.0000000e+00\n", length=7)
    add(tmp_path, "S005/010", None)
    for folder in ("Emotion", "Emotion/S005", "Emotion/S005/001", "cohn-kanade-images/S005/001"):
        (tmp_path / folder / ".DS_Store").touch()
    return tmp_path


def test_the_last_ten_frames_of_labelled_sequences(root: Path) -> None:
    database = reader(root)
    short, long = database.sources()
    assert database.problems == []
    pictures = Path("cohn-kanade-images/S010/002")
    assert long == Source(
        key="S010/002",
        files=tuple(pictures / f"S010_002_{number:08d}.png" for number in range(1, 13)),
        label="happiness",
        subject="S010",
        frames=(2, 12),
        fps=30.0,
    )
    assert (short.key, short.label, short.subject, short.frames) == ("S005/001", "contempt", "S005", (0, 7))


def test_options(root: Path) -> None:
    database = reader(root, contempt=False, frames=3, fps=25.0)
    (source,) = database.sources()
    assert (source.key, source.frames, source.fps) == ("S010/002", (9, 12), 25.0)
    assert database.problems == ["sequences of contempt (contempt=False): 1 left out, such as S005/001"]
    with pytest.raises(OptionError, match="frames"):
        reader(root, frames=0)


@pytest.mark.parametrize(
    ("code", "label"),
    [(1, "anger"), (2, "contempt"), (3, "disgust"), (4, "fear"), (5, "happiness"), (6, "sadness"), (7, "surprise")],
)
def test_codes(code: int, label: str, tmp_path: Path) -> None:
    add(tmp_path, "S001/001", f"   {code:.7e}")
    assert [source.label for source in reader(tmp_path).sources()] == [label]


@pytest.mark.parametrize("images", ["extended-cohn-kanade-images/cohn-kanade-images", "Cohn-Kanade-Images"])
@pytest.mark.parametrize("emotions", ["emotion", "Emotion_Labels/Emotion", "Emotion_labels"])
def test_roots_in_other_spellings(images: str, emotions: str, root: Path) -> None:
    expected = [source.key for source in reader(root).sources()]
    for old, new in (("cohn-kanade-images", images), ("Emotion", emotions)):
        (root / old).rename(root / "moving")
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / "moving").rename(root / new)
    assert [source.key for source in reader(root).sources()] == expected


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("0.0", "code 0 is outside the map."),
        ("8.0", "code 8 is outside the map."),
        ("5.5", "code 5.5 is outside the map."),
        ("nan", "code nan is outside the map."),
        ("happy", "S020_001_00000012_emotion.txt holds 'happy', not a number."),
        ("", "S020_001_00000012_emotion.txt holds '', not a number."),
    ],
)
def test_an_invalid_label_is_reported_and_reading_continues(code: str, message: str, root: Path) -> None:
    add(root, "S020/001", code)
    database = reader(root)
    assert [source.key for source in database.sources()] == ["S005/001", "S010/002"]
    assert database.problems == [f"S020/001: {message}"]
    list(database.sources())
    assert len(database.problems) == 1, "problems are those of the last walk"


def test_odd_sequences(root: Path) -> None:
    add(root, "S020/001", "1.0")
    (root / "Emotion/S020/001/S020_001_00000011_emotion.txt").write_text("3.0")
    add(root, "S021/001", "1.0", peak=14)
    add(root, "S022/001", "1.0", length=0, peak=3)
    add(root, "s010/002", "7.0")
    database = reader(root)
    assert [source.key for source in database.sources()] == ["S005/001", "S010/002", "S021/001"]
    assert sorted(database.problems) == [
        "2 emotion files: 1 left out, such as S020/001",
        "S010/002: duplicate; cohn-kanade-images/s010/002/s010_002_00000001.png is left out, "
        "cohn-kanade-images/S010/002/S010_002_00000001.png is used",
        "S021/001: the label is that of s021_001_00000014, the last picture is S021_001_00000012.png; "
        "the clip ends at the last picture",
        "labelled sequences without pictures: 1 left out, such as S022/001",
    ]


def test_check_names_every_difference(root: Path) -> None:
    found = {"contempt": 1, "happiness": 1}
    assert check(reader(root)) == [
        *(Difference(label, found.get(label, 0), count) for label, count in EXPECTED.items()),
        Difference("subjects", 2, 118),
        Difference("sequences, labelled or not (expected number unverified)", 3, 593),
        Difference("subjects, labelled or not (expected number unverified)", 2, 123),
    ]
    six = {difference.what for difference in check(reader(root, contempt=False))}
    assert not six & {"contempt", "subjects"}


def test_the_classes_make_the_known_total() -> None:
    assert sum(EXPECTED.values()) == 327


def test_a_wrong_root(root: Path) -> None:
    with pytest.raises(InputError) as caught:
        reader(root / "cohn-kanade-images").sources()
    assert "looked for cohn-kanade-images/ or extended-cohn-kanade-images/cohn-kanade-images/" in caught.value.given
    assert "there is S005/, S010/" in caught.value.given
    assert caught.value.do == f"did you mean the root {root}?"
