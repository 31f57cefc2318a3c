"""One safe reader for all YAML and JSON, from any source: bounded in size, depth and values; only plain data."""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Key = tuple[str | int, ...]

# A recipe has some kilobytes; a run's list of clips some megabytes.
LARGEST_YAML, LARGEST_JSON = 2**20, 2**28
# A card of a hundred classes has 10,000 numbers for each part; a recipe is nested 5 deep.
MOST_VALUES, DEEPEST = 40_000, 16

_LARGEST_INTEGER = 2**64
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLS = {
    form: value
    for value, words in ((True, ("true", "yes", "on")), (False, ("false", "no", "off")))
    for word in words
    for form in (word, word.capitalize(), word.upper())
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TIMES = yaml.constructor.SafeConstructor()


class DocumentError(ValueError):
    """A text that is not YAML or JSON as it is read here; the message is one sentence without a full stop."""


@dataclass
class Parsed:
    """A YAML document: its value, the line of each key, and keys that are given more than once with both lines."""

    value: Any = None
    lines: dict[Key, int] = field(default_factory=dict)
    duplicates: list[tuple[Key, int, int]] = field(default_factory=list)


def read_text(path: str | Path, most: int = LARGEST_YAML) -> str:
    """Read a UTF-8 text file of at most `most` bytes.

    Raises:
        OSError: it is not there or cannot be read.
        DocumentError: it is a folder, pipe or device, too large, or not UTF-8.
    """
    return _decoded(read_bytes(path, most))


def read_bytes(path: str | Path, most: int = LARGEST_YAML) -> bytes:
    """Read a file of at most `most` bytes.

    Raises:
        OSError: it is not there or cannot be read.
        DocumentError: it is a folder, pipe or device, or too large.
    """
    # Opening a pipe that has no writer would wait for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DocumentError("it is not a regular file")
    with open(descriptor, "rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise DocumentError(f"it is larger than {most} bytes")
    return content


def parse_yaml(text: str) -> Any:
    """Parse one YAML document to dicts with string keys, lists, strings, numbers, booleans and None.

    Words that look like dates, and numbers with leading zeros, stay strings. Anchors, aliases, tags, duplicate keys,
    infinity and NaN, integers beyond 64 bits, control characters and impossible dates are refused.

    Raises:
        DocumentError: it is something else; the message names the line.
    """
    parsed = parse_yaml_with_lines(text)
    for key, first, second in parsed.duplicates:
        name = ".".join(map(str, key))
        raise DocumentError(f"the key {name!r} is given twice, in lines {first} and {second}")
    return parsed.value


def parse_yaml_with_lines(text: str) -> Parsed:
    """As `parse_yaml`, with the line of each key; of duplicate keys the last one counts, and all are listed.

    Raises:
        DocumentError: as `parse_yaml`, but for duplicate keys.
    """
    try:
        return _Builder(text).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DocumentError(f"line {mark.line + 1 if mark else 1}: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise DocumentError(" ".join(str(error).split())[:200]) from error


def read_json(path: str | Path, most: int = LARGEST_JSON) -> Any:
    """Read a JSON file.

    Raises:
        OSError: it is not there or cannot be read.
        DocumentError: as `read_text` and `parse_json`.
    """
    return parse_json(read_text(path, most))


def parse_json(text: str | bytes) -> Any:
    """Parse JSON without duplicate keys, NaN, infinity, integers beyond 64 bits, control characters or deep nesting.

    Raises:
        DocumentError: it is something else.
    """
    try:
        value = json.loads(
            _decoded(text) if isinstance(text, bytes) else text,
            object_pairs_hook=_distinct,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except RecursionError as error:
        raise DocumentError(f"it is nested more than {DEEPEST} deep") from error
    except ValueError as error:
        raise DocumentError(str(error)) from error
    for string in strings(value, DEEPEST):
        _plain(string)
    return value


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Quotes each string that `parse_yaml` or another YAML reader would take for something else."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(_FLOAT.pattern + "$"), list("-+.0123456789"))


def dump_yaml(value: Any, **options: Any) -> str:
    """Return plain data as YAML that `parse_yaml` reads back as it was; options as of `yaml.dump`."""
    return str(yaml.dump(value, Dumper=_Dumper, **{"sort_keys": False, "width": 120, **options}))


class _Builder:
    """Builds values from the parser's events, so that a limit stops it before the rest of the text is looked at."""

    def __init__(self, text: str) -> None:
        self.parsed, self.seen = Parsed(), 0
        # The parser in C, where PyYAML has it, is ten times faster.
        self.events: Iterator[Any] = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))

    def document(self) -> Parsed:
        next(self.events)
        if not isinstance(next(self.events), yaml.StreamEndEvent):
            self.parsed.value = self.value(next(self.events), ())
            next(self.events)
            if not isinstance(more := next(self.events), yaml.StreamEndEvent):
                raise DocumentError(f"line {_line(more)}: a second document begins")
        return self.parsed

    def value(self, event: Any, key: Key) -> Any:
        self.check(event, key)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(key)
        found: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            found.append(self.value(event, (*key, len(found))))
        return found

    def mapping(self, key: Key) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            self.check(event, key)
            if not isinstance(event, yaml.ScalarEvent):
                raise DocumentError(f"line {_line(event)}: a key must be a word")
            name = _plain(event.value, _line(event))
            child = (*key, name)
            if name in found:
                self.parsed.duplicates.append((child, self.parsed.lines[child], _line(event)))
            self.parsed.lines[child] = _line(event)
            found[name] = self.value(next(self.events), child)
        return found

    def check(self, event: Any, key: Key) -> None:
        if event.anchor is not None:
            raise DocumentError(f"line {_line(event)}: anchors and aliases (&NAME, *NAME) are not read")
        if event.tag is not None:
            raise DocumentError(f"line {_line(event)}: tags ({event.tag[:40]}) are not read")
        self.seen += 1
        if self.seen > MOST_VALUES:
            raise DocumentError(f"line {_line(event)}: there are more than {MOST_VALUES} values")
        if len(key) > DEEPEST:
            raise DocumentError(f"line {_line(event)}: it is nested more than {DEEPEST} deep")


def _scalar(event: Any) -> Any:
    text, line = event.value, _line(event)
    if not event.implicit[0]:  # quoted, or a block of text
        return _plain(text, line)
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    try:
        if _INTEGER.fullmatch(text):
            return _integer(text)
        if _FLOAT.fullmatch(text) or _NOT_FINITE.fullmatch(text):
            return _finite(text)
    except DocumentError as error:
        raise DocumentError(f"line {line}: {error}") from error
    if _TIMES.timestamp_regexp.match(text):
        try:
            _TIMES.construct_yaml_timestamp(yaml.ScalarNode("", text))
        except ValueError as error:  # other YAML readers fail at it
            raise DocumentError(f"line {line}: {text!r} looks like a date and is not one; put it in quotes") from error
    return _plain(text, line)


def _plain(text: str, line: int | None = None) -> str:
    if _UNPRINTABLE.search(text):
        where = f"line {line}: " if line else ""
        raise DocumentError(f"{where}it has control characters: {text[:80]!r}")
    return text


def _integer(text: str) -> int:
    if len(text) > 21 or abs(int(text)) >= _LARGEST_INTEGER:
        raise DocumentError(f"the integer {text[:24]}{'...' * (len(text) > 24)} has more than 64 bits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text.replace(".", "") if _NOT_FINITE.fullmatch(text) else text)
    if not math.isfinite(value):
        raise DocumentError(f"{text[:24]} is not a finite number")
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise DocumentError(f"the key {next(name for name in found if names.count(name) > 1)!r} is given twice")
    return found


def strings(value: Any, deepest: float = math.inf) -> Iterator[str]:
    """All strings and keys of plain data.

    Raises:
        DocumentError: it is nested more than `deepest` deep.
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        if deepest <= 0:
            raise DocumentError(f"it is nested more than {DEEPEST} deep")
        for inner in (*value, *value.values()) if isinstance(value, dict) else value:
            yield from strings(inner, deepest - 1)


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(f"it is not UTF-8: byte {error.start + 1} is {content[error.start]:#04x}") from error


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
