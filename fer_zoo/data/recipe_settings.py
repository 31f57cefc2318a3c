"""How clips of a dataset are made so that a recipe can be trained on them: settings by falling rank, and a check."""

from __future__ import annotations

import math
from collections.abc import Mapping
from inspect import Parameter
from typing import Any, TypeVar

from fer_zoo.data.cut import CutSpec
from fer_zoo.data.prepare import makes_clips
from fer_zoo.data.rendering import RenderSpec
from fer_zoo.data.store.fits import differences, upright_margin
from fer_zoo.data.store.records import StoreFacts
from fer_zoo.errors import OptionError
from fer_zoo.registry import DATASETS
from fer_zoo.specs import CropSpec, Recipe, Spec

S = TypeVar("S", bound=Spec)


def settings_for(dataset: str, recipe: Recipe | None, changes: Mapping[str, Any]) -> CutSpec | RenderSpec:
    """How clips are made: as `changes` say, else as the recipe needs them, else as the dataset itself says.

    Args:
        dataset: name of the registered dataset.
        recipe: what shall be trained on the clips; None if that is open.
        changes: settings by key; `crop.scale` is the scale of the crop, the rest of which stays.

    Raises:
        UnknownNameError: no such dataset.
        OptionError: a setting does not exist or is wrong, or what comes of them does not fit the recipe.
    """
    kind: type[CutSpec | RenderSpec] = RenderSpec if makes_clips(dataset) else CutSpec
    spec = _changed(kind, _required(dataset, recipe), changes)
    if recipe is None:
        return spec
    shown = spec.crop if isinstance(spec, RenderSpec) else spec.stored_crop
    if "canvas" not in changes:
        # The recipe's crop, without what is shown round it, has as many pixels as the network takes.
        sharp = math.ceil(recipe.model.input.size * shown.scale / recipe.model.input.crop.scale - 1e-9)
        spec = spec.model_copy(update={"canvas": max(spec.canvas, sharp)})
    _check_fits(spec, shown, recipe, changes)
    return spec


def options_for(
    dataset: str, recipe: Recipe | None, spec: CutSpec | RenderSpec, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Options of the dataset: those given, else the recipe's; a reader's `frames` are as many images as a clip needs.

    Raises:
        UnknownNameError: no such dataset.
    """
    entry = DATASETS.get(dataset)
    of_recipe = recipe.data.dataset.options if recipe and recipe.data.dataset.name == dataset else {}
    options = {**of_recipe, **given}
    if isinstance(spec, CutSpec) and "frames" in entry.options and "frames" not in options:
        default = entry.options["fps"].default if "fps" in entry.options else Parameter.empty
        own = options.get("fps", entry.defaults.get("fps", spec.fps) if default is Parameter.empty else default)
        # A clip needs its last frame's moment; half a millisecond is forgiven, as in sampling.
        needed = math.ceil(((spec.frames - 1) / spec.fps - 5e-4) * own) + 1
        if needed != entry.options["frames"].default:
            options["frames"] = needed
    return options


def _required(dataset: str, recipe: Recipe | None) -> dict[str, Any]:
    """Settings that the recipe needs, and those of the dataset itself that it leaves open."""
    # At another rate than its own a database's short sequences would have too few frames.
    facts = {} if makes_clips(dataset) else DATASETS.get(dataset).defaults
    required = {key: facts[key] for key in ("fps", "face") if key in facts}
    if recipe is None:
        return required
    wanted = recipe.model.input
    required["frames"] = wanted.frames
    if not recipe.data.any_fps:
        required["fps"] = wanted.fps
    if makes_clips(dataset):
        return required | {"labels": recipe.model.labels, "takes": recipe.data.takes, "canvas": recipe.data.canvas}
    # Upright frames serve recipes of either alignment, and the margin leaves room to turn them.
    required["crop"] = wanted.crop.model_copy(update={"align": "box"})
    required["margin"] = max(CutSpec().margin, math.ceil(upright_margin(wanted.crop) * 100) / 100)
    required["detector"] = wanted.landmarks.detector
    if wanted.sampling != "dense":
        # Spread over whole videos: an odd number of frames in each part, so that one is its middle.
        each = max(3 if wanted.sampling == "segments" else 1, recipe.views.clips)
        required |= {"sampling": "uniform", "frames": wanted.frames * (each + 1 - each % 2)}
    return required


def _check_fits(spec: CutSpec | RenderSpec, shown: CropSpec, recipe: Recipe, changes: Mapping[str, Any]) -> None:
    facts: dict[str, Any] = {name: getattr(spec, name) for name in ("frames", "fps", "detector")}
    facts |= {"crop": shown, "size": spec.canvas, "preparation": spec.model_dump()}
    problems = differences(StoreFacts.model_construct(**facts), recipe.model.input, any_fps=recipe.data.any_fps)
    if not problems:
        return
    own = {"crop", "margin", "canvas", "frames", "fps", "sampling", "detector"}
    if conflicting := [key for key in changes if key.split(".")[0] in own]:
        do = f"leave out --set {' '.join(conflicting)}, or --recipe if the store is for something else"
    elif isinstance(spec, RenderSpec):
        do = "change model.input.crop: rendered frames show so much of the head and no more"
    else:
        do = "change model.input of the recipe"
    raise OptionError(
        f"The store would not fit the recipe. {'; '.join(problems)}.", "a store that the recipe can be trained on", do
    )


def _changed(kind: type[S], required: Mapping[str, Any], changes: Mapping[str, Any]) -> S:
    """The settings `required`, with `changes` by dotted key."""
    settings = kind.checked(required).model_dump()
    for key, value in changes.items():
        *above, last = key.split(".")
        place: Any = settings
        for depth, part in enumerate(above):
            place = place.get(part)
            if not isinstance(place, dict):
                known = [name for name, default in settings.items() if isinstance(default, dict)]
                raise OptionError(
                    f"--set {key}: {'.'.join(above[: depth + 1])!r} holds no settings.",
                    f"keys below {', '.join(known)}",
                    "correct the key",
                )
        if last == "name" and "name" in place and place["name"] != value:
            place.clear()  # another component has other options
        place[last] = {"name": value} if isinstance(place.get(last), dict) and isinstance(value, str) else value
    return kind.checked(settings)
