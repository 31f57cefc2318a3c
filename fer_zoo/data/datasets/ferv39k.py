"""FERV39k: clips of 22 kinds of scenes in seven classes and one published split; no subject is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fer_zoo.data.datasets._layout import find_folder
from fer_zoo.data.datasets._lists import listed
from fer_zoo.data.datasets._reading import WORDS, Reader, unknown_word
from fer_zoo.data.sources import Source
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

    Raises (from `sources`):
        InputError: pictures or both lists are not there.
    """

    def read(problems: list[str]) -> Iterator[Source]:
        faces = find_folder(root, _FACES, "picture sequences of FERV39k")
        return listed(root, "FERV39k", faces, _LISTS, ["{part}_All.csv"], [_SPLIT], _parse, problems, _contradiction)

    return Reader(read, _EXPECTED)


def _contradiction(clip: str, label: str) -> str | None:
    moved = WORDS.get(clip.split("/")[1].lower()) != label
    return "clips whose folder has another emotion than the list" if moved else None


def _parse(file: Path, number: int, line: str) -> tuple[str, str] | str:
    clip, _, word = line.strip().rpartition(" ")
    label, places = WORDS.get(word.lower()), clip.strip().split("/")
    if len(places) != 3 or not all(places) or ".." in places:
        return "rows that are not `Scene/Emotion/0001 Emotion`"
    return ("/".join(places), label) if label in _LABELS else unknown_word(word, "FERV39k")
