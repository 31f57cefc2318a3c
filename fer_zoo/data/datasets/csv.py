"""Anybody's own clips, listed in a CSV file: path, label, subject and, where wanted, first and last frame."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field

from fer_zoo.data.clips import DATABASE
from fer_zoo.data.datasets._content import Named, without_doubles
from fer_zoo.data.datasets._layout import nearest_root, visible_files
from fer_zoo.data.datasets._reading import PICTURES, WORDS, Walk, pictures_of, unique_key, unknown_word
from fer_zoo.data.datasets._table import read_table, row_values
from fer_zoo.data.sources import Source
from fer_zoo.errors import InputError
from fer_zoo.paths import find_path, shown
from fer_zoo.registry import register_dataset

_REQUIRED = ("path", "label", "subject")
_FRAMES = ("start", "end")
_DIGITS = 9  # more frames than that has no video; Python and FFmpeg have limits of their own
# What `fer-zoo data template csv` prints.
TEMPLATE = """\
path,label,subject,start,end
videos/anna_1.mp4,happiness,anna,,
videos/anna_2.mp4,neutral,anna,0,50
pictures/bo_1,surprise,bo,,
"""
_ACCEPTED = (
    "a CSV file (comma, semicolon or tab) whose first line is path,label,subject or path,label,subject,start,end"
)


@register_dataset(
    "csv",
    synthetic=False,
    template=TEMPLATE,
    licence="unknown: the user's own clips",
    terms="unknown: those of whoever made the clips",
    training_data="The user's own clips, listed in a CSV file.",
    may_use="unknown",
    share_weights="unknown",
    terms_source="unknown",
)
def clips_csv(
    root: Path,
    *,
    file: str = "clips.csv",
    fps: Annotated[float, Field(gt=0)] | None = None,
    groups: Sequence[str] = (),
) -> Walk:
    """Clips listed in a CSV file with the columns path, label, subject and, if wanted, start and end.

    A path is a video or a folder of pictures, relative to the folder of the CSV file or to the root, below which it
    must lie. A label is one of `LABELS` or a usual word for it ("angry"). Subjects may be empty in all rows or none.
    start is the number of a clip's first frame, counting from 0, end the number after its last; both or neither.
    Every row that is wrong is left out and becomes a problem with its line number and all that is wrong with it; so do
    rows that share frames but have another label or subject, all of them. One file may show several people one after
    the other. Files that hold the same, to judge by size, beginning and end, count as one.

    Args:
        file: the CSV file, relative to the root.
        fps: frames a second of the folders of pictures.
        groups: further columns, e.g. ["age", "sex"], by whose values figures are told apart; empty where unknown.

    Raises (from `sources` and `check`):
        InputError: there is no such file, its header is wrong, or none of its rows can be used.
    """
    return Walk(partial(_read, root, file, fps, tuple(name.lower() for name in groups)))


def _read(root: Path, name: str, fps: float | None, groups: tuple[str, ...], problems: list[str]) -> Iterator[Source]:
    file, rows = root / name, _rows(root, name, groups)
    some_subjects = any(row["subject"] for _, row in rows)
    good = []
    for line, row in rows:
        wrong: list[str] = [] if row["subject"] or not some_subjects else ["subject is empty, in other rows it is not"]
        source = _source(root, file.parent, row, fps, wrong)
        if wrong or source is None:
            problems.append(f"line {line}: {'; '.join(wrong)}")
        else:
            named = {grouping: row[grouping] for grouping in groups if row[grouping]}
            good.append(Named(f"line {line}", replace(source, groups=named)))
    single = list(without_doubles(good, root, problems))
    if not single:
        shortened = [*problems[:20], f"... ({len(problems)} in all)"] if len(problems) > 20 else problems
        raise InputError(
            "\n    - ".join((f"{file} has no row that can be used.", *shortened)),
            _ACCEPTED,
            "correct the lines named above" if problems else "list the clips, one a line",
        )
    yield from single


def _rows(root: Path, name: str, groups: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Each row that is not blank, with its line number and its values by column; "" for a column that is not there."""
    file = root / name
    if not file.is_file():
        there = [path.name for path in visible_files(file.parent, (".csv",))] if file.parent.is_dir() else []
        near = difflib.get_close_matches(file.name, there, n=1)
        raise InputError(
            f"There is no file {file}; CSV files there: {', '.join(there[:8]) or 'none'}.",
            _ACCEPTED,
            f"did you mean file={near[0]}?"
            if near
            else nearest_root(root, lambda place: (place / name).is_file())
            or "give the file's name below the root, file=NAME.csv; `fer-zoo data template csv` prints a beginning",
        )
    table = read_table(file, _ACCEPTED)
    if wrong := _header_problems(table.columns, groups):
        raise InputError(f"The header of {file}: {'; '.join(wrong)}.", _ACCEPTED, "correct its first line")
    columns, absent = table.columns, dict.fromkeys((*_REQUIRED, *_FRAMES), "")
    return [
        (
            line,
            {**absent, **row_values(columns, cells), "": "more cells than columns" * (len(cells) > len(columns))},
        )
        for line, cells in table.rows
    ]


def _header_problems(header: list[str], groups: tuple[str, ...]) -> list[str]:
    found = [f"{name!r} cannot be a group" for name in groups if name in (*_REQUIRED, *_FRAMES, DATABASE)]
    for name in (*_REQUIRED, *groups):
        if name not in header:
            near = difflib.get_close_matches(name, header, n=1)
            found.append(f"no column {name}" + (f" (is it {near[0]!r}?)" if near else ""))
    if len(set(header) & set(_FRAMES)) == 1:
        found.append("start and end go together")
    found += [f"column {name} comes twice" for name in sorted(set(header)) if name and header.count(name) > 1]
    return found


def _source(root: Path, folder: Path, row: Mapping[str, str], fps: float | None, wrong: list[str]) -> Source | None:
    """The clip of a row; all that is wrong with it is appended to `wrong`, then the result may be None."""
    if row[""]:
        wrong.append(row[""])
    label = WORDS.get(row["label"].lower())
    if label is None:
        wrong.append(unknown_word(row["label"]) if row["label"] else "label is empty")
    frames = _frames(row, wrong)
    path = _located(root, folder, row["path"], wrong)
    if path is None or label is None:
        return None
    is_folder = (root / path).is_dir()
    files = pictures_of(root, root / path) if is_folder else (path,)
    if not files:
        wrong.append(f"no picture ({', '.join(PICTURES)}) in the folder {row['path']}")
    elif is_folder and frames and frames[1] > len(files):
        wrong.append(f"end is {frames[1]}, there are {len(files)} pictures")
    key = unique_key(*path.parts) + (f"/{frames[0]:06}-{frames[1]:06}" if frames else "")
    return Source(key, files, label, row["subject"] or None, frames, fps if is_folder else None)


def _frames(row: Mapping[str, str], wrong: list[str]) -> tuple[int, int] | None:
    start, end = row["start"], row["end"]
    if not start and not end:
        return None
    if not (start and end):
        wrong.append("start and end go together")
    elif not (start.isdecimal() and end.isdecimal()):
        wrong.append(f"start={start}, end={end}: whole numbers from 0, please")
    elif max(len(start), len(end)) > _DIGITS:
        told = (text if len(text) <= _DIGITS else f"a number of {len(text)} digits" for text in (start, end))
        wrong.append("start={}, end={}: {} digits at most, please".format(*told, _DIGITS))
    elif int(start) >= int(end):
        wrong.append(f"start={start} is not before end={end}")
    else:
        return int(start), int(end)
    return None


def _located(root: Path, folder: Path, name: str, wrong: list[str]) -> Path | None:
    """Where a path of the list is, below the root; None if it is nowhere or elsewhere, which is said in `wrong`."""
    if not name:
        wrong.append("path is empty")
        return None
    # Not `resolve`: links inside the root to clips elsewhere are fine.
    top = Path(os.path.abspath(root))
    places = [find_path(os.path.abspath(base / name.replace("\\", "/"))) for base in (folder, root)]
    there = [place for place in places if os.path.exists(place)]  # Path.exists raises where a name is too long
    below = [place for place in there if place.is_relative_to(top) and place != top]
    if below:
        return below[0].relative_to(top)
    wrong.append(f"{shown(name)} is not below the root {shown(root)}" if there else f"there is no {shown(name)}")
    return None
