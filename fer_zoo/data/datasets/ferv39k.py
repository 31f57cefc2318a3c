"""FERV39k: clips of 22 kinds of scenes in seven classes and one published split; no subject is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fer_zoo.data.datasets._layout import find_folder, inner_folder, safe_key, visible_files
from fer_zoo.data.datasets._reading import WORDS, Reader, Row, joined, note, pictures_of, sift_lines, unknown_word
from fer_zoo.data.sources import Source
from fer_zoo.errors import InputError
from fer_zoo.registry import register_dataset

_FACES = ("2_ClipsforFaceCrop",)
_LISTS = ("4_setups/All_scenes", "All_scenes")
_SPLIT = "all_scenes"

# Counted in the lists that MAE-DFER (labels) and S2D (sizes) redistribute.
_LABELS = {
    "happiness": 7327,
    "sadness": 6916,
    "neutral": 9748,
    "anger": 7393,
    "surprise": 3140,
    "disgust": 2300,
    "fear": 2111,
}
_EXPECTED = {"clips": 38935, **_LABELS, f"{_SPLIT} train": 31088, f"{_SPLIT} test": 7847}


@register_dataset(
    "ferv39k",
    synthetic=False,
    labels=tuple(_LABELS),
    licence="gated: password from Fudan University on a signed request; text not in this package",
    terms="Non-commercial research; nothing of it, nor any portion of derived data, may be passed on.",
    training_data="FERV39k: 38935 clips of 22 kinds of scenes, 7 classes; subjects unknown.",
    may_use="professors and research scientists of a university, for non-commercial research",
    share_weights="unknown: whether trained weights are derived data is not stated",
    terms_source="README of wangyanckxx/FERV39k on GitHub, read 2026-11-22",
)
def ferv39k(root: Path) -> Reader:
    """FERV39k, `2_ClipsforFaceCrop/<Scene>/<Emotion>/<####>/` and `4_setups/All_scenes/{train,test}_All.csv`.

    Lists have a clip and a word per line, no header. Rows that cannot be read, words outside the seven, clips in both
    lists, clips whose folder has another emotion and clips without pictures become problems.

    Raises (from `sources` and `check`):
        InputError: pictures or both lists are not there.
    """

    def read(problems: list[str]) -> Iterator[Source]:
        faces = find_folder(root, _FACES, "picture sequences of FERV39k")
        bare, moved = [], []
        for clip, (label, split) in joined(_rows(root, problems), problems).items():
            scene, word, number = clip.split("/")
            sequence = inner_folder(faces, clip)
            if WORDS.get(word.lower()) != label:
                moved.append(clip)
            elif sequence and (files := pictures_of(root, sequence)):
                yield Source(safe_key(scene, word, number), files, label, None, split=split)
            else:
                bare.append(clip)
        note(problems, "clips whose folder has another emotion than the list", moved)
        note(problems, f"clips of the lists without pictures in {faces.name}", bare)

    return Reader(read, _EXPECTED)


def _rows(root: Path, problems: list[str]) -> Iterator[Row]:
    folder = find_folder(root, _LISTS, "lists of FERV39k")
    files = {file.name.lower(): file for file in visible_files(folder)}
    lists = {part: files.get(f"{part}_all.csv") for part in ("train", "test")}
    if not any(lists.values()):
        there = ", ".join(sorted(file.name for file in files.values())[:8]) or "nothing"
        raise InputError(
            f"No list of FERV39k in {folder}; there is {there}.",
            "train_All.csv and test_All.csv",
            "copy the folder 4_setups as it was downloaded",
        )
    for part, file in lists.items():
        if file is None:
            problems.append(f"{folder.relative_to(root)}: no {part}_All.csv")
            continue
        yield from ((*row, _SPLIT, part) for row in sift_lines(root, file, _parse, problems))


def _parse(line: str) -> tuple[str, str] | str:
    clip, _, word = line.strip().rpartition(" ")
    label, places = WORDS.get(word.lower()), clip.strip().split("/")
    if len(places) != 3 or not all(places) or ".." in places:
        return "rows that are not `Scene/Emotion/0001 Emotion`"
    return ("/".join(places), label) if label in _LABELS else unknown_word(word, "FERV39k")
