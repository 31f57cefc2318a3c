"""Everything that would stop a training later, found before anything is rendered or trained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from fer_zoo.compose import build
from fer_zoo.data.clips import ClipSet
from fer_zoo.errors import OptionError, RecipeError, TrainingError, UnknownNameError
from fer_zoo.model import FERModel
from fer_zoo.recipes import training_changes
from fer_zoo.registry import LOSSES, OPTIMIZERS, SCHEDULES
from fer_zoo.specs import FileSplit, FoldSplit, Recipe, TrainSpec
from fer_zoo.stages import stage_rates
from fer_zoo.training.batches import pieces_per_process
from fer_zoo.training.checkpoint import TrainingState, read_progress
from fer_zoo.training.distributed import has_batch_norm, joint_batch_norm, make_accelerator
from fer_zoo.training.run import Block, Stage, content_of, stages_of
from fer_zoo.training.run_folder import begun

if TYPE_CHECKING:
    from accelerate import PartialState


def check_start(
    recipe: Recipe, out: Path, state: PartialState, *, resume: bool, tag: str
) -> list[tuple[Stage, FERModel]]:
    """Check all that can be checked without clips; writes nothing.

    Returns:
        The stages of the training, each with its network.

    Raises:
        OptionError: the tag cannot name weights, or a component refuses an option.
        TrainingError: the batch cannot be shared as the recipe says, the precision needs a GPU, the folder holds a
            training and `resume` is not set, or one of a different recipe.
        RecipeError: `init` names no weights, or `freeze` or `stage_lr` does not match the network's stages.
        WeightsError: the weights that the recipe starts from cannot be loaded, or are of a different network.
        HubError: they cannot be downloaded.
    """
    if not re.fullmatch("[A-Za-z0-9_-]+", tag):
        raise OptionError(
            f"The tag {tag!r} cannot name weights.", "letters, digits, - and _, e.g. 'local'", "choose another tag"
        )
    if begun(out) and not resume:
        raise TrainingError(
            f"{out} already holds a training.",
            "an empty folder, or resume",
            "resume it (--resume), or choose another folder",
        )
    stages = [(stage, stage.network()) for stage in stages_of(recipe, out)]
    check_shares(recipe, state.num_processes, joint=joint_batch_norm(state))
    for stage, model in stages:
        spec = stage.recipe.train
        for registry, component in ((OPTIMIZERS, spec.optimizer), (SCHEDULES, spec.schedule), (LOSSES, spec.loss)):
            registry.get(component.name).check(component.options)
        try:
            stage_rates(model, spec.lr, rates=spec.stage_lr)
        except UnknownNameError as error:
            raise RecipeError(f"{stage.block}.stage_lr: {error.given}", error.accepted, error.do) from error
        make_accelerator(spec, state)
        if stage.last.exists():
            _check_recipe(read_progress(stage.last), stage)
    # All processes have looked before the first one writes.
    state.wait_for_everyone()
    return stages


def check_clips(recipe: Recipe, clips: Mapping[str, ClipSet]) -> None:
    """Check that the clips give batches for every stage, and metrics.

    A fold must be evaluated on every label of the network, or folds would be means over other labels. For other splits
    run.json shows which labels a part lacks; UAR is the mean over the labels that are there.

    Raises:
        TrainingError: there are fewer clips than in a batch.
        RecipeError: a fold has no clip of a label, or clips without a known intensity are to be partly neutral.
    """
    split = recipe.split
    if isinstance(split, FoldSplit):
        for part, own in (("validation", clips["validation"]), ("test", clips["test"])):
            if missing := [name for number, name in enumerate(own.names) if number not in own.labels]:
                raise RecipeError(
                    f"Fold {split.fold} of {split.folds} has no {part} clip of {', '.join(missing)}.",
                    "folds in which every label of the network occurs",
                    "try another split.seed or fewer folds (at least three), or take these labels out of model.labels",
                )
    for block, spec in (("pretrain", recipe.pretrain), ("train", recipe.train)):
        if spec is not None and len(clips["train"]) < spec.batch_size:
            raise TrainingError(
                f"{len(clips['train'])} training clips for batches of {spec.batch_size}.",
                "at least one whole batch",
                f"lower {block}.batch_size, or take more subjects to train on",
            )
        if spec is not None and spec.neutral_below and clips["train"].intensities is None:
            raise RecipeError(
                "neutral_below is set, and not all training clips have a known intensity.",
                "clips of rendered faces, in stores prepared by this version",
                "prepare the stores again, or leave neutral_below out",
            )


def check_shares(recipe: Recipe, processes: int = 1, *, joint: bool = False) -> None:
    """Check that in every stage each process gets clips of every batch, and each batch norm two of them or more.

    Args:
        joint: batch norms see the clips of all processes.

    Raises:
        TrainingError: they do not, or the backbone has no 2D twin for the stage of single frames.
    """
    for stage in stages_of(recipe, Path()):
        spec, block, pieces = stage.recipe.train, stage.block, pieces_per_process(stage.recipe.train, processes)
        shared = f"{block}.batch_size {spec.batch_size}, in {pieces} pieces on each of {processes} devices: " * (
            processes * pieces > 1
        )
        if spec.batch_size < processes * pieces:
            raise TrainingError(
                f"{shared}some have no clip.",
                "at least one clip in every piece",
                f"raise {block}.batch_size to {processes * pieces}, raise {block}.micro_batch, or use fewer devices",
            )
        if _compares(spec, processes, joint) or not has_batch_norm(build(stage.recipe.model)):
            continue
        raise TrainingError(
            f"{shared}pieces of one clip, and the network has batch norm."
            if shared
            else f"{block}.batch_size {spec.batch_size}, and the network has batch norm.",
            "at least two clips at a time: batch norm normalises by the clips that it sees together",
            ", ".join([_larger(spec, block, processes, joint), *["use fewer devices"] * (processes > 1)])
            + ", or take a network without batch norm, e.g. model.backbone.norm=none",
        )


def _compares(spec: TrainSpec, processes: int, joint: bool) -> bool:
    """Whether batch norms see at least two clips at a time."""
    smallest = spec.batch_size // (processes * pieces_per_process(spec, processes))
    return (smallest * processes if joint else smallest) > 1


def _larger(spec: TrainSpec, block: Block, processes: int, joint: bool) -> str:
    """The smallest micro batch, or else batch, with which batch norms see at least two clips."""
    for size in range(2, spec.batch_size + 1) if spec.micro_batch else ():
        if _compares(spec.model_copy(update={"micro_batch": size}), processes, joint):
            return f"raise {block}.micro_batch to {size}"
    without = f" and leave {block}.micro_batch out" if spec.micro_batch else ""
    return f"raise {block}.batch_size to {2 * processes}{without}"


def _check_recipe(found: TrainingState, stage: Stage) -> None:
    """Raise TrainingError unless a checkpoint's recipe trains the same, whatever its description."""
    try:
        trained = Recipe.model_validate(found.recipe)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, it['loc']))}: {it['msg']}" for it in error.errors())
        raise TrainingError(
            f"{stage.last} has a recipe that this version of fer_zoo cannot read: {problems}.",
            "a checkpoint of this version",
            "go back to the version of fer_zoo that started the run, or train in another folder",
        ) from error
    if changed := training_changes(trained, stage.recipe):
        raise TrainingError(
            f"{stage.last} belongs to a different recipe: " + "; ".join(changed) + ".",
            "the recipe the run was started with (recipe.yaml beside the checkpoint)",
            "train the changed recipe in another folder",
        )


def check_same_clips(stage: Stage, clips: Mapping[str, ClipSet]) -> None:
    """Raise TrainingError unless the clips of a stage's checkpoint, if there is one, have the content they have now."""
    found = read_progress(stage.last).data if stage.last.exists() else {}
    changed = [part for part, content in found.items() if part not in clips or content != content_of(clips[part])]
    if not changed:
        return
    given = f"{stage.last} was trained on other clips: those of {', '.join(changed)} have changed since"
    do = "go back to the version of fer_zoo that started the run"
    if any(own.stores for own in clips.values()):
        split = stage.recipe.split
        file = split.file if isinstance(split, FileSplit) else None
        given += "; their store was prepared again" + (f", or {file} changed" if file else "")
        do = f"restore the store{' or the split file' if file else ''} as it was"
    raise TrainingError(f"{given}.", "the clips that the run was started with", f"{do}, or train in another folder")
