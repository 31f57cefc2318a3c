"""Which registered parts fit together, known from their registration alone: nothing is built. Knows no torch."""

from __future__ import annotations

from fer_zoo.registry import FUSIONS, Entry


def conflict(backbone: Entry, fused: Entry) -> str | None:
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
