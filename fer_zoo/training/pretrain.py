"""Frame-wise pre-training: the backbone's 2D twin learns on single frames, then its kernels are inflated to 3D.

The frames of a clip are nearly alike, so a step on single frames of many clips costs less for what is learned.
Inflation as in I3D (Carreira & Zisserman 2017), but into the middle time step only, so that each output frame starts as
the twin's.
"""

from __future__ import annotations

from torch import nn

from fer_zoo.backbones.inflate import inflate_kernel
from fer_zoo.errors import TrainingError
from fer_zoo.registry import BACKBONES
from fer_zoo.specs import ComponentSpec, Recipe


def frame_recipe(recipe: Recipe) -> Recipe:
    """Return the recipe that trains the 2D twin on single frames by the settings under `pretrain`.

    A backbone registered with `frame_wise=True` is its own twin. Description and published values are left out, so that
    recipes that differ only behind the backbone have the same frame recipe.

    Raises:
        TrainingError: the backbone has no 2D twin.
    """
    model = recipe.model
    twin = model.model_copy(
        update={
            "backbone": _twin(model.backbone),
            "temporal": ComponentSpec(name="mean"),
            # A random frame in training, also where clips are spread evenly.
            "input": model.input.model_copy(update={"frames": 1, "sampling": "dense"}),
        }
    )
    unnamed = {"description": "", "published": None, "freeze": ()}
    return recipe.model_copy(update={"model": twin, "train": recipe.pretrain, "pretrain": None, **unnamed})


def _twin(backbone: ComponentSpec) -> ComponentSpec:
    entry = BACKBONES.get(backbone.name)
    if entry.defaults.get("frame_wise"):
        return backbone
    if "temporal_kernels" in entry.options:
        return ComponentSpec(**{**backbone.model_dump(), "temporal_kernels": False})
    raise TrainingError(
        f"Backbone {backbone.name!r} has no 2D twin to pre-train.",
        "a backbone with the option `temporal_kernels`, or one that is frame-wise itself",
        "leave `pretrain` out of the recipe",
    )


def inflate(backbone: nn.Module, twin: nn.Module) -> None:
    """Copy a 2D twin into a 3D backbone: each kernel into the middle time step, zeros before and after it.

    Raises:
        TrainingError: the twin belongs to a different network.
    """
    source, target = twin.state_dict(), backbone.state_dict()
    if source.keys() != target.keys():
        raise TrainingError(
            f"The twin has other tensors: {sorted(source.keys() ^ target.keys())[:4]}.",
            "the same network with kernels of one frame",
            "pre-train with the same backbone options",
        )
    backbone.load_state_dict(
        {
            key: inflate_kernel(source[key][:, :, 0], value.shape[2]) if value.ndim == 5 else source[key]
            for key, value in target.items()
        }
    )
