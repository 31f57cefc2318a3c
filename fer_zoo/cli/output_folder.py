"""The folder that `fer-zoo predict` writes to: results of another video are never replaced silently."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fer_zoo.errors import VideoError
from fer_zoo.files import clear_leftovers, take_lock
from fer_zoo.inference.plot import recorded
from fer_zoo.paths import shown

TABLE, PICTURE, VIDEO = "timeline.csv", "timeline.png", "annotated.mp4"


def check_folder(out: Path) -> None:
    """Raise VideoError if `out` is not a folder and cannot become one."""
    try:
        existing = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    except OSError as error:  # the name is too long, or a folder may not be searched
        raise _unwritable(out, str(error.strerror)) from error
    if not existing.is_dir():
        raise _unwritable(out, f"{existing} is a file")
    if not os.access(existing, os.W_OK):
        raise _unwritable(out, f"{existing} is not writable")


@contextmanager
def results_folder(video: Path, out: Path | None) -> Iterator[tuple[Path, Path | None]]:
    """Give a folder for the results of `video`, and the other video whose results were in it and are replaced.

    The folder is `out`. Without it, it is the first of NAME_expressions, NAME_expressions_2, ... that neither holds
    results of another video nor is being written to.

    Raises:
        VideoError: it cannot be made or written to.
    """
    with ExitStack() as locks:
        yield _claim(video, out, locks)


def _claim(video: Path, out: Path | None, locks: ExitStack) -> tuple[Path, Path | None]:
    for number in itertools.count(1):
        folder = out or default_folder(video, number)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            free = locks.enter_context(_lock(folder))
            other = _other_source(folder, video)
            if out is None and (other is not None or not free):
                continue
            clear_leftovers(folder)
            if other is not None:
                (folder / VIDEO).unlink(missing_ok=True)
                for old in itertools.chain(folder.glob("timeline.*"), folder.glob("timeline_[0-9]*.png")):
                    old.unlink()
        except OSError as error:
            raise _unwritable(folder, str(error.strerror)) from error
        return folder, other
    raise AssertionError  # pragma: no cover  (the numbers do not end)


def has_results(folder: Path, video: Path, names: list[str], options: str) -> bool:
    """Return whether a folder holds all these files, made of exactly this video, after it, with these options."""
    made_of = {"Source": shown(video.resolve()), "Options": options}
    if not all((folder / name).is_file() for name in names) or recorded(folder / PICTURE) != made_of:
        return False
    return all((folder / name).stat().st_mtime >= video.stat().st_mtime for name in names)


def default_folder(video: Path, number: int = 1) -> Path:
    """Return the folder in the current one that is named after a video or stream."""
    return Path(f"{video.stem or 'stream'}_expressions" + (f"_{number}" if number > 1 else ""))


def _other_source(folder: Path, video: Path) -> Path | None:
    """Return the video whose results a folder holds, if it is another one."""
    if not any((folder / name).exists() for name in (TABLE, PICTURE, VIDEO)):
        return None
    source = recorded(folder / PICTURE).get("Source")
    return None if source == shown(video.resolve()) else Path(source or "an unknown video")


@contextmanager
def _lock(folder: Path) -> Iterator[bool]:
    """Reserve the folder for this process; returns False if another process has it."""
    if os.name == "nt":  # pragma: no cover  (folders cannot be opened there)
        yield True
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield take_lock(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(out: Path, reason: str) -> VideoError:
    given = f"The folder {out} cannot be written to: {reason}."
    return VideoError(given, "a writable folder", "choose another --out")
