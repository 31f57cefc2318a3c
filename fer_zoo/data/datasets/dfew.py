"""DFEW: clips of films in seven classes and five published folds; no subject is known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fer_zoo.data.datasets._layout import find_folder, visible_files
from fer_zoo.data.datasets._reading import Reader, Row, lines_of, listed, pictures_of, sift
from fer_zoo.data.sources import Source
from fer_zoo.errors import InputError
from fer_zoo.registry import register_dataset

# In the order of the official codes, which count from 1.
_EMOTIONS = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
# All frames of each clip. What was sampled to 16 frames is another data set, so it is read only if asked for.
_ALL_FRAMES = "jpg_256"


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

    Raises (from `sources` and `check`):
        InputError: pictures or lists are not there, or a list does not count from where its name says.
    """

    def read(problems: list[str]) -> Iterator[Source]:
        spellings = [f"Clip/{pictures}", pictures]
        if pictures == _ALL_FRAMES:
            spellings += ["single_label/data", "data_affine/single_label/data"]
        folder = find_folder(root, spellings, "picture sequences of DFEW")

        def files_of(clip: str) -> tuple[Path, ...]:
            return pictures_of(root, folder / clip) if (folder / clip).is_dir() else ()

        missing = f"clips of the lists without pictures in {folder.name}"
        yield from listed(_rows(root, problems), files_of, problems, missing)

    return Reader(read, _EXPECTED)


def _rows(root: Path, problems: list[str]) -> Iterator[Row]:
    for file, split, part, first in _lists(root):
        codes = set[int]()
        yield from ((*row, split, part) for row in _read_list(root, file, first, codes, problems))
        if (wrong := (1 - first) * len(_EMOTIONS)) in codes:
            raise _shifted(file, first, wrong)


def _read_list(root: Path, file: Path, first: int, codes: set[int], problems: list[str]) -> Iterator[tuple[str, str]]:
    def parse(numbered: tuple[int, str]) -> tuple[str, str] | str | None:
        line, text = numbered
        match = re.match(r"\s*0*(\d{1,5})(?:\.\w+)?\s*,\s*(\d{1,3})\s*(,|$)", text.replace('"', ""))
        if match is None:
            return "rows that are not `video_name,label`" if text.strip() and line > 1 else None
        code = int(match[2])
        codes.add(code)
        if not first <= code < first + len(_EMOTIONS):
            return f"label {code}"
        return f"{int(match[1]):05}", _EMOTIONS[code - first]

    lines = lines_of(root, file, problems)
    yield from sift(enumerate(lines, 1), parse, lambda line: f"line {line[0]}", problems, f"{file.relative_to(root)}: ")
    if lines and not codes:
        problems.append(f"{file.relative_to(root)}: no clip in it")


def _lists(root: Path) -> Iterator[tuple[Path, str, str, int]]:
    """Each list with its split, its part and the lowest label code."""
    for part in ("train", "test"):
        official = f"{part}(single-labeled)"
        spellings = (f"EmoLabel_DataSplit/{official}", official, "single_label/label", "data_affine/single_label/label")
        folder = find_folder(root, spellings, "lists of DFEW")
        files = {file.name.lower(): file for file in visible_files(folder, (".csv",))}
        names = [
            [(f"set_{fold}.csv", 1), (f"single_{part}set_{fold}.csv", 1), (f"{part}_set_{fold}.csv", 0)]
            for fold in range(1, 6)
        ]
        if not any(name in files for fold in names for name, _ in fold):
            raise InputError(
                f"No list of DFEW in {folder}; there is {', '.join(list(files)[:8]) or 'no .csv'}.",
                "set_1.csv to set_5.csv",
                "copy the folder EmoLabel_DataSplit as it was downloaded",
            )
        for fold, choices in enumerate(names, start=1):
            for name, first in choices:
                if name in files:
                    yield files[name], f"set_{fold}", part, first
                    break


def _shifted(file: Path, first: int, wrong: int) -> InputError:
    return InputError(
        f"{file} has the label {wrong}; by its name its labels count from {first}.",
        "the official set_k.csv with labels 1 to 7, or train_set_k.csv and test_set_k.csv with labels 0 to 6",
        "use the official file, or rename this one after how it counts",
    )


# Counted in the lists that MAE-DFER (labels) and S2D (sizes) redistribute.
_EXPECTED = {
    "clips": 11697,
    **dict(zip(_EMOTIONS, (2445, 1894, 2669, 2173, 1469, 145, 902), strict=True)),
    **{f"set_{fold} train": count for fold, count in enumerate((9356, 9356, 9357, 9358, 9361), start=1)},
    **{f"set_{fold} test": count for fold, count in enumerate((2341, 2341, 2340, 2339, 2336), start=1)},
}
