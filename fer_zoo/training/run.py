"""A training at its start, or where its checkpoint left off: network, average, optimizer, progress."""

from __future__ import annotations

import copy
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import ValidationError
from torch import nn

from fer_zoo.compose import build
from fer_zoo.data.clips import ClipSet
from fer_zoo.data.splits import PARTS
from fer_zoo.errors import OptionError, TrainingError
from fer_zoo.model import FERModel
from fer_zoo.pretrained import load_backbone_weights
from fer_zoo.recipes import training_changes
from fer_zoo.specs import FileSplit, Recipe
from fer_zoo.training import checks, pretrain, report
from fer_zoo.training.checkpoint import Progress, load_checkpoint, read_progress, read_tensors, save_checkpoint
from fer_zoo.training.optim import make_optimizer
from fer_zoo.training.processes import called, joint_batch_norm, make_accelerator, with_joint_batch_norm
from fer_zoo.training.seed import seed_torch

if TYPE_CHECKING:
    from accelerate import Accelerator, PartialState

LAST, BEST = "last.safetensors", "best.safetensors"


@dataclass
class Run:
    """What changes while training: all of it is in the checkpoint. `average` is `model` where the recipe has no ema.

    called: `model` as accelerate calls it: in the recipe's precision, compiled, with the gradients of all processes.
    block: the part of the user's recipe that rules this stage; `recipe` itself has it as `train` in both.
    """

    recipe: Recipe
    accelerator: Accelerator
    model: FERModel
    average: FERModel
    called: nn.Module
    optimizer: torch.optim.Optimizer
    progress: Progress
    block: Literal["pretrain", "train"] = "train"

    def modules(self) -> dict[str, nn.Module]:
        """The networks of the checkpoint by name."""
        return {"model": self.model} if self.average is self.model else {"model": self.model, "average": self.average}

    def save(self, path: Path) -> None:
        """Write a checkpoint, in the main process.

        Raises:
            TrainingError: it cannot be written; the previous one is kept.
        """
        scaler = self.accelerator.scaler
        self.progress.scaler = {} if scaler is None else scaler.state_dict()
        if self.accelerator.is_main_process:
            save_checkpoint(path, self.progress, self.modules(), self.optimizer)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            TrainingError: it is damaged, or of another network.
        """
        self.progress = load_checkpoint(path, self.modules(), self.optimizer)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(self.progress.scaler)

    def load_best(self, out: Path) -> None:
        """Put the best epoch's weights into `average`; leaves it as it is before the first epoch's end."""
        if self.progress.best_epoch:
            tensors, _ = read_tensors(out / BEST)
            self.average.load_state_dict(tensors)


def begun(out: Path) -> bool:
    """Whether a folder holds a training that can be resumed."""
    return (out / LAST).exists() or (out / "frames" / LAST).exists()


def check_start(recipe: Recipe, out: Path, state: PartialState, *, resume: bool, tag: str) -> bool:
    """Find out what would stop a training before an hour goes into rendering clips; writes nothing.

    Returns:
        Whether the training goes on rather than starts.

    Raises:
        OptionError: the tag is no tag.
        TrainingError: the batch cannot be shared as the recipe says, the precision needs a GPU, the folder holds a
            training and `resume` is not set, or one of another recipe.
        WeightsError: the recipe asks for published backbone weights, and they cannot be loaded.
    """
    if not re.fullmatch("[A-Za-z0-9_-]+", tag):
        raise OptionError(
            f"The tag {tag!r} cannot name weights.", "letters, digits, - and _, e.g. 'local'", "choose another tag"
        )
    going_on = begun(out)
    checks.check_shares(recipe, state.num_processes, joint=joint_batch_norm(state))
    for stage, folder in _stages(recipe, out):
        make_accelerator(stage.train, state)
        model = build(stage.model)
        if resume and (folder / LAST).exists():
            _check_recipe(read_progress(folder / LAST), stage, folder / LAST)
    if going_on and not resume:
        raise TrainingError(
            f"{out} already holds a training.",
            "an empty folder, or resume",
            "resume it (--resume), or choose another folder",
        )
    # All have looked before the first one writes.
    state.wait_for_everyone()
    if not going_on and recipe.backbone_weights == "pretrained":
        load_backbone_weights(model)
    return going_on


def note_start(recipe: Recipe, out: Path, state: PartialState, *, resumed: bool) -> None:
    """Write recipe.yaml and run.json, if they are not there; remove what a killed attempt left half written.

    Raises:
        TrainingError: the folder cannot be written.
    """
    if not state.is_main_process:
        return
    for _, folder in _stages(recipe, out):
        report.tidy(folder)
    if not (resumed and (out / "run.json").exists()):
        # Anew without a checkpoint: an attempt that ended while rendering may have left another recipe's.
        report.write_start(out, recipe, state)


def check_clips(recipe: Recipe, clips: dict[str, ClipSet], out: Path) -> None:
    """Make sure that the checkpoints in `out` were trained on these clips.

    Raises:
        TrainingError: one was trained on others, or by another recipe.
    """
    for stage, folder in _stages(recipe, out):
        if (folder / LAST).exists():
            _check_same_clips(read_progress(folder / LAST), stage, clips, folder / LAST)


def note_resume(recipe: Recipe, out: Path, state: PartialState) -> None:
    """Say in run.json of every stage that goes on that it was resumed, and on what.

    Raises:
        TrainingError: a run.json is damaged or cannot be written.
    """
    for _, folder in _stages(recipe, out):
        # With a checkpoint of the clips there is nothing left of the frames stage to go on with.
        if folder == out or ((folder / "run.json").exists() and not (out / LAST).exists()):
            report.add_resume(folder, state)


def _check_recipe(found: Progress, recipe: Recipe, path: Path) -> None:
    """Raise TrainingError unless a checkpoint was written for what `recipe` trains, whatever its words for it are."""
    if changed := training_changes(_recipe_of(found, path), recipe):
        raise TrainingError(
            f"{path} is of another recipe: " + "; ".join(changed) + ".",
            "the recipe the run was started with (recipe.yaml beside the checkpoint)",
            "train the changed recipe in another folder",
        )


def _recipe_of(found: Progress, path: Path) -> Recipe:
    try:
        return Recipe.model_validate(found.recipe)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, it['loc']))}: {it['msg']}" for it in error.errors())
        raise TrainingError(
            f"{path} is of a recipe that this version of fer_zoo cannot read: {problems}.",
            "a checkpoint of this version",
            "go back to the version of fer_zoo that started the run, or train in another folder",
        ) from error


def _check_same_clips(found: Progress, recipe: Recipe, clips: dict[str, ClipSet], path: Path) -> None:
    """Raise TrainingError unless a checkpoint's clips have the content that they have now."""
    changed = [part for part, was in found.data.items() if was != _content(clips[part])]
    if not changed:
        return
    parts = f"those of {', '.join(changed)} give other content now than then"
    if any(clips[part].stores for part in changed):
        file = recipe.split.file if isinstance(recipe.split, FileSplit) else ""
        raise TrainingError(
            f"{path} was trained on other clips: {parts}; their store was prepared anew"
            f"{f', or {file} changed' if file else ''}.",
            "the clips that the run was started with",
            f"restore the store{' or the split file' if file else ''} as it was, or train in another folder",
        )
    raise TrainingError(
        f"{path} was trained on other clips: {parts}.",
        "the clips that the run was started with",
        "go back to the version of fer_zoo that started the run, or train in another folder",
    )


def _stages(recipe: Recipe, out: Path) -> list[tuple[Recipe, Path]]:
    """The recipe of each stage and its folder, in order."""
    frames = [] if recipe.pretrain is None else [(pretrain.frame_recipe(recipe), out / "frames")]
    return [*frames, (recipe, out)]


def _fresh(recipe: Recipe, clips: dict[str, ClipSet]) -> Progress:
    return Progress(recipe.model_dump(mode="json"), {part: _content(clips[part]) for part in PARTS})


def _content(clips: ClipSet) -> str:
    """What changes when the clips of a part are others, or have other content."""
    # The fingerprint is that of a whole store.
    return hashlib.sha256("\n".join((clips.fingerprint, *clips.keys)).encode()).hexdigest()


def start(
    recipe: Recipe, clips: dict[str, ClipSet], out: Path, state: PartialState, *, inflated: FERModel | None = None
) -> Run:
    """Build the network and its optimizer, at the start or where the checkpoint in `out` left off.

    A new network's backbone starts from the 2D twin `inflated`, if given, or from its published weights, if the recipe
    says so.

    Raises:
        TrainingError: the checkpoint in `out` is of another recipe or other data.
        WeightsError: the published weights cannot be loaded.
    """
    last = out / LAST
    accelerator = make_accelerator(recipe.train, state)
    seed_torch(recipe.seed, "weights")
    model = with_joint_batch_norm(build(recipe.model).to(state.device), state)
    if recipe.train.channels_last:
        model.channels_last()
    if inflated is not None:
        pretrain.inflate(model.backbone, inflated.backbone)
    elif recipe.backbone_weights == "pretrained" and not last.exists():
        load_backbone_weights(model)
    average = copy.deepcopy(model) if recipe.train.ema else model
    optimizer = accelerator.prepare_optimizer(make_optimizer(model, recipe.train))
    run = Run(recipe, accelerator, model, average, called(model, accelerator), optimizer, _fresh(recipe, clips))
    if last.exists():
        check_clips(recipe, clips, out)
        run.load(last)
    else:
        state.wait_for_everyone()
        if state.is_main_process and not (out / "run.json").exists():
            report.write_start(out, recipe, state)
        run.save(last)
    return run
