"""What came out of a training: figures and provenance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from fer_zoo.specs.base import Positive, Spec

# What a weights card says of the data; every dataset states it when it is registered.
TERMS = ("licence", "terms", "may_use", "share_weights", "terms_source", "training_data", "synthetic")


def _not_empty(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; write 'unknown' where it is unknown")
    return text


def _yes_no_unknown(text: str) -> str:
    if not re.match(r"(yes|no|unknown)\b", text):
        raise ValueError("must begin with yes, no or unknown")
    return text


def _dated(text: str) -> str:
    if not re.match(r"unknown\b", text) and not re.search(r"\b\d{4}-\d{2}-\d{2}\b", text):
        raise ValueError("has no date: write 'README of THIS, read YYYY-MM-DD', or 'unknown'")
    return text


Text = Annotated[str, AfterValidator(_not_empty)]
YesNoUnknown = Annotated[Text, AfterValidator(_yes_no_unknown)]
Dated = Annotated[Text, AfterValidator(_dated)]


class Metrics(Spec):
    """Figures on one set of clips: WAR = accuracy, UAR = mean recall over classes, confusion[true][predicted]."""

    clips: Positive
    subjects: Annotated[int, Field(ge=0, strict=True)]
    """Known ones; 0 where the subjects are unknown."""
    war: float
    uar: float
    confusion: tuple[tuple[int, ...], ...]


class WeightsCard(Spec):
    """What came out of a training: provenance, terms and measured figures of one weights file.

    Of the data that were trained on it says all of `TERMS`; "unknown" is an answer, an empty line is none.

    Attributes:
        may_use: who may use the data.
        share_weights: whether weights trained on them may be passed on: yes, no or unknown, and why.
        terms_source: where these terms were read, and when.
        sha256: of `model.safetensors`; of large weights, which lie in several files, of the index of these.
        files: names and sha256 of these several files.
        beside: names and sha256 of the other files that were written with them, but for the card itself.
        datasets: what was trained and validated on.
        tested_on: what was tested on.
    """

    name: str
    sha256: str
    labels: tuple[str, ...]
    licence: Text
    terms: Text
    may_use: Text
    share_weights: YesNoUnknown
    terms_source: Dated
    training_data: Text
    protocol: str
    metrics: Mapping[str, Metrics]
    commit: str
    hardware: str
    hours: float
    synthetic: bool
    files: Mapping[str, str] = {}
    beside: Mapping[str, str] = {}
    datasets: tuple[str, ...] = ()
    tested_on: tuple[str, ...] = ()
