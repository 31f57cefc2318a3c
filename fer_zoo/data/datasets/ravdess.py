"""RAVDESS: 24 actors, two sentences spoken or sung in eight emotions; the file names state everything."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from fer_zoo.data.datasets._layout import find_folder, fold_parts, visible_folders
from fer_zoo.data.datasets._reading import Reader, sift
from fer_zoo.data.datasets._videos import visible_videos
from fer_zoo.data.sources import Source
from fer_zoo.errors import InputError
from fer_zoo.paths import shown
from fer_zoo.registry import register_dataset

_MODALITIES = {"audio_video": "01", "video": "02"}
_CHANNELS = {"speech": {"01"}, "song": {"02"}, "all": {"01", "02"}}
_EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
# Disgust and surprise are not sung, and actor 18 does not sing.
_SUNG = ("calm", "happiness", "sadness", "anger", "fear")
_PER_FOLD, _FOLDS = 4, 6


@register_dataset(
    "ravdess",
    synthetic=False,
    labels=tuple(_EMOTIONS.values()),
    licence="CC-BY-NC-SA-4.0",
    terms="Non-commercial use with attribution, share alike; commercial licences are sold by the makers.",
    training_data="RAVDESS: acted speech and song, 24 actors, 8 emotions with calm, 2452 takes.",
    may_use="anybody, for non-commercial purposes",
    share_weights="unknown",
    terms_source="text of the makers' record Zenodo 1188976 as other sites quote it, read 2026-11-22",
)
def ravdess(
    root: Path,
    *,
    modality: Literal["video", "audio_video"] = "video",
    channel: Literal["speech", "song", "all"] = "speech",
) -> Reader:
    """RAVDESS, `Actor_01/MM-VV-EE-II-SS-RR-AA.mp4`, in six folds of four actors (01-04, 05-08, ...).

    Files with and without sound show the same frames, so only one `modality` is read. "calm" is a label of its own.
    Names that are not of this form, unknown codes and doubles become problems. Folds: MAE-DFER, `saved/data/ravdess`.
    Groups: sex; actors of odd numbers are men.

    Raises (from `sources`):
        InputError: no actor's folder is there, or no file of this modality and channel.
    """

    def read(problems: list[str]) -> Iterator[Source]:
        files = [file for folder in _actor_folders(root) for file in visible_videos(folder)]
        others = 0

        def parse(file: Path) -> Source | str | None:
            nonlocal others
            match = re.fullmatch(r"(\d\d)-(\d\d)-(\d\d)-\d\d-\d\d-\d\d-(\d\d)", file.stem)
            if match is None:
                return "the name is not of the form MM-VV-EE-II-SS-RR-AA"
            mode, voice, emotion, actor = match.groups()
            if mode != _MODALITIES[modality] or voice not in _CHANNELS[channel]:
                others += 1
                return None
            if emotion not in _EMOTIONS:
                return f"emotion code {emotion} is not one of 01 to 08"
            if not 1 <= int(actor) <= 24:
                return f"actor {actor} is not one of 01 to 24"
            return Source(
                f"Actor_{actor}/{file.stem}",
                (file.relative_to(root),),
                _EMOTIONS[emotion],
                actor,
                split=fold_parts((int(actor) - 1) // _PER_FOLD + 1, _FOLDS),
                groups={"sex": "male" if int(actor) % 2 else "female"},
            )

        found = list(sift(files, parse, lambda file: shown(file.name), problems))
        if others and not found:
            raise InputError(
                f"None of the {len(files)} videos of RAVDESS below {root} has modality={modality}, channel={channel}.",
                f"modality: {' or '.join(_MODALITIES)}; channel: {', '.join(_CHANNELS)}",
                "choose what is there: names begin with 01 (audio_video) or 02 (video), then 01 (speech) or 02 (song)",
            )
        return iter(found)

    return Reader(read, _expected(channel))


def _actor_folders(root: Path) -> list[Path]:
    """Folders of actors in `root`, or one level deeper where each archive was unpacked to a folder of its own."""
    places = [root, *visible_folders(root)] if os.path.isdir(root) else []
    inner = [folder for place in places for folder in visible_folders(place)]
    found = [folder for folder in inner if re.fullmatch(r"actor_\d\d", folder.name, re.IGNORECASE)]
    return found or [find_folder(root, ["Actor_01"], "actors' folders of RAVDESS")]


def _expected(channel: str) -> dict[str, int]:
    known = {"subjects": 23 if channel == "song" else 24}
    spoken, sung = (int(channel in (kind, "all")) for kind in ("speech", "song"))
    for label in _EMOTIONS.values():
        takes = 4 if label == "neutral" else 8
        known[label] = takes * (24 * spoken + 23 * sung * (label in ("neutral", *_SUNG)))
    known["clips"] = sum(known[label] for label in _EMOTIONS.values())
    for fold in range(1, _FOLDS + 1):
        known[f"fold_{fold} test"] = 4 * 60 * spoken + (3 if fold == 5 else 4) * 44 * sung
    return known
