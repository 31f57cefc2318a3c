"""Training from top to bottom: a recipe goes in, a weights folder comes out."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from rich import get_console

from fer_zoo import data as datasets
from fer_zoo.data.clips import ClipSet
from fer_zoo.data.playback import central_frames
from fer_zoo.errors import OptionError, TrainingError
from fer_zoo.specs import Metrics, Recipe
from fer_zoo.training import distributed, initial, preflight, run_folder
from fer_zoo.training.batches import Batches
from fer_zoo.training.checkpoint import keep_weights, write_tensors
from fer_zoo.training.display import Display
from fer_zoo.training.evaluate import as_predictions, crop_clips, evaluate_run, predict_shared
from fer_zoo.training.lora import merged
from fer_zoo.training.metrics import figures
from fer_zoo.training.run import Run, start
from fer_zoo.training.seed import kernels
from fer_zoo.training.step import DivergedError, train_step
from fer_zoo.training.trackers import Log, chosen_trackers, tracked


@dataclass(frozen=True)
class TrainResult:
    """The weights folder, and metrics of the best epoch (by validation UAR) on held-out subjects.

    test: None if the recipe's split has no test subjects.
    """

    weights: Path
    validation: Metrics
    test: Metrics | None
    epochs: int
    hours: float


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
    log_with: str | Sequence[str] = (),
    keep: int = 0,
) -> TrainResult:
    """Train by a recipe; write checkpoints, log.csv, predictions and the weights folder under `out_dir`.

    Started by torchrun or `accelerate launch`, all processes call this in the same way; the first one writes.

    Args:
        resume: continue from `out_dir`'s checkpoint, exactly; start if there is none.
        workers: processes that render clips; default one per core.
        cache: folder of rendered clips; default as `fer_zoo.data.cache_root`.
        stores: folder of prepared clip stores; default as `fer_zoo.data.stores_root`.
        max_steps: end early, as if the recipe's epochs were over; the rest can be trained later with `resume`.
        tag: the weights are named `<model>.<tag>`; letters, digits, - and _.
        device: "cpu", "cuda", "cuda:1", ...; default "cuda" where there is one.
        save_minutes: the longest time between two checkpoints; there is one after every epoch too.
        log_with: trackers that get the metrics: tensorboard (under `out_dir`/tensorboard), wandb, trackio, mlflow.
        keep: keep the weights of this many epochs, the best by validation UAR, under `out_dir`/epochs.

    Raises:
        OptionError: the tag cannot name weights, `keep` is negative, or a component refuses an option.
        TrainingError: the folder holds another run, there is no such device, the batch cannot be shared, a tracker
            cannot be started, a file cannot be written, or the loss is no longer finite.
        RecipeError, InputError: as `fer_zoo.data.load`, e.g. for a store that does not match; a fold has no clip of a
            label.
        HubError, WeightsError: the Hub model that the recipe starts from cannot be downloaded, or does not match.
        UnknownNameError, MissingExtraError: there is no such tracker, or it is not installed; or what the backbone or
            `lora` needs.
    """
    out = Path(out_dir)
    trackers = chosen_trackers([log_with] if isinstance(log_with, str) else log_with)
    if keep < 0:
        raise OptionError(f"keep={keep}.", "a number of epochs, 0 or more", "leave it out to keep the best one only")
    recipe = run_folder.identified(out, recipe)
    opened = datasets.open_stores(recipe, stores)
    state = distributed.join(device)
    resumed = run_folder.begun(out)
    stages = preflight.check_start(recipe, out, state, resume=resume, tag=tag)
    with run_folder.locked_folder(out, main=state.is_main_process), ExitStack() as tracking:
        if state.is_main_process:
            run_folder.begin(out, recipe, state, resumed=resumed)
            # Before clips are loaded: with the first checkpoint the weights that it starts from are not read again.
            if not resumed and (facts := initial.facts(stages[-1][1])):
                run_folder.update(out, facts)
                get_console().print(
                    "\n".join(initial.summary(stages[-1][1])), highlight=False, markup=False, soft_wrap=True
                )
        began = time.monotonic()
        with state.local_main_process_first():  # it renders what the others then find
            clips = datasets.load(recipe, cache=cache, workers=workers, stores=stores, opened=opened)
        preflight.check_clips(recipe, clips)
        for stage, _ in stages:
            preflight.check_same_clips(stage, clips)
        if state.is_main_process:
            run_folder.write_split(out, recipe, clips)
            run_folder.add_data(out, clips, time.monotonic() - began, datasets.detector_versions(opened))
            for stage, _ in stages if resumed else ():
                # With a checkpoint of the clips nothing of the stage of single frames is left to resume.
                if stage.folder == out or ((stage.folder / "run.json").exists() and not stages[-1][0].last.exists()):
                    run_folder.add_resume(stage.folder, state)
        twin, hours = None, 0.0
        for stage, model in stages:
            run, is_last = start(stage, model, clips, state, twin=twin), stage is stages[-1][0]
            tracking.close()  # a tracker has one run at a time
            log = tracking.enter_context(tracked(run, trackers))
            fit(run, clips, max_steps=max_steps, save_minutes=save_minutes, log=log, keep=keep if is_last else 0)
            # Stopped by max_steps among the single frames, the 2D twin is the result.
            if is_last or not run.complete:
                break
            run.load_best()
            twin, hours = run.average, run.progress.seconds / 3600
        return finish(run, clips, tag, hours, log)


def fit(
    run: Run, clips: Mapping[str, ClipSet], *, max_steps: int | None, save_minutes: float, log: Log, keep: int
) -> None:
    """Take the steps of the recipe that `run` has not taken yet, with a checkpoint after every epoch or sooner."""
    spec, progress, accelerator = run.recipe.train, run.progress, run.accelerator
    batches = Batches(
        run.recipe, clips["train"], process=accelerator.process_index, processes=accelerator.num_processes
    )
    end = spec.epochs * batches.per_epoch
    if max_steps is not None:
        end = min(end, max_steps)
    shape = run.recipe.model.input
    validation = crop_clips(central_frames(clips["validation"], shape), shape)
    display = Display(run.recipe, progress, end, main=accelerator.is_main_process, log=log)
    pieces = batches.ahead(progress.step, end, pin=accelerator.device.type == "cuda")
    began = saved = time.monotonic()
    with display, closing(pieces), kernels(deterministic=spec.deterministic):
        while progress.step < end and not run.complete:
            try:
                loss = train_step(run, islice(pieces, batches.pieces))
            except torch.OutOfMemoryError as error:
                raise _out_of_memory(run, batches.pieces) from error
            except DivergedError as error:
                raise _diverged(run, batches, progress.step, error.loss, error.gradient) from error
            took, began = time.monotonic() - began, time.monotonic()
            progress.seconds += took
            display.step(progress.step, loss, run.optimizer.param_groups[0]["lr"], took)
            if progress.step % batches.per_epoch == 0:
                finish_epoch(run, validation, batches, keep)
                display.epoch(progress)
                began = saved = time.monotonic()
            elif began - saved > save_minutes * 60:
                run.save()
                saved = time.monotonic()
        if progress.step < end:
            display.note(f"stopped early: no better validation UAR since epoch {progress.best_epoch}")
    run.save()


def finish_epoch(run: Run, validation: ClipSet, batches: Batches, keep: int) -> None:
    """Validate, keep the weights if they are the best so far, write the log and the checkpoint."""
    began, progress, epoch, out = time.monotonic(), run.progress, len(run.progress.history) + 1, run.stage.folder
    probabilities = predict_shared(run.average, validation, run.accelerator)
    if not np.isfinite(probabilities).all():  # the last step broke the weights, and no step after it can tell
        raise _diverged(run, batches, progress.step - 1, float("nan"), float("nan"))
    found = figures(as_predictions(validation, probabilities))
    main = run.accelerator.is_main_process
    if found.uar > progress.best_uar:
        progress.best_uar, progress.best_epoch = found.uar, epoch
        if main:
            write_tensors(out / run_folder.BEST, run.average.state_dict(), {"epoch": str(epoch)})
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
            "seconds": round(progress.seconds, 3),
        }
    )
    progress.loss_sum = 0.0
    if main:
        run_folder.write_log(out / "log.csv", progress.history)
        if keep:
            keep_weights(out / "epochs", run.average, progress.history, keep)
    # Last, so that a kill before it repeats the end of the epoch and writes the same files again.
    run.save()


def finish(run: Run, clips: Mapping[str, ClipSet], tag: str, pretrain_hours: float, log: Log) -> TrainResult:
    """Evaluate the best and the last weights on the validation and test sets; write the best as a weights folder."""
    began, out, progress = time.monotonic(), run.stage.folder, run.progress
    with kernels(deterministic=run.recipe.train.deterministic):
        metrics, calibration = evaluate_run(run, clips)
    test = metrics.get("test")
    if test is not None:
        log({"test/war": test.war, "test/uar": test.uar}, progress.step)
    hours = pretrain_hours + progress.seconds / 3600
    if run.accelerator.is_main_process:
        network = run.average if run.recipe.train.lora is None else merged(run.average)
        run_folder.write_weights(out, network, run.recipe, metrics, calibration, tag=tag, hours=hours)
        seconds = {
            "pretraining": pretrain_hours * 3600,
            "training": progress.seconds - progress.validation_seconds,
            "validation": progress.validation_seconds,
            "evaluation": time.monotonic() - began,
        }
        run_folder.update(out, {"ended": run_folder.now()}, seconds=seconds)
    # No process reads the folder before it is there.
    run.accelerator.wait_for_everyone()
    return TrainResult(out / "weights", metrics["validation"], test, len(progress.history), hours)


def _diverged(run: Run, batches: Batches, step: int, loss: float, gradient: float) -> TrainingError:
    """Keep the batch and the state of step `step`, from 0, in the folder `broken`; returns the error to raise."""
    spec, block, names = run.recipe.train, run.stage.block, batches.names(step)
    rate = run.optimizer.param_groups[0]["lr"]
    broken = run.stage.folder / "broken"
    facts = {"step": step + 1, "lr": rate, "loss": str(loss), "gradient": str(gradient), "clips": names}
    if run.accelerator.is_main_process:
        run_folder.write(broken / "batch.json", json.dumps(facts, indent=1))
    run.save(broken / "state.safetensors")
    clipping = "set" if spec.clip_grad is None else "lower"
    warmup = "lengthen" if run.schedule(0) < run.schedule(1) else "set"
    return TrainingError(
        f"Step {step + 1}: the loss is {loss} and the gradient's norm {gradient} at learning rate {rate:.3g}, on the "
        f"clips {'; '.join(names)}.",
        "finite numbers",
        f"lower {block}.lr, {clipping} {block}.clip_grad or {warmup} {block}.warmup, in another folder; "
        f"last.safetensors is as it was, {broken} holds the batch and the state at this step",
    )


def _out_of_memory(run: Run, pieces: int) -> TrainingError:
    """The error to raise if a device has no memory for the clips that it takes at once."""
    spec, shape, count = run.recipe.train, run.recipe.model.input, run.accelerator.num_processes
    at_once = -(-spec.batch_size // (pieces * count))
    return TrainingError(
        f"Step {run.progress.step + 1}: {run.accelerator.device} has no memory left for {at_once} clips of "
        f"{shape.frames} x {shape.size} x {shape.size} pixels at once.",
        "as many as fit into its memory",
        f"set {run.stage.block}.micro_batch below {at_once}, in another folder; or resume on more devices"
        if at_once > 1
        else "train a smaller network or input, or on a larger device",
    )
