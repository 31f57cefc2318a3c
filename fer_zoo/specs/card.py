"""What came out of a training: figures and provenance."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pydantic import field_validator

from fer_zoo.specs.base import Positive, Spec


class Metrics(Spec):
    """Figures on one set of clips: WAR = accuracy, UAR = mean recall over classes, confusion[true][predicted]."""

    clips: Positive
    subjects: Positive
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
    """What came out of a training: provenance, terms and measured figures of one weights file."""

    name: str
    sha256: str
    labels: tuple[str, ...]
    licence: str
    terms: str
    training_data: str
    protocol: str
    metrics: Mapping[str, Metrics]
    commit: str
    hardware: str
    hours: float
    synthetic: bool
