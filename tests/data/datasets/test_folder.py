"""The user's own clips in a folder for each label."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from reader_trees import check, check_reader, database, sources, tree

from fer_zoo.errors import InputError


def test_videos_and_folders_of_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "Happy/a.mp4", "joy/a.mp4", "anger/b/10.png", "anger/b/9.png", ".cache/x.mp4", "readme.txt")
    found = sources("folder", tmp_path, fps=12.5)
    assert {key: source.label for key, source in found.items()} == {
        "Happy/a.mp4": "happiness",
        "anger/b": "anger",
        "joy/a.mp4": "happiness",
    }
    assert found["anger/b"].files == (Path("anger/b/9.png"), Path("anger/b/10.png"))
    assert (found["anger/b"].fps, found["joy/a.mp4"].fps) == (12.5, None)
    assert all(source.subject is None for source in found.values())
    assert check(database("folder", tmp_path)) == []
    check_reader("folder", tmp_path, monkeypatch)


def test_subjects_from_names(tmp_path: Path) -> None:
    tree(tmp_path, "fear/anna_1.mp4", "fear/bo_x_2/1.png", "fear/_3.mp4", "fear/four.mp4")
    reader = database("folder", tmp_path, subject="prefix")
    assert {source.key: source.subject for source in reader.sources()} == {
        "fear/anna_1.mp4": "anna",
        "fear/bo_x_2": "bo",
    }
    (problem,) = reader.problems
    assert problem.startswith("clips whose name has no subject before a `_`: 2 left out, such as fear/")
    assert len(sources("folder", tmp_path)) == 4


def test_what_is_odd_is_left_out_and_named(tmp_path: Path) -> None:
    tree(tmp_path, "fear/a.mp4", "fear/.b.mp4", "fear/still.jpg", "fear/notes.txt", "fear/empty/", "sadness/")
    tree(tmp_path, "sadnes/c.mp4", "sadnes/d.mp4")
    reader = database("folder", tmp_path)
    assert [source.key for source in reader.sources()] == ["fear/a.mp4"]
    assert sorted(reader.problems) == [
        "'sadnes' is not a label (did you mean 'sadness'?): the folder and its 2 clips are left out",
        "fear/empty: no picture; left out",
        "fear: single pictures are not clips (put the pictures of one clip into a folder): 1 left out, "
        "such as fear/still.jpg",
        "sadness: no clip",
    ]


def test_names_of_any_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "fear/a b.mp4", "fear/a_b.mp4")
    try:
        os.close(os.open(os.fsencode(tmp_path) + b"/fear/\xff_1.mp4", os.O_CREAT | os.O_WRONLY))
    except OSError:
        pytest.skip("this file system has no names that are not UTF-8")
    found = list(database("folder", tmp_path, subject="prefix").sources())
    assert sorted(str(source.subject) for source in found) == ["\\xff", "a"]
    check_reader("folder", tmp_path, monkeypatch)
    assert len(sources("folder", tmp_path)) == 3


def test_a_wrong_root(tmp_path: Path) -> None:
    tree(tmp_path, "hapy/a.mp4")
    with pytest.raises(InputError, match=r"'hapy' is not a label \(did you mean 'happy'\?\)"):
        sources("folder", tmp_path)
    with pytest.raises(InputError, match="there is no folder in it"):
        sources("folder", tmp_path / "hapy")
    with pytest.raises(InputError, match="which is not a folder"):
        sources("folder", tmp_path / "gone")


def test_clips_that_are_there_twice(tmp_path: Path) -> None:
    root = tree(tmp_path, "fear/empty.mp4", "joy/empty.mp4")
    for name, text in (("fear/a.mp4", "1"), ("joy/b.mp4", "1"), ("joy/c.mp4", "2"), ("joy/d.mp4", "2")):
        (root / name).write_text(text * 1000)
    for name in ("fear/seq/0.png", "fear/seq/1.png", "anger/same/0.png", "anger/same/1.png", "anger/not/0.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name[-5] * 300)
    (root / "anger/not/1.png").write_text("2" * 300)
    reader = database("folder", root)
    assert [source.key for source in reader.sources()] == ["anger/not", "fear/empty.mp4", "joy/c.mp4", "joy/empty.mp4"]
    doubt = "(probably the same under two names)"
    assert sorted(reader.problems) == [
        f"anger/same and fear/seq: anger/same is anger, but fear/seq is fear {doubt}; both are left out",
        f"fear/a.mp4 and joy/b.mp4: fear/a.mp4 is fear, but joy/b.mp4 is happiness {doubt}; both are left out",
        f"joy/d.mp4: the same clip as in joy/c.mp4 {doubt}",
    ]
