"""The training loop: recipe in, weights folder out."""

from __future__ import annotations

import copy
import math
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fer_zoo import data as datasets
from fer_zoo.compose import build
from fer_zoo.data.augment import augment_batch, with_detector_noise
from fer_zoo.data.clips import ClipSet
from fer_zoo.data.playback import central_frames, random_frames
from fer_zoo.errors import OptionError, TrainingError
from fer_zoo.model import FERModel
from fer_zoo.pretrained import load_backbone_weights
from fer_zoo.specs import Metrics, Recipe
from fer_zoo.training import pretrain, report
from fer_zoo.training.checkpoint import (
    Progress,
    load_checkpoint,
    read_progress,
    read_tensors,
    save_checkpoint,
    write_tensors,
)
from fer_zoo.training.evaluate import crop_clips, evaluate_clips, evaluate_cropped
from fer_zoo.training.optim import learning_rate, make_optimizer, update_average
from fer_zoo.training.seed import generator, seed_torch

LAST, BEST = "last.safetensors", "best.safetensors"


@dataclass(frozen=True)
class TrainResult:
    """Where the weights folder is, and figures of the best epoch (by validation UAR) on subjects never trained on."""

    weights: Path
    validation: Metrics
    test: Metrics
    epochs: int
    hours: float


@dataclass
class Run:
    """What changes while training: all of it is in the checkpoint. `average` is `model` where the recipe has no ema."""

    model: FERModel
    average: FERModel
    optimizer: torch.optim.Optimizer
    progress: Progress

    def modules(self) -> dict[str, torch.nn.Module]:
        """The networks of the checkpoint by name."""
        return {"model": self.model} if self.average is self.model else {"model": self.model, "average": self.average}


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
) -> TrainResult:
    """Train by a recipe; write checkpoints, log.csv and the weights folder under `out_dir`.

    Args:
        resume: go on from `out_dir`'s checkpoint, exactly; start if there is none.
        workers: processes that render clips; default one per core.
        cache: folder of rendered clips; default as `fer_zoo.data.cache_root`.
        stores: folder of prepared clip stores; default as `fer_zoo.data.stores_root`.
        max_steps: end early, as if the recipe's epochs were over; the rest can be trained later with `resume`.
        tag: the weights are named `<model>.<tag>`; letters, digits, - and _.
        save_minutes: the longest time between two checkpoints; there is one after every epoch too.

    Raises:
        OptionError: the tag is no tag.
        TrainingError: the folder holds another run, or the loss is no longer finite.
        RecipeError, InputError: as `fer_zoo.data.load`, e.g. of a store that does not fit.
    """
    out = Path(out_dir)
    twin = None if recipe.pretrain is None else pretrain.frame_recipe(recipe)
    datasets.open_stores(recipe, stores)
    where = check_start(recipe, out, resume=resume, device=device, tag=tag)
    clips = datasets.load(recipe, cache=cache, workers=workers, stores=stores)
    report.write_split(out, recipe, clips)
    frames, hours = None, 0.0
    if twin is not None:
        frames = start(twin, clips, out / "frames", where)
        fit(frames, twin, clips, out / "frames", max_steps=max_steps, save_minutes=save_minutes)
        hours = frames.progress.seconds / 3600
        if len(frames.progress.history) < twin.train.epochs:  # stopped by max_steps: what there is is the twin
            return finish(frames, twin, clips, out / "frames", tag, 0.0)
        load_best(frames, out / "frames")
    run = start(recipe, clips, out, where, inflated=None if frames is None else frames.average)
    fit(run, recipe, clips, out, max_steps=max_steps, save_minutes=save_minutes)
    return finish(run, recipe, clips, out, tag, hours)


def fit(
    run: Run, recipe: Recipe, clips: dict[str, ClipSet], out: Path, *, max_steps: int | None, save_minutes: float
) -> None:
    """Take the steps of a recipe that `run` has not taken yet, with a checkpoint after every epoch or sooner."""
    spec = recipe.train
    per_epoch = steps_per_epoch(len(clips["train"]), spec.batch_size)
    total = spec.epochs * per_epoch
    end = total if max_steps is None else min(total, max_steps)
    validation = crop_clips(central_frames(clips["validation"], recipe.model.input.frames), recipe.model.input)
    saved_at = time.monotonic()

    with report.Bar(recipe, done=run.progress.step, total=end) as bar:
        for epoch in range(len(run.progress.history), spec.epochs):
            order = generator(recipe.seed, "order", epoch).permutation(len(clips["train"]))
            for step in range(run.progress.step, min(end, (epoch + 1) * per_epoch)):
                began = time.monotonic()
                first = (step - epoch * per_epoch) * spec.batch_size
                rows = order[first : first + spec.batch_size]
                loss = train_step(run, recipe, clips["train"], rows, total)
                run.progress.seconds += time.monotonic() - began
                bar.step(loss, len(rows), time.monotonic() - began)
                if time.monotonic() - saved_at > save_minutes * 60:
                    save_checkpoint(out / LAST, run.progress, run.modules(), run.optimizer)
                    saved_at = time.monotonic()
            if run.progress.step < (epoch + 1) * per_epoch:  # stopped by max_steps
                break
            finish_epoch(run, validation, out, per_epoch)
            saved_at = time.monotonic()
            bar.epoch(run.progress)
    save_checkpoint(out / LAST, run.progress, run.modules(), run.optimizer)


def steps_per_epoch(clips: int, batch_size: int) -> int:
    """Whole batches only: a small rest would disturb the batch norm.

    Raises:
        TrainingError: fewer clips than a batch.
    """
    if clips < batch_size or batch_size < 2:
        raise TrainingError(
            f"{clips} training clips for batches of {batch_size}.",
            "at least one whole batch of two clips or more",
            "lower train.batch_size or add subjects to split.train",
        )
    return clips // batch_size


def begun(out: Path) -> bool:
    """Whether a folder holds a training that can be resumed."""
    return (out / LAST).exists() or (out / "frames" / LAST).exists()


def check_start(recipe: Recipe, out: Path, *, resume: bool, device: str | None, tag: str) -> torch.device:
    """Find out what would stop a training before an hour goes into rendering clips; returns the device.

    Raises:
        OptionError: the tag is no tag.
        TrainingError: no such device, the folder cannot be written, or holds a training and `resume` is not set.
        WeightsError: the recipe asks for published backbone weights, and they cannot be loaded.
    """
    if not re.fullmatch("[A-Za-z0-9_-]+", tag):
        raise OptionError(
            f"The tag {tag!r} cannot name weights.", "letters, digits, - and _, e.g. 'local'", "choose another tag"
        )
    try:
        where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(1, device=where)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built for the device
        reason = str(error).splitlines()[0]
        raise TrainingError(
            f"Device {device!r}: {reason}", "cpu, cuda, cuda:1, ...", "choose another device"
        ) from error
    model = build(recipe.model)
    if begun(out) and not resume:
        raise TrainingError(
            f"{out} already holds a training.",
            "an empty folder, or resume",
            "resume it (--resume), or choose another folder",
        )
    if not begun(out):
        if recipe.backbone_weights == "pretrained":
            load_backbone_weights(model)
        report.write_start(out, recipe)  # anew: an attempt that ended while rendering may have left another recipe's
    return where


def start(
    recipe: Recipe,
    clips: dict[str, ClipSet],
    out: Path,
    where: torch.device,
    *,
    inflated: FERModel | None = None,
) -> Run:
    """Build the network and its optimizer, at the start or where the checkpoint in `out` left off.

    A new network's backbone starts from the 2D twin `inflated`, if given, or from its published weights, if the recipe
    says so.

    Raises:
        TrainingError: the checkpoint in `out` is of another recipe or other data.
        WeightsError: the published weights cannot be loaded.
    """
    last = out / LAST
    seed_torch(recipe.seed, "weights")
    model = build(recipe.model).to(where).channels_last()
    if inflated is not None:
        pretrain.inflate(model.backbone, inflated.backbone)
    elif recipe.backbone_weights == "pretrained" and not last.exists():
        load_backbone_weights(model)
    average = copy.deepcopy(model) if recipe.train.ema else model
    optimizer = make_optimizer(model, recipe.train)
    data = {part: clips[part].fingerprint for part in ("train", "validation")}
    fresh = Progress(recipe=recipe.model_dump(mode="json"), data=data)
    run = Run(model, average, optimizer, fresh)
    if last.exists():
        report.check_same_run(read_progress(last), fresh, last)
        run.progress = load_checkpoint(last, run.modules(), optimizer)
    else:
        if not (out / "run.json").exists():
            report.write_start(out, recipe)
        save_checkpoint(last, run.progress, run.modules(), optimizer)
    return run


def train_step(
    run: Run, recipe: Recipe, clips: ClipSet, rows: np.ndarray[Any, np.dtype[np.int64]], total: int
) -> float:
    """One step of the optimizer on the clips `rows`; returns the loss.

    Raises:
        TrainingError: loss or gradient is not finite; the last checkpoint is kept.
    """
    spec, step, device = recipe.train, run.progress.step, next(run.model.parameters()).device
    rng = generator(recipe.seed, "augment", step)
    frames, points = random_frames(
        clips.read(rows), clips.landmarks[rows], recipe.model.input.frames, spec.augment, rng
    )
    # A detector's points are as inexact as they are.
    augment = spec.augment if clips.exact else spec.augment.model_copy(update={"detector_noise": False})
    clip, landmarks = augment_batch(frames, points, recipe.model.input, augment, rng)
    target = torch.from_numpy(clips.labels[rows]).to(device)
    seed_torch(recipe.seed, "dropout", step)
    run.model.train()
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(spec, step, total)
    with torch.autocast(device.type, torch.bfloat16, enabled=spec.precision == "bf16"):
        clip = clip.to(device, memory_format=torch.channels_last_3d)
        logits: Tensor = run.model(clip, landmarks.to(device))
    loss = F.cross_entropy(logits.float(), target, label_smoothing=spec.label_smoothing)
    run.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    limit = math.inf if spec.clip_grad is None else spec.clip_grad
    gradient = torch.nn.utils.clip_grad_norm_(run.model.parameters(), limit)
    value = loss.item()
    if not (math.isfinite(value) and math.isfinite(gradient.item())):
        raise TrainingError(
            f"Step {step + 1}: the loss is {value} and the gradient's norm {gradient.item()}, on the clips "
            + "; ".join(clips.clip_id(int(row)) for row in rows)
            + ".",
            "finite numbers",
            "lower train.lr or set train.clip_grad; last.safetensors is as it was before",
        )
    run.optimizer.step()
    if run.average is not run.model:
        update_average(run.average, run.model, spec.ema or 0.0, step)
    run.progress.step += 1
    run.progress.loss_sum += value
    return value


def finish_epoch(run: Run, validation: ClipSet, out: Path, per_epoch: int) -> None:
    """Validate, keep the weights if they are the best so far, write the log and the checkpoint."""
    began = time.monotonic()
    figures = evaluate_cropped(run.average, validation)
    progress, epoch = run.progress, len(run.progress.history) + 1
    if figures.uar > progress.best_uar:
        progress.best_uar, progress.best_epoch = figures.uar, epoch
        write_tensors(out / BEST, run.average.state_dict(), {"epoch": str(epoch)})
    progress.seconds += time.monotonic() - began
    progress.history.append(
        {
            "epoch": epoch,
            "step": progress.step,
            "lr": run.optimizer.param_groups[0]["lr"],
            "loss": progress.loss_sum / per_epoch,
            "validation_war": figures.war,
            "validation_uar": figures.uar,
            "seconds": round(progress.seconds, 1),
        }
    )
    progress.loss_sum = 0.0
    report.write_log(out / "log.csv", progress.history)
    # Last, so that a kill before it repeats the end of the epoch and writes the same files again.
    save_checkpoint(out / LAST, progress, run.modules(), run.optimizer)


def load_best(run: Run, out: Path) -> None:
    """Put the best epoch's weights into `run.average`; leaves it as it is before the first epoch's end."""
    if run.progress.best_epoch:
        tensors, _ = read_tensors(out / BEST)
        run.average.load_state_dict(tensors)


def finish(
    run: Run, recipe: Recipe, clips: dict[str, ClipSet], out: Path, tag: str, pretrain_hours: float
) -> TrainResult:
    """Judge the best weights on validation and test subjects and write them as a weights folder."""
    load_best(run, out)
    judged = {part: central_frames(clips[part], recipe.model.input.frames) for part in ("validation", "test")}
    if clips["test"].exact:
        # Rendered points are exact, a detector's are not: the second figure is the one to expect in use.
        judged["test, points as inexact as a detector's"] = with_detector_noise(judged["test"], recipe.seed)
    metrics = {part: evaluate_clips(run.average, part_clips) for part, part_clips in judged.items()}
    hours = pretrain_hours + run.progress.seconds / 3600
    folder = report.write_result(out, run.average, recipe, metrics, tag=tag, hours=hours)
    return TrainResult(folder, metrics["validation"], metrics["test"], len(run.progress.history), hours)
