"""Text in CSV files that a spreadsheet would run as a formula: written with an apostrophe, read back without it."""

from __future__ import annotations

import re

# An apostrophe before such a text counts too, so that every text comes back as it was.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]")


def to_cell(text: str) -> str:
    """A name or label as it is written to a CSV file: with an apostrophe where it begins like a formula (= + - @)."""
    return f"'{text}" if _FORMULA.match(text) else text


def from_cell(cell: str) -> str:
    """The text that `to_cell` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
