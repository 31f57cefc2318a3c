"""Model names, `<backbone>_<temporal>[_<fusion>][.<tag>]`: listing and parsing. Does not import torch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from fer_zoo.compatibility import conflict, fusions_for
from fer_zoo.errors import OptionError, UnknownNameError
from fer_zoo.outlines import Outline
from fer_zoo.registry import BACKBONES, FUSIONS, TEMPORALS, Entry, unknown_name


def model_names(family: str | None = None) -> list[str]:
    """Return the sorted names of all valid combinations of registered parts, or those of one family of backbones."""
    backbones: Sequence[Entry | Outline] = (
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
    if found:
        return found[0]
    raise _unknown_model(name)


def split_tag(name: str) -> tuple[str, str]:
    """Split `model.tag`; the tag is empty if the whole name is a model (timm's names may contain dots)."""
    architecture, _, tag = name.rpartition(".")
    if not (architecture and tag):
        return name, ""
    try:
        parse_name(name)
    except UnknownNameError:
        return architecture, tag
    return name, ""


def _joined(backbone: str, temporal_name: str, fusion_name: str) -> str:
    parts = [backbone, temporal_name]
    return "_".join(parts if fusion_name == "none" else [*parts, fusion_name])


def _unknown_model(name: str) -> UnknownNameError:
    family, slash, rest = name.partition("/")
    if not slash or family not in BACKBONES.families():
        return unknown_name("model", name, model_names(), "fer_zoo.list_models() lists them")
    # A family has too many models to compare with: find the backbone's name, which is followed by that of a head.
    heads = [f"_{temporal_name}" for temporal_name in TEMPORALS.names()]
    cut = min((at for head in heads if (at := rest.find(head)) > 0), default=len(rest))
    backbone = f"{family}/{rest[:cut]}"
    if backbone in BACKBONES:
        endings = [
            _joined("", *pair) for pair in itertools.product(TEMPORALS.names(), fusions_for(BACKBONES.get(backbone)))
        ]
        known = [backbone + ending for ending in endings]
        return unknown_name("model", name, known, f'fer_zoo.list_models("{backbone}_*", family="{family}") lists them')
    listed = f'fer_zoo.list_components("backbone", "{family}/*") lists them; a model adds _TEMPORAL[_FUSION]'
    return unknown_name("backbone", backbone, BACKBONES.names(family), listed)
