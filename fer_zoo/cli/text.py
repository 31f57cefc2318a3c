"""What is printed: tables that fit the terminal, and errors whose advice names commands instead of Python calls."""

from __future__ import annotations

import errno
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from itertools import zip_longest

from fer_zoo.errors import FerZooError

_NARROWEST = 24
_ENVIRONMENT = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO, errno.ENFILE, errno.EMFILE}
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


def disk_error(error: BaseException) -> OSError | None:
    """Return what the disk or system refused, whatever the arguments are, if that is the error or one of its causes."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _ENVIRONMENT:
            return cause
        cause = cause.__cause__
    return None


def error_text(error: FerZooError) -> str:
    """Return an error's text with Python calls in its advice replaced by commands."""
    text = str(error)
    for python, command in _AS_COMMANDS:
        text = python.sub(command, text)
    return text


def print_table(rows: Sequence[Sequence[str]], wrapped: int = 1, width: int | None = None) -> None:
    """Print rows; the texts of the last `wrapped` columns share what the others leave of `width`, and are wrapped.

    The width is by default that of a terminal. In a pipe or file each row stays one line, for tools such as grep.
    """
    if width is None and sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
    widths = [max(1, *map(len, column)) for column in zip(*rows, strict=True)]
    if width is not None:
        room = (width - sum(widths[:-wrapped]) - 2 * (len(widths) - 1)) // wrapped
        widths[-wrapped:] = [min(each, max(_NARROWEST, room)) for each in widths[-wrapped:]]
    for row in rows:
        cells = (
            textwrap.wrap(text, size, break_long_words=False, break_on_hyphens=False, expand_tabs=False)
            for text, size in zip(row, widths, strict=True)
        )
        for line in zip_longest(*cells, fillvalue=""):
            print("  ".join(f"{text:<{size}}" for text, size in zip(line, widths, strict=True)).rstrip())
