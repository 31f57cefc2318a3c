"""Lists of models, weights and components. Does not import torch."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

from fer_zoo.errors import OptionError
from fer_zoo.names import model_names
from fer_zoo.registry import BACKBONES, REGISTRIES, Registry, unknown_name

Patterns: TypeAlias = str | Sequence[str]
Kind: TypeAlias = Literal["backbone", "temporal", "fusion", "landmarker", "dataset", "optimizer", "schedule", "loss"]


def list_models(
    pattern: Patterns = "*", *, exclude: Patterns = (), pretrained: bool = False, family: str | None = None
) -> list[str]:
    """List the model names that match one of the wildcard patterns and none of `exclude`.

    With `pretrained`, list the available weights as `model.tag`. Models of a family such as "timm", of which there are
    many, are listed only with `family="timm"` or by patterns that start with it, e.g. "timm/resnet18_*".

    Raises:
        UnknownNameError: there is no such family.
        OptionError: a pattern is not a string.
    """
    patterns, excluded = _patterns(pattern), _patterns(exclude)
    if family is not None and family not in BACKBONES.families():
        raise unknown_name("family of backbones", family, BACKBONES.families(), "use one of these")
    if pretrained:
        from fer_zoo.weights_table import bundled, published

        # Patterns match the whole name or the model; a tag has no dot, but timm's names may.
        found = [(name, name.rpartition(".")[0]) for name in sorted({*bundled(), *published()})]
        found = [(name, model) for name, model in found if family is None or name.startswith(f"{family}/")]
        return [n for n, model in found if _matches(patterns, n, model) and not _matches(excluded, n, model)]
    families = [family] if family else _families_in(BACKBONES, patterns)
    names = [name for each in families for name in model_names(each)]
    if family is None:
        names += model_names()
    return sorted(name for name in names if _matches(patterns, name) and not _matches(excluded, name))


def list_weights(model: str = "*") -> list[str]:
    """List the available weights as `model.tag`, of one model or of all that match a wildcard pattern.

    These are the weights in the package and those known to be on the Hub; no network connection is used.
    """
    return list_models(model, pretrained=True)


def list_components(kind: Kind, pattern: Patterns = "*", *, exclude: Patterns = ()) -> list[str]:
    """List the registered names of a kind.

    Kinds are "backbone", "temporal", "fusion", "landmarker", "dataset", "optimizer", "schedule" and "loss".

    A family is listed as one name, e.g. "timm/NAME"; list its members by a pattern that starts with the family,
    e.g. "timm/resnet*".

    Raises:
        UnknownNameError: there is no such kind.
        OptionError: a pattern is not a string.
    """
    if kind not in REGISTRIES:
        raise unknown_name("kind of component", kind, REGISTRIES, "use one of these")
    registry, patterns, excluded = REGISTRIES[kind], _patterns(pattern), _patterns(exclude)
    names = registry.names()
    for family in registry.families():
        names += registry.names(family) if family in _families_in(registry, patterns) else [f"{family}/NAME"]
    return [name for name in names if _matches(patterns, name) and not _matches(excluded, name)]


def _patterns(given: Patterns) -> list[str]:
    patterns = [given] if isinstance(given, str) else given
    if not isinstance(patterns, Sequence) or not all(isinstance(pattern, str) for pattern in patterns):
        raise OptionError(
            f"Invalid pattern {given!r}.", "a string with * and ?, or a list of them", 'use e.g. "*lstm*"'
        )
    return list(patterns)


def _families_in(registry: Registry, patterns: Sequence[str]) -> list[str]:
    named = {pattern.partition("/")[0] for pattern in patterns if "/" in pattern}
    return [family for family in registry.families() if family in named] if named else []


def _matches(patterns: Sequence[str], *names: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)
