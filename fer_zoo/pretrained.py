"""Published weights of a model's backbone: loaded on request, and only for clips normalised as they need it."""

from __future__ import annotations

from fer_zoo.compatibility import normalisation_conflict
from fer_zoo.errors import WeightsError
from fer_zoo.model import FERModel
from fer_zoo.registry import BACKBONES
from fer_zoo.specs import InputSpec


def load_backbone_weights(model: FERModel) -> None:
    """Load the published weights of the model's backbone; the other parts stay as they are.

    The library that publishes them fetches them, or finds them in its cache.

    Raises:
        WeightsError: the backbone has no published weights, they cannot be fetched or do not fit, or the model
            normalises its clips differently from their training.
    """
    name = model.spec.backbone.name
    load = getattr(model.backbone, "load_pretrained", None)
    if load is None:
        raise WeightsError(
            f"Backbone {name!r} has no published weights.",
            "backbones with a method load_pretrained, e.g. 'r3d_18', 'incres3d_v2' and timm's models ('timm/resnet18')",
            "choose one of them, or start from random weights",
        )
    given = model.input_spec.model_dump()
    if reason := normalisation_conflict(BACKBONES.get(name), given, InputSpec().model_dump()):
        raise WeightsError(
            f"The clips of {model.spec.name} are not normalised as its backbone needs it: {reason}.",
            "the mean and std of the published weights; size, frames and fps are free",
            "leave mean and std out: the backbone brings its own",
        )
    load()
