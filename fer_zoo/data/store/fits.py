"""Whether a store's clips are what a recipe's network must be fed."""

from __future__ import annotations

from fer_zoo.data.store.records import StoreHeader
from fer_zoo.specs import ComponentSpec, InputSpec


def differences(made: StoreHeader, spec: InputSpec, detector: ComponentSpec) -> list[str]:
    """What keeps a network of this input, trained on points of this detector, from using the store; in words.

    Clips may be longer, sharper or cut wider than the network needs, since training crops them by their points.
    """
    found = []
    if not _holds(made, spec):
        found.append(f"crop: the store's ({made.crop}) does not hold all of the recipe's ({spec.crop})")
    side = made.size * spec.crop.scale / made.crop.scale
    if side < spec.size - 1e-6:
        found.append(f"size: the recipe's crop has {side:.0f} pixels of the store's {made.size}; it needs {spec.size}")
    if made.frames < spec.frames:
        found.append(f"frames: the store's clips have {made.frames}, the recipe needs {spec.frames}")
    if made.fps != spec.fps:
        found.append(f"fps: the store has {made.fps:g} frames a second, the recipe {spec.fps:g}")
    if made.detector.model_dump(mode="json") != detector.model_dump(mode="json"):
        found.append(f"detector: the store's points are of {_told(made.detector)}, the recipe's of {_told(detector)}")
    return found


def _holds(made: StoreHeader, spec: InputSpec) -> bool:
    """Whether the store's square, which has the recipe's centre but for the shift, holds all of the recipe's."""
    margin = (made.crop.scale - spec.crop.scale) / 2
    apart = abs(made.crop.scale * made.crop.shift_up - spec.crop.scale * spec.crop.shift_up)
    return apart <= margin + 1e-9


def _told(component: ComponentSpec) -> str:
    options = ", ".join(f"{key}={value}" for key, value in component.options.items())
    return f"{component.name} ({options})" if options else component.name
