"""The one place that finds the file a user means, opens its name with FFmpeg, makes any name printable, and sorts."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from fer_zoo.errors import printable


def shown(name: str | Path) -> str:
    """Return a file name on one line, as any terminal, picture, table or JSON file can hold it.

    Bytes that are not UTF-8, line breaks and control characters become escapes such as `\\xeb` and `\\n`.
    """
    return printable(str(name), keep="")


def find_path(path: str | Path) -> Path:
    """Return `path`, or the existing path that is the same text in another Unicode form, if there is exactly one.

    An accented letter is one character on most systems and a letter with a combining mark on others; both look the
    same. Where nothing is found, or several are, `path` comes back unchanged.
    """
    path = Path(path)
    if _exists(path):
        return path
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        if not _exists(found / part):
            same = _same_text(found, part)
            if len(same) != 1:
                return path
            part = same[0]
        found /= part
    return found


def missing(path: str | Path) -> str:
    """Return "There is no file PATH.", with the names beside it that differ in their Unicode form only."""
    path = Path(path)
    same = _same_text(path.parent, path.name)
    alike = f" (names that differ in their Unicode form only: {', '.join(map(ascii, same))})" if same else ""
    return f"There is no file {shown(path)}{alike}."


def ffmpeg_url(path: str | Path) -> str:
    """Return the URL under which FFmpeg opens exactly this local file.

    Without the prefix FFmpeg would read text before a colon as a protocol, and `-` as standard input.
    """
    return f"file:{os.path.abspath(path)}"


def natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sort key by which "frame9" comes before "frame10"; the same on every machine."""
    parts = re.findall(r"([0-9]+)|([^0-9]+)", name)
    return [(int(digits), "") if digits else (-1, text) for digits, text in parts], name


def _exists(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # a null character
        return False


def _same_text(folder: Path, name: str) -> list[str]:
    if name.isascii():
        return []
    try:
        names = os.listdir(folder)
    except (OSError, ValueError):
        return []
    composed = unicodedata.normalize("NFC", name)
    return sorted(other for other in names if unicodedata.normalize("NFC", other) == composed)
