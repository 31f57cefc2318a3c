"""Measure how fast a recipe trains: clips a second, and on a GPU the share of its own matmul rate, and the memory.

    python tools/measure_training.py gpu/incres3d_lstm_lm --set train.batch_size=32
    python tools/measure_training.py gpu/incres3d_lstm_lm --frames    # the stage of single frames; clips of one frame

Clips are noise in memory, so reading and decoding do not count; random changes, forward, backward and update do. The
rate is that of a bf16 product of two square matrices, measured on the same GPU; the operations of a step are those of
the convolutions and matrix products of a forward and a backward pass, counted by torch.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from fer_zoo.data import ClipSet
from fer_zoo.recipes import load_recipe
from fer_zoo.specs import Recipe
from fer_zoo.training import distributed
from fer_zoo.training.batches import Batches
from fer_zoo.training.pretrain import frame_recipe
from fer_zoo.training.run import Run, Stage, start
from fer_zoo.training.seed import kernels
from fer_zoo.training.step import train_step

SIDE = 8192


def noise_clips(recipe: Recipe) -> ClipSet:
    """Two batches of noise, each clip with a face somewhere."""
    count, frames, side = 2 * recipe.train.batch_size, recipe.model.input.frames, recipe.data.canvas
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (count, frames, side, side, 3), np.uint8)
    points = rng.uniform(0.25 * side, 0.75 * side, (count, frames, 68, 2)).astype(np.float32)
    labels = np.arange(count) % len(recipe.model.labels)
    return ClipSet.from_arrays(pictures, points, labels, np.arange(count), recipe.model.labels)


def seconds_a_step(run: Run, clips: ClipSet, *, warm: int, steps: int) -> float:
    """Mean seconds of `steps` steps after `warm` ones."""
    batches, total = Batches(run.recipe, clips), warm + steps
    pieces = batches.ahead(0, total, pin=run.accelerator.device.type == "cuda")
    began = 0.0
    for step in range(total):
        if step == warm:
            began = time.perf_counter()
        train_step(run, islice(pieces, batches.pieces))  # its loss is read, so the GPU is done
    return (time.perf_counter() - began) / steps


def operations(run: Run) -> float:
    """Floating-point operations of one clip's forward and backward pass."""
    spec, device = run.recipe.model.input, run.accelerator.device
    clip = torch.zeros(2, 3, spec.frames, spec.size, spec.size, device=device)
    points = torch.rand(2, spec.frames, 68, 2, device=device) * spec.size
    with FlopCounterMode(display=False) as counter:
        run.model(clip, points).sum().backward()  # type: ignore[no-untyped-call]
    return float(counter.get_total_flops()) / 2


def matmul_rate(device: torch.device) -> float:
    """Operations a second of the product of two bf16 matrices of SIDE x SIDE."""
    one, other = (torch.randn(SIDE, SIDE, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(10):
        one @ other
    torch.cuda.synchronize()
    began, rounds = time.perf_counter(), 50
    for _ in range(rounds):
        one @ other
    torch.cuda.synchronize()
    return 2 * SIDE**3 * rounds / (time.perf_counter() - began)


def measure(recipe: Recipe, device: str | None, *, warm: int, steps: int) -> dict[str, float]:
    """Figures of a recipe on a device."""
    state = distributed.join(device)
    clips = noise_clips(recipe)
    with tempfile.TemporaryDirectory() as folder, kernels(deterministic=recipe.train.deterministic):
        stage, parts = Stage(recipe, Path(folder)), ("train", "validation", "test")
        run = start(stage, stage.network(), dict.fromkeys(parts, clips), state)
        seconds = seconds_a_step(run, clips, warm=warm, steps=steps)
        figures = {"clips/s": recipe.train.batch_size / seconds, "ms a step": 1000 * seconds}
        if state.device.type == "cuda":
            figures["GiB of memory"] = torch.cuda.max_memory_allocated() / 2**30
            reached = operations(run) * figures["clips/s"]
            figures["TFLOP/s"] = reached / 1e12
            figures["% of the bf16 matmul rate"] = 100 * reached / matmul_rate(state.device)
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--device")
    parser.add_argument("--warm", type=int, default=5, help="steps before the clock starts; compiling is one of them")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--frames", action="store_true", help="the stage of single frames (`pretrain`), not of clips")
    given = parser.parse_args(arguments)
    if given.frames:
        recipe = frame_recipe(load_recipe(given.recipe, given.set))
    else:
        recipe = load_recipe(given.recipe, [*given.set, "pretrain=null"])
    for name, value in measure(recipe, given.device, warm=given.warm, steps=given.steps).items():
        print(f"{name}: {value:.1f}")


if __name__ == "__main__":
    main()
