"""config.json: the network as data, read without trust and before anything else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from fer_zoo._version import __version__
from fer_zoo.errors import FerZooError, WeightsError
from fer_zoo.registry import BACKBONES, FUSIONS, LANDMARKERS, TEMPORALS, Registry
from fer_zoo.specs import ComponentSpec, InputSpec, ModelSpec
from fer_zoo.specs.base import Spec
from fer_zoo.weights.files import damaged, read_json

FORMAT: Literal[2] = 2
_HUB_MODEL = r"(hf-hub:)?[\w.-]+/[\w.-]+(@[\w./+-]+)?"
# Ten times what any network of the registry takes, and still what a computer can hold.
_MOST_FRAMES, _MOST_SIZE, _MOST_PIXELS = 10_000, 10_000, 10**9
_LARGEST_OPTION, _LONGEST_OPTION, _LONGEST_LABEL = 10**6, 10_000, 200


class Config(Spec):
    """What config.json holds: the network, and the versions of fer_zoo and of the detector that it was trained with."""

    format: Literal[2]
    library: Literal["fer-zoo"]
    version: str
    model: ModelSpec
    detector_version: str


def config_fields(spec: ModelSpec, detector_version: str) -> dict[str, Any]:
    """Return what is written to config.json."""
    made = Config(format=FORMAT, library="fer-zoo", version=__version__, model=spec, detector_version=detector_version)
    return made.model_dump(mode="json")


def read_config(path: str | Path) -> Config:
    """Read a config.json; nothing is built and no other file is opened.

    Raises:
        WeightsError: it is too large or damaged, of an unknown format, has unknown keys, names a component or an option
            that does not exist, or absurd sizes.
    """
    path = Path(path)
    fields = read_json(path)
    version = fields.get("format")
    if version is None:
        raise damaged(path, "it names no format, so it was not written by fer_zoo")
    if type(version) is not int or version != FORMAT:
        raise WeightsError(f"{path} has format {repr(version)[:80]}.", f"format {FORMAT}", "update fer_zoo")
    try:
        found = Config.model_validate(fields)
    except ValueError as error:
        raise damaged(path, error) from error
    if problems := [*_unknown_parts(found.model), *_absurd(found.model)]:
        raise WeightsError(
            f"The network of {path} cannot be built: {'; '.join(problems[:6])}",
            "components and options of this version of fer_zoo, of sizes that a network has",
            "update fer_zoo, or install the plug-in that has the component",
        )
    return found


def local_options(spec: ModelSpec) -> list[str]:
    """Options that name files of one machine: they mean nothing elsewhere, and a stranger's must not be opened.

    The name of a Hub model is none if its config is given too: it is then never opened.
    """
    return [
        f"{part}.{key}"
        for part, (_, component) in _components(spec).items()
        for key, value in component.options.items()
        if isinstance(value, str)
        and ("/" in value or "\\" in value or value.startswith(("~", ".")))
        and not (re.fullmatch(_HUB_MODEL, value) and "config" in component.options)
    ]


def _components(spec: ModelSpec) -> dict[str, tuple[Registry, ComponentSpec]]:
    """What a network is put together of, and where each part must be registered."""
    return {
        "backbone": (BACKBONES, spec.backbone),
        "temporal": (TEMPORALS, spec.temporal),
        "fusion": (FUSIONS, spec.fusion),
        "detector": (LANDMARKERS, spec.input.landmarks.detector),
    }


def _unknown_parts(spec: ModelSpec) -> list[str]:
    problems = []
    for registry, component in _components(spec).values():
        try:
            problems += registry.get(component.name).problems(component.options)
        except FerZooError as error:
            problems.append(error.given)
    return problems


def _absurd(spec: ModelSpec) -> list[str]:
    clip: InputSpec = spec.input
    problems = []
    if clip.frames > _MOST_FRAMES or clip.size > _MOST_SIZE or clip.frames * clip.size**2 > _MOST_PIXELS:
        problems.append(f"input: {clip.frames} frames of {clip.size} x {clip.size} are absurd")
    for part, (_, component) in _components(spec).items():
        for key, value in component.options.items():
            if not _sane(value):
                problems.append(f"{part}.{key} is absurdly large")
    if any(len(label) > _LONGEST_LABEL or not label.isprintable() for label in spec.labels):
        problems.append("labels: one is not a printable name")
    return problems


def _sane(value: Any) -> bool:
    if isinstance(value, int | float):
        return abs(value) <= _LARGEST_OPTION
    if isinstance(value, Mapping):
        return all(map(_sane, value.values()))
    if isinstance(value, list | tuple | str):
        return len(value) <= _LONGEST_OPTION and (isinstance(value, str) or all(map(_sane, value)))
    return True
