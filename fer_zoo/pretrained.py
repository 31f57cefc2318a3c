"""Published weights of a model's backbone: loaded on demand, and only where the clips are prepared as they need it."""

from __future__ import annotations

from fer_zoo.errors import WeightsError
from fer_zoo.model import FERModel
from fer_zoo.registry import BACKBONES
from fer_zoo.specs import InputSpec


def load_backbone_weights(model: FERModel) -> None:
    """Load the published weights of the model's backbone; the other parts stay as they are.

    The library that publishes them fetches them, or finds them in its cache.

    Raises:
        WeightsError: the backbone has no published weights, they cannot be fetched or do not fit, or the model
            normalises its clips otherwise than they were trained with.
    """
    name = model.spec.backbone.name
    load = getattr(model.backbone, "load_pretrained", None)
    if load is None:
        raise WeightsError(
            f"Backbone {name!r} has no published weights.",
            "backbones with a method load_pretrained, e.g. 'r3d_18', 'incres3d_v2' and timm's models ('timm/resnet18')",
            "choose one of them, or start from random weights",
        )
    suited = BACKBONES.get(name).defaults
    for key in ("mean", "std"):
        wanted = tuple(suited.get(key, InputSpec.model_fields[key].default))
        given = getattr(model.input_spec, key)
        if given != wanted:
            raise WeightsError(
                f"The clips of {model.spec.name} are normalised with {key}={given}.",
                f"{key}={wanted}, with which the weights of backbone {name!r} were trained",
                f"leave {key} out; in a recipe write model.input.{key}: {list(wanted)}",
            )
    load()
