"""The training loop: recipe in, weights folder out."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from fer_zoo import data as datasets
from fer_zoo.data.clips import ClipSet
from fer_zoo.data.playback import central_frames
from fer_zoo.specs import Metrics, Recipe
from fer_zoo.training import checks, pretrain, processes, report
from fer_zoo.training.batches import Batches
from fer_zoo.training.checkpoint import write_tensors
from fer_zoo.training.display import Display, check_tensorboard
from fer_zoo.training.evaluate import as_predictions, crop_clips
from fer_zoo.training.judge import judge, predict_shared
from fer_zoo.training.metrics import figures
from fer_zoo.training.run import BEST, LAST, Run, check_clips, check_start, note_resume, note_start, start
from fer_zoo.training.seed import kernels
from fer_zoo.training.step import DivergedError, train_step

if TYPE_CHECKING:
    from accelerate import PartialState


@dataclass(frozen=True)
class TrainResult:
    """Where the weights folder is, and figures of the best epoch (by validation UAR) on subjects never trained on."""

    weights: Path
    validation: Metrics
    test: Metrics
    epochs: int
    hours: float


@dataclass(frozen=True)
class _Until:
    """When to stop and to save, and whether to draw curves."""

    max_steps: int | None
    save_minutes: float
    tensorboard: bool


def train(
    recipe: Recipe,
    out_dir: str | Path,
    *,
    resume: bool = False,
    workers: int | None = None,
    cache: Path | None = None,
    stores: Path | None = None,
    max_steps: int | None = None,
    tag: str = "local",
    device: str | None = None,
    save_minutes: float = 5.0,
    tensorboard: bool = False,
) -> TrainResult:
    """Train by a recipe; write checkpoints, log.csv, predictions and the weights folder under `out_dir`.

    Started by torchrun or `accelerate launch`, all processes call this alike; the first one writes.

    Args:
        resume: go on from `out_dir`'s checkpoint, exactly; start if there is none.
        workers: processes that render clips; default one per core.
        cache: folder of rendered clips; default as `fer_zoo.data.cache_root`.
        stores: folder of prepared clip stores; default as `fer_zoo.data.stores_root`.
        max_steps: end early, as if the recipe's epochs were over; the rest can be trained later with `resume`.
        tag: the weights are named `<model>.<tag>`; letters, digits, - and _.
        device: "cpu", "cuda", "cuda:1", ...; default "cuda" where there is one.
        save_minutes: the longest time between two checkpoints; there is one after every epoch too.
        tensorboard: write curves under `out_dir`/tensorboard.

    Raises:
        OptionError: the tag is invalid, or there is no such device.
        TrainingError: the folder holds another run, the batch does not fit, a file cannot be written, or
            the loss is no longer finite.
        RecipeError, InputError: as `fer_zoo.data.load`, e.g. of a store that does not fit; a fold lacks a label.
        MissingExtraError: tensorboard is not installed.
    """
    out, until = Path(out_dir), _Until(max_steps, save_minutes, tensorboard)
    if tensorboard:
        check_tensorboard()
    detectors = datasets.detector_versions(datasets.open_stores(recipe, stores))
    state = processes.join(device)
    resumed = check_start(recipe, out, state, resume=resume, tag=tag)
    with report.alone(out, state):
        note_start(recipe, out, state, resumed=resumed)
        began = time.monotonic()
        with state.local_main_process_first():  # it makes what the others then find
            clips = datasets.load(recipe, cache=cache, workers=workers, stores=stores)
        checks.check_folds(recipe, clips)
        checks.check_batches(recipe, clips)
        check_clips(recipe, clips, out)
        if state.is_main_process:
            report.write_split(out, recipe, clips)
            report.add_data(out, clips, time.monotonic() - began, detectors)
            if resumed:
                note_resume(recipe, out, state)
        return _train(recipe, clips, out, state, until, tag)


def _train(
    recipe: Recipe, clips: dict[str, ClipSet], out: Path, state: PartialState, until: _Until, tag: str
) -> TrainResult:
    """Take all stages of a training: of single frames, where the recipe has it, then of clips; then judge."""
    frames, hours = None, 0.0
    if recipe.pretrain is not None:
        twin = pretrain.frame_recipe(recipe)
        frames = start(twin, clips, out / "frames", state)
        frames.block = "pretrain"
        fit(frames, clips, out / "frames", until)
        hours = frames.progress.seconds / 3600
        if len(frames.progress.history) < twin.train.epochs:  # stopped by max_steps: what there is is the twin
            return finish(frames, clips, out / "frames", tag, 0.0)
        frames.load_best(out / "frames")
    run = start(recipe, clips, out, state, inflated=None if frames is None else frames.average)
    fit(run, clips, out, until)
    return finish(run, clips, out, tag, hours)


def fit(run: Run, clips: dict[str, ClipSet], out: Path, until: _Until) -> None:
    """Take the steps of the recipe that `run` has not taken yet, with a checkpoint after every epoch or sooner."""
    spec, progress, accelerator = run.recipe.train, run.progress, run.accelerator
    batches = Batches(
        run.recipe, clips["train"], process=accelerator.process_index, processes=accelerator.num_processes
    )
    total = spec.epochs * batches.per_epoch
    end = total if until.max_steps is None else min(total, until.max_steps)
    validation = crop_clips(central_frames(clips["validation"], run.recipe.model.input.frames), run.recipe.model.input)
    curves = out / "tensorboard" if until.tensorboard else None
    display = Display(run.recipe, progress, end, main=accelerator.is_main_process, curves=curves)
    pieces = batches.ahead(progress.step, end, pin=accelerator.device.type == "cuda")
    began = saved = time.monotonic()
    with display, closing(pieces), kernels(deterministic=spec.deterministic):
        while progress.step < end:
            try:
                loss = train_step(run, islice(pieces, batches.pieces), clips["train"], total)
            except torch.OutOfMemoryError as error:
                raise report.out_of_memory(run, batches.pieces) from error
            except DivergedError as error:
                names = batches.names(progress.step)
                raise report.write_broken(out, run, progress.step + 1, names, error.loss, error.gradient) from error
            took, began = time.monotonic() - began, time.monotonic()
            progress.seconds += took
            display.step(progress.step, loss, run.optimizer.param_groups[0]["lr"], took)
            if progress.step % batches.per_epoch == 0:
                finish_epoch(run, validation, batches, out)
                display.epoch(progress)
                began = saved = time.monotonic()
            elif began - saved > until.save_minutes * 60:
                run.save(out / LAST)
                saved = time.monotonic()
    run.save(out / LAST)


def finish_epoch(run: Run, validation: ClipSet, batches: Batches, out: Path) -> None:
    """Validate, keep the weights if they are the best so far, write the log and the checkpoint."""
    began, progress, epoch = time.monotonic(), run.progress, len(run.progress.history) + 1
    said = predict_shared(run.average, validation, run.accelerator)
    if not np.isfinite(said).all():  # the last step broke the weights, and there was none after it to find out
        names, loss = batches.names(progress.step - 1), float("nan")
        raise report.write_broken(out, run, progress.step, names, loss, loss)
    found = figures(as_predictions(validation, said))
    main = run.accelerator.is_main_process
    if found.uar > progress.best_uar:
        progress.best_uar, progress.best_epoch = found.uar, epoch
        if main:
            write_tensors(out / BEST, run.average.state_dict(), {"epoch": str(epoch)})
    progress.seconds += time.monotonic() - began
    progress.validation_seconds += time.monotonic() - began
    progress.history.append(
        {
            "epoch": epoch,
            "step": progress.step,
            "lr": run.optimizer.param_groups[0]["lr"],
            "loss": progress.loss_sum / batches.per_epoch,
            "validation_war": found.war,
            "validation_uar": found.uar,
            "seconds": round(progress.seconds, 1),
        }
    )
    progress.loss_sum = 0.0
    if main:
        report.write_log(out / "log.csv", progress.history)
    # Last, so that a kill before it repeats the end of the epoch and writes the same files again.
    run.save(out / LAST)


def finish(run: Run, clips: dict[str, ClipSet], out: Path, tag: str, pretrain_hours: float) -> TrainResult:
    """Judge the best and the last weights on validation and test subjects; write the best ones as a weights folder."""
    began = time.monotonic()
    with kernels(deterministic=run.recipe.train.deterministic):
        metrics = judge(run, clips, out)
    progress = run.progress
    hours = pretrain_hours + progress.seconds / 3600
    if run.accelerator.is_main_process:
        report.write_result(out, run.average, run.recipe, metrics, tag=tag, hours=hours)
        report.add_end(out, progress, time.monotonic() - began, pretrain_hours * 3600)
    # Nobody reads the folder before it is there.
    run.accelerator.wait_for_everyone()
    return TrainResult(out / "weights", metrics["validation"], metrics["test"], len(progress.history), hours)
