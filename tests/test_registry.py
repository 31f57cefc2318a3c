"""Registry: the signature is the schema; names are unique; errors say what to do."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from fer_zoo.errors import (
    DuplicateNameError,
    FerZooError,
    MissingExtraError,
    OptionError,
    RecipeError,
    UnknownNameError,
)
from fer_zoo.registry import Registry


@pytest.fixture
def registry() -> Registry:
    registry = Registry("gadget", ["injected"])

    @registry.register("spring", size=3)
    def spring(injected: int, *, turns: int = 4, name: str) -> tuple[int, int, str]:
        """A spring."""
        return injected, turns, name

    return registry


def test_builds_with_injected_and_options(registry: Registry) -> None:
    entry = registry.get("spring")
    assert entry.build(options={"name": "a"}, injected=7) == (7, 4, "a")
    assert (entry.summary, dict(entry.defaults), list(entry.options)) == ("A spring.", {"size": 3}, ["turns", "name"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "a", "turn": 1}, "did you mean 'turns'"),
        ({"name": "a", "turns": "4"}, "'4' is wrong for gadget 'spring'"),
        ({"name": "a", "turns": True}, "True is wrong"),
        ({}, "name: required option"),
    ],
)
def test_refuses_wrong_options(registry: Registry, options: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match="gadget") as caught:
        registry.get("spring").build(options=options, injected=7)
    assert says in str(caught.value)


def test_all_option_problems_at_once(registry: Registry) -> None:
    assert len(registry.get("spring").problems({"turn": 1, "turns": "x"})) == 3


def test_unknown_name_names_the_closest(registry: Registry) -> None:
    with pytest.raises(UnknownNameError) as caught:
        registry.get("sprint")
    assert "Unknown gadget 'sprint'" in str(caught.value)
    assert "did you mean 'spring'?" in str(caught.value)
    assert isinstance(caught.value, LookupError)


def test_refuses_duplicates_and_open_signatures(registry: Registry) -> None:
    with pytest.raises(DuplicateNameError):
        registry.register("spring")(lambda: None)
    with pytest.raises(OptionError, match="the signature is the recipe schema"):
        registry.register("open")(lambda **anything: anything)
    assert registry.names() == ["spring"]


def test_errors_survive_pickling() -> None:
    error = MissingExtraError.for_extra("dlib", "dlib")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))
    assert 'pip install "fer-zoo[dlib]"' in str(error)
    assert str(FerZooError("only this")) == "only this"
    assert "- two" in str(RecipeError("bad", problems=["one", "two"]))
