"""Stages of a network: freezing, and parameter groups with layer-wise learning rates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, cast

import torch
from torch import nn

from fer_zoo.errors import OptionError
from fer_zoo.registry import unknown_name
from fer_zoo.specs import Backbone, ModelSpec

# After the stages of the backbone, from input to output.
_HEAD = {"fusion": ("fusion",), "temporal": ("head_norm", "temporal"), "classifier": ("classifier",)}


def stage_parameters(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """Return the parameter names of each stage, from input to output; stages without parameters are omitted."""
    of_backbone = cast(Backbone, model.backbone).stages
    prefixes: dict[str, Sequence[str]] = {
        name: [f"backbone.{prefix}" for prefix in stage] for name, stage in of_backbone.items()
    }
    names = [name for name, _ in model.named_parameters()]
    found = {
        stage: tuple(name for name in names if f"{name}.".startswith(tuple(f"{prefix}." for prefix in under)))
        for stage, under in {**prefixes, **_HEAD}.items()
    }
    return {stage: parameters for stage, parameters in found.items() if parameters}


def chosen(model: nn.Module, names: Iterable[str]) -> frozenset[str]:
    """Return the stages that match the names or patterns; all, if none are given.

    "backbone" means all stages of the backbone, "lower_half" the first half of them.

    Raises:
        UnknownNameError: a name or pattern matches no stage.
    """
    known, found = stage_parameters(model), set()
    of_backbone = [stage for stage in cast(Backbone, model.backbone).stages if stage in known]
    groups = {"backbone": of_backbone, "lower_half": of_backbone[: max(1, len(of_backbone) // 2)]}
    for name in names:
        matching = groups.get(name) or [stage for stage in known if fnmatchcase(stage, str(name))]
        if not matching:
            do = f"model.stages() of {cast(ModelSpec, model.spec).name} lists them"
            raise unknown_name("stage", str(name), [*known, *groups], do)
        found.update(matching)
    return frozenset(found) or frozenset(known)


def set_trained(model: nn.Module, stages: frozenset[str], *, trained: bool) -> None:
    """Freeze or unfreeze the parameters of stages, and set the modules' modes."""
    named = _parameters_of(model, stages)
    for name, parameter in model.named_parameters():
        if name in named:
            parameter.requires_grad_(trained)
    model.train(model.training)


def keep_frozen(model: nn.Module, frozen: frozenset[str]) -> None:
    """Set modules that are completely frozen to evaluation mode: fixed batch-norm statistics, no dropout."""
    if not frozen:
        return
    fixed = _parameters_of(model, frozen)
    for path, module in model.named_modules():
        below = [f"{path}.{name}" for name, _ in module.named_parameters()]
        if path and below and all(name in fixed for name in below):
            module.eval()


def stage_rates(
    model: nn.Module, lr: float, *, decay: float = 1.0, rates: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Return the learning rate of each stage: `lr`, multiplied by `decay` per stage from the classifier to the input.

    Args:
        rates: learning rates of stages by name or pattern, in place of these; the last one that matches counts.

    Raises:
        UnknownNameError: a name or pattern matches no stage.
    """
    found = {stage: lr * decay**depth for depth, stage in enumerate(reversed(stage_parameters(model)))}
    for name, rate in (rates or {}).items():
        found |= dict.fromkeys(chosen(model, [name]), rate)
    return found


def split_groups(optimizer: torch.optim.Optimizer, model: nn.Module, rates: Mapping[str, float], lr: float) -> None:
    """Split an optimizer's groups by the learning rates of their stages; `share` is the group's fraction of `lr`."""
    named, stages = dict(model.named_parameters()), stage_parameters(model)
    shares = {id(named[name]): rates[stage] / lr for stage, names in stages.items() for name in names}
    groups = []
    for group in optimizer.param_groups:
        for share in sorted({shares[id(parameter)] for parameter in group["params"]}, reverse=True):
            own = [parameter for parameter in group["params"] if shares[id(parameter)] == share]
            groups.append({**group, "params": own, "share": share})
    optimizer.param_groups[:] = groups


def parameter_groups(
    model: nn.Module, lr: float, *, decay: float = 1.0, weight_decay: float = 0.0
) -> list[dict[str, Any]]:
    """Return one parameter group per stage; the learning rate decreases by `decay` from the classifier to the input.

    Frozen parameters are omitted. Each group has `params`, `lr`, `weight_decay` and its stage as `name`.

    Raises:
        OptionError: a value is out of range, or all stages are frozen.
    """
    numbers = all(isinstance(value, int | float) for value in (lr, decay, weight_decay))
    if not (numbers and 0 < lr < math.inf and 0 < decay <= 1 and 0 <= weight_decay < math.inf):
        raise OptionError(
            f"lr={lr!r}, decay={decay!r}, weight_decay={weight_decay!r}.",
            "lr > 0, 0 < decay <= 1, weight_decay >= 0",
            "correct the value that is out of range",
        )
    parameters: Mapping[str, nn.Parameter] = dict(model.named_parameters())
    rates = stage_rates(model, lr, decay=decay)
    groups: list[dict[str, Any]] = []
    for stage, names in stage_parameters(model).items():
        trained = [parameters[name] for name in names if parameters[name].requires_grad]
        if trained:
            groups.append({"params": trained, "lr": rates[stage], "weight_decay": weight_decay, "name": stage})
    if not groups:
        raise OptionError("Every stage is frozen.", "at least one stage to train", "call model.unfreeze(...) first")
    return groups


def _parameters_of(model: nn.Module, stages: frozenset[str]) -> set[str]:
    known = stage_parameters(model)
    return {name for stage in stages for name in known.get(stage, ())}
