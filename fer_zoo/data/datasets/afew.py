"""AFEW: clips of films in seven classes, as given out for the EmotiW challenges; no subject is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fer_zoo.data.datasets._layout import missing, optional_folder, safe_key, visible_folders
from fer_zoo.data.datasets._reading import WORDS, Reader, clips_in, unknown_word
from fer_zoo.data.sources import Source
from fer_zoo.paths import shown
from fer_zoo.registry import register_dataset

# The lists of Former-DFER: train and validation.
_LABELS = {
    "happiness": 150 + 62,
    "sadness": 117 + 61,
    "neutral": 142 + 64,
    "anger": 135 + 63,
    "surprise": 74 + 45,
    "disgust": 74 + 40,
    "fear": 81 + 46,
}
_EXPECTED = {"clips": 1154, **_LABELS, "official train": 773, "official test": 381}
# Labels of its test clips are not public: published work is evaluated on the validation clips.
_PARTS = {"train": "train", "val": "test"}
_FOLDERS = {"train": ("Train_AFEW", "Train"), "val": ("Val_AFEW", "Val")}


@register_dataset(
    "afew",
    synthetic=False,
    labels=tuple(_LABELS),
    licence="unknown",
    terms="unknown",
    training_data="AFEW (EmotiW): 1154 clips of films, 7 classes; subjects unknown, test labels not public.",
    may_use="unknown",
    share_weights="unknown",
    terms_source="unknown",
)
def afew(root: Path) -> Reader:
    """AFEW, `Train_AFEW/<Emotion>/<#########>.avi` and `Val_AFEW/...`; copies differ in the words of emotions.

    A clip may be a video or a folder of pictures. Folders that are no emotion (the provider's `AlignedFaces...` aside),
    empty ones, doubles and a part that is not there become problems.

    Raises (from `sources`):
        InputError: neither part is there.
    """

    def read(problems: list[str]) -> Iterator[Source]:
        folders = {part: optional_folder(root, spellings) for part, spellings in _FOLDERS.items()}
        if not any(folders.values()):
            raise missing(root, [name for names in _FOLDERS.values() for name in names], "clips of AFEW")
        for part, folder in folders.items():
            if folder is None:
                problems.append(f"no {_FOLDERS[part][0]}: the {part} part is left out")
                continue
            for emotion in visible_folders(folder):
                label = WORDS.get(emotion.name.lower())
                if label in _LABELS:
                    clips = clips_in(root, emotion, problems)
                    for path, files in clips:
                        split = {"official": _PARTS[part]}
                        yield Source(safe_key(part, label, path.stem), files, label, None, split=split)
                    if not clips:
                        problems.append(f"{shown(emotion.relative_to(root))}: no clip")
                elif not emotion.name.lower().startswith("alignedfaces"):
                    problems.append(f"{folder.name}: {unknown_word(emotion.name, 'AFEW')}; left out")

    return Reader(read, _EXPECTED)
