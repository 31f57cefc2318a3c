"""What is wrong with a training before it has begun."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from fer_zoo.data.clips import ClipSet
from fer_zoo.errors import RecipeError, TrainingError
from fer_zoo.model import FERModel
from fer_zoo.specs import FoldSplit, Recipe
from fer_zoo.training.batches import pieces_a_process
from fer_zoo.training.processes import has_batch_norm, joint_batch_norm

if TYPE_CHECKING:
    from accelerate import PartialState


def check_shares(recipe: Recipe, model: FERModel, state: PartialState) -> None:
    """Make sure that every process gets clips of every batch, and every batch norm two of them or more.

    Raises:
        TrainingError: it does not.
    """
    spec, processes = recipe.train, state.num_processes
    pieces = pieces_a_process(recipe, processes)
    smallest = spec.batch_size // (processes * pieces)
    shared = f"train.batch_size {spec.batch_size}, in {pieces} pieces on each of {processes} devices: " * (
        processes * pieces > 1
    )
    if smallest == 0:
        raise TrainingError(
            f"{shared}some have no clip.",
            "a clip or more in every piece",
            f"raise train.batch_size to {processes * pieces}, raise train.micro_batch, or use fewer devices",
        )
    seen = smallest * processes if joint_batch_norm(state) else smallest
    if seen < 2 and has_batch_norm(model):
        given = f"{shared}pieces of one clip" if shared else f"train.batch_size {spec.batch_size}"
        raise TrainingError(
            f"{given}, and the network has batch norm.",
            "two clips or more at a time, as batch norm compares the clips that it is given together",
            f"raise train.batch_size to {2 * processes * pieces} or more"
            + (", raise train.micro_batch" if spec.micro_batch else "")
            + (", use fewer devices" if processes > 1 else "")
            + ", or take a network without batch norm, e.g. model.backbone.norm=none",
        )


def absent_labels(clips: ClipSet) -> list[str]:
    """Labels of which there is no clip."""
    counts = np.bincount(clips.labels, minlength=len(clips.names))
    return [name for name, count in zip(clips.names, counts, strict=True) if not count]


def check_folds(recipe: Recipe, clips: Mapping[str, ClipSet]) -> None:
    """Make sure that a fold is judged on every label of the network: else folds would be means over other labels.

    Of other splits run.json says which labels a part lacks; UAR is the mean over the labels that are there.

    Raises:
        RecipeError: a label has no clip to validate or test on.
    """
    if not isinstance(recipe.split, FoldSplit):
        return
    for part in ("validation", "test"):
        absent = absent_labels(clips[part])
        if absent:
            raise RecipeError(
                f"Fold {recipe.split.fold} of {recipe.split.folds} has no {part} clip of {', '.join(absent)}.",
                "folds in which every label of the network occurs",
                "lower split.folds, try another seed, or take these labels out of model.labels",
            )
