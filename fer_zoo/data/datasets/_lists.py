"""Databases whose clips are named in lists, a clip and its label per line, one list for each part of each split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fer_zoo.data.datasets._layout import find_file, find_folder, inner_folder, read_text, safe_key, visible_files
from fer_zoo.data.datasets._reading import pictures_of, sift
from fer_zoo.data.datasets._videos import visible_videos
from fer_zoo.data.sources import Source
from fer_zoo.errors import InputError

Parse = Callable[[Path, int, str], tuple[str, str] | str | None]


def listed(
    root: Path,
    database: str,
    clips: Path,
    folders: Sequence[str],
    names: Sequence[str],
    splits: Sequence[str],
    parse: Parse,
    problems: list[str],
    contradiction: Callable[[str, str], str | None] = lambda clip, label: None,
) -> Iterator[Source]:
    """Yield the clips of the lists that are in the folder `clips`, as videos or folders of pictures, without subjects.

    Clips with two labels, in two parts of one split, or not there, are left out and noted, as are lists.

    Args:
        folders: spellings of the folder of the lists, with {part} for train or test.
        names: spellings of a list below it, with {part} and {split}.
        parse: gives clip and label of a line of a list, by the line's number; or why it is left out, None if it is
            nothing odd.
        contradiction: why a clip cannot have a label.

    Raises:
        InputError: there is no list.
    """
    labels, parts = defaultdict[str, set[str]](set), defaultdict[str, set[tuple[str, str]]](set)
    for file, split, part in _lists(root, database, folders, names, splits, problems):
        for clip, label in _rows(root, file, parse, problems):
            labels[clip].add(label)
            parts[clip].add((split, part))
    videos = {file.stem: (file.relative_to(root),) for file in visible_videos(clips)}

    def source(clip: str) -> Source | str:
        label, *others = labels[clip]
        split = dict(sorted(parts[clip]))
        if others:
            return "clips that the lists give two labels"
        if len(split) < len(parts[clip]):
            return "clips that are in two parts of one split"
        if reason := contradiction(clip, label):
            return reason
        sequence = inner_folder(clips, clip)
        files = videos.get(clip) or (pictures_of(root, sequence) if sequence else ())
        return Source(safe_key(*clip.split("/")), files, label, None, split=split) if files else missing

    missing = f"clips of the lists that are not in {clips.name}"
    yield from sift(labels, source, str, problems)


def _lists(
    root: Path, database: str, folders: Sequence[str], names: Sequence[str], splits: Sequence[str], problems: list[str]
) -> list[tuple[Path, str, str]]:
    """Each list with its split and its part; one that is missing beside the other of its split is noted."""
    found = list[tuple[Path, str, str]]()
    places = {
        part: find_folder(root, [spelling.format(part=part) for spelling in folders], f"lists of {database}")
        for part in ("train", "test")
    }
    for split in splits:
        lists = {
            part: [file for name in names if (file := find_file(place, name.format(part=part, split=split)))]
            for part, place in places.items()
        }
        found += [(files[0], split, part) for part, files in lists.items() if files]
        if any(lists.values()):
            lacking = [part for part, files in lists.items() if not files]
            problems += [f"{places[part].relative_to(root)}: no {part} list of {split}" for part in lacking]
    if not found:
        unique = list(dict.fromkeys(places.values()))
        there = ", ".join([file.name for place in unique for file in visible_files(place)][:8])
        raise InputError(
            f"No list of {database} in {' or '.join(map(str, unique))}; there is {there or 'no file'}.",
            ", ".join(names[0].format(part=part, split=splits[0]) for part in places),
            "copy the lists as they were downloaded",
        )
    return found


def _rows(root: Path, file: Path, parse: Parse, problems: list[str]) -> list[tuple[str, str]]:
    """Clips and labels of a list; a list without any, or one that cannot be read, is noted."""
    where, known = f"{file.relative_to(root)}: ", len(problems)
    try:
        lines = [(number, text) for number, text in enumerate(read_text(file).split("\n"), 1) if text.strip()]
    except InputError as error:
        problems.append(f"{where}the list is left out: {error.given}")
        return []
    rows = list(sift(lines, lambda line: parse(file, *line), lambda line: f"line {line[0]}", problems, where))
    if not rows and len(problems) == known:
        problems.append(f"{where}no clip in it")
    return rows
