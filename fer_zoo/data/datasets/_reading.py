"""What the readers of open and in-the-wild databases share: the walk behind a Database, words of emotions, keys."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from fer_zoo.data.datasets._layout import in_order, safe_key, visible_files, visible_folders
from fer_zoo.data.datasets._videos import hidden_videos, is_text, is_video, visible_videos
from fer_zoo.data.sources import LABELS, Difference, Source
from fer_zoo.errors import InputError
from fer_zoo.paths import shown

T = TypeVar("T")
R = TypeVar("R")
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")

# Every spelling of an emotion that folders and lists use for it; what is not here is never guessed.
WORDS: Mapping[str, str] = {
    **{label: label for label in LABELS},
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "happy": "happiness",
    "joy": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
}


@dataclass
class Reader:
    """A database that one function reads, with the counts that are known of it.

    Attributes:
        read: yields what is there, in any order, and appends what is odd to the list; raises InputError if the layout
            is not there.
        expected: known counts by the names of `counts` and `counted`, or all that are right; others are not compared.
        remark: appended to the name of each difference from `expected`.
        counted: what `read` counted beside the sources; all of it is compared.
        facts: what else made the labels; a store repeats it.
        problems: what was odd in the latest `sources()`, one line each.
    """

    read: Callable[[list[str]], Iterable[Source]]
    expected: Mapping[str, int | Sequence[int]] = field(default_factory=dict)
    remark: str = ""
    counted: Counter[str] = field(default_factory=Counter)
    facts: Mapping[str, object] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def sources(self) -> Iterator[Source]:
        """Yield what is there, sorted by key; `problems` is complete from the start.

        Raises:
            InputError: the layout is not there.
        """
        self.problems = []
        self.counted.clear()
        return iter(list(in_order(self.read(self.problems), self.problems)))

    def check(self, sources: Sequence[Source]) -> Sequence[Difference]:
        """Compare the sources with what is known of the database."""
        found, differing = counts(sources) + self.counted, []
        for what in dict.fromkeys((*self.expected, *self.counted)):
            right, count = self.expected.get(what, 0), found[what]
            nearest = right if isinstance(right, int) else min(right, key=lambda n: abs(n - count))
            if nearest != count:
                differing.append(Difference(what + self.remark * (what in self.expected), count, nearest))
        return differing


def counts(sources: Iterable[Source]) -> Counter[str]:
    """Count "clips", "subjects", each label and each part of a split ("set_1 train", "fold 3")."""
    found: Counter[str] = Counter()
    subjects = set()
    for source in sources:
        found.update(("clips", source.label, *(f"{split} {part}" for split, part in source.split.items())))
        subjects.add(source.subject)
    found["subjects"] = len(subjects - {None})
    return found


def pictures_of(root: Path, folder: Path) -> tuple[Path, ...]:
    """Picture files of a sequence in their order, as paths below `root`."""
    return tuple(file.relative_to(root) for file in visible_files(folder, PICTURES))


def note(problems: list[str], reason: str, names: Sequence[str]) -> None:
    """Append one line for all clips that are left out for one reason; nothing if there are none."""
    if names:
        problems.append(f"{reason}: {len(names)} left out, such as {names[0]}")


def sift(
    items: Iterable[T],
    parse: Callable[[T], R | str | None],
    name: Callable[[T], str],
    problems: list[str],
    where: str = "",
    fatal: bool = True,
) -> Iterator[R]:
    """Yield what `parse` makes of each item; items for which it gives a text are left out and noted by that reason.

    Items for which it gives None are left out without a note; so are those that it refuses, with one, if not `fatal`.
    """
    odd: dict[str, list[str]] = defaultdict(list)
    for item in items:
        try:
            found = parse(item)
        except InputError as error:
            if fatal:
                raise
            problems.append(f"{where}{name(item)}: {error.given}")
            continue
        if isinstance(found, str):
            odd[found].append(name(item))
        elif found is not None:
            yield found
    for reason, names in odd.items():
        note(problems, where + reason, names)


def unknown_word(word: str, database: str = "") -> str:
    """Return that a word is not a label, or not one of a database, with the nearest that is one."""
    near = [] if word.lower() in WORDS else difflib.get_close_matches(word.lower(), WORDS, n=1)
    where = f" of {database}" if database else ""
    return f"{shown(word)!r} is not a label{where}" + (f" (did you mean {near[0]!r}?)" if near else "")


def unique_key(*parts: str) -> str:
    """As `safe_key`, for names that follow no standard: those that had to be changed stay different."""
    key = safe_key(*parts)
    if key == "/".join(parts):
        return key
    return f"{key}-{hashlib.sha256(os.fsencode('/'.join(parts))).hexdigest()[:8]}"


def clips_in(root: Path, folder: Path, problems: list[str]) -> list[tuple[Path, tuple[Path, ...]]]:
    """Each clip of a folder with its files below `root`: videos, and folders of pictures; the rest is noted."""
    found: list[tuple[Path, tuple[Path, ...]]] = []
    pictures, others = list[str](), list[str]()
    for file in visible_files(folder):
        if file.name.lower().endswith(PICTURES):
            pictures.append(shown(file.relative_to(root)))
        elif is_video(file):
            found.append((file, (file.relative_to(root),)))
        elif not is_text(file):
            others.append(shown(file.relative_to(root)))
    for sequence in visible_folders(folder):
        if files := pictures_of(root, sequence):
            found.append((sequence, files))
            unread = [f for f in visible_files(sequence) if not f.name.lower().endswith(PICTURES) and not is_text(f)]
            reason = f"{shown(sequence.relative_to(root))}: files other than {', '.join(PICTURES)}"
            note(problems, reason, [shown(file.name) for file in unread])
        else:
            inner = len(visible_videos(sequence))
            holds = f" ({inner} videos: move them up into {shown(folder.name)})" if inner else ""
            problems.append(f"{shown(sequence.relative_to(root))}: no picture; left out{holds}")
    name = shown(folder.relative_to(root))
    note(problems, f"{name}: single pictures are not clips (put the pictures of one clip into a folder)", pictures)
    note(problems, f"{name}: files that FFmpeg does not read as video", others)
    note(problems, f"{name}: hidden videos", [shown(file.relative_to(root)) for file in hidden_videos(folder)])
    return found
