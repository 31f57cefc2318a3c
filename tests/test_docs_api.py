"""docs/api.md shows every public name of the data room, and names nothing that is not there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "api.md").read_text()
SHOWN = re.findall(r"^::: (fer_zoo[\w.]+)$", PAGE, re.MULTILINE)


def found(path: str) -> Any:
    """What a dotted path leads to: a module, or something in one."""
    try:
        return import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        return getattr(import_module(module), name)


@pytest.mark.parametrize("path", SHOWN)
def test_what_the_page_names_is_there_and_stands_once(path: str) -> None:
    assert (found(path).__doc__ or "").strip()
    assert SHOWN.count(path) == 1


@pytest.mark.parametrize("package", ["fer_zoo.data", "fer_zoo.data.store"])
def test_every_public_name_is_shown(package: str) -> None:
    things = [found(path) for path in SHOWN]
    modules = {thing.__name__ for thing in things if isinstance(thing, ModuleType)}
    room = import_module(package)
    public = {name: getattr(room, name) for name in room.__all__}
    assert [name for name, it in public.items() if it not in things and it.__module__ not in modules] == []
