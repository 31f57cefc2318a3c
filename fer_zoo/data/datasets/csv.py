"""The user's own clips, listed in a CSV file: path, label, subject and, where wanted, first and last frame."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field

from fer_zoo.data.clips import DATABASE
from fer_zoo.data.datasets._content import Named, without_doubles
from fer_zoo.data.datasets._labels import Labels, read_labels
from fer_zoo.data.datasets._layout import nearest_root, visible_files
from fer_zoo.data.datasets._ranges import RangeColumns, RangeError, frame_range, range_columns
from fer_zoo.data.datasets._reading import PICTURES, Reader, pictures_of, unique_key
from fer_zoo.data.datasets._table import Table, read_table
from fer_zoo.data.sources import Source
from fer_zoo.data.subjects import is_empty, subject_name
from fer_zoo.errors import InputError
from fer_zoo.paths import find_path, shown
from fer_zoo.registry import register_dataset

_REQUIRED = ("path", "label", "subject")
_FRAMES = ("start", "end")
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
) -> Reader:
    """Clips listed in a CSV file with the columns path, label, subject and, if wanted, start and end.

    A path is a video or a folder of pictures, relative to the folder of the CSV file or to the root, below which it
    must lie. Labels are any of your own; where all are usual words of emotions ("angry"), they become those of
    `LABELS`. Subjects may be empty in all rows or none. start is the number of a clip's first frame, counting from 0,
    end the number after its last; both or neither. In their place there may be times since the first frame: columns
    such as start_s,end_s (seconds or time codes), start_ms,end_ms, or those that ELAN exports.
    Every row that is wrong is left out and becomes a problem with its line number and all that is wrong with it; so do
    rows that share frames but have different labels or subjects, all of them. One file may show several subjects one
    after the other. Files with the same size, beginning and end count as one.

    Args:
        file: the CSV file, relative to the root.
        fps: frames per second of the folders of pictures.
        groups: further columns, e.g. ["age", "sex"], for metrics per group; empty where unknown.

    Raises (from `sources`):
        InputError: there is no such file, its header is wrong, or none of its rows can be used.
    """
    return Reader(partial(_clips, root, file, tuple(name.lower() for name in groups), fps))


def _clips(
    root: Path, file: str, groupings: tuple[str, ...], fps: float | None, problems: list[str]
) -> Iterator[Source]:
    table = _table(root, file, groupings)
    rows = [row for _, row in table.rows]
    context = _Context(
        root,
        (root / file).parent,
        fps,
        table.separator,
        read_labels(row["label"] for row in rows),
        range_columns(table.columns, rows, problems),
        any(not is_empty(row["subject"]) for row in rows),
    )
    problems += context.labels.problems
    good = []
    for line, row in table.rows:
        wrong: list[str] = []
        source = _source(context, row, wrong)
        if wrong or source is None:
            problems.append(f"line {line}: {'; '.join(wrong)}")
        else:
            named = {grouping: row[grouping] for grouping in groupings if row[grouping]}
            good.append(Named(f"line {line}", replace(source, groups=named)))
    single = list(without_doubles(good, root, problems))
    if not single:
        shortened = [*problems[:20], f"... ({len(problems)} in all)"] if len(problems) > 20 else problems
        raise InputError(
            "\n    - ".join((f"{root / file} has no row that can be used.", *shortened)),
            "rows with a file that is there and a label; subjects in all rows or in none" if problems else _ACCEPTED,
            "correct the lines named above" if problems else "list the clips, one per line",
        )
    yield from single


class _Context(NamedTuple):
    """What is known of the table when a row of it is read."""

    root: Path
    folder: Path
    fps: float | None
    separator: str
    labels: Labels
    range: RangeColumns | None
    has_subjects: bool


def _table(root: Path, name: str, groups: tuple[str, ...]) -> Table:
    file = root / name
    if not os.path.isfile(file):
        there = [path.name for path in visible_files(file.parent, (".csv",))] if os.path.isdir(file.parent) else []
        near = difflib.get_close_matches(file.name, there, n=1)
        raise InputError(
            f"There is no file {file}; CSV files there: {', '.join(there[:8]) or 'none'}.",
            _ACCEPTED,
            f"did you mean file={near[0]}?"
            if near
            else nearest_root(root, lambda place: (place / name).is_file())
            or "give the file's name below the root, file=NAME.csv; `fer-zoo data template csv` prints a template",
        )
    table = read_table(file, _ACCEPTED)
    if wrong := _header_problems(table.columns, groups):
        raise InputError(f"The header of {file}: {'; '.join(wrong)}.", _ACCEPTED, "correct its first line")
    return table


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


def _source(context: _Context, row: Mapping[str, str], wrong: list[str]) -> Source | None:
    """The clip of a row; all that is wrong with it is appended to `wrong`, then the result may be None."""
    root, subject = context.root, subject_name(row["subject"])
    if subject is None and context.has_subjects:
        stands = f" ({row['subject']!r} stands for an empty cell)" if row["subject"] else ""
        wrong.append(f"subject is empty{stands}, in other rows it is not")
    if row[""]:
        wrong.append("more cells than columns")
    if (label := context.labels.of(row["label"])) is None:
        wrong.append(context.labels.reason(row["label"]))
    path = _located(root, context.folder, row["path"], nowhere := list[str]())
    frames = _frames(context, row, root / path if path else None, wrong)
    wrong += nowhere
    if path is None:
        return None
    is_folder = (root / path).is_dir()
    files = pictures_of(root, root / path) if is_folder else (path,)
    if not files:
        wrong.append(f"no picture ({', '.join(PICTURES)}) in the folder {row['path']}")
    if is_folder and files and frames and frames[1] > len(files):
        wrong.append(f"end is {frames[1]}, there are {len(files)} pictures")
    key = unique_key(*path.parts) + (f"/{frames[0]:06}-{frames[1]:06}" if frames else "")
    return Source(key, files, label or "", subject, frames, context.fps if is_folder else None)


def _frames(context: _Context, row: Mapping[str, str], path: Path | None, wrong: list[str]) -> tuple[int, int] | None:
    if path is None:
        rate: float | None = 1.0  # of no video; what the row itself states is checked nevertheless
    elif not path.is_dir():
        rate = None
    elif (rate := context.fps) is None and context.range and context.range.unit != "frames":
        wrong.append(f"{context.range.start} of a folder of pictures needs its rate, fps=N")
        return None
    try:
        return frame_range(row, context.range, context.separator, path or context.root, rate)
    except RangeError as error:
        wrong.append(str(error))
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
