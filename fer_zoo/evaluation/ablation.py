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
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from queue import SimpleQueue
from threading import Event

import torch

from fer_zoo.data.pool import Engine, spread
from fer_zoo.documents import read_json
from fer_zoo.errors import FerZooError, InputError
from fer_zoo.evaluation.attempt import LEFT, Attempt, Job, attempt, is_done
from fer_zoo.evaluation.grid import CellPlan
from fer_zoo.evaluation.results import FORMAT
from fer_zoo.files import locked, write_text
from fer_zoo.recipes import dump_recipe, load_recipe, training_changes
from fer_zoo.training.metrics import figures
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

    war, uar: of the best epoch on the test set, None if it failed. left: estimated seconds until all are done.
    """

    cell: CellPlan
    attempt: Attempt
    done: int
    of: int
    left: float
    war: float | None = None
    uar: float | None = None


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
    tell: Callable[[Ended], None] | None = None,
) -> Outcome:
    """Train the unfinished cells of an ablation, in their folders below `out`.

    A cell that fails leaves failed.json and does not stop the others; the next call retries it.

    Args:
        tell: called after each cell that was run.

    Raises:
        InputError: another ablation is running in the folder, it is not writable, a cell's folder belongs to another
            recipe, or the Ray cluster fails.
        MissingExtraError: the engine is `ray`, which is not installed.
    """
    out = Path(out).absolute()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with locked(out / ".lock") as lock:
            if lock is None:
                raise InputError(
                    f"Another `fer-zoo ablate` is running in {out} ({_owner(out / '.lock')}).",
                    "one at a time per folder",
                    "wait for it, stop it, or choose another folder",
                )
            os.ftruncate(lock, 0)
            os.write(lock, f"process {os.getpid()} on {socket.gethostname()}".encode())
            _claim(cells, out)
            return _run(cells, out, options, tell or (lambda _: None))
    except OSError as error:
        raise InputError(
            f"The folder {out} cannot be written to: {error}.",
            "a writable folder with free space",
            "choose another folder, or free some space",
        ) from error


def _run(cells: Sequence[CellPlan], out: Path, options: RunOptions, tell: Callable[[Ended], None]) -> Outcome:
    missing = [cell for cell in cells if not is_done(out / cell.folder)]
    outcome = Outcome(skipped=len(cells) - len(missing))
    if not missing:
        return outcome
    twins = _twins(cells, out)
    jobs = {
        Job(out / cell.folder, options.train, options.arguments, _threads(options), twins.get(cell.folder, ())): cell
        for cell in missing
    }
    at_once = min(options.jobs or (1 if options.engine == "processes" else len(jobs)), len(jobs))
    began = time.monotonic()
    # Closed, so that an interruption always stops the training runs.
    with closing(_spread(list(jobs), at_once, options)) as results:
        for ended, (job, result) in enumerate(results, 1):
            cell = jobs[job]
            if result.reason:
                outcome.failed.append((cell, result.reason))
            else:
                outcome.trained += 1
            left = (time.monotonic() - began) / ended * (len(jobs) - ended)
            made = partial(Ended, cell, result, outcome.skipped + ended, len(cells), left)
            tell(made() if result.reason else made(*_figures(job.folder)))
    return outcome


def _twins(cells: Sequence[CellPlan], out: Path) -> dict[str, tuple[Path, ...]]:
    """For each cell's folder the folders of the cells with the same frames stage: recipe, clips and seed."""
    same: dict[str, list[str]] = {}
    for cell in cells:
        if cell.recipe.pretrain is not None:
            same.setdefault(frame_recipe(cell.recipe).model_dump_json(), []).append(cell.folder)
    return {mine: tuple(out / other for other in found if other != mine) for found in same.values() for mine in found}


def _spread(jobs: Sequence[Job], at_once: int, options: RunOptions) -> Generator[tuple[Job, Attempt], None, None]:
    if options.engine == "ray":
        yield from spread(attempt, jobs, at_once, "ray", cpus=options.cpus, gpus=options.gpus, lost=_lost)
        return
    stop, free = Event(), SimpleQueue[str | None]()
    for gpu in islice(cycle(_gpus(options) or [None]), at_once):
        free.put(gpu)

    def on_a_gpu(job: Job) -> Attempt:
        gpu = free.get()
        try:
            return attempt(job, stop, gpu)
        finally:
            free.put(gpu)

    # Threads only wait for their processes.
    with ThreadPoolExecutor(at_once) as pool:
        running = {pool.submit(on_a_gpu, job): job for job in jobs}
        try:
            for done in as_completed(running):
                yield running[done], done.result()
        finally:  # e.g. after Ctrl-C: stop what runs; the next start resumes it
            stop.set()
            pool.shutdown(cancel_futures=True)


def _lost(_: Job, problem: str) -> Attempt:
    return Attempt(-1, f"Ray lost it: {problem}", 0.0)


def _gpus(options: RunOptions) -> list[str] | None:
    """GPUs that parallel training runs share; None if there are fewer than two, or a device was given."""
    if (options.jobs or 1) == 1 or "--device" in options.arguments:
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(number) for number in range(torch.cuda.device_count())] if visible is None else visible.split(",")
    return names if len(names) > 1 else None


def _threads(options: RunOptions) -> int | None:
    """Compute threads per cell. Ray sets them itself, from the cores that it reserves."""
    if options.engine == "ray" or (options.jobs or 1) == 1:
        return None
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, (int(threads) if threads.isdecimal() else (os.cpu_count() or 1)) // (options.jobs or 1))


def _figures(folder: Path) -> tuple[float, float]:
    found = figures(Predictions.read(folder / LEFT[0]))
    return found.war, found.uar


def _owner(lock: Path) -> str:
    return lock.read_text(encoding="utf-8") or "it has just started"


def _claim(cells: Sequence[CellPlan], out: Path) -> None:
    """Write the recipe of each cell and the grid; refuse folders that belong to other recipes."""
    others = [problem for cell in cells if (problem := _other(cell, out / cell.folder))]
    if others:
        raise InputError(
            "\n    - ".join(["Folders belong to training runs of other recipes:", *others]),
            "the recipes that they were started with",
            "choose another --out; the existing files are kept",
        )
    for cell in cells:
        path = out / cell.folder / "cell.yaml"
        if not path.exists():
            write_text(path, dump_recipe(cell.recipe))
    asked = {cell.folder: cell.asked() for cell in cells}
    earlier = {known["folder"]: known for known in _earlier(out) if (out / known["folder"]).is_dir()}
    data = {"format": FORMAT, "cells": list((earlier | asked).values())}
    write_text(out / "grid.json", json.dumps(data, indent=1) + "\n")


def _other(cell: CellPlan, folder: Path) -> str:
    """How the contents of a cell's folder differ from the cell; "" if they do not."""
    ours = {"output.log", "failed.json", ".lock", LOCK}
    holds = {path.name for path in folder.iterdir()} - ours if folder.is_dir() else set()
    if not holds:
        return ""
    known = [folder / name for name in ("cell.yaml", "recipe.yaml") if name in holds]
    if not known:
        return f"{cell.folder} contains {', '.join(sorted(holds)[:3])} and no recipe"
    for path in known:
        try:
            changes = training_changes(load_recipe(path), cell.recipe)
        except FerZooError as error:
            return f"{cell.folder}/{path.name}: {' '.join(error.given.split())}"
        if changes:
            return f"{cell.folder}: {'; '.join(changes)}"
    return ""


def _earlier(out: Path) -> list[dict[str, str]]:
    """The cells of earlier calls."""
    path = out / "grid.json"
    if not path.exists():
        return []
    try:
        data = read_json(path)
        if data["format"] != FORMAT:
            raise ValueError(f"its format is {data['format']}")
        return [{**cell, "folder": str(cell["folder"])} for cell in data["cells"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read: {error}", f"a grid of format {FORMAT}", "restore it, or move it away"
        ) from error
