"""Oulu-CASIA NIR&VIS: 80 subjects, six posed expressions, two cameras, three kinds of light."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from fer_zoo.data.datasets._layout import find_folder, visible_folders
from fer_zoo.data.datasets._reading import WORDS, Reader, pictures_of, unknown_word
from fer_zoo.data.sources import Source
from fer_zoo.paths import shown
from fer_zoo.registry import register_dataset

_BASES = ("OriginalImg/", "B_OriginalImg/OriginalImg/", "B_OriginalImg/", "Oulu_CASIA_NIR_VIS/", "")
_LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")


@register_dataset(
    "oulu_casia",
    synthetic=False,
    labels=_LABELS,
    licence="unknown",
    terms="unknown",
    training_data="Oulu-CASIA NIR&VIS: posed, from neutral to the peak, 80 subjects, 6 expressions.",
    may_use="unknown",
    share_weights="unknown",
    terms_source="unknown",
)
def oulu_casia(
    root: Path, *, spectrum: Literal["VL", "NI"] = "VL", light: Literal["Strong", "Weak", "Dark"] = "Strong"
) -> Reader:
    """Oulu-CASIA, `OriginalImg/VL/Strong/P001/Anger/000.jpeg` or `Oulu_CASIA_NIR_VIS/VL/...`: one camera, one light.

    The takes of one subject under several lights and cameras are alike, so one `spectrum` (VL: visible, NI: near
    infrared) and one `light` are read at a time. Each sequence ends at its peak (unverified, as in CK+), so its clip is
    the last of it: there is one of each sequence. Sequences without pictures and folders
    that are no subject or no expression become problems. The expected counts are common knowledge, not verified.

    Raises (from `sources`):
        InputError: neither layout is there.
    """
    expected = {"clips": 480, "subjects": 80, **dict.fromkeys(_LABELS, 80)}

    def read(problems: list[str]) -> Iterator[Source]:
        spellings = [f"{base}{spectrum}/{light}" for base in _BASES]
        for subject_folder in visible_folders(find_folder(root, spellings, "picture sequences of Oulu-CASIA")):
            if not re.fullmatch(r"P\d{3}", subject_folder.name, re.IGNORECASE):
                problems.append(f"{shown(subject_folder.name)}: not of the form P001; left out")
                continue
            subject = subject_folder.name.upper()
            for folder in visible_folders(subject_folder):
                label = WORDS.get(folder.name.lower())
                if label not in _LABELS:
                    problems.append(f"{subject}: {unknown_word(folder.name, 'Oulu-CASIA')}; left out")
                elif not (files := pictures_of(root, folder)):
                    problems.append(f"{subject}/{folder.name}: no picture; left out")
                else:
                    yield Source(f"{spectrum}/{light}/{subject}/{label}", files, label, subject, part="last")

    return Reader(read, expected, " (expected number unverified)")
