"""MAFW: clips of films, series and short videos in eleven classes and five published folds; no subject is known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fer_zoo.data.datasets._layout import find_folder
from fer_zoo.data.datasets._lists import listed
from fer_zoo.data.datasets._reading import WORDS, Reader, unknown_word
from fer_zoo.data.sources import Source
from fer_zoo.registry import register_dataset

# Counted in the lists that MAE-DFER (labels) and S2D (sizes) redistribute.
_LABELS = {
    "anger": 1390,
    "disgust": 639,
    "fear": 625,
    "happiness": 1242,
    "neutral": 1138,
    "sadness": 1470,
    "surprise": 1072,
    "contempt": 236,
    "anxiety": 916,
    "helplessness": 262,
    "disappointment": 182,
}
_EXPECTED = {
    "clips": 9172,
    **_LABELS,
    **{f"set_{fold} train": count for fold, count in enumerate((7333, 7335, 7339, 7340, 7341), start=1)},
    **{f"set_{fold} test": count for fold, count in enumerate((1839, 1837, 1833, 1832, 1831), start=1)},
}
_LISTS = tuple(
    f"{place}single/{captions}" for captions in ("no_caption", "with_caption") for place in ("split/", "anno/", "")
)


@register_dataset(
    "mafw",
    synthetic=False,
    labels=tuple(_LABELS),
    licence="gated: signed agreement with the China University of Geosciences; text not in this package",
    terms="Non-commercial research; nothing of it, nor any derived data, may be passed on or exploited commercially.",
    training_data="MAFW: 9172 single-labelled clips of films, series and short videos, 11 classes; subjects unknown.",
    may_use="professors and research scientists of a university, for non-commercial research",
    share_weights="unknown: whether trained weights are derived data is not stated",
    terms_source="README of MAFW-database/MAFW on GitHub, read 2026-11-22",
)
def mafw(root: Path, *, pictures: str = "clips") -> Reader:
    """MAFW, `data/clips/#####.mp4` and `split/single/no_caption/set_k/{train,test}.txt`, k = 1 to 5.

    Lists have a clip and a word per line; those with captions (`single/with_caption`, partly in GB encoding) are read
    where there are no others. Rows that cannot be read, words outside the eleven (compound ones too), clips with two
    labels and clips that are not there become problems.

    Args:
        pictures: folder with the clips: `clips` (videos), or `frames`, `faces`, ... (one folder of pictures per clip).

    Raises (from `sources`):
        InputError: the clips or the lists are not there.
    """

    def read(problems: list[str]) -> Iterator[Source]:
        folder = find_folder(root, [f"data/{pictures}", pictures], "clips of MAFW")
        splits = [f"set_{fold}" for fold in range(1, 6)]
        return listed(root, "MAFW", folder, _LISTS, ["{split}/{part}.txt"], splits, _parse, problems)

    return Reader(read, _EXPECTED)


def _parse(file: Path, number: int, line: str) -> tuple[str, str] | str:
    # Captions in GB encoding are read as Latin-1 here: names and labels are ASCII, which both leave as it is.
    match = re.match(r"\s*(\d{5})(?:\.\w+)?\s+([^\s<]+)", line)
    if match is None:
        return "rows that are not `00001.mp4 label`"
    label = WORDS.get(match[2].lower())
    if label in _LABELS:
        return match[1], label
    return "compound labels" if "_" in match[2] else unknown_word(match[2], "MAFW")
