"""The pages of docs/api list every public name of fer_zoo.data, and only names that exist."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PAGES = sorted((Path(__file__).parent.parent / "docs" / "api").glob("*.md"))
PAGE = "\n".join(page.read_text() for page in PAGES)
SHOWN = re.findall(r"^::: (fer_zoo[\w.]+)$", PAGE, re.MULTILINE)


def found(path: str) -> Any:
    """The object at a dotted path: a module, or an attribute of one."""
    try:
        return import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        return getattr(import_module(module), name)


@pytest.mark.parametrize("path", SHOWN)
def test_every_name_on_the_page_exists_and_occurs_once(path: str) -> None:
    assert (found(path).__doc__ or "").strip()
    assert SHOWN.count(path) == 1


@pytest.mark.parametrize("package", ["fer_zoo.data", "fer_zoo.data.store"])
def test_every_public_name_is_shown(package: str) -> None:
    things = [found(path) for path in SHOWN]
    modules = {thing.__name__ for thing in things if isinstance(thing, ModuleType)}
    room = import_module(package)
    public = {name: getattr(room, name) for name in room.__all__}
    assert [name for name, it in public.items() if it not in things and it.__module__ not in modules] == []
