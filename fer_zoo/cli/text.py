"""What is printed: tables that fit the terminal, and errors whose advice names commands instead of Python calls."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

from fer_zoo.errors import FerZooError

_NARROWEST = 24
# Advice of the library, and the same for users of the command line.
_AS_COMMANDS = tuple(
    (re.compile(python), command)
    for python, command in (
        (r"fer_zoo\.list_models\(\)", "`fer-zoo models`"),
        (r'fer_zoo\.list_models\("([^"]+)"[^)]*\)', r"`fer-zoo models '\1'`"),
        (r'fer_zoo\.list_components\("(\w+)"\)', r"`fer-zoo components \1`"),
        (r'fer_zoo\.list_components\("(\w+)", "([^"]+)"\)', r"`fer-zoo components \1 '\2'`"),
        (r"fer_zoo\.list_recipes\(\)", "`fer-zoo recipes ls`"),
        (r'do: create_model\("([^"]+)"\)', r"do: write \1"),
        (r"create it with pretrained=False and train it", "train it"),
        (r"keys of fer_zoo\.specs\.Recipe", "keys that `fer-zoo recipes show quickstart` prints"),
    )
)


def error_text(error: FerZooError) -> str:
    """Return an error's text with Python calls in its advice replaced by commands."""
    text = str(error)
    for python, command in _AS_COMMANDS:
        text = python.sub(command, text)
    return text


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows whose last cell is a description.

    On a terminal descriptions are wrapped to its width; in a pipe or file each row stays one line, for tools such as
    grep.
    """
    widths = [max(map(len, column)) for column in zip(*(row[:-1] for row in rows), strict=True)]
    for row in rows:
        head = "".join(f"{cell:<{width}}  " for cell, width in zip(row, widths, strict=False))
        print("\n".join(_lines(head, row[-1])))


def _lines(head: str, description: str) -> Iterator[str]:
    if not sys.stdout.isatty():
        yield (head + description).rstrip()
        return
    width = max(_NARROWEST, shutil.get_terminal_size().columns - len(head))
    first, *others = textwrap.wrap(description, width, break_on_hyphens=False) or [""]
    yield (head + first).rstrip()
    yield from (" " * len(head) + line for line in others)
