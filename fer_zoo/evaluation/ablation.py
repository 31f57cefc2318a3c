"""Run the training runs of an ablation, each in a process of its own; skip what is done, report what failed.

`report` can read the folder at any time; killed and started again, the ablation ends with the same files.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from threading import Event, local

import torch

from fer_zoo.data.pool import Engine, spread
from fer_zoo.errors import FerZooError, InputError, writing
from fer_zoo.evaluation.attempt import LEFT, Attempt, Job, attempt, missing_files
from fer_zoo.evaluation.grid import CellPlan
from fer_zoo.evaluation.results import FORMAT, RECIPES, read_grid_cells
from fer_zoo.files import locked, write_text
from fer_zoo.recipes import dump_recipe, load_recipe, training_changes
from fer_zoo.training.metrics import Figures, figures
from fer_zoo.training.predictions import Predictions
from fer_zoo.training.pretrain import frame_recipe
from fer_zoo.training.run_folder import LOCK

# What trains a cell; a test puts another program here.
TRAIN = ("fer_zoo.cli", "train")


@dataclass(frozen=True)
class RunOptions:
    """Options for running cells.

    jobs: parallel cells; None for one, or with the engine `ray` for as many as fit. arguments: further ones of
    `fer-zoo train`. cpus, gpus: what Ray reserves per cell. train: module and arguments that train a cell.
    """

    jobs: int | None = None
    engine: Engine = "processes"
    cpus: float = 1
    gpus: float = 0
    arguments: tuple[str, ...] = ()
    train: tuple[str, ...] = TRAIN


@dataclass(frozen=True)
class Ended:
    """A cell that has just ended, and the progress of the ablation.

    metrics: of the best epoch on the test set, None if it failed. left: estimated seconds until all are done.
    """

    cell: CellPlan
    attempt: Attempt
    done: int
    of: int
    left: float
    metrics: Figures | None


@dataclass
class Outcome:
    """Result of an ablation."""

    skipped: int = 0
    trained: int = 0
    failed: list[tuple[CellPlan, str]] = field(default_factory=list)


def ablate(
    cells: Sequence[CellPlan],
    out: str | Path,
    options: RunOptions = RunOptions(),
    progress: Callable[[Ended], object] = lambda _: None,
) -> Outcome:
    """Train the unfinished cells of an ablation, in their folders below `out`.

    A cell that fails leaves failed.json and does not stop the others; the next call retries it.

    Args:
        progress: called after each cell that was run.

    Raises:
        InputError: another ablation is running in the folder, it is not writable, a cell's folder belongs to another
            recipe, or the Ray cluster fails.
        MissingExtraError: the engine is `ray`, which is not installed.
    """
    out = Path(out).absolute()
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        with locked(out / ".lock") as lock:
            if lock is None:
                owner = (out / ".lock").read_text(encoding="utf-8") or "it has just started"
                raise InputError(
                    f"Another `fer-zoo ablate` is running in {out} ({owner}).",
                    "one at a time per folder",
                    "wait for it, stop it, or choose another folder",
                )
            os.ftruncate(lock, 0)
            os.write(lock, f"process {os.getpid()} on {socket.gethostname()}".encode())
            _claim(cells, out)
            return _run(cells, out, options, progress)


def _run(cells: Sequence[CellPlan], out: Path, options: RunOptions, progress: Callable[[Ended], object]) -> Outcome:
    twins = _twins(cells, out)
    jobs = {
        Job(out / cell.folder, options.train, options.arguments, _threads(options), twins.get(cell.folder, ())): cell
        for cell in cells
        if missing_files(out / cell.folder)
    }
    outcome = Outcome(skipped=len(cells) - len(jobs))
    began = time.monotonic()
    # Closed, so that an interruption always stops the training runs.
    with closing(_spread(list(jobs), options)) as results:
        for ended, (job, result) in enumerate(results, 1):
            if result.reason:
                outcome.failed.append((jobs[job], result.reason))
            else:
                outcome.trained += 1
            left = (time.monotonic() - began) / ended * (len(jobs) - ended)
            metrics = None if result.reason else figures(Predictions.read(job.folder / LEFT[0]))
            progress(Ended(jobs[job], result, outcome.skipped + ended, len(cells), left, metrics))
    return outcome


def _twins(cells: Sequence[CellPlan], out: Path) -> dict[str, tuple[Path, ...]]:
    """For each cell's folder the folders of the cells with the same frames stage: recipe, clips and seed."""
    same: dict[str, list[str]] = {}
    for cell in cells:
        if cell.recipe.pretrain is not None:
            same.setdefault(frame_recipe(cell.recipe).model_dump_json(), []).append(cell.folder)
    return {mine: tuple(out / other for other in found if other != mine) for found in same.values() for mine in found}


def _spread(jobs: Sequence[Job], options: RunOptions) -> Generator[tuple[Job, Attempt], None, None]:
    if not jobs:
        return
    if options.engine == "ray":
        workers = min(options.jobs or len(jobs), len(jobs))
        yield from spread(
            attempt,
            jobs,
            workers,
            "ray",
            cpus=options.cpus,
            gpus=options.gpus,
            lost=lambda _, problem: Attempt(f"Ray lost it: {problem}", 0.0),
        )
        return
    workers = min(options.jobs or 1, len(jobs))
    stop, gpus, thread = Event(), cycle(_gpus(options)), local()

    def take_gpu() -> None:
        thread.gpu = next(gpus)

    # Threads only wait for their processes, one after the other, on a GPU of their own.
    with ThreadPoolExecutor(workers, initializer=take_gpu) as pool:
        running = {pool.submit(lambda job: attempt(job, stop, thread.gpu), job): job for job in jobs}
        try:
            for done in as_completed(running):
                yield running[done], done.result()
        finally:  # e.g. after Ctrl-C: stop what runs; the next start resumes it
            stop.set()
            pool.shutdown(cancel_futures=True)


def _gpus(options: RunOptions) -> Sequence[str | None]:
    """GPUs that parallel training runs share; only None if there are fewer than two, or a device was given."""
    if (options.jobs or 1) == 1 or "--device" in options.arguments:
        return [None]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(number) for number in range(torch.cuda.device_count())] if visible is None else visible.split(",")
    return names if len(names) > 1 else [None]


def _threads(options: RunOptions) -> int | None:
    """Compute threads per cell. Ray sets them itself, from the cores that it reserves."""
    if options.engine == "ray" or (options.jobs or 1) == 1:
        return None
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, (int(threads) if threads.isdecimal() else (os.cpu_count() or 1)) // (options.jobs or 1))


def _claim(cells: Sequence[CellPlan], out: Path) -> None:
    """Write the recipe of each cell and the grid; refuse folders that belong to other recipes."""
    others = [problem for cell in cells if (problem := _other(cell, out / cell.folder))]
    if others:
        raise InputError(
            "\n    - ".join(["Folders belong to training runs of other recipes:", *others]),
            "the recipes that they were started with",
            "choose another --out; the existing files are kept",
        )
    earlier = read_grid_cells(out) if (out / "grid.json").exists() else []
    for cell in cells:
        path = out / cell.folder / "cell.yaml"
        if not path.exists():
            write_text(path, dump_recipe(cell.recipe))
    kept = {entry["folder"]: entry for entry in earlier if (out / entry["folder"]).is_dir()}
    listed = kept | {cell.folder: cell.entry() for cell in cells}
    write_text(out / "grid.json", json.dumps({"format": FORMAT, "cells": list(listed.values())}, indent=1) + "\n")


def _other(cell: CellPlan, folder: Path) -> str:
    """How the contents of a cell's folder differ from the cell; "" if they do not."""
    ours = {"output.log", "failed.json", ".lock", LOCK}
    holds = {path.name for path in folder.iterdir()} - ours if folder.is_dir() else set()
    known = [folder / name for name in RECIPES if name in holds]
    if holds and not known:
        return f"{cell.folder} contains {', '.join(sorted(holds)[:3])} and no recipe"
    for path in known:
        try:
            changes = training_changes(load_recipe(path), cell.recipe)
        except FerZooError as error:
            return f"{cell.folder}/{path.name}: {' '.join(error.given.split())}"
        if changes:
            return f"{cell.folder}: {'; '.join(changes)}"
    return ""
