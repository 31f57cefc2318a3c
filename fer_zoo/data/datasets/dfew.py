"""DFEW: clips of films in seven classes and five published folds; no subject is known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fer_zoo.data.datasets._layout import find_folder
from fer_zoo.data.datasets._lists import listed
from fer_zoo.data.datasets._reading import Reader
from fer_zoo.data.sources import Source
from fer_zoo.errors import InputError
from fer_zoo.registry import register_dataset

# In the order of the official codes, which count from 1.
_EMOTIONS = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
# All frames of each clip. What was sampled to 16 frames is another dataset, so it is read only if asked for.
_ALL_FRAMES = "jpg_256"
_PLACES = ("EmoLabel_DataSplit/{part}(single-labeled)", "{part}(single-labeled)")
_LISTS = (*_PLACES, "single_label/label", "data_affine/single_label/label")
_NAMES = ("{split}.csv", "single_{part}{split}.csv", "{part}_{split}.csv")


@register_dataset(
    "dfew",
    synthetic=False,
    labels=_EMOTIONS,
    licence="gated: password from Southeast University, China, on a request from a university's address",
    terms="Non-commercial research; nothing of it may be passed on, nor any derived data exploited commercially.",
    training_data="DFEW: 11697 single-labelled clips of films, 7 classes; subjects unknown.",
    may_use="professors and research scientists of a university, for non-commercial research",
    share_weights="unknown: whether trained weights are derived data is not stated",
    terms_source="download.html of dfew-dataset/dfew-dataset.github.io on GitHub, read 2026-11-22",
)
def dfew(root: Path, *, pictures: str = _ALL_FRAMES) -> Reader:
    """DFEW, `Clip/jpg_256/00001/*.jpg` and `EmoLabel_DataSplit/{train,test}(single-labeled)/set_k.csv`, k = 1 to 5.

    Also read: the raw release (`single_label/data`, `single_label/label/single_trainset_k.csv`). Official lists count
    labels from 1; lists named `train_set_k.csv` (redistributed with S2D) count from 0. Rows that cannot be read, codes
    outside the seven, clips with two labels and clips without pictures become problems.

    Args:
        pictures: folder with the clips, as `clip_224x224`; the default takes the releases with all frames.

    Raises (from `sources`):
        InputError: pictures or lists are not there, or a list does not count from where its name says.
    """

    def read(problems: list[str]) -> Iterator[Source]:
        spellings = [f"Clip/{pictures}", pictures]
        if pictures == _ALL_FRAMES:
            spellings += ["single_label/data", "data_affine/single_label/data"]
        folder = find_folder(root, spellings, "picture sequences of DFEW")
        splits = [f"set_{fold}" for fold in range(1, 6)]
        return listed(root, "DFEW", folder, _LISTS, _NAMES, splits, _parse, problems)

    return Reader(read, _EXPECTED)


def _parse(file: Path, number: int, line: str) -> tuple[str, str] | str | None:
    first = 0 if file.name.lower().startswith(("train_", "test_")) else 1
    match = re.match(r"\s*0*(\d{1,5})(?:\.\w+)?\s*,\s*(\d{1,3})\s*(,|$)", line.replace('"', ""))
    if match is None:
        return "rows that are not `video_name,label`" if number > 1 else None
    code = int(match[2])
    if code == (1 - first) * len(_EMOTIONS):
        raise InputError(
            f"{file} has the label {code}; by its name its labels count from {first}.",
            "the official set_k.csv with labels 1 to 7, or train_set_k.csv and test_set_k.csv with labels 0 to 6",
            "use the official file, or rename this one after how it counts",
        )
    if not first <= code < first + len(_EMOTIONS):
        return f"label {code}"
    return f"{int(match[1]):05}", _EMOTIONS[code - first]


# Counted in the lists that MAE-DFER (labels) and S2D (sizes) redistribute.
_EXPECTED = {
    "clips": 11697,
    **dict(zip(_EMOTIONS, (2445, 1894, 2669, 2173, 1469, 145, 902), strict=True)),
    **{f"set_{fold} train": count for fold, count in enumerate((9356, 9356, 9357, 9358, 9361), start=1)},
    **{f"set_{fold} test": count for fold, count in enumerate((2341, 2341, 2340, 2339, 2336), start=1)},
}
