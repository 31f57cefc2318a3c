"""Which registered parts fit together, and what suits them, known from their registration alone. Knows no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fer_zoo.outlines import Outline
from fer_zoo.registry import FUSIONS, SUITED, Entry


def conflict(backbone: Entry | Outline, fused: Entry | Outline) -> str | None:
    """Why a backbone and a fusion cannot work together; None if they can."""
    site = fused.defaults["site"]
    if site == "residual" and "residual" not in backbone.defaults.get("sites", ()):
        return f"fusion {fused.name!r} works on residual shortcuts; backbone {backbone.name!r} offers none"
    if site == "input" and "in_channels" not in backbone.injected:
        return f"fusion {fused.name!r} adds input channels; backbone {backbone.name!r} takes three, RGB"
    return None


def fusions_for(backbone: Entry) -> list[str]:
    """Names of the fusions that a backbone can take."""
    return [name for name in FUSIONS.names() if conflict(backbone, FUSIONS.get(name)) is None]


def suited(backbone: Entry, temporal: Entry, fused: Entry) -> dict[tuple[str, ...], Any]:
    """What a backbone says suits it, by key path in a ModelSpec: a small one wants a small clip, head and window.

    Options that the given head or fusion does not have are left out.
    """
    parts = {"temporal": temporal, "fusion": fused}
    found = {path: backbone.defaults[key] for key, path in SUITED.items() if key in backbone.defaults}
    return {path: v for path, v in found.items() if path[0] not in parts or path[1] in parts[path[0]].options}


def normalisation_conflict(backbone: Entry, given: Mapping[str, Any], default: Mapping[str, Any]) -> str | None:
    """Why a backbone's published weights cannot take clips normalised by the `given` mean and std; None if they can."""
    for key in ("mean", "std"):
        wanted, have = tuple(backbone.defaults.get(key, default[key])), tuple(given[key])
        if have != wanted:
            return f"{key} is {have}; the published weights of {backbone.name!r} were trained with {wanted}"
    return None
