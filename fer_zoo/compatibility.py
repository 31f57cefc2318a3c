"""Compatibility of registered parts, and defaults set by backbones, from their registration. Does not import torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fer_zoo.outlines import Outline
from fer_zoo.registry import FUSIONS, SUITED, Entry


def conflict(backbone: Entry | Outline, fused: Entry | Outline) -> str | None:
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


def normalisation_conflict(backbone: Entry, given: Mapping[str, Any], default: Mapping[str, Any]) -> str | None:
    """Return why the `given` mean and std do not match a backbone's published weights; None if they do."""
    for key in () if backbone.defaults.get("own_normalisation") else ("mean", "std"):
        expected, actual = tuple(backbone.defaults.get(key, default[key])), tuple(given[key])
        if actual != expected:
            return f"{key} is {actual}; the published weights of {backbone.name!r} were trained with {expected}"
    return None
