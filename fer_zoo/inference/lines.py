"""Rows to a file line by line, while they come: JSON lines or CSV, of which every line is complete."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from fer_zoo.errors import OptionError, VideoError
from fer_zoo.inference.formats import cell, decimals

ENDINGS = (".jsonl", ".csv")


def json_line(names: Sequence[str], values: Sequence[Any]) -> str:
    """Return a row as one line of JSON; numbers have as many decimals as in CSV files."""
    rounded = [
        round(value, decimals(name) or 0) if isinstance(value, float) else value
        for name, value in zip(names, values, strict=True)
    ]
    return json.dumps(dict(zip(names, rounded, strict=True)), ensure_ascii=False, allow_nan=False) + "\n"


def csv_line(names: Sequence[str], values: Sequence[Any]) -> str:
    """Return a row as one line of CSV."""
    text = io.StringIO()
    cells = [cell(value, decimals(name)) for name, value in zip(names, values, strict=True)]
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def check_row_file(path: Path) -> None:
    """Check the name of a file of rows before anything is computed.

    Raises:
        OptionError: another ending than .jsonl or .csv, or the file exists.
    """
    if path.suffix.lower() not in ENDINGS:
        raise OptionError(f"{path} has the ending {path.suffix!r}.", " or ".join(ENDINGS), "choose one of these")
    if os.path.lexists(path):
        raise OptionError(
            f"{path} exists already.", "the name of a new file", "choose another name, or remove the file"
        )


class RowFile:
    """A new file of rows; lines reach the file as they are added, and a line that does not fit is left out whole.

    A file without rows is removed at the end.

    Args:
        path: .jsonl or .csv, as `check_row_file` accepts it.
        names: of the columns.

    Raises:
        VideoError: the file cannot be written; also by `add`.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self._path, self._names, self._size, self._rows = path, names, 0, 0
        self._line = json_line if path.suffix.lower() == ".jsonl" else csv_line
        try:
            # Without a buffer, so that lines are written whole or not at all when the process is killed.
            self._file = path.open("xb", buffering=0)
        except OSError as error:
            raise self._failed(error) from error
        if self._line is csv_line:
            self._write(",".join(names) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if not self._rows:
            self._path.unlink(missing_ok=True)

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write rows, each with a value for each column."""
        lines = [self._line(self._names, row) for row in rows]
        self._write("".join(lines))
        self._rows += len(lines)

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        try:
            written = 0
            while written < len(data):  # a disk that is nearly full takes a part first
                written += self._file.write(data[written:])
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(self._size)
            raise self._failed(error) from error
        self._size += len(data)

    def _failed(self, error: OSError) -> VideoError:
        return VideoError(
            f"{self._path} cannot be written: {error.strerror or error}.",
            "a writable folder with free disk space",
            "free some space, or choose another folder; the lines that are in the file are complete",
        )
