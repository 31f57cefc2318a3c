"""CREMA-D: 91 actors, twelve sentences in six emotions; the file names state everything."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from fer_zoo.data.datasets._layout import find_folder, fold_parts, optional_folder
from fer_zoo.data.datasets._reading import Reader, sift
from fer_zoo.data.datasets._table import read_table
from fer_zoo.data.datasets._videos import visible_videos
from fer_zoo.data.sources import Source
from fer_zoo.data.subjects import subject_key
from fer_zoo.errors import InputError
from fer_zoo.paths import shown
from fer_zoo.registry import register_dataset

_EMOTIONS = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happiness", "NEU": "neutral", "SAD": "sadness"}
_FOLDERS = ("VideoFlash", "VideoMP4", "Video", "Videos")
_DEMOGRAPHICS, _COLUMNS = "VideoDemographics.csv", ("actorid", "age", "sex", "race")
_FIRST, _LAST, _PER_FOLD, _FOLDS = 1001, 1091, 18, 5


@register_dataset(
    "cremad",
    synthetic=False,
    labels=tuple(_EMOTIONS.values()),
    licence="ODbL-1.0 for the database, DbCL-1.0 for its contents",
    terms="Open Database License: attribution, share alike for databases derived from it.",
    training_data="CREMA-D: acted sentences, 91 actors, 6 emotions without surprise, 7442 clips.",
    may_use="anybody",
    share_weights="unknown",
    terms_source="LICENSE.txt of CheyneyComputerScience/CREMA-D on GitHub, read 2026-11-22",
)
def cremad(root: Path) -> Reader:
    """CREMA-D, `VideoFlash/<actor>_<sentence>_<emotion>_<level>.flv` (or .mp4), in five folds of 18 or 19 actors.

    A clone without Git LFS holds small texts in place of the videos: they, names that are not of this form, unknown
    codes and doubles (.flv and .mp4 of one take) become problems. Folds (1001-1018, 1019-1036, ...) and counts:
    MAE-DFER, `saved/data/crema-d`. Groups: age, sex and race, where `VideoDemographics.csv` lies in the root.

    Raises (from `sources`):
        InputError: no video is there, or VideoDemographics.csv is another table.
    """

    def read(problems: list[str]) -> Iterator[Source]:
        groups = _groups(root)

        def parse(file: Path) -> Source | str:
            match = re.fullmatch(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})", file.stem)
            if match is None:
                return "the name is not of the form actor_sentence_emotion_level"
            actor, emotion = match[1], match[3]
            if emotion not in _EMOTIONS:
                return f"emotion code {emotion} is not one of {', '.join(_EMOTIONS)}"
            if not _FIRST <= int(actor) <= _LAST:
                return f"actor {actor} is not one of {_FIRST} to {_LAST}"
            if _is_pointer(file):
                return "the video was not downloaded, only its pointer (run `git lfs pull` or `git annex get .`)"
            fold = min((int(actor) - _FIRST) // _PER_FOLD, _FOLDS - 1) + 1
            files, split = (file.relative_to(root),), fold_parts(fold, _FOLDS)
            return Source(file.stem, files, _EMOTIONS[emotion], actor, split=split, groups=groups.get(actor, {}))

        return sift(_videos(root), parse, lambda file: shown(file.name), problems)

    return Reader(read, _EXPECTED)


def _groups(root: Path) -> dict[str, dict[str, str]]:
    """Age in decades, sex and race of each actor, in the table's words; none where it was not copied along."""
    file = root / _DEMOGRAPHICS
    if not os.path.isfile(file):
        return {}
    table = read_table(file, f"{_DEMOGRAPHICS} as it comes with CREMA-D: {','.join(_COLUMNS)}")
    if not set(_COLUMNS) <= set(table.columns):
        raise InputError(
            f"{file} has the columns {', '.join(table.columns)}.",
            ", ".join(_COLUMNS),
            "copy the table again, or remove it: clips then have no groups",
        )
    groups = {}
    for _, row in table.rows:
        decade = int(row["age"]) // 10 * 10 if row["age"].isdecimal() else None
        age = "" if decade is None else f"{decade}-{decade + 9}"
        groups[subject_key(row["actorid"])] = {"age": age, "sex": row["sex"].lower(), "race": row["race"].lower()}
    return groups


def _videos(root: Path) -> list[Path]:
    folder = optional_folder(root, _FOLDERS)
    if folder is None and os.path.isdir(root) and (files := visible_videos(root)):
        return files
    return visible_videos(folder or find_folder(root, _FOLDERS, "videos of CREMA-D"))


def _is_pointer(file: Path) -> bool:
    """Whether a clone has only a pointer to the video: a small text of Git LFS, or a link of git-annex to nothing."""
    if not os.path.exists(file):
        return True
    if not 100 <= file.stat().st_size <= 200:
        return False
    with file.open("rb") as stream:
        return stream.read(20).startswith(b"version https://git-")


_EXPECTED = {
    "clips": 7442,
    "subjects": 91,
    **{label: 1087 if label == "neutral" else 1271 for label in _EMOTIONS.values()},
    **{f"fold_{fold} test": count for fold, count in enumerate((1463, 1470, 1476, 1476, 1557), start=1)},
}
