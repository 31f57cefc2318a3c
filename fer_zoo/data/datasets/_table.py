"""Tables that users write: comma, semicolon or tab, any usual encoding, with the line of each row."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from fer_zoo.data.datasets._layout import read_text
from fer_zoo.errors import InputError


class Table(NamedTuple):
    """Columns in small letters, and of each row that is not blank its line and its cells, stripped."""

    columns: list[str]
    rows: list[tuple[int, list[str]]]


def read_table(file: Path, accepted: str, comment: str = "") -> Table:
    """Read a table; all is empty if the file is.

    Args:
        accepted: what is accepted, for the errors.
        comment: lines that begin with it are left out; none if empty.

    Raises:
        InputError: the file cannot be read, or is no CSV table.
    """
    lines = read_text(file).split("\n")
    if comment:  # emptied, not taken out: the others keep their numbers
        lines = ["" if line.lstrip().startswith(comment) else line for line in lines]
    header = next((line for line in lines if line.strip()), "")
    # Spreadsheets write ; where the decimal sign is a comma.
    reader = csv.reader(StringIO("\n".join(lines)), delimiter=max(",;\t", key=header.count), strict=True)
    rows = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise InputError(f"{file}, line {reader.line_num}: {error}.", accepted, "correct that line") from error
    return Table([name.lower() for name in rows[0][1]] if rows else [], rows[1:])


def row_values(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Values of a row by column; "" for cells that are not there."""
    return {**dict.fromkeys(columns, ""), **dict(zip(columns, cells, strict=False))}
