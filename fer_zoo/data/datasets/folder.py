"""Anybody's own clips, sorted into a folder for each label."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from fer_zoo.data.datasets._content import Named, without_doubles
from fer_zoo.data.datasets._layout import nearest_root, visible_files, visible_folders
from fer_zoo.data.datasets._reading import PICTURES, WORDS, Walk, clips_in, note, unique_key, unknown_word
from fer_zoo.data.sources import LABELS, Source
from fer_zoo.errors import InputError
from fer_zoo.paths import shown
from fer_zoo.registry import register_dataset


@register_dataset(
    "folder",
    synthetic=False,
    licence="unknown: the user's own clips",
    terms="unknown: those of whoever made the clips",
    training_data="The user's own clips, in a folder for each label.",
    may_use="unknown",
    share_weights="unknown",
    terms_source="unknown",
)
def folder(
    root: Path,
    *,
    subject: Literal["none", "prefix"] = "none",
    fps: Annotated[float, Field(gt=0)] | None = None,
) -> Walk:
    """Clips as `<label>/<video>` or `<label>/<folder of pictures>`; a label is one of `LABELS` or a usual word for it.

    Folders that are no label or hold no clip, single pictures and, with subject=prefix, names without a subject become
    problems; what they concern is left out. So are clips that hold the same, to judge by size, beginning and end, under
    two labels or subjects, both; under one, the second.

    Args:
        subject: "prefix": the name up to its first `_` is the subject, as in `anna_03.mp4`; "none": nobody is known.
        fps: frames a second of the folders of pictures.

    Raises (from `sources` and `check`):
        InputError: no folder below the root is named after a label.
    """
    return Walk(partial(_read, root, subject == "prefix", fps))


def _read(root: Path, prefix: bool, fps: float | None, problems: list[str]) -> Iterator[Source]:
    yield from without_doubles(_walk(root, prefix, fps, problems), root, problems)


def _walk(root: Path, prefix: bool, fps: float | None, problems: list[str]) -> Iterator[Named]:
    folders = visible_folders(root) if root.is_dir() else []
    if not _has_labels(root):
        there = ", ".join(unknown_word(place.name) for place in folders[:8]) or "there is no folder in it"
        raise InputError(
            f"No folder of a label below {root}" + (f": {there}." if root.is_dir() else ", which is no folder."),
            f"folders named {', '.join(LABELS)}",
            nearest_root(root, _has_labels) or "give the folder that holds one folder a label",
        )
    nameless: list[str] = []
    for place in folders:
        label = WORDS.get(place.name.lower())
        clips = list(clips_in(root, place, problems))
        if label is None:
            problems.append(f"{unknown_word(place.name)}: the folder and its {len(clips)} clips are left out")
            continue
        if not clips:
            problems.append(f"{place.name}: no clip")
        pictures = [shown(file.relative_to(root)) for file in visible_files(place, PICTURES)]
        note(problems, f"{place.name}: single pictures are no clips (put those of one clip into a folder)", pictures)
        for path, files in clips:
            person, mark, _ = path.name.partition("_")
            if prefix and not (person and mark):
                nameless.append(shown(path.relative_to(root)))
            else:
                rate = fps if path.is_dir() else None
                who = shown(person) if prefix else None
                source = Source(unique_key(place.name, path.name), files, label, who, fps=rate)
                yield Named(shown(path.relative_to(root)), source)
    note(problems, "clips whose name has no subject before a `_`", nameless)


def _has_labels(place: Path) -> bool:
    return place.is_dir() and any(inner.name.lower() in WORDS for inner in visible_folders(place))
