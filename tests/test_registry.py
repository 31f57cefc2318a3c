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
from fer_zoo.registry import REGISTRIES, Registry


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
    ("options", "message"),
    [
        ({"name": "a", "turn": 1}, "did you mean 'turns'"),
        ({"name": "a", "turns": "4"}, "'4' is wrong for gadget 'spring'"),
        ({"name": "a", "turns": True}, "True is wrong"),
        ({}, "name: required option"),
    ],
)
def test_refuses_wrong_options(registry: Registry, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match="gadget") as caught:
        registry.get("spring").build(options=options, injected=7)
    assert message in str(caught.value)


def test_all_option_problems_at_once(registry: Registry) -> None:
    assert len(registry.get("spring").problems({"turn": 1, "turns": "x"})) == 3


def test_unknown_name_names_the_closest(registry: Registry) -> None:
    with pytest.raises(UnknownNameError) as caught:
        registry.get("sprint")
    assert "Unknown gadget 'sprint'" in str(caught.value)
    assert "did you mean 'spring'?" in str(caught.value)
    assert isinstance(caught.value, LookupError)


def test_refuses_duplicates_and_open_signatures(registry: Registry) -> None:
    with pytest.raises(DuplicateNameError) as caught:
        registry.register("spring")(lambda: None)
    assert str(caught.value) == (
        f"gadget 'spring' is already registered, by {__name__}.\n"
        "  Accepted: a name that is not taken\n"
        "  What to do: choose another name"
    )
    with pytest.raises(OptionError, match="the signature is the recipe schema"):
        registry.register("open")(lambda **anything: anything)
    assert registry.names() == ["spring"]


def test_a_positional_parameter_that_is_never_injected(registry: Registry) -> None:
    def gear(teeth: int) -> None:
        """A gear."""

    with pytest.raises(OptionError) as caught:
        registry.register("gear")(gear)
    assert str(caught.value) == (
        "gadget 'gear' has the positional parameter 'teeth', which is never injected.\n"
        "  Accepted: positional: injected; options: keyword-only parameters, after a `*`\n"
        "  What to do: rename it, or make it keyword-only"
    )


def test_a_family_shares_one_factory(registry: Registry) -> None:
    calls = []

    def members() -> list[str]:
        calls.append("members")
        return ["small", "large"]

    @registry.register_family("makers", members, lambda member: {"size": len(member)}, colour="red")
    def make(member: str, injected: int, *, turns: int = 1) -> tuple[str, int, int]:
        """A member of the family."""
        return member, injected, turns

    assert registry.names() == ["spring"]
    assert registry.families() == ["makers"]
    assert not calls, "listing the others must not ask the package behind the family"
    entry = registry.get("makers/small")
    assert entry.build(options={"turns": 2}, injected=7) == ("small", 7, 2)
    assert dict(entry.defaults) == {"colour": "red", "size": 5}
    assert (entry.name, entry.summary, entry.injected) == ("makers/small", "A member of the family.", ("injected",))
    assert registry.names("makers") == ["makers/large", "makers/small"]
    assert "makers/small" in registry
    assert "others/small" not in registry
    with pytest.raises(UnknownNameError) as caught:
        registry.get("makers/smal")
    assert str(caught.value) == (
        "Unknown gadget 'makers/smal'.\n"
        "  Accepted: did you mean 'makers/small' or 'makers/large'?\n"
        '  What to do: fer_zoo.list_components("gadget", "makers/*") lists them'
    )
    with pytest.raises(DuplicateNameError, match="gadget 'makers' is already registered"):
        registry.register_family("makers", members, lambda member: {})(make)


def test_restore_forgets_what_came_later(registry: Registry) -> None:
    before = registry.snapshot()

    @registry.register("later")
    def later() -> None:
        """Later."""

    assert "later" in registry
    registry.restore(before)
    assert registry.names() == ["spring"]


def test_errors_survive_pickling() -> None:
    error = MissingExtraError.for_extra("dlib", "dlib")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))
    assert 'pip install ".[dlib]"' in str(error)
    assert str(FerZooError("only this")) == "only this"
    assert "- two" in str(RecipeError("bad", problems=["one", "two"]))


class Silent:
    """A part."""

    def __init__(self) -> None: ...


@pytest.mark.parametrize("name", ["", "a.b", "a/b", "x lm", "LM", "9lives", "makers"])
def test_names_that_cannot_be(registry: Registry, name: str) -> None:
    registry.register_family("makers", list, lambda member: {})(lambda member: None)
    with pytest.raises(OptionError, match="cannot be the name of a gadget"):
        registry.register(name)(Silent)


@pytest.mark.parametrize(
    ("kind", "facts", "message"),
    [
        ("fusion", {}, "it does not state site"),
        ("fusion", {"site": "residuals"}, "site='residuals' is wrong: Input should be 'none', 'input'"),
        ("backbone", {"siez": 80}, "there is no fact 'siez' (did you mean 'size'?)"),
        ("backbone", {"sites": ("residuals",)}, "sites=('residuals',) is wrong"),
        ("temporal", {"hidden": 3}, "there is no fact 'hidden'"),
    ],
)
def test_facts_are_checked_when_a_part_is_registered(kind: str, facts: dict[str, Any], message: str) -> None:
    before = REGISTRIES[kind].names()
    with pytest.raises(OptionError) as caught:
        REGISTRIES[kind].register("silent", **facts)(Silent)
    assert f"{kind} 'silent' cannot be registered: {message}" in str(caught.value)
    assert REGISTRIES[kind].names() == before


def test_options_are_checked_when_a_part_is_registered(registry: Registry) -> None:
    def wrong_default(*, k: int = "a") -> None:  # type: ignore[assignment]
        """A part."""

    def no_schema(*, part: Silent) -> None:
        """A part."""

    def unknown_type(*, part: Nowhere = 1) -> None:  # type: ignore[name-defined]  # noqa: F821
        """A part."""

    for factory, message in (
        (wrong_default, "the default 'a' of option 'k' is wrong: Input should be a valid integer"),
        (no_schema, "option 'part' has a type that no recipe can state"),
        (unknown_type, "an annotation cannot be resolved"),
    ):
        with pytest.raises(OptionError) as caught:
            registry.register("part")(factory)
        assert message in str(caught.value)
