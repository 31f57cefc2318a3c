"""What came out of a training: figures and provenance."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from fer_zoo.specs.base import Positive, Spec

# What a weights card says of the data; every dataset states it when it is registered.
TERMS = ("licence", "terms", "may_use", "share_weights", "terms_source", "training_data", "synthetic")


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; say it, or 'unknown' where it is unknown")
    return text


def _answered(text: str) -> str:
    if not re.match(r"(yes|no|unknown)\b", text):
        raise ValueError("begins with none of yes, no and unknown")
    return text


def _dated(text: str) -> str:
    if not re.match(r"unknown\b", text) and not re.search(r"\b\d{4}-\d{2}-\d{2}\b", text):
        raise ValueError("says no date: 'README of THIS, read YYYY-MM-DD', or 'unknown'")
    return text


Said = Annotated[str, AfterValidator(_said)]
Answer = Annotated[Said, AfterValidator(_answered)]
Dated = Annotated[Said, AfterValidator(_dated)]


class Metrics(Spec):
    """Figures on one set of clips: WAR = accuracy, UAR = mean recall over classes, confusion[true][predicted]."""

    clips: Positive
    subjects: Annotated[int, Field(ge=0, strict=True)]
    """Known ones; 0 where nobody says whose the clips are."""
    war: float
    uar: float
    confusion: tuple[tuple[int, ...], ...]

    @field_validator("war", "uar")
    @classmethod
    def _finite(cls, value: float) -> float:
        if not math.isfinite(value):
            raise ValueError("is not a finite number")
        return value


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
    licence: Said
    terms: Said
    may_use: Said
    share_weights: Answer
    terms_source: Dated
    training_data: Said
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
