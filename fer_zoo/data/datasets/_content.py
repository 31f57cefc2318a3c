"""Clips that are there twice: under one name or several, with one label or contradicting ones.

Whether files hold the same is decided by their sizes, and where those are equal by a checksum of their beginnings and
ends: whole videos would take too long.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fer_zoo.data.sources import Source
from fer_zoo.data.subjects import subject_key

_ENDS = 64 * 1024
_Files = tuple[Path, ...]


class Named(NamedTuple):
    """A source, and what the user knows it by: a line of a table, a path."""

    name: str
    source: Source


def without_doubles(found: Iterable[Named], root: Path, problems: list[str]) -> Iterator[Source]:
    """Yield the sources without those that hold frames of another under another label or subject, nor repetitions.

    Of sources that contradict each other all are left out, since it is unknown which is right. Of the same frames under
    one label and subject the first stays. Other stretches of one file may be of anybody. Each becomes a problem.
    """
    named = list(found)
    same = _same_content([entry.source.files for entry in named], root)
    groups: dict[_Files, list[Named]] = defaultdict(list)
    for entry in named:
        groups[same[entry.source.files]].append(entry)
    wrong: set[int] = set()
    for group in groups.values():
        wrong |= _doubles(group, problems)
    yield from (entry.source for entry in named if id(entry) not in wrong)


def _doubles(group: Sequence[Named], problems: list[str]) -> set[int]:
    """Identities of those of one content that are to be left out."""
    against, again = set[int](), set[int]()
    for one, other in _overlapping(group):
        of_one_file = one.source.files == other.source.files
        doubt = "" if of_one_file else " (probably the same under two names)"
        if _claim(one) != _claim(other):
            if not {id(one), id(other)} <= against:  # each is named once, not each pair: there may be very many
                conflict = f"{_description(one)}, but {_description(other)}{doubt}"
                problems.append(f"{one.name} and {other.name}: {conflict}; both are left out")
            against |= {id(one), id(other)}
        elif id(one) not in again and (not of_one_file or one.source.frames == other.source.frames):
            again.add(id(other))
            problems.append(f"{other.name}: the same clip as in {one.name}{doubt}")
    return against | again


def _overlapping(group: Sequence[Named]) -> Iterator[tuple[Named, Named]]:
    """Pairs that share frames, each in the order of the group, sorted by their second one."""
    order = {id(entry): number for number, entry in enumerate(group)}
    pairs, running = list[tuple[Named, Named]](), list[Named]()
    for entry in sorted(group, key=lambda entry: _frames(entry)[0]):
        running = [other for other in running if _frames(other)[1] > _frames(entry)[0]]
        pairs += [(other, entry) if order[id(other)] < order[id(entry)] else (entry, other) for other in running]
        running.append(entry)
    yield from sorted(pairs, key=lambda pair: (order[id(pair[1])], order[id(pair[0])]))


def _claim(entry: Named) -> tuple[str, str]:
    return entry.source.label, subject_key(entry.source.subject or "")


def _frames(entry: Named) -> tuple[float, float]:
    return entry.source.frames or (0, math.inf)


def _description(entry: Named) -> str:
    source = entry.source
    frames = f"frames {source.frames[0]} to {source.frames[1]} of " if source.frames else ""
    shown = source.files[0] if len(source.files) == 1 else source.files[0].parent
    return f"{frames}{shown} is {source.label}" + (f" of {source.subject}" if source.subject else "")


def _same_content(materials: Iterable[_Files], root: Path) -> dict[_Files, _Files]:
    """For each clip's files the first that hold the same; empty and unreadable ones are like no others."""
    sized: dict[tuple[int, ...], list[_Files]] = defaultdict(list)
    for files in dict.fromkeys(materials):
        sized[_sizes(files, root)].append(files)
    same: dict[_Files, _Files] = {}
    for sizes, alike in sized.items():
        first: dict[object, _Files] = {}
        for files in alike:
            content = _checksum(files, root) if len(alike) > 1 and 0 not in sizes else None
            same[files] = first.setdefault(content or files, files)
    return same


def _sizes(files: _Files, root: Path) -> tuple[int, ...]:
    """How many files, and the size of the first and of the last: that of all would take long where there are many."""
    try:
        return (len(files), *(os.path.getsize(root / file) for file in dict.fromkeys((files[0], files[-1]))))
    except OSError:
        return (0,)


def _checksum(files: _Files, root: Path) -> str | None:
    """Of size, beginning and end of each file; None if one cannot be read."""
    digest = hashlib.sha256()
    for file in files:
        try:
            with open(root / file, "rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                digest.update(size.to_bytes(8, "big") + stream.read(_ENDS))
                stream.seek(max(_ENDS, size - _ENDS))
                digest.update(stream.read(_ENDS))
        except OSError:
            return None
    return digest.hexdigest()
