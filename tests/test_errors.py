"""Error messages: three parts, bounded length, no terminal control characters."""

from __future__ import annotations

import pickle
import re
import tomllib
from pathlib import Path

import pytest

from fer_zoo.errors import FerZooError, MissingExtraError, WeightsError, install_command
from fer_zoo.training.trackers import TRACKERS

ROOT = Path(__file__).parent.parent
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_the_three_parts_are_on_separate_lines() -> None:
    error = FerZooError("Given.", "this", "do that")
    assert str(error) == "Given.\n  Accepted: this\n  What to do: do that"
    assert str(FerZooError("Given.\n    - one\n    - two")) == "Given.\n    - one\n    - two"


def test_control_characters_are_escaped() -> None:
    error = WeightsError("weights \x1b[31mOK\x1b[0m\x9b1m, Gefühl, 表情", "none\x7f")
    assert str(error) == "weights \\x1b[31mOK\\x1b[0m\\x9b1m, Gefühl, 表情\n  Accepted: none\\x7f"


def test_a_long_text_is_truncated() -> None:
    error = FerZooError("x" * 10**6)
    assert len(str(error)) < 25_000
    assert str(error).endswith("more characters")


def test_an_error_can_be_pickled() -> None:
    error = WeightsError("a", "b", "c")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (WeightsError, str(error))


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_missing_extra_names_a_command_that_works_in_a_checkout(extra: str) -> None:
    error = MissingExtraError.for_extra("some_package", extra)
    assert error.do == install_command(extra)
    # `.` is the checkout: no package registry is needed.
    assert re.findall(r"pip install (.*)", error.do) == [f'".[{extra}]"']


def test_the_extras_named_in_errors_contain_the_package() -> None:
    named = [
        match.groups()
        for file in (ROOT / "fer_zoo").rglob("*.py")
        for match in re.finditer(r'for_extra\(\s*"([\w-]+)",\s*"(\w+)"', file.read_text())
    ]
    assert {extra for _, extra in named} >= {"dlib", "ray"}
    named += [(name, name) for name in TRACKERS]
    for package, extra in named:
        assert any(requirement.startswith(package) for requirement in EXTRAS[extra]), (package, extra)


def test_nothing_says_to_install_fer_zoo_from_a_registry() -> None:
    folders = [ROOT / "fer_zoo", ROOT / "docs", ROOT / "examples"]
    inside = [file for folder in folders for file in folder.rglob("*") if file.suffix in (".py", ".md", ".toml")]
    wrong = re.compile(r"pip install [^\n`]*\bfer[-_]zoo\b")
    found = [(file.name, line) for file in [ROOT / "README.md", *inside] for line in wrong.findall(file.read_text())]
    assert found == []
