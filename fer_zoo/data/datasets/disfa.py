"""DISFA: long videos of spontaneous expressions with action units per frame; rules turn those into emotions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from fer_zoo.data.datasets._emfacs import SHIPPED, EmotionRules, load_rules
from fer_zoo.data.datasets._layout import find_folder, fold_parts, read_text, safe_key, visible_files, visible_folders
from fer_zoo.data.datasets._reading import Reader
from fer_zoo.data.datasets._videos import visible_videos
from fer_zoo.data.sources import Source
from fer_zoo.errors import InputError, OptionError
from fer_zoo.registry import register_dataset

UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
# Some copies have the folder in a folder of its own name.
_LABEL_FOLDERS = [
    f"{inner}{name}" for name in ("ActionUnit_Labels", "ActionUnits_Labels") for inner in (f"{name}/", "")
]
LABELS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
# Subjects of the three folds of ME-GraphAU and others.
FOLDS = {
    1: (1, 2, 9, 10, 16, 26, 27, 30, 32),
    2: (6, 11, 12, 13, 18, 21, 24, 28, 31),
    3: (3, 4, 5, 7, 8, 17, 23, 25, 29),
}
_FOLDS = {f"SN{number:03d}": fold for fold, numbers in FOLDS.items() for number in numbers}
_ROWS = {subject: 4845 - (subject == "SN010") for subject in _FOLDS}


@register_dataset(
    "disfa",
    synthetic=False,
    fps=20.0,
    labels=LABELS,
    licence="gated: signed agreement with the University of Denver; text not in this package",
    terms="Research only. Whether trained weights may be passed on is unknown.",
    training_data="DISFA: spontaneous, 27 subjects, action units per frame, emotions from those by a table of rules.",
    may_use="research only, after signing",
    share_weights="unknown: the wording does not itself license weights",
    terms_source="data register of py-feat 2.1.5, reviewed 2026-10-08; the agreement itself was not read",
)
def disfa(
    root: Path,
    *,
    camera: Literal["left", "right"] = "left",
    frames: Annotated[int, Field(ge=1)] = 10,
    rules: str | None = None,
) -> Reader:
    """DISFA: clips of `frames` frames (videos of 20 a second) that rules on the action units give one emotion.

    The rule behind published figures is not published: the shipped `emfacs.yaml` is a choice of ours, `rules` the path
    of another. Subjects of DISFA+ are all in DISFA; never train on one and test on the other. Neutral is by far
    the most frequent label, and is kept. A key is the subject and the first frame, counted from 0, e.g. "SN001/00120".

    Label files that are missing or cannot be read (their subject is left out), lines that cannot be read (their frame
    has no label), files of different length (frames that not all have are left out) and subjects without a video or
    with two become problems. Numbers of clips of each label are not known: they depend on the rules.

    Raises:
        InputError, OptionError: the rules cannot be read, or name a unit that DISFA does not code.
    """
    table = load_rules(Path(rules) if rules else SHIPPED)
    if foreign := sorted(table.units - set(UNITS)):
        raise OptionError(
            f"The rules name action units that DISFA does not code: {', '.join(map(str, foreign))}.",
            f"units {', '.join(map(str, UNITS))}",
            "take them out of the rules",
        )
    counted = Counter[str]()

    def read(problems: list[str]) -> Iterator[Source]:
        labels, videos = find_folder(root, _LABEL_FOLDERS, "action unit labels of DISFA"), _videos(root, camera)
        for subject, (_, *others) in videos.items():
            counted[f"videos of {subject}"] = 1
            problems += [f"{subject}: a second video, {file.name}, is left out" for file in others]
        for folder in visible_folders(labels):
            subject = folder.name.upper()
            coded = _intensities(folder, problems)
            if coded is None:
                continue
            counted[f"label rows of {subject}"] = len(coded)
            if subject not in videos:
                problems.append(f"{subject}: no video of the {camera} camera; left out")
                continue
            for label, first in _clips(coded, frames, table):
                yield Source(
                    key=safe_key(subject, f"{first:05d}"),
                    files=(videos[subject][0].relative_to(root),),
                    label=label,
                    subject=subject,
                    frames=(first, first + frames),
                    split=fold_parts(_FOLDS[subject], len(FOLDS)) if subject in _FOLDS else {},
                )

    expected = {f"label rows of {subject}": count for subject, count in _ROWS.items()}
    expected |= {f"videos of {subject}": 1 for subject in _ROWS}
    facts = {"rules_version": table.version, "rules_sha256": table.fingerprint}
    return Reader(read, expected, counted=counted, facts=facts)


def _videos(root: Path, camera: str) -> dict[str, list[Path]]:
    """Return the videos of each subject; more than one is odd."""
    side = camera.capitalize()
    spellings = [f"{video}_{side}{rest}" for video in ("Video", "Videos") for rest in ("Camera", "_Camera", "")]
    folder = find_folder(root, spellings, f"videos of DISFA's {camera} camera")
    found: dict[str, list[Path]] = {}
    for file in visible_videos(folder):
        if named := re.match(rf"{side}Video_?(SN\d+)", file.stem, re.IGNORECASE):
            found.setdefault(named[1].upper(), []).append(file)
    return found


def _clips(coded: npt.NDArray[np.int64], frames: int, rules: EmotionRules) -> Iterator[tuple[str, int]]:
    """Yield label and first frame of each clip; what remains of a stretch is left out."""
    first = 0
    for label, stretch in groupby(rules.label_frames(UNITS, coded)):
        length = sum(1 for _ in stretch)
        if label and length >= rules.minimum_run:
            yield from ((label, at) for at in range(first, first + length - frames + 1, frames))
        first += length


def _intensities(folder: Path, problems: list[str]) -> npt.NDArray[np.int64] | None:
    """Return intensities (frames, units) of a subject, -1 where not coded; None if a unit cannot be read."""
    subject = folder.name.upper()
    files = {
        int(named[1]): file
        for file in visible_files(folder, [".txt"])
        if (named := re.search(r"_au(\d+)$", file.stem, re.IGNORECASE))
    }
    if lacking := [str(unit) for unit in UNITS if unit not in files]:
        problems.append(f"{subject}: no labels of action units {', '.join(lacking)}; left out")
        return None
    try:
        columns = [_column(files[unit], problems) for unit in UNITS]
    except InputError as error:
        problems.append(f"{subject}: {error.given} The subject is left out.")
        return None
    lengths = sorted({len(column) for column in columns})
    if len(lengths) > 1:
        problems.append(f"{subject}: its label files have {lengths[0]} to {lengths[-1]} frames")
    return np.stack([np.asarray(column[: lengths[0]], np.int64) for column in columns], axis=1)


def _column(file: Path, problems: list[str]) -> list[int]:
    """Return the intensity of each frame, -1 where it is not coded; raises InputError if there is none."""
    coded: dict[int, int] = {}
    lines = [line for line in read_text(file).split("\n") if line.strip()]
    for line in lines:
        if row := re.fullmatch(r"\s*(\d{1,6})\s*[,;\s]\s*([0-5])(?:\.0*)?\s*", line):
            coded.setdefault(int(row[1]), int(row[2]))
    if not coded:
        raise InputError(f"{file.name} holds no row `frame,intensity`.", "one row per frame")
    if len(coded) < len(lines):
        problems.append(f"{file.name}: {len(lines) - len(coded)} rows are no `frame,intensity`, or name a frame again")
    # Frames are numbered from 1; a copy that begins with 0 says so itself.
    begin = 0 if 0 in coded else 1
    return [coded.get(number, -1) for number in range(begin, max(coded) + 1)]
