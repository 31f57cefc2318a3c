"""What is wrong with a training before it has begun."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from fer_zoo.compose import build
from fer_zoo.data.clips import ClipSet
from fer_zoo.errors import RecipeError, TrainingError
from fer_zoo.specs import FoldSplit, Recipe, TrainSpec
from fer_zoo.training.batches import pieces_a_process
from fer_zoo.training.pretrain import frame_recipe
from fer_zoo.training.processes import has_batch_norm


def check_shares(recipe: Recipe, processes: int = 1, *, joint: bool = False) -> None:
    """Make sure that in every stage each process gets clips of every batch, and each batch norm two of them or more.

    Args:
        joint: batch norms see the clips of all processes.

    Raises:
        TrainingError: it does not, or the backbone has no twin for the stage of frames.
    """
    if recipe.pretrain is not None:
        _check_shares(frame_recipe(recipe), processes, joint, "pretrain")
    _check_shares(recipe, processes, joint, "train")


def _check_shares(stage: Recipe, processes: int, joint: bool, block: str) -> None:
    spec, pieces = stage.train, pieces_a_process(stage.train, processes)
    shared = f"{block}.batch_size {spec.batch_size}, in {pieces} pieces on each of {processes} devices: " * (
        processes * pieces > 1
    )
    if spec.batch_size < processes * pieces:
        raise TrainingError(
            f"{shared}some have no clip.",
            "a clip or more in every piece",
            f"raise {block}.batch_size to {processes * pieces}, raise {block}.micro_batch, or use fewer devices",
        )
    if _compares(spec, processes, joint) or not has_batch_norm(build(stage.model)):
        return
    larger = range(spec.batch_size + 1, 4 * (spec.batch_size + processes))
    micro = range(2, spec.batch_size + 1) if spec.micro_batch else ()
    ways = [
        *(f"raise {block}.batch_size to {found}" for found in _first("batch_size", larger, spec, processes, joint)),
        *(f"raise {block}.micro_batch to {found}" for found in _first("micro_batch", micro, spec, processes, joint)),
    ] or [f"raise {block}.batch_size to {2 * processes} and leave {block}.micro_batch out"]
    raise TrainingError(
        f"{shared}pieces of one clip, and the network has batch norm."
        if shared
        else f"{block}.batch_size {spec.batch_size}, and the network has batch norm.",
        "two clips or more at a time, as batch norm compares the clips that it is given together",
        ", ".join([*ways, *["use fewer devices"] * (processes > 1)])
        + ", or take a network without batch norm, e.g. model.backbone.norm=none",
    )


def _compares(spec: TrainSpec, processes: int, joint: bool) -> bool:
    """Whether batch norms see two clips or more at a time."""
    smallest = spec.batch_size // (processes * pieces_a_process(spec, processes))
    return (smallest * processes if joint else smallest) > 1


def _first(key: str, values: Iterable[int], spec: TrainSpec, processes: int, joint: bool) -> list[int]:
    """The first of the values with which batch norms do, in a list; none where none is."""
    return [n for n in values if _compares(spec.model_copy(update={key: n}), processes, joint)][:1]


def check_batches(recipe: Recipe, clips: Mapping[str, ClipSet]) -> None:
    """Make sure that there are clips for a batch of every stage.

    Raises:
        TrainingError: there are fewer.
    """
    for block, spec in (("pretrain", recipe.pretrain), ("train", recipe.train)):
        if spec is not None and len(clips["train"]) < spec.batch_size:
            raise TrainingError(
                f"{len(clips['train'])} training clips for batches of {spec.batch_size}.",
                "at least one whole batch",
                f"lower {block}.batch_size, or take more subjects to train on",
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
                "try another split.seed or fewer folds (three at least), or take these labels out of model.labels",
            )
