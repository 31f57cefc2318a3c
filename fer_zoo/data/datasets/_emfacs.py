"""Rules from action units to emotions: a table in YAML, and what it says of frames."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from fer_zoo.data.sources import LABELS
from fer_zoo.documents import parse_yaml, read_text
from fer_zoo.errors import InputError, OptionError
from fer_zoo.specs.base import Positive, Spec

SHIPPED = Path(__file__).with_name("emfacs.yaml")
Units = tuple[Positive, ...]


class Rule(Spec):
    """When an emotion fits a frame: of each required entry a unit is present, and no forbidden one."""

    required: Annotated[tuple[Positive | Units, ...], Field(min_length=1)]
    optional: Units = ()
    forbidden: Units = ()

    @property
    def groups(self) -> tuple[Units, ...]:
        """Required units, each entry as its alternatives."""
        return tuple(entry if isinstance(entry, tuple) else (entry,) for entry in self.required)

    @property
    def supporting(self) -> frozenset[int]:
        """Units whose presence speaks for the emotion."""
        return frozenset(unit for group in self.groups for unit in group) | frozenset(self.optional)


class EmotionRules(Spec):
    """A table of rules; see emfacs.yaml for the meaning of each part."""

    version: Positive
    minimum_intensity: Annotated[int, Field(ge=1, le=5, strict=True)]
    minimum_run: Positive
    order: tuple[str, ...]
    emotions: dict[str, Rule]

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        if sorted(self.order) != sorted(self.emotions):
            raise ValueError("order must name each of emotions once")
        if wrong := [name for name in self.order if name not in LABELS or name == "neutral"]:
            raise ValueError(f"{wrong[0]!r} is not an emotion; choose from {', '.join(LABELS[1:])}")
        return self

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what the rules say, whatever the comments and the layout of the file."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()

    @property
    def units(self) -> frozenset[int]:
        """Every unit that a rule names."""
        rules = self.emotions.values()
        return frozenset().union(*(rule.supporting | frozenset(rule.forbidden) for rule in rules))

    def label_frames(self, units: tuple[int, ...], intensities: npt.NDArray[np.int64]) -> list[str | None]:
        """Label frames by their action units.

        Args:
            units: the coded ones, in the order of the columns; all that the rules name must be among them.
            intensities: (frames, units), 0 to 5; -1 where a frame is not coded, which leaves it without a label.

        Returns:
            One label or None for each frame.
        """
        present = {unit: intensities[:, column] >= self.minimum_intensity for column, unit in enumerate(units)}
        best = np.zeros(len(intensities), np.int64)
        chosen = np.full(len(intensities), -1)
        for number, name in enumerate(self.order):
            rule = self.emotions[name]
            fits = np.ones(len(intensities), bool)
            for group in rule.groups:
                fits &= np.any([present[unit] for unit in group], axis=0)
            for unit in rule.forbidden:
                fits &= ~present[unit]
            score = np.sum([present[unit] for unit in sorted(rule.supporting)], axis=0) * fits
            better = score > best  # not >=: of equals the first in order stays
            best[better], chosen[better] = score[better], number
        chosen[(intensities == 0).all(axis=1)] = len(self.order)
        chosen[(intensities < 0).any(axis=1)] = -1
        names = (*self.order, "neutral", None)
        return [names[number] for number in chosen]


def load_rules(path: Path = SHIPPED) -> EmotionRules:
    """Read a table of rules.

    Raises:
        InputError: the file cannot be read or is not YAML.
        OptionError: it is no table of rules; the text names each mistake.
    """
    do = f"start from a copy of {SHIPPED.name}, in the package's folder data/datasets"
    try:
        table = parse_yaml(read_text(path))
    except (OSError, ValueError) as error:
        raise InputError(f"The rules {path} cannot be read: {error}.", "a YAML file in UTF-8", do) from error
    if not isinstance(table, dict):
        raise OptionError(f"{path} holds no table.", "version, minimum_intensity, minimum_run, order, emotions", do)
    return EmotionRules.checked(table)
