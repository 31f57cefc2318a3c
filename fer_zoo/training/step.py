"""One step of the optimizer: random changes, forward, loss, backward, clipping, update, average."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fer_zoo.data.augment import augment_batch
from fer_zoo.specs import Recipe
from fer_zoo.training.batches import Piece
from fer_zoo.training.distributed import share_statistics
from fer_zoo.training.run import Run
from fer_zoo.training.seed import generator, seed_torch

# fp16 gradients overflow now and then, and the scale is halved; below this there is nothing left to scale.
_SMALLEST_SCALE = 2.0**-14


class DivergedError(ArithmeticError):
    """Loss or gradient of a step is not finite; the parameters are as they were before it."""

    def __init__(self, loss: float, gradient: float) -> None:
        super().__init__(loss, gradient)
        self.loss, self.gradient = loss, gradient


@dataclass(frozen=True)
class Examples:
    """What the network is given and should predict: labels and their shares of the target are (n, parts)."""

    clips: Tensor
    landmarks: Tensor
    labels: Tensor
    shares: Tensor


def train_step(run: Run, pieces: Iterable[Piece]) -> float:
    """Take one step of the optimizer on this process's pieces of the batch; returns the mean loss of the whole batch.

    Raises:
        DivergedError: loss or gradient is not finite.
    """
    accelerator, spec, step = run.accelerator, run.recipe.train, run.progress.step
    for group in run.optimizer.param_groups:
        group["lr"] = spec.lr * group.get("share", 1.0) * run.schedule(step)
    run.model.train()
    run.optimizer.zero_grad()
    summed = torch.zeros((), device=accelerator.device)
    for piece in pieces:
        with nullcontext() if piece.last else accelerator.no_sync(run.wrapped):
            examples = change(piece, run.recipe, exact=run.exact, device=accelerator.device)
            seed_torch(run.recipe.seed, "dropout", step, piece.places[piece.first])
            logits = run.wrapped(examples.clips, examples.landmarks).float()
            losses = torch.stack([run.loss(logits, labels) for labels in examples.labels.T], dim=1)
            # Of the whole batch, so that the pieces' gradients add up to its own; processes are averaged.
            loss = (losses * examples.shares).sum() / spec.batch_size
            accelerator.backward(loss * accelerator.num_processes)
            summed += loss.detach()
    limit = math.inf if spec.clip_grad is None else spec.clip_grad
    gradient = float(accelerator.clip_grad_norm_(run.model.parameters(), limit))
    value = float(accelerator.reduce(summed, "sum"))
    # The scaler skips such a step.
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
    """Change the clips of a piece at random, on `device`, and mix them if the recipe says so.

    Args:
        exact: the landmarks are rendered; a detector's already have its noise.
    """
    spec = recipe.train
    augment = spec.augment if exact else spec.augment.model_copy(update={"detector_noise": False})
    frames = piece.frames.to(device, non_blocking=True)
    clips, landmarks = augment_batch(frames, piece.landmarks, recipe.model.input, augment, piece.rngs)
    labels, shares = _target(piece, recipe, device)
    own = slice(piece.first, piece.end)
    layout = torch.channels_last_3d if spec.channels_last else torch.contiguous_format
    if not spec.mixup:
        return Examples(clips.contiguous(memory_format=layout), landmarks, labels, shares)
    # The neighbour in the batch, which is in random order; the last of an odd number is left as it is.
    here = np.arange(piece.first, piece.end)
    other = np.minimum((here + piece.places.start ^ 1) - piece.places.start, len(piece.places) - 1)
    first = torch.tensor([_share(recipe, piece, int(n)) for n in here], dtype=torch.float32, device=device)[:, None]
    strong = first.view(-1, 1, 1, 1, 1)
    mixed = clips[own] * strong + clips[other] * (1 - strong)
    return Examples(
        mixed.contiguous(memory_format=layout),
        landmarks[own],
        torch.cat([labels[own], labels[other]], dim=1),
        torch.cat([shares[own] * first, shares[other] * (1 - first)], dim=1),
    )


def _target(piece: Piece, recipe: Recipe, device: torch.device) -> tuple[Tensor, Tensor]:
    """Labels and their shares (n, 1); (n, 2) where a part of the target is neutral."""
    labels = torch.from_numpy(piece.labels).to(device)[:, None]
    shares = torch.from_numpy(piece.shares).to(device)[:, None]
    if not recipe.train.neutral_below:
        return labels, shares
    neutral = torch.full_like(labels, recipe.model.labels.index("neutral"))
    return torch.cat([labels, neutral], dim=1), torch.cat([shares, 1 - shares], dim=1)


def _share(recipe: Recipe, piece: Piece, number: int) -> float:
    """Share of a clip in its mixture, half or more: its landmarks are those that are kept."""
    alpha = recipe.train.mixup
    drawn = generator(recipe.seed, "mixup", piece.step, piece.places[number]).beta(alpha, alpha)
    return float(max(drawn, 1 - drawn))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move the averaged weights and norm statistics towards the model's.

    The first steps count more, or the average would long remember the random start.
    """
    share = 1 - min(decay, (1 + step) / (10 + step))
    kept, fresh = average.state_dict(), model.state_dict()
    floats = [key for key, value in kept.items() if value.is_floating_point()]
    torch._foreach_lerp_([kept[key] for key in floats], [fresh[key] for key in floats], share)
    for key in kept.keys() - set(floats):
        kept[key].copy_(fresh[key])
