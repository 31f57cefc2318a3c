"""Loading of a backbone's published weights, with a check of the clip normalisation."""

from __future__ import annotations

from fer_zoo.compatibility import normalisation_conflict
from fer_zoo.errors import WeightsError
from fer_zoo.model import FERModel
from fer_zoo.registry import BACKBONES
from fer_zoo.specs import InputSpec


def load_backbone_weights(model: FERModel) -> None:
    """Load the published weights of the model's backbone; the other parts are not changed.

    The library that publishes the weights downloads and caches them.

    Raises:
        WeightsError: the backbone has no published weights, they cannot be downloaded or do not match, or they were
            trained with a different clip normalisation.
    """
    name = model.spec.backbone.name
    load = getattr(model.backbone, "load_pretrained", None)
    if load is None:
        raise WeightsError(
            f"Backbone {name!r} has no published weights.",
            "backbones with published weights, e.g. 'r3d_18', 'incres3d_v2' and timm's models ('timm/resnet18')",
            "choose one of them, or start from random weights",
        )
    given = model.input_spec.model_dump()
    if reason := normalisation_conflict(BACKBONES.get(name), given, InputSpec().model_dump()):
        raise WeightsError(
            f"The clip normalisation of {model.spec.name} does not match its backbone weights: {reason}.",
            "the mean and std of the published weights (size, frames and fps may differ)",
            "omit mean and std to use those of the backbone",
        )
    load()
