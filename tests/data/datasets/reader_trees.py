"""What the tests of readers share: trees of empty files, and what holds for every reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fer_zoo.data.sources import LABELS, Difference, Source
from fer_zoo.registry import DATASETS


def tree(root: Path, *names: str) -> Path:
    """Make empty files below `root`, and folders where a name ends with `/`."""
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return root


def database(name: str, root: Path, **options: object) -> Any:
    return DATASETS.get(name).build(options=options, root=root)


def sources(name: str, root: Path, **options: object) -> dict[str, Source]:
    return {source.key: source for source in database(name, root, **options).sources()}


def differences(name: str, root: Path, **options: object) -> dict[str, tuple[int, int | None]]:
    return {d.what: (d.found, d.expected) for d in check(database(name, root, **options))}


def check(reader: Any) -> list[Difference]:
    return list(reader.check(list(reader.sources())))


def check_reader(name: str, root: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> None:
    """Sorted, unique and legal keys, files below the root, and the same whatever order folders are listed in."""
    reader = database(name, root, **options)
    first, problems = list(reader.sources()), list(reader.problems)
    assert first
    keys = [source.key for source in first]
    assert keys == sorted(set(keys))
    for source in first:
        assert re.fullmatch(r"[A-Za-z0-9._/-]+", source.key)
        assert source.label in LABELS
        assert source.files
        assert set(source.split.values()) <= {"train", "validation", "test"}
        assert all(not file.is_absolute() and (root / file).is_file() for file in source.files)
    assert list(reader.sources()) == first
    assert reader.problems == problems
    listed: Callable[[Path], Iterator[Path]] = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: iter(sorted(listed(path), reverse=True)))
    assert list(reader.sources()) == first
    assert reader.problems == problems
