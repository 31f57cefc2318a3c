"""What the readers of databases share: folders under several spellings, visible files, text of any encoding, counts.

A reader raises InputError where the layout itself is missing; what is odd about one clip becomes a line of its list of
problems, and reading continues. Paths that are returned start with the path that was given; those of a source must be
made relative to the root.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from fer_zoo.data.sources import Source
from fer_zoo.data.subjects import folded, similar_subjects
from fer_zoo.errors import InputError
from fer_zoo.paths import natural, shown

# Files that operating systems leave in folders.
_LITTER = {"thumbs.db", "desktop.ini", "__macosx"}


def find_folder(root: Path, spellings: Sequence[str], what: str) -> Path:
    """Return the folder below `root` that has one of the spellings, upper and lower case aside; the first one wins.

    Args:
        root: the folder that the user gave.
        spellings: names, or paths with `/`, as the copies of a database have them; "." stands for the root itself.
        what: what the folder holds, for the error: "image sequences of CK+".

    Raises:
        InputError: none is there; says what was looked for, what is there, and the nearest match.
    """
    if (found := optional_folder(root, spellings)) is None:
        raise missing(root, spellings, what)
    return found


def optional_folder(root: Path, spellings: Sequence[str]) -> Path | None:
    """As `find_folder`, but None where there is no such folder."""
    return next((found for spelling in spellings if (found := inner_folder(root, spelling)) is not None), None)


def inner_folder(folder: Path, path: str) -> Path | None:
    """As `optional_folder`, for one spelling; lists what is there only if the exact folder is not."""
    exact = folder / path
    if os.path.isdir(exact):  # Path.is_dir raises where a name is too long
        return exact
    if not os.path.isdir(folder):
        return None
    for part in path.split("/"):
        same = [inner for inner in visible_folders(folder) if inner.name.lower() == part.lower()]
        if not same:
            return None
        folder = next((inner for inner in same if inner.name == part), same[0])
    return folder


def visible_folders(folder: Path) -> list[Path]:
    """Folders in `folder` that are not hidden, numbers in their names in numeric order.

    Raises:
        InputError: `folder` cannot be listed.
    """
    return [folder / name for name, is_folder in _listing(folder) if is_folder]


def visible_files(folder: Path, suffixes: Sequence[str] = ()) -> list[Path]:
    """Files in `folder` that are not hidden, numbers in their names in numeric order.

    Args:
        folder: where to look; not below it.
        suffixes: such as ".avi", in either case; all files if empty.

    Raises:
        InputError: `folder` cannot be listed.
    """
    wanted = tuple(suffix.lower() for suffix in suffixes) or ("",)
    return [folder / name for name, is_folder in _listing(folder) if not is_folder and name.lower().endswith(wanted)]


def find_file(folder: Path, path: str) -> Path | None:
    """Return the file that has this path below a folder, upper and lower case aside; None where there is none."""
    inner, _, name = path.rpartition("/")
    place = inner_folder(folder, inner or ".")
    return next((file for file in visible_files(place) if file.name.lower() == name.lower()), None) if place else None


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8, UTF-16 or else Latin-1. Line ends become `\\n`.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}.", "a readable text file", "copy it again") from error
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    if b"\0" in content[:2]:  # a header is ASCII, so one byte of its first letter is 0
        encoding = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    # Not splitlines: it also splits at characters that other encodings have for letters.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def safe_key(*parts: str) -> str:
    """Join parts by `/` to a key of a source: every other character than letters, digits and `-_.` becomes `_`."""
    return "/".join(re.sub(r"[^A-Za-z0-9._-]", "_", part) for part in parts)


def fold_parts(fold: int, folds: int) -> dict[str, str]:
    """Parts of published splits `fold_1`, `fold_2`, ... of a source in one fold: test there, train in all others."""
    return {f"fold_{number}": "test" if number == fold else "train" for number in range(1, folds + 1)}


def in_order(found: Iterable[Source], problems: list[str]) -> Iterator[Source]:
    """Return sources sorted by key, each subject under one spelling; what is wrong is appended to `problems`.

    Of two sources with one key the first is kept. Subjects that may be one under two names are named. All are read
    before it returns, so `problems` is complete then, and can be printed whatever the files are called.
    """
    unique: dict[str, Source] = {}
    for source in found:
        if source.key in unique:
            problems.append(
                f"{source.key}: duplicate; {source.files[0]} is left out, {unique[source.key].files[0]} is used"
            )
        else:
            unique[source.key] = source
    names = folded(source.subject for source in unique.values())
    problems += similar_subjects(names.values())
    problems[:] = map(shown, problems)
    sources = (unique[key] for key in sorted(unique))
    return iter([replace(source, subject=names.get(source.subject or "")) for source in sources])


def missing(root: Path, spellings: Sequence[str], what: str) -> InputError:
    """Build the error of a layout that is not below `root`: what was looked for, what is there, the nearest match."""
    looked = " or ".join(f"{spelling}/" for spelling in spellings)
    accepted = f"a root with {looked} in it, in upper or lower case"
    do = nearest_root(root, lambda place: optional_folder(place, spellings) is not None)
    do = do or next(filter(None, (_nearest(spelling.split("/")[0], root) for spelling in spellings)), None)
    if not os.path.isdir(root):
        state = "is a file" if os.path.exists(root) else "does not exist"
        return InputError(f"No {what}: {root} {state}.", accepted, do or "check the path")
    there = [name + "/" * is_folder for name, is_folder in _listing(root)]
    shown = ", ".join(there[:8]) + (f", ... ({len(there)} in all)" if len(there) > 8 else "")
    given = f"No {what} below {root}: looked for {looked}; there is {shown or 'nothing'}."
    return InputError(given, accepted, do or "give the folder that the database was unpacked to")


def nearest_root(root: Path, fits: Callable[[Path], bool]) -> str | None:
    """Which root may have been meant: one level up or down where it fits, or one of nearly that name; None if none."""
    try:
        if not os.path.isdir(root):
            return _nearest(root.name, root.parent)
        places = (root.parent, *visible_folders(root))
        return next((f"did you mean the root {place}?" for place in places if fits(place)), None)
    except InputError:  # a folder beside it that cannot be read is no reason to hide the error itself
        return None


def _listing(folder: Path) -> list[tuple[str, bool]]:
    """Names in a folder without hidden ones, and whether each is a folder."""
    try:
        # The listing mostly knows the kind of an entry; asking for each file would be slow where there are millions.
        with os.scandir(folder) as entries:
            found = [
                (entry.name, entry.is_dir())
                for entry in entries
                if entry.name.lower() not in _LITTER and entry.name[0] != "."
            ]
    except OSError as error:
        raise InputError(
            f"{folder} cannot be listed: {error}.", "a folder that can be read", "check the path and its permissions"
        ) from error
    return sorted(found, key=lambda named: natural(named[0]))


def _nearest(name: str, folder: Path) -> str | None:
    if not os.path.isdir(folder):
        return None
    names = {path.name.lower(): path for path in visible_folders(folder)}
    close = difflib.get_close_matches(name.lower(), names, n=1)
    return f"did you mean {names[close[0]]}?" if close else None
