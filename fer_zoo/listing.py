"""Lists of what there is to create: models, weights, components. Knows no torch."""

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
    """List model names that match a wildcard pattern or one of several, without those that match `exclude`.

    With `pretrained`, list `model.tag` of all that have weights. Only names whose parts fit together are listed. Names
    of a family such as "timm", which are many, are listed only with `family="timm"`, or by patterns that begin with it,
    e.g. "timm/resnet18_*".

    Raises:
        UnknownNameError: there is no such family.
        OptionError: a pattern is no string.
    """
    patterns, excluded = _patterns(pattern), _patterns(exclude)
    if family is not None and family not in BACKBONES.families():
        raise unknown_name("family of backbones", family, BACKBONES.families(), "use one of these")
    if pretrained:
        from fer_zoo.weights_table import bundled, published

        # By the whole, or by the model alone: a tag has no dot, while timm's names may.
        found = [(name, name.rpartition(".")[0]) for name in sorted({*bundled(), *published()})]
        found = [(name, model) for name, model in found if family is None or name.startswith(f"{family}/")]
        return [n for n, model in found if _matches(patterns, n, model) and not _matches(excluded, n, model)]
    families = [family] if family else _families_asked(BACKBONES, patterns)
    names = [name for asked in families for name in model_names(asked)]
    if family is None:
        names += model_names()
    return sorted(name for name in names if _matches(patterns, name) and not _matches(excluded, name))


def list_weights(model: str = "*") -> list[str]:
    """List the weights there are as `model.tag`, of one model or of all that match a wildcard pattern.

    They come with the package or are published on the Hub; nobody is asked.
    """
    return list_models(model, pretrained=True)


def list_components(kind: Kind, pattern: Patterns = "*", *, exclude: Patterns = ()) -> list[str]:
    """List the registered names of a kind.

    Kinds are "backbone", "temporal", "fusion", "landmarker", "dataset", "optimizer", "schedule" and "loss".

    A family of names is listed as one, e.g. "timm/NAME"; its members are listed by a pattern that names the family,
    e.g. "timm/resnet*".

    Raises:
        UnknownNameError: there is no such kind. OptionError: a pattern is no string.
    """
    if kind not in REGISTRIES:
        raise unknown_name("kind of component", kind, REGISTRIES, "use one of these")
    registry, patterns, excluded = REGISTRIES[kind], _patterns(pattern), _patterns(exclude)
    names = registry.names()
    for family in registry.families():
        names += registry.names(family) if family in _families_asked(registry, patterns) else [f"{family}/NAME"]
    return [name for name in names if _matches(patterns, name) and not _matches(excluded, name)]


def _patterns(given: Patterns) -> list[str]:
    patterns = [given] if isinstance(given, str) else given
    if not isinstance(patterns, Sequence) or not all(isinstance(pattern, str) for pattern in patterns):
        raise OptionError(f"The pattern {given!r}.", "a string with * and ?, or several", 'e.g. "*lstm*"')
    return list(patterns)


def _families_asked(registry: Registry, patterns: Sequence[str]) -> list[str]:
    asked = {pattern.partition("/")[0] for pattern in patterns if "/" in pattern}
    return [family for family in registry.families() if family in asked] if asked else []


def _matches(patterns: Sequence[str], *names: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)
