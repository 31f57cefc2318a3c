"""Whether a store's clips fit the input of a recipe's network."""

from __future__ import annotations

import math

from fer_zoo.data.store.records import StoreFacts
from fer_zoo.specs import ComponentSpec, CropSpec, InputSpec

# Stands for the detector of clips whose landmarks are a renderer's ground truth.
EXACT = "exact"

# An aligned crop turns with the face; the store holds all of it up to this turn. `prepare`'s margin covers it.
_TURN = math.radians(15)


def differences(made: StoreFacts, spec: InputSpec, *, any_fps: bool = False) -> list[str]:
    """Return why a network with this input cannot use the store, one text per reason.

    Clips may be longer, sharper or cut wider than the network needs, since training crops them by their landmarks.
    """
    found, detector = [], spec.landmarks.detector
    if not _holds(made, spec):
        found.append(f"crop: the store's ({made.crop}) does not hold all of the recipe's ({spec.crop})")
    side = made.size * spec.crop.scale / made.crop.scale
    if side < spec.size - 1e-6:
        found.append(f"size: the recipe's crop has {side:.0f} pixels of the store's {made.size}; it needs {spec.size}")
    if made.frames < spec.frames:
        found.append(f"frames: the store's clips have {made.frames}, the recipe needs {spec.frames}")
    wanted = "dense" if spec.sampling == "dense" else "uniform"
    if made.sampling not in (None, wanted):
        found.append(
            f"sampling: the store's clips are {made.sampling}, the recipe's input.sampling needs {wanted} ones"
        )
    if not any_fps and made.fps != spec.fps and wanted == "dense":
        found.append(f"fps: the store has {made.fps:g} frames per second, the recipe {spec.fps:g}")
    # Training makes exact landmarks as inexact as a detector's, so they fit any.
    if made.detector.name != EXACT and made.detector.model_dump(mode="json") != detector.model_dump(mode="json"):
        found.append(
            f"detector: the store's landmarks are from {_text(made.detector)}, the recipe's from {_text(detector)}"
        )
    return found


def upright_margin(crop: CropSpec) -> float:
    """Return how many times larger than the crop an upright square must be to contain it at every turn."""
    turn = _TURN if crop.align == "similarity" else 0.0
    return 2 * _needed(crop.scale * crop.shift_up, crop, turn) / crop.scale


def _holds(made: StoreFacts, spec: InputSpec) -> bool:
    """Return whether the store's square contains the recipe's, whose centre differs by the shift only."""
    turn = _TURN if spec.crop.align == "similarity" else 0.0
    if made.crop.align == "similarity":
        if spec.crop.align == "box":
            return False  # the turn of the head is lost
        turn = 0.0
    return _needed(made.crop.scale * made.crop.shift_up, spec.crop, turn) <= made.crop.scale / 2 + 1e-9


def _needed(made_up: float, crop: CropSpec, turn: float) -> float:
    """Return how far a crop reaches from the middle of a square `made_up` above the face, in sides of the face."""
    reach = crop.scale * (math.cos(turn) + math.sin(turn)) / 2
    up = crop.scale * crop.shift_up
    return reach + max(abs(made_up - up), abs(made_up - up * math.cos(turn)), abs(up * math.sin(turn)))


def _text(component: ComponentSpec) -> str:
    options = ", ".join(f"{key}={value}" for key, value in component.options.items())
    return f"{component.name} ({options})" if options else component.name
