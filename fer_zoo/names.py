"""Registered parts in one model: which fit together, what suits a backbone, and the model's name.

A name is `<backbone>_<temporal>[_<fusion>][.<tag>]`. Does not import torch.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fer_zoo.entries import Outline
from fer_zoo.errors import OptionError, UnknownNameError
from fer_zoo.registry import BACKBONES, FUSIONS, SUITED, TEMPORALS, Entry, unknown_name

if TYPE_CHECKING:
    from fer_zoo.specs import InputSpec


def conflict(backbone: Outline, fused: Outline) -> str | None:
    """Return why a backbone and a fusion are incompatible; None if they are compatible."""
    site = fused.defaults["site"]
    if site == "residual" and "residual" not in backbone.defaults.get("sites", ()):
        return f"fusion {fused.name!r} works on residual shortcuts; backbone {backbone.name!r} has none"
    if site == "input" and "in_channels" not in backbone.injected:
        return f"fusion {fused.name!r} adds input channels; backbone {backbone.name!r} accepts only three (RGB)"
    return None


def fusions_for(backbone: Entry) -> list[str]:
    """Return the names of the fusions that are compatible with a backbone."""
    return [name for name in FUSIONS.names() if conflict(backbone, FUSIONS.get(name)) is None]


def suited(backbone: Entry, temporal: Entry, fused: Entry) -> dict[tuple[str, ...], Any]:
    """Return the defaults that a backbone sets, by key path in a ModelSpec, e.g. the clip size of a small network.

    Options that the temporal head or fusion does not have are omitted.
    """
    parts = {"temporal": temporal, "fusion": fused}
    found = {path: backbone.defaults[key] for key, path in SUITED.items() if key in backbone.defaults}
    return {path: v for path, v in found.items() if path[0] not in parts or path[1] in parts[path[0]].options}


def normalisation_conflict(backbone: Entry, given: InputSpec) -> str | None:
    """Return why the mean and std of clips do not match a backbone's published weights; None if they do."""
    for key in () if backbone.defaults.get("own_normalisation") else ("mean", "std"):
        expected = tuple(backbone.defaults.get(key, type(given).model_fields[key].default))
        if (actual := getattr(given, key)) != expected:
            return f"{key} is {actual}; the published weights of {backbone.name!r} were trained with {expected}"
    return None


def model_names(family: str | None = None) -> list[str]:
    """Return the sorted names of all valid combinations of registered parts, or those of one family of backbones."""
    backbones: Sequence[Outline] = (
        BACKBONES.outlines() if family is None else [BACKBONES.get(name) for name in BACKBONES.names(family)]
    )
    parts = itertools.product(backbones, TEMPORALS.outlines(), FUSIONS.outlines())
    return sorted(_joined(one.name, head.name, fused.name) for one, head, fused in parts if not conflict(one, fused))


def parse_name(name: str) -> tuple[Entry, Entry, Entry]:
    """Split a model name into the entries of its backbone, temporal head and fusion.

    Raises:
        UnknownNameError: the name is not a combination of registered parts.
        OptionError: the name is ambiguous.
    """
    if (entries := _entries(name)) is None:
        raise _unknown_model(name)
    return entries


def _entries(name: str) -> tuple[Entry, Entry, Entry] | None:
    """The entries of a model name; None if it is none."""
    found = []
    for temporal_name, fusion_name in itertools.product(TEMPORALS.names(), FUSIONS.names()):
        backbone = name.removesuffix(_joined("", temporal_name, fusion_name))
        if backbone != name and backbone in BACKBONES:
            found.append((BACKBONES.get(backbone), TEMPORALS.get(temporal_name), FUSIONS.get(fusion_name)))
    if len(found) > 1:  # a plug-in must not make the name of a built-in model ambiguous
        found = [entries for entries in found if all(e.module.startswith("fer_zoo.") for e in entries)] or found
    if len(found) > 1:
        meanings = [" + ".join(entry.name for entry in entries) for entries in found]
        raise OptionError(
            f"{name!r} is ambiguous: {' or '.join(meanings)}.", "an unambiguous name", "write a recipe instead"
        )
    return found[0] if found else None


def split_tag(name: str) -> tuple[str, str]:
    """Split `model.tag`; the tag is empty if the whole name is a model (timm's names may contain dots)."""
    architecture, _, tag = name.rpartition(".")
    return (architecture, tag) if architecture and tag and _entries(name) is None else (name, "")


def _joined(backbone: str, temporal_name: str, fusion_name: str) -> str:
    parts = [backbone, temporal_name]
    return "_".join(parts if fusion_name == "none" else [*parts, fusion_name])


def _unknown_model(name: str) -> UnknownNameError:
    family, slash, rest = name.partition("/")
    # A family has too many models to compare with: find the backbone's name, which is followed by that of a head.
    heads = [f"_{temporal_name}" for temporal_name in TEMPORALS.names()]
    backbone_first = rest if slash else name
    cut = min((at for head in heads if (at := backbone_first.find(head)) > 0), default=len(backbone_first))
    if not slash and (families := [known for known in BACKBONES.families() if f"{known}/{name[:cut]}" in BACKBONES]):
        meant = f"{families[0]}/{name}" if _entries(f"{families[0]}/{name}") else f"{families[0]}/{name[:cut]}_gru"
        do = f"write {families[0]}/ before it" + ", and a temporal head behind it" * (cut == len(name))
        return unknown_name("model", name, [meant], do)
    if not slash or family not in BACKBONES.families():
        return unknown_name("model", name, model_names(), "fer_zoo.list_models() lists them")
    backbone = f"{family}/{rest[:cut]}"
    if backbone in BACKBONES:
        endings = [
            _joined("", *pair) for pair in itertools.product(TEMPORALS.names(), fusions_for(BACKBONES.get(backbone)))
        ]
        known = [backbone + ending for ending in endings]
        return unknown_name("model", name, known, f'fer_zoo.list_models("{backbone}_*", family="{family}") lists them')
    listed = f'fer_zoo.list_components("backbone", "{family}/*") lists them; a model adds _TEMPORAL[_FUSION]'
    return unknown_name("backbone", backbone, BACKBONES.names(family), listed)
