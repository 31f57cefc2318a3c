"""The user's own clips, sorted into a folder for each label."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from fer_zoo.data.datasets._content import Named, without_doubles
from fer_zoo.data.datasets._labels import read_labels
from fer_zoo.data.datasets._layout import nearest_root, visible_folders
from fer_zoo.data.datasets._reading import WORDS, Reader, clips_in, note, unique_key, unknown_word
from fer_zoo.data.datasets._videos import visible_videos
from fer_zoo.data.sources import LABELS, Source
from fer_zoo.data.subjects import subject_name
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
) -> Reader:
    """Clips as `<label>/<video>` or `<label>/<folder of pictures>`.

    Labels are any of your own; where all are usual words of emotions ("angry"), they become those of `LABELS`. FFmpeg
    decides what is a video. Files that are no clip, folders that hold none and, with subject=prefix, names without a
    subject become problems; what they concern is left out. So are clips with the same size, beginning and end under
    different labels or subjects, all of them; under one, all but the first.

    Args:
        subject: "prefix": the name up to its first `_` is the subject, as in `anna_03.mp4`; "none": it is unknown.
        fps: frames per second of the folders of pictures.

    Raises (from `sources`):
        InputError: no folder below the root holds a clip.
    """
    prefix = subject == "prefix"

    def walk(problems: list[str]) -> Iterator[Named]:
        folders = visible_folders(root) if os.path.isdir(root) else []
        clips = {place: clips_in(root, place, problems) for place in folders}
        labels = read_labels(place.name for place, found in clips.items() if found)
        if not labels.meanings:
            there = ", ".join(unknown_word(place.name) for place in folders[:8]) or "there is no folder in it"
            state = f": {there}" if os.path.isdir(root) else ", which is not a folder"
            raise InputError(
                f"No folder of a label below {root}{state}.",
                f"a folder of videos for each label, of any names, e.g. {', '.join(LABELS[:7])}",
                nearest_root(root, lambda place: any(inner.name.lower() in WORDS for inner in visible_folders(place)))
                or "give the folder that holds one folder per label",
            )
        problems += labels.problems
        note(problems, "videos that are in no label's folder", [shown(path.name) for path in visible_videos(root)])
        nameless: list[str] = []
        for place, found in clips.items():
            label = labels.of(shown(place.name))
            if not found:
                problems.append(f"{shown(place.name)}: no clip")
            elif label is None:
                reason = labels.reason(shown(place.name))
                problems.append(f"{reason}: the folder and its {len(found)} clips are left out")
            for path, files in found if label else ():
                name, mark, _ = path.name.partition("_")
                if prefix and not (subject_name(shown(name)) and mark):
                    nameless.append(shown(path.relative_to(root)))
                else:
                    rate = fps if path.is_dir() else None
                    source = Source(
                        unique_key(place.name, path.name), files, label or "", shown(name) if prefix else None, fps=rate
                    )
                    yield Named(shown(path.relative_to(root)), source)
        note(problems, "clips whose name has no subject before a `_`", nameless)

    return Reader(lambda problems: without_doubles(walk(problems), root, problems))
