"""One step of the optimizer: random changes, forward, loss, backward, clipping, update, average."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fer_zoo.data.augment import augment_batch
from fer_zoo.data.clips import ClipSet
from fer_zoo.specs import Recipe, TrainSpec
from fer_zoo.training.batches import Piece
from fer_zoo.training.optim import learning_rate, update_average
from fer_zoo.training.processes import share_statistics
from fer_zoo.training.run import Run
from fer_zoo.training.seed import generator, seed_torch

# fp16 gradients overflow now and then, and the scale is halved; below this there is nothing left to scale.
_SMALLEST_SCALE = 2.0**-14


class DivergedError(ArithmeticError):
    """Loss or gradient of a step is not finite; the weights are as they were before it."""

    def __init__(self, loss: float, gradient: float) -> None:
        super().__init__(loss, gradient)
        self.loss, self.gradient = loss, gradient


@dataclass(frozen=True)
class Examples:
    """What the network is given and what it should say: labels and their shares are (n, 1), or (n, 2) where mixed."""

    clips: Tensor
    landmarks: Tensor
    labels: Tensor
    shares: Tensor


def train_step(run: Run, pieces: Iterable[Piece], clips: ClipSet, total: int) -> float:
    """One step of the optimizer on this process's pieces of the batch; returns the mean loss of the whole batch.

    Raises:
        DivergedError: loss or gradient is not finite.
    """
    accelerator, spec, step = run.accelerator, run.recipe.train, run.progress.step
    weights = class_weights(spec, clips).to(accelerator.device)
    rate = learning_rate(spec, step, total)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.model.train()
    run.optimizer.zero_grad()
    summed = torch.zeros((), device=accelerator.device)
    for piece in pieces:
        with nullcontext() if piece.last else accelerator.no_sync(run.called):
            examples = change(piece, run.recipe, exact=clips.exact, device=accelerator.device)
            seed_torch(run.recipe.seed, "dropout", step, piece.places[piece.first])
            logits = run.called(examples.clips, examples.landmarks)
            # Of the whole batch, so that the pieces' gradients add up to its own; processes are averaged.
            loss = _loss(logits.float(), examples, weights, spec.label_smoothing) / spec.batch_size
            accelerator.backward(loss * accelerator.num_processes)
            summed += loss.detach()
    limit = math.inf if spec.clip_grad is None else spec.clip_grad
    gradient = float(accelerator.clip_grad_norm_(run.model.parameters(), limit))
    value = float(accelerator.reduce(summed, "sum"))
    # The scaler leaves such a step out.
    overflow = accelerator.scaler is not None and accelerator.scaler.get_scale() > _SMALLEST_SCALE
    if not math.isfinite(value) or not (math.isfinite(gradient) or overflow):
        raise DivergedError(value, gradient)
    run.optimizer.step()
    share_statistics(run.model, accelerator)
    if run.average is not run.model:
        update_average(run.average, run.model, spec.ema or 0.0, step)
    run.progress.step += 1
    run.progress.loss_sum += value
    return value


def change(piece: Piece, recipe: Recipe, *, exact: bool, device: torch.device) -> Examples:
    """Change the clips of a piece at random, on `device`, and mix them where the recipe says so."""
    spec = recipe.train
    # A detector's points are as inexact as they are.
    augment = spec.augment if exact else spec.augment.model_copy(update={"detector_noise": False})
    frames = piece.frames.to(device, non_blocking=True)
    clips, landmarks = augment_batch(frames, piece.landmarks, recipe.model.input, augment, piece.rngs)
    labels = torch.from_numpy(piece.labels).to(device)
    own = slice(piece.first, piece.end)
    layout = torch.channels_last_3d if spec.channels_last else torch.contiguous_format
    if not spec.mixup:
        shares = torch.ones(piece.clips, 1, device=device)
        return Examples(clips.contiguous(memory_format=layout), landmarks, labels[:, None], shares)
    # The neighbour in the batch, which is in random order; the last of an odd number is left as it is.
    here = np.arange(piece.first, piece.end)
    other = np.minimum((here + piece.places.start ^ 1) - piece.places.start, len(piece.places) - 1)
    shares = torch.tensor([_share(recipe, piece, int(n)) for n in here], dtype=torch.float32, device=device)
    strong = shares.view(-1, 1, 1, 1, 1)
    mixed = clips[own] * strong + clips[other] * (1 - strong)
    return Examples(
        mixed.contiguous(memory_format=layout),
        landmarks[own],
        torch.stack([labels[own], labels[other]], dim=1),
        torch.stack([shares, 1 - shares], dim=1),
    )


def _share(recipe: Recipe, piece: Piece, number: int) -> float:
    """Share of a clip in its mixture, half or more: it is the clip whose landmarks are kept."""
    alpha = recipe.train.mixup
    drawn = generator(recipe.seed, "mixup", piece.step, piece.places[number]).beta(alpha, alpha)
    return float(max(drawn, 1 - drawn))


def class_weights(spec: TrainSpec, clips: ClipSet) -> Tensor:
    """Weight of a clip's loss by its class (classes,): all ones, or inverse to how many clips the class has."""
    counts = np.bincount(clips.labels, minlength=len(clips.names))
    if spec.class_weights == "none":
        return torch.ones(len(counts))
    return torch.from_numpy(len(clips) / ((counts > 0).sum() * np.maximum(counts, 1))).float()


def _loss(logits: Tensor, examples: Examples, weights: Tensor, smoothing: float) -> Tensor:
    """Sum over the clips of the cross entropies with their labels, by share and weight."""
    one_each = [
        F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing) for labels in examples.labels.T
    ]
    return (torch.stack(one_each, dim=1) * examples.shares * weights[examples.labels]).sum()
