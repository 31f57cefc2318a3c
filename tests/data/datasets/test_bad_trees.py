"""Common damage of databases, for every reader: a clear error or a recorded problem, no clip lost."""

from __future__ import annotations

import builtins
import io
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reader_trees import check_reader, database, tree
from small_trees import TREES, Tree

from fer_zoo.errors import FerZooError
from fer_zoo.registry import DATASETS

READERS = sorted(name for name in DATASETS.names() if DATASETS.get(name).injected == ("root",))
LABELLED = [(name, file) for name in sorted(TREES) for file in TREES[name].labels]
CONTENTS = {
    "nothing": b"",
    "zeros": b"\0" * 64,
    "half a character": b"\xff\xfe\x00",
    "quote": b'"' + b"x" * 200_000,
    "long line": b"a" * 5000 + b",fear,b\n",
    "long path": b"x/" * 3000 + b"x,fear,b\nWar/" + b"y" * 999 + b"/0001 Sad\n",
    "very long number": b"1" * 5000 + b"," + b"1" * 5000 + b"\n",
    **{f"noise {seed}": random.Random(seed).randbytes(4096) for seed in range(3)},
}


@pytest.fixture(params=sorted(TREES))
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Tree, Path]:
    """A reader's name, its tree, and the root that it was made at."""
    root = tmp_path / "root"
    root.mkdir()
    TREES[request.param].make(root)
    return request.param, TREES[request.param], root


def read(name: str, root: Path) -> tuple[list[str], list[str]]:
    """Keys and problems; both can be written and printed."""
    reader = database(name, root)
    keys = [source.key for source in reader.sources()]
    "\n".join([*keys, *reader.problems]).encode()
    assert all(re.fullmatch(r"[A-Za-z0-9._/-]+", key) for key in keys)
    return keys, list(reader.problems)


def folders(root: Path) -> list[Path]:
    """All folders, the deepest first."""
    return [Path(folder) for folder, _, _ in os.walk(root, topdown=False)]


def test_every_reader_has_a_tree() -> None:
    assert sorted(TREES) == READERS


def test_a_good_tree(made: tuple[str, Tree, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    name, good, root = made
    assert read(name, root) == (list(good.keys), [])
    check_reader(name, root, monkeypatch)


def test_litter_of_systems_changes_nothing(made: tuple[str, Tree, Path]) -> None:
    name, good, root = made
    for folder in folders(root):
        for file in [path for path in folder.iterdir() if path.is_file()]:
            (folder / f"._{file.name}").write_bytes(b"\0\5\x16\7")
        for inner in [path for path in folder.iterdir() if path.is_dir()]:
            (folder / f"._{inner.name}").write_bytes(b"\0\5\x16\7")
        tree(folder, ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX/._x", ".cache/x.avi", ".cache/1.jpg")
    assert read(name, root) == (list(good.keys), [])


def test_folders_in_another_case(made: tuple[str, Tree, Path]) -> None:
    name, good, root = made
    for folder in folders(root)[:-1]:
        folder.rename(folder.with_name(folder.name.swapcase()))
    if name == "csv":  # the user writes the paths: they are what they are
        with pytest.raises(FerZooError, match=r"there is no videos/a\.mp4"):
            read(name, root)
    else:
        keys, problems = read(name, root)
        assert sorted(map(str.lower, keys)) == sorted(map(str.lower, good.keys))
        assert problems == []


def test_suffixes_in_another_case(made: tuple[str, Tree, Path]) -> None:
    name, good, root = made
    for file in [path for path in root.rglob("*") if path.suffix in (".avi", ".mp4", ".flv", ".jpg", ".jpeg", ".png")]:
        file.rename(file.with_suffix(file.suffix.upper()))
    keys, problems = read(name, root)
    if name == "csv":
        assert (keys, problems) == (["pictures/b"], ["line 2: there is no videos/a.mp4"])
    else:
        assert sorted(map(str.lower, keys)) == sorted(map(str.lower, good.keys))
        assert problems == []


def test_empty_folders(made: tuple[str, Tree, Path]) -> None:
    name, good, root = made
    for folder in folders(root):
        tree(folder, "empty/", "Sadness/", "S099/001/")
    keys, _ = read(name, root)
    assert keys == list(good.keys)


@pytest.mark.parametrize("damage", ["odd", "double"])
def test_unknown_labels_and_duplicates_are_reported_without_losing_other_clips(
    made: tuple[str, Tree, Path], damage: str
) -> None:
    name, good, root = made
    getattr(good, damage)(root)
    keys, problems = read(name, root)
    assert keys == list(good.keys)
    assert len(problems) == 1


def test_names_of_any_bytes(made: tuple[str, Tree, Path]) -> None:
    name, good, root = made
    for folder in folders(root):
        place = os.fsencode(folder)
        try:
            for suffix in (b"avi", b"jpg", b"txt", b"csv", b"xml", b"png", b"mp4"):
                os.close(os.open(place + b"/\xff." + suffix, os.O_CREAT | os.O_WRONLY))
            os.makedirs(place + b"/\xfe/\xfd")
        except OSError:
            pytest.skip("this file system has no names that are not UTF-8")
        os.close(os.open(place + b"/\xfe/1.jpg", os.O_CREAT | os.O_WRONLY))
    keys, _ = read(name, root)
    assert set(good.keys) <= set(keys)


def test_a_root_of_any_bytes(made: tuple[str, Tree, Path]) -> None:
    name, good, root = made
    try:
        strange = root.rename(os.fsdecode(os.fsencode(root.parent) + b"/\xff"))
    except OSError:
        pytest.skip("this file system has no names that are not UTF-8")
    assert read(name, strange) == (list(good.keys), [])


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize(("name", "file"), LABELLED)
def test_a_damaged_label_file(name: str, file: str, content: str, tmp_path: Path) -> None:
    TREES[name].make(tmp_path)
    (tmp_path / file).write_bytes(CONTENTS[content])
    refused_or_told(name, tmp_path, TREES[name].labels[file])


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize(("name", "file"), LABELLED)
def test_a_label_file_that_ends_badly(name: str, file: str, content: str, tmp_path: Path) -> None:
    TREES[name].make(tmp_path)
    path = tmp_path / file
    path.write_bytes(path.read_bytes() + CONTENTS[content])
    refused_or_told(name, tmp_path, TREES[name].labels[file] if name in ("ckplus", "disfa", "mmi") else ())


@pytest.mark.parametrize("becomes", ["gone", "a folder", "a broken link"])
@pytest.mark.parametrize(("name", "file"), LABELLED)
def test_a_label_file_that_is_none(name: str, file: str, becomes: str, tmp_path: Path) -> None:
    TREES[name].make(tmp_path)
    (tmp_path / file).unlink()
    if becomes == "a folder":
        (tmp_path / file).mkdir()
    elif becomes == "a broken link":
        (tmp_path / file).symlink_to(tmp_path / "nowhere")
    # A sequence without a label file is usual in CK+ and MMI, so it need not be reported.
    refused_or_told(name, tmp_path, TREES[name].labels[file], silent=name in ("ckplus", "mmi"))


@pytest.mark.parametrize(("name", "file"), LABELLED)
def test_a_label_file_that_may_not_be_read(
    name: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    TREES[name].make(tmp_path)
    forbid(monkeypatch, "open", tmp_path / file)
    refused_or_told(name, tmp_path, TREES[name].labels[file])


def test_a_folder_that_may_not_be_listed(made: tuple[str, Tree, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    name, _, root = made
    for folder in folders(root):
        with monkeypatch.context() as patch:
            forbid(patch, "scandir", folder)
            refused_or_told(name, root, ())


def refused_or_told(name: str, root: Path, stay: tuple[str, ...], *, silent: bool = False) -> None:
    """An error in three parts, or a problem for what is lost; `stay` is never lost."""
    refusal = None
    try:
        keys, problems = read(name, root)
    except FerZooError as error:
        refusal, keys, problems = error, [], []
    assert set(stay) <= set(keys), refusal
    if refusal is None:
        assert problems or silent or keys == list(TREES[name].keys)
    else:
        assert all((refusal.given, refusal.accepted, refusal.do))


def forbid(patch: pytest.MonkeyPatch, what: str, path: Path) -> None:
    """Make a file or a folder as good as another user's, also to root, who may read all."""

    def refuse(real: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(place: Any = ".", *arguments: Any, **options: Any) -> Any:
            if not isinstance(place, int) and Path(os.fsdecode(place)) == path:
                raise PermissionError(13, "Permission denied", str(path))
            return real(place, *arguments, **options)

        return guarded

    for module in (builtins, io) if what == "open" else (os,):
        patch.setattr(module, what, refuse(getattr(module, what)))


@pytest.mark.parametrize("wrong", ["empty", "gone", "a file", "above"])
def test_a_wrong_root(made: tuple[str, Tree, Path], wrong: str) -> None:
    name, good, root = made
    place = {"empty": "empty", "gone": "rooot", "a file": "file", "above": "."}[wrong]
    tree(root.parent, "empty/", "file")
    if (name, wrong) == ("ravdess", "above"):  # its archives unpack to folders of their own
        assert read(name, root.parent)[0] == list(good.keys)
        return
    with pytest.raises(FerZooError) as caught:
        read(name, root.parent / place)
    assert str(root.parent / place) in caught.value.given
    assert caught.value.accepted
    if wrong in ("gone", "above"):
        assert caught.value.do in (f"did you mean the root {root}?", f"did you mean {root}?")
