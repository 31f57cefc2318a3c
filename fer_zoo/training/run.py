"""One stage of a training while it runs: network, average, optimizer, schedule, loss, and how far it has come."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from fer_zoo.compose import build
from fer_zoo.data.clips import ClipSet
from fer_zoo.factory import load_backbone_weights
from fer_zoo.model import FERModel
from fer_zoo.registry import LOSSES, OPTIMIZERS, SCHEDULES
from fer_zoo.specs import Recipe
from fer_zoo.stages import split_groups, stage_rates
from fer_zoo.training import initial, pretrain
from fer_zoo.training.checkpoint import TrainingState, load_checkpoint, read_tensors, save_checkpoint
from fer_zoo.training.distributed import make_accelerator, with_joint_batch_norm, wrapped
from fer_zoo.training.lora import add_lora
from fer_zoo.training.run_folder import BEST, LAST, write_start
from fer_zoo.training.seed import seed_torch

if TYPE_CHECKING:
    from accelerate import Accelerator, PartialState

Block = Literal["pretrain", "train"]


@dataclass(frozen=True)
class Stage:
    """A stage before it runs. block: the part of the user's recipe that it follows; in `recipe` that is `train`."""

    recipe: Recipe
    folder: Path
    block: Block = "train"

    @property
    def last(self) -> Path:
        """The checkpoint of its last step."""
        return self.folder / LAST

    def network(self) -> FERModel:
        """Build its network: with random weights, those that it starts from, or published ones of the backbone.

        A stage that has a checkpoint continues from it, and needs no other weights.
        """
        recipe = self.recipe
        seed_torch(recipe.seed, "weights")
        model = build(recipe.model)
        if recipe.backbone_weights == "pretrained" and not self.last.exists():
            load_backbone_weights(model)
        if recipe.init is not None and not self.last.exists():
            initial.load_initial(model, recipe)
        initial.freeze(model, recipe)
        if recipe.train.lora is not None:
            add_lora(model, recipe.train.lora)
        return model


def stages_of(recipe: Recipe, out: Path) -> list[Stage]:
    """The stages of a training in order: single frames, where the recipe has `pretrain`, then clips."""
    frames = [] if recipe.pretrain is None else [Stage(pretrain.frame_recipe(recipe), out / "frames", "pretrain")]
    return [*frames, Stage(recipe, out)]


@dataclass
class Run:
    """A stage while it runs; all that changes is in its checkpoints. `average` is `model` if the recipe has no `ema`.

    wrapped: `model` as accelerate calls it: in the recipe's precision, compiled, with the gradients of all processes.
    schedule: share of each learning rate in each step. exact: the landmarks of the training clips are rendered.
    """

    stage: Stage
    accelerator: Accelerator
    model: FERModel
    average: FERModel
    wrapped: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Callable[[int], float]
    loss: nn.Module
    progress: TrainingState
    exact: bool

    @property
    def recipe(self) -> Recipe:
        """The recipe of the stage."""
        return self.stage.recipe

    @property
    def complete(self) -> bool:
        """Whether all epochs are over, or as many as `patience` without a better validation UAR."""
        spec, done = self.recipe.train, len(self.progress.history)
        return done >= spec.epochs or (spec.patience is not None and done - self.progress.best_epoch >= spec.patience)

    def modules(self) -> dict[str, nn.Module]:
        """The networks of the checkpoint by name."""
        return {"model": self.model} if self.average is self.model else {"model": self.model, "average": self.average}

    def save(self, path: Path | None = None) -> None:
        """Write a checkpoint, in the main process; by default the one that is resumed."""
        scaler = self.accelerator.scaler
        self.progress.scaler = {} if scaler is None else scaler.state_dict()
        if self.accelerator.is_main_process:
            save_checkpoint(path or self.stage.last, self.progress, self.modules(), self.optimizer)

    def load(self) -> None:
        """Continue from the checkpoint."""
        self.progress = load_checkpoint(self.stage.last, self.modules(), self.optimizer)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(self.progress.scaler)

    def load_best(self) -> None:
        """Put the best epoch's weights into `average`; before the end of the first epoch there are none."""
        if self.progress.best_epoch:
            tensors, _ = read_tensors(self.stage.folder / BEST)
            self.average.load_state_dict(tensors)


def start(
    stage: Stage, model: FERModel, clips: Mapping[str, ClipSet], state: PartialState, *, twin: FERModel | None = None
) -> Run:
    """Put a stage's network on its device, make its optimizer, and load its checkpoint if there is one.

    Args:
        model: `stage.network()`.
        twin: the trained 2D twin, which a new network's backbone starts from.
    """
    recipe, spec, train = stage.recipe, stage.recipe.train, clips["train"]
    accelerator = make_accelerator(spec, state)
    model = with_joint_batch_norm(model.to(state.device), state)
    if spec.channels_last:
        model.channels_last()
    if twin is not None:
        pretrain.inflate(model.backbone, twin.backbone)
    average = copy.deepcopy(model) if spec.ema else model
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = OPTIMIZERS.get(spec.optimizer.name).build(
        options=spec.optimizer.options, parameters=parameters, lr=spec.lr
    )
    if spec.layer_decay < 1 or spec.stage_lr:
        rates = stage_rates(model, spec.lr, decay=spec.layer_decay, rates=spec.stage_lr)
        split_groups(optimizer, model, rates, spec.lr)
    schedule = SCHEDULES.get(spec.schedule.name).build(
        options=spec.schedule.options, steps=spec.epochs * (len(train) // spec.batch_size)
    )
    counts = torch.bincount(torch.from_numpy(train.labels), minlength=len(train.names))
    loss = LOSSES.get(spec.loss.name).build(options=spec.loss.options, class_counts=counts)
    run = Run(
        stage,
        accelerator,
        model,
        average,
        wrapped(model, accelerator),
        accelerator.prepare_optimizer(optimizer),
        schedule,
        loss.to(state.device),
        TrainingState(recipe.model_dump(mode="json"), {part: content_of(own) for part, own in clips.items()}),
        train.exact,
    )
    if stage.last.exists():
        run.load()
        return run
    state.wait_for_everyone()
    if state.is_main_process and not (stage.folder / "run.json").exists():
        write_start(stage.folder, recipe, state)
    run.save()
    return run


def content_of(clips: ClipSet) -> str:
    """What changes when the clips of a part, or their content, change."""
    # The fingerprint is that of a whole store.
    return hashlib.sha256("\n".join((clips.fingerprint, *clips.keys)).encode()).hexdigest()
