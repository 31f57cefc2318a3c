"""Tables that users write: comma, semicolon or tab, any usual encoding, with the line of each row."""

from __future__ import annotations

import csv
import re
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from fer_zoo.data.datasets._layout import read_text
from fer_zoo.errors import InputError

# Excel's own first line, by which it knows the separator of a table.
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[^\w\s"]|\t|tab|\\t)"?[,;\t]*', re.IGNORECASE)


class Table(NamedTuple):
    """Lowercase columns, of each row that is not blank its line number and its stripped cells, and the separator.

    Cells are by column; "" for those that are not there. Those beyond the last column are joined under "".
    """

    columns: list[str]
    rows: list[tuple[int, dict[str, str]]]
    separator: str


def read_table(file: Path, accepted: str, comment: str = "") -> Table:
    """Read a table; it has no columns and no rows if the file is empty.

    Args:
        accepted: what is accepted, for the errors.
        comment: lines that begin with it are not read; none if empty.

    Raises:
        InputError: the file cannot be read, or is not a CSV table.
    """
    lines = read_text(file).split("\n")
    if comment:  # emptied, not removed: the others keep their numbers
        lines = ["" if line.lstrip().startswith(comment) else line for line in lines]
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if stated := _SEPARATOR_LINE.fullmatch(lines[first].strip(" ")):
        lines[first] = ""
        separator = "\t" if len(stated["separator"]) > 1 else stated["separator"]
    else:
        # Spreadsheets write ; where the decimal sign is a comma.
        separator = max(",;\t", key=lines[first].count)
    reader = csv.reader(StringIO("\n".join(lines), newline=""), delimiter=separator, strict=True)
    rows = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise InputError(f"{file}, line {reader.line_num}: {error}.", accepted, "correct that line") from error
    columns = [name.lower() for name in rows[0][1]] if rows else []
    empty = dict.fromkeys(columns, "")

    def by_column(cells: list[str]) -> dict[str, str]:
        return {**empty, **dict(zip(columns, cells, strict=False)), "": "".join(cells[len(columns) :])}

    return Table(columns, [(line, by_column(cells)) for line, cells in rows[1:]], separator)
