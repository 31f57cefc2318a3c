"""What an exported file says about itself, as JSON under the key `fer_zoo` of its metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fer_zoo.errors import WeightsError
from fer_zoo.model import FERModel
from fer_zoo.specs import InputSpec, ModelSpec, Recipe, WeightsCard
from fer_zoo.specs.base import Spec

KEY = "fer_zoo"


class Int8Facts(Spec):
    """Accuracy of a network with int8 convolutions on clips of a store that did not calibrate it."""

    store: str
    fingerprint: str
    calibration_clips: int
    clips: int
    war_float32: float
    uar_float32: float
    war: float
    uar: float
    same_label: float
    """Share of the clips with the same label as in float32."""

    def __str__(self) -> str:
        return (
            f"int8 on {self.clips} clips of {self.store}: WAR {self.war:.3f} ({self.war_float32:.3f} in float32), UAR "
            f"{self.uar:.3f} ({self.uar_float32:.3f}), the same label for {self.same_label:.1%}"
        )


class ExportFacts(Spec):
    """The record in an exported file; `labels`, `input`, `licence` and `summary` are all that other programs need."""

    format: Literal[1] = 1
    name: str
    """Name of the weights, or of the network if it has no card."""
    inputs: tuple[Literal["clip", "landmarks"], ...]
    """clip (B, 3, T, H, W), normalised as in `input`; landmarks (B, T, 68, 2) in clip pixels, NaN without a face."""
    labels: tuple[str, ...]
    """Class names in the order of the output `logits` (B, classes)."""
    input: InputSpec
    licence: str
    summary: str
    """Training data, terms and metrics in a few sentences."""
    model: ModelSpec
    card: WeightsCard | None = None
    recipe: Recipe | None = None
    started_from: str | None = None
    untrained: bool = False
    """Whether the classifier has random weights."""
    int8: Int8Facts | None = None
    """Set if convolutions are in int8."""

    @classmethod
    def of(cls, model: FERModel, recipe: Recipe | None = None) -> ExportFacts:
        """Return the facts of a network."""
        card = model.card
        return cls(
            name=card.name if card else model.spec.name,
            inputs=("clip", "landmarks") if model.needs_landmarks else ("clip",),
            labels=model.labels,
            input=model.input_spec,
            licence=card.licence if card else "unknown",
            summary=_summary(card) if card else "These weights have no card: data, terms and metrics are unknown.",
            model=model.spec,
            card=card,
            recipe=recipe,
            started_from=model.started_from,
            untrained=model.classifier_is_untrained,
        )


def parse_facts(text: str | None, path: Path) -> ExportFacts:
    """Return the facts of the metadata of a file.

    Raises:
        WeightsError: the file has none, or not those of this version.
    """
    try:
        if text is None:
            raise ValueError(f"its metadata has no key {KEY!r}")
        return ExportFacts.model_validate_json(text)
    except ValueError as error:  # pydantic's ValidationError is one
        reason = str(error).splitlines()[0]
        raise WeightsError(
            f"{path} cannot be used: {reason}.",
            "a file that this version of `fer-zoo export` wrote",
            "export the network again",
        ) from error


def _summary(card: WeightsCard) -> str:
    parts = [f"{name}: WAR {m.war:.3f}, UAR {m.uar:.3f} ({m.clips} clips)" for name, m in card.metrics.items()]
    synthetic = " Trained on synthetic faces only." if card.synthetic else ""
    return (
        f"{card.name}. Training data: {card.training_data}{synthetic} Licence: {card.licence}. Who may use it: "
        f"{card.may_use}. {card.terms} Metrics ({card.protocol}): {'; '.join(parts) or 'none'}."
    )
