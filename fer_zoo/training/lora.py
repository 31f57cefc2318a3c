"""Low-rank adapters of a backbone (LoRA, Hu et al. 2022): peft adds them for training; saved weights hold their sum."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from fer_zoo.errors import MissingExtraError, OptionError
from fer_zoo.model import FERModel
from fer_zoo.specs import LoraSpec


def add_lora(model: FERModel, lora: LoraSpec) -> None:
    """Add adapters to the linear layers of the backbone that the targets name; its other parameters are frozen.

    Raises:
        MissingExtraError: peft is not installed.
        OptionError: a target matches no linear layer of the backbone.
    """
    layers = [name for name, module in model.backbone.named_modules() if isinstance(module, nn.Linear)]
    chosen = {target: [name for name in layers if f".{name}".endswith(f".{target}")] for target in lora.targets}
    if lost := [target for target, own in chosen.items() if not own]:
        ends = sorted({name.rpartition(".")[2] for name in layers})
        raise OptionError(
            f"train.lora.targets: {', '.join(map(repr, lost))} matches no linear layer of {model.spec.backbone.name}.",
            ", ".join(ends) + ", or longer ends of their names" if ends else "a backbone with linear layers",
            "correct the targets" if ends else "leave `lora` out, or choose a transformer as backbone",
        )
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingExtraError.for_extra("peft", "peft") from error
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # a number; peft's annotation is narrower
        lora_dropout=lora.dropout,
        target_modules=[name for own in chosen.values() for name in own],
    )
    inject_adapter_in_model(config, model.backbone)  # freezes what is no adapter


def merged(model: FERModel) -> FERModel:
    """Return a copy in which the adapters are added to the weights, with the tensors of a model without adapters."""
    from peft.tuners.lora import LoraLayer

    model = copy.deepcopy(model)
    for name, module in list(model.backbone.named_modules()):
        if isinstance(module, LoraLayer):
            layer: Any = module
            layer.merge()
            parent, _, last = name.rpartition(".")
            setattr(model.backbone.get_submodule(parent), last, layer.get_base_layer())
    return model
