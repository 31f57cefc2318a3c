"""GEMEP-FERA 2011, emotion part: videos, and a CSV table by the user that says emotion and actor of each.

No public program shows how the challenge stored its labels, so there is nothing to read them by.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from fer_zoo.data.datasets._content import Named, without_doubles
from fer_zoo.data.datasets._layout import nearest_root, safe_key
from fer_zoo.data.datasets._reading import Reader
from fer_zoo.data.datasets._table import read_table
from fer_zoo.data.datasets._videos import is_video
from fer_zoo.data.sources import Source
from fer_zoo.errors import InputError
from fer_zoo.paths import natural
from fer_zoo.registry import register_dataset

COLUMNS = ("clip", "emotion", "subject")
# What `fer-zoo data template fera` prints.
TEMPLATE = """\
clip,emotion,subject
# One line for each video; delete lines that begin with #.
# clip: the file below the root, as emotion/train_001.avi, or its name alone where no other video has it.
# emotion: anger, fear, joy, relief or sadness. subject: the actor, any name, the same for all videos of that actor.
# train_001.avi,joy,actor1
# train_002.avi,relief,actor2
"""
LABELS = ("anger", "fear", "happiness", "relief", "sadness")
_WORDS = {**dict(zip(LABELS, LABELS, strict=True)), "joy": "happiness"}
# Videos to train with, and with those to test with; their actors, 7 of whom are in the first. General knowledge, not
# confirmed by a file.
_EXPECTED = {"clips": (155, 155 + 134), "subjects": range(7, 11)}


@register_dataset(
    "fera",
    synthetic=False,
    labels=LABELS,
    template=TEMPLATE,
    licence="gated: signed agreement for the FERA 2011 challenge (GEMEP-FERA); text unknown",
    terms="Unknown; see the agreement. Whether trained weights may be passed on is unknown.",
    training_data="GEMEP-FERA 2011, emotion sub-challenge: acted portrayals; labels and actors from the user's table.",
    may_use="unknown; only those who signed the agreement of the challenge",
    share_weights="unknown",
    terms_source="unknown",
)
def fera(root: Path, *, table: str = "fera.csv") -> Reader:
    """GEMEP-FERA 2011: videos below the root, labelled by the user's CSV `table` with the columns clip,emotion,subject.

    `table` is a path below the root or an absolute one; `fer-zoo data template fera` prints its beginning. Videos that
    are absent or ambiguous, emotions outside the map, lines without an actor (which stay, with `subject` None) and
    duplicates become problems. A key is the path below the root without its suffix.

    Raises (from `sources`):
        InputError: the root or the table is not there, or the table lacks a column.
    """
    counted = Counter[str]()

    def walk(problems: list[str]) -> Iterator[Named]:
        rows, videos = _rows(root, Path(table)), _videos(root)
        named = _by_name(root, videos)
        used = set[Path]()
        for number, row in rows:
            where, clip, emotion = f"{table}, line {number}", row["clip"], row["emotion"].lower()
            files = named.get(clip.replace("\\", "/").lower(), [])
            if emotion not in _WORDS:
                problems.append(f"{where}: emotion {emotion!r} is outside the map")
            elif len(files) != 1:
                what = "no video" if not files else f"{len(files)} videos"
                problems.append(f"{where}: {what} {clip!r} below the root")
            else:
                if not row["subject"]:
                    problems.append(f"{where}: {clip} has no subject")
                file = files[0].relative_to(root)
                used.add(file)
                key = safe_key(*file.with_suffix("").parts)
                yield Named(where, Source(key, (file,), _WORDS[emotion], row["subject"] or None))
        counted["videos that the table does not name"] = len(videos) - len(used)

    def read(problems: list[str]) -> Iterator[Source]:
        return without_doubles(walk(problems), root, problems)

    return Reader(read, _EXPECTED, " (expected number unverified)", counted)


def _rows(root: Path, table: Path) -> list[tuple[int, dict[str, str]]]:
    path = root / table
    make = f"fer-zoo data template fera > {path}, then fill it in"
    if not os.path.isfile(path):
        meant = nearest_root(root, lambda place: (place / table).is_file())
        given = f"The table of labels {path} is not there."
        raise InputError(given, f"a CSV table {','.join(COLUMNS)}", meant or make)
    accepted = f"a CSV table with the columns {', '.join(COLUMNS)}"
    columns, rows, _ = read_table(path, accepted, comment="#")
    if lacking := [column for column in COLUMNS if column not in columns]:
        given = f"The columns of {path} are {', '.join(columns)[:80]!r}: no {', '.join(lacking)}."
        raise InputError(given, accepted, make)
    return rows


def _videos(root: Path) -> list[Path]:
    if not os.path.isdir(root):
        raise InputError(f"{root} is not a folder.", "the folder with the videos of GEMEP-FERA", "check the path")
    found = []
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if not name.startswith(".")]
        paths = (Path(folder, name) for name in names if not name.startswith("."))
        found += [path for path in paths if is_video(path)]
    return sorted(found, key=lambda path: natural(path.as_posix()))


def _by_name(root: Path, videos: list[Path]) -> dict[str, list[Path]]:
    """Videos by every accepted name: path, path without suffix, name, name without suffix; lowercase."""
    named: dict[str, list[Path]] = defaultdict(list)
    for video in videos:
        path = video.relative_to(root)
        for name in {path.as_posix(), path.with_suffix("").as_posix(), path.name, path.stem}:
            named[name.lower()].append(video)
    return named
