"""Landmark detectors (one file per engine) and landmark maps.

Importing this package registers the engines; the packages they need are imported when one is created.
"""

from fer_zoo.landmarks import dlib, face_alignment, fz68, given  # noqa: F401  (importing registers the engines)
from fer_zoo.landmarks.base import Box, Face, Landmarker
from fer_zoo.registry import LANDMARKERS
from fer_zoo.specs import ComponentSpec

__all__ = ["Box", "Face", "Landmarker", "create_landmarker"]


def create_landmarker(spec: ComponentSpec | str) -> Landmarker:
    """Create a registered landmark detector from its name, or from a spec with options.

    Raises:
        UnknownNameError, OptionError: there is no such detector or option.
        MissingExtraError: the detector's package or model file is not installed.
    """
    spec = ComponentSpec(name=spec) if isinstance(spec, str) else spec
    landmarker = LANDMARKERS.get(spec.name).build(options=spec.options)
    assert isinstance(landmarker, Landmarker)
    return landmarker
