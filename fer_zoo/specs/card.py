"""The results of a training run: metrics and provenance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from fer_zoo.specs.base import Positive, Spec

# What a weights card states about its data; every dataset declares it when it is registered.
TERMS = ("licence", "terms", "may_use", "share_weights", "terms_source", "training_data", "synthetic")


def _nonempty(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty; write 'unknown' if it is unknown")
    return text


def _answer(text: str) -> str:
    if not re.match(r"(yes|no|unknown)\b", text):
        raise ValueError("must begin with yes, no or unknown")
    return text


def _dated(text: str) -> str:
    if not re.match(r"unknown\b", text) and not re.search(r"\b\d{4}-\d{2}-\d{2}\b", text):
        raise ValueError("must have a date, e.g. 'README of THIS, read YYYY-MM-DD', or be 'unknown'")
    return text


Text = Annotated[str, AfterValidator(_nonempty)]
Answer = Annotated[Text, AfterValidator(_answer)]
Dated = Annotated[Text, AfterValidator(_dated)]


# A temperature fitted on fewer clips is more than 20 % off in more than 5 % of draws (test_calibration.py), and a few
# subjects say little about others, however many clips there are.
FEW_CLIPS, FEW_SUBJECTS = 200, 10


class Metrics(Spec):
    """Metrics on one set of clips: WAR = accuracy, UAR = mean recall over classes, confusion[true][predicted]."""

    clips: Positive
    subjects: Annotated[int, Field(ge=0, strict=True)]
    """Number of known subjects; 0 if subjects are unknown."""
    war: float
    uar: float
    confusion: tuple[tuple[int, ...], ...]

    @property
    def amount(self) -> str:
        """The number of clips and, if they are known, of subjects, in words."""
        counts = [(self.clips, "clip"), *([(self.subjects, "subject")] if self.subjects else [])]
        return " of ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in counts)


class Calibration(Spec):
    """How the probabilities were fitted to the validation set, and the expected calibration error of each part."""

    temperature: Annotated[float, Field(gt=0)]
    """The logits were divided by it."""
    before: Mapping[str, float]
    after: Mapping[str, float]


class StartedFrom(Spec):
    """Weights that a training run started from."""

    name: str
    sha256: str
    """Of its `model.safetensors`, or of the index of sharded weights."""
    repo: str = ""
    """Its repository on the Hub, if it came from there."""


class WeightsCard(Spec):
    """The card of one weights file: provenance, terms of the training data (all of `TERMS`), and metrics.

    Attributes:
        may_use: who may use the data.
        share_weights: whether weights trained on it may be shared: yes, no or unknown, and why.
        terms_source: where these terms were read, and when.
        sha256: of `model.safetensors`, or of the index of sharded weights.
        files: names and sha256 of the shards.
        beside: names and sha256 of the other files of the folder, except the card.
        datasets: training and validation data.
        tested_on: test data.
        calibration: None if the probabilities were not fitted to a validation set.
        started_from: weights that were fine-tuned, whose terms are among these; None if none were.
    """

    name: str
    sha256: str
    labels: tuple[str, ...]
    licence: Text
    terms: Text
    may_use: Text
    share_weights: Answer
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
    calibration: Calibration | None = None
    started_from: StartedFrom | None = None

    @property
    def calibration_warning(self) -> str:
        """On how little data the probabilities were calibrated; "" if it was enough, or if they were not."""
        on = self.metrics.get("validation")
        if self.calibration is None or on is None:
            return ""
        if on.clips >= FEW_CLIPS and (on.subjects >= FEW_SUBJECTS or not on.subjects):
            return ""
        return f"The probabilities were calibrated on {on.amount} only: they may be too high or too low for others."
