"""CK+, the Extended Cohn-Kanade database: posed expressions as sequences of pictures that end at their peak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from fer_zoo.data.datasets._layout import (
    find_folder,
    optional_folder,
    read_text,
    safe_key,
    visible_files,
    visible_folders,
)
from fer_zoo.data.datasets._reading import Reader, pictures_of, sift
from fer_zoo.data.sources import Source
from fer_zoo.errors import InputError
from fer_zoo.registry import register_dataset

IMAGE_FOLDERS = (
    "cohn-kanade-images",
    "extended-cohn-kanade-images/cohn-kanade-images",
    "extended-cohn-kanade-images",
)
EMOTION_FOLDERS = ("Emotion", "Emotion_Labels/Emotion", "Emotion_Labels")

# 0 is neutral in the code table, but no sequence is labelled with it: one that is, is a mistake.
CODES = {1: "anger", 2: "contempt", 3: "disgust", 4: "fear", 5: "happiness", 6: "sadness", 7: "surprise"}
# Labelled sequences; counted from a public list of them.
EXPECTED = {"anger": 45, "contempt": 18, "disgust": 59, "fear": 25, "happiness": 69, "sadness": 28, "surprise": 83}
_SEQUENCES, _SUBJECTS = (f"{what}, labelled or not (expected number unverified)" for what in ("sequences", "subjects"))


@register_dataset(
    "ckplus",
    synthetic=False,
    fps=30.0,  # unverified, as the reader's option
    labels=tuple(CODES.values()),
    licence="gated: signed agreement with the University of Pittsburgh; text not in this package",
    terms="Non-commercial research. Whether trained weights may be passed on is unknown.",
    training_data="CK+: posed expressions, 327 labelled sequences of 118 subjects; each ends at its peak.",
    may_use="non-commercial research, after signing",
    share_weights="unknown: no express grant for trained weights was located",
    terms_source="data register of py-feat 2.1.5, reviewed 2026-10-08; the agreement itself was not read",
)
def ckplus(
    root: Path,
    *,
    frames: Annotated[int, Field(ge=1)] = 10,
    contempt: bool = True,
    fps: Annotated[float, Field(gt=0)] = 30.0,
) -> Reader:
    """CK+: the last `frames` pictures of each labelled sequence, in seven classes, or six without `contempt`.

    Labels are read from `Emotion/S###/###/*_emotion.txt`; a sequence without one is left out. Files that cannot be
    read, codes outside the map, labels without pictures and duplicates become problems. `fps`, the rate that the
    pictures were taken at, is unverified.

    Raises (from `sources`):
        InputError: the folder of the pictures or that of the emotions is not there.
    """
    counted = Counter[str]()

    def read(problems: list[str]) -> Iterator[Source]:
        images = find_folder(root, IMAGE_FOLDERS, "image sequences of CK+")
        emotions = find_folder(root, EMOTION_FOLDERS, "emotion labels of CK+")
        in_all = {path.name.upper(): len(visible_folders(path)) for path in visible_folders(images)}
        counted.update({_SEQUENCES: sum(in_all.values()), _SUBJECTS: len(in_all)})
        sequences = [inner for subject in visible_folders(emotions) for inner in visible_folders(subject)]

        def parse(sequence: Path) -> Source | str | None:
            files = visible_files(sequence, ["_emotion.txt"])
            if len(files) != 1:
                return f"{len(files)} emotion files" if files else None
            label = _label(files[0])
            if label == "contempt" and not contempt:
                return "sequences of contempt (contempt=False)"
            folder = optional_folder(images, [_name(sequence)])
            pictures = pictures_of(root, folder) if folder else ()
            if not pictures:
                return "labelled sequences without pictures"
            peak = files[0].name.lower().removesuffix("_emotion.txt")
            if pictures[-1].stem.lower() != peak:
                problems.append(
                    f"{_name(sequence)}: the label is that of {peak}, the last picture is {pictures[-1].name}; "
                    "the clip ends at the last picture"
                )
            return Source(
                key=safe_key(sequence.parent.name.upper(), sequence.name),
                files=pictures,
                label=label,
                subject=sequence.parent.name.upper(),
                frames=(max(0, len(pictures) - frames), len(pictures)),
                fps=fps,
            )

        return sift(sequences, parse, _name, problems, fatal=False)

    expected = {
        **{label: count for label, count in EXPECTED.items() if contempt or label != "contempt"},
        **({"subjects": 118} if contempt else {}),  # that of the six classes is not known
        # From general knowledge: not confirmed by any file read for this reader.
        **{_SEQUENCES: 593, _SUBJECTS: 123},
    }
    return Reader(read, expected, counted=counted)


def _name(sequence: Path) -> str:
    return f"{sequence.parent.name}/{sequence.name}"


def _label(file: Path) -> str:
    """Label in an emotion file; InputError if it cannot be read or its code is outside the map."""
    text = read_text(file).strip()
    try:
        code = float(text)
    except ValueError:
        raise InputError(f"{file.name} holds {text[:40]!r}, not a number.", "a code from 1 to 7") from None
    if code not in CODES:
        raise InputError(f"code {code:g} is outside the map.", "a code from 1 to 7")
    return CODES[int(code)]
