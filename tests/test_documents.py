"""One reader for YAML and JSON: what it refuses, what it keeps, and that both ends agree."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_zoo.documents import DocumentError, dump_yaml, parse_json, parse_yaml, parse_yaml_with_lines, read_text
from fer_zoo.recipes import list_recipes, load_recipe

BOMB = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{p: *a{i - 1}, q: *a{i - 1}}}\n" for i in range(1, 30))
REFUSED = {
    "tag": "seed: !!bool x",
    "tag of its own": "seed: !python/object:os.system x",
    "bare tag": "! x",
    "tag of a mapping": "!!map {a: 1}",
    "anchor": "a: &a 1",
    "alias": "a: &a [1]\nb: *a",
    "recursive": "a: &a\n  b: *a",
    "bomb": BOMB,
    "impossible date": "a: 2001-99-99",
    "impossible time": "a: 2001-01-01T25:61:00Z",
    "many digits": "9" * 5000,
    "65 bits": str(2**64),
    "deep": "[" * 3000,
    "deep and closed": "[" * 40 + "]" * 40,
    "deep mappings": "{a: " * 40 + "1" + "}" * 40,
    "many values": "[" + "1," * 50_000 + "]",
    "infinity": "a: -.inf",
    "NaN": "a: .NaN",
    "too large": "1e999",
    "twice": "a: 1\na: 2",
    "twice, once quoted": "a: 1\n'a': 2",
    "key of a list": "? [a]\n: 1",
    "two documents": "a\n---\nb",
    "NUL": 'a: "\\0"',
    "escape": 'a: "\\e[2J"',
    "control character": "a: \x01",
    "cut off": "a: [1, 2",
    "surrogate": 'a: "\\ud800"',
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_in_yaml_is_refused_fast(name: str) -> None:
    start = time.monotonic()
    with pytest.raises(DocumentError):
        parse_yaml(REFUSED[name])
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("a:", {"a": None}), ("yes", True), ("1e-3", 1e-3), ("-.5", -0.5), ("3.", 3.0),
        ("+7", 7), ("007", "007"), ("2001-01-01", "2001-01-01"), ("1:30", "1:30"), ("0x1F", "0x1F"), ("1_000", "1_000"),
        ("'12'", "12"), ("'.inf'", ".inf"), ("=", "="), ("<<: {a: 1}", {"<<": {"a": 1}}),
        ("{1: a, no: b}", {"1": "a", "no": "b"}),
        ("- a\n- {b: [c]}", ["a", {"b": ["c"]}]), ("a: |\n  x\n  y\n", {"a": "x\ny\n"}), (str(2**64 - 1), 2**64 - 1),
    ],
)  # fmt: skip
def test_what_yaml_means(text: str, value: Any) -> None:
    found = parse_yaml(text)
    assert found == value
    assert type(found) is type(value)


PLAIN_TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    | PLAIN_TEXT | st.sampled_from(["1e3", ".inf", "~", "no", "007", "2001-99-99", "1:30", "&a", "!!x", "*a", "", "-"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN_TEXT, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(VALUES)
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert parse_yaml(dump_yaml(value)) == value
    assert parse_yaml(dump_yaml(value, allow_unicode=True, default_flow_style=True)) == value
    assert yaml.safe_load(dump_yaml(value)) == value or "2001-99-99" in str(value), "others read it too"


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.text("[]{}&*!|>'\"%@`#,:-? \n\t0a.~"))
@settings(max_examples=500, deadline=None)
def test_any_text_is_plain_data_or_one_error(text: str) -> None:
    for parse in (parse_yaml, parse_json):
        with suppress(DocumentError):
            assert isinstance(parse(text), None | bool | int | float | str | list | dict)


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "a": 2}', "NaN", "-Infinity", "1e999", "9" * 5000, "[" * 100_000, "[" * 30 + "]" * 30, '"\\u0000"',
     '"\\ud800"', "{", "", b"\xff", b'{"a": "\xff"}'],
)  # fmt: skip
def test_what_is_refused_in_json(text: str | bytes) -> None:
    with pytest.raises(DocumentError):
        parse_json(text)


def test_lines_and_duplicates_are_reported() -> None:
    parsed = parse_yaml_with_lines("a: 1\nb:\n  c: [x, {d: 2}]\nb: 3\n")
    assert parsed.lines == {("a",): 1, ("b",): 4, ("b", "c"): 3, ("b", "c", 1, "d"): 3}
    assert parsed.duplicates == [(("b",), 2, 4)]


def test_only_whole_text_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"#" * 101)
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    (tmp_path / "bom").write_bytes("\ufeffa: 1".encode())
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("large", "latin", "pipe", "."):
        with pytest.raises(DocumentError):
            read_text(tmp_path / name, 100)
    with pytest.raises(DocumentError):
        read_text("/dev/zero")
    with pytest.raises(OSError, match="symbolic links"):
        read_text(tmp_path / "loop")
    assert parse_yaml(read_text(tmp_path / "bom")) == {"a": 1}


def test_every_packaged_recipe_is_read() -> None:
    assert all(load_recipe(name) for name in list_recipes()[:3])
