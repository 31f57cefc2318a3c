"""What a training shows and leaves behind: progress bar, recipe, log, machine, weights folder."""

from __future__ import annotations

import csv
import io
import json
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

import fer_zoo
from fer_zoo import weights
from fer_zoo.data.clips import ClipSet
from fer_zoo.data.load import trained_on
from fer_zoo.data.splits import PARTS, Split, write_splits
from fer_zoo.data.terms import provenance
from fer_zoo.errors import TrainingError
from fer_zoo.files import write_text
from fer_zoo.model import FERModel
from fer_zoo.recipes import dump_recipe
from fer_zoo.specs import Metrics, Recipe
from fer_zoo.training.checkpoint import Progress as RunProgress


class Bar:
    """Progress bar of a training: steps, smoothed loss, clips a second, time left; a line per epoch stays."""

    def __init__(self, recipe: Recipe, *, done: int, total: int) -> None:
        figures = TextColumn("loss {task.fields[loss]:.3f}  {task.fields[speed]:.1f} clips/s")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), figures)
        self._bar = Progress(*columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        self._task = self._bar.add_task(recipe.model.name, total=total, completed=done, loss=float("nan"), speed=0.0)
        self._epochs = recipe.train.epochs
        self._loss = self._speed = 0.0

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def step(self, loss: float, clips: int, seconds: float) -> None:
        """Show one more step of the optimizer."""
        speed = clips / max(seconds, 1e-9)
        self._loss = 0.95 * self._loss + 0.05 * loss if self._loss else loss
        self._speed = 0.95 * self._speed + 0.05 * speed if self._speed else speed
        self._bar.update(self._task, advance=1, loss=self._loss, speed=self._speed)

    def epoch(self, progress: RunProgress) -> None:
        """Print the figures of the epoch just finished."""
        row = progress.history[-1]
        best = "  best" if progress.best_epoch == row["epoch"] else ""
        self._bar.console.print(
            f"epoch {row['epoch']:.0f}/{self._epochs}  loss {row['loss']:.3f}  "
            f"validation UAR {row['validation_uar']:.3f} WAR {row['validation_war']:.3f}  "
            f"{row['seconds'] / 60:.1f} min{best}",
            highlight=False,
        )


def check_same_run(found: RunProgress, wanted: RunProgress, path: Path) -> None:
    """Raise TrainingError unless the checkpoint was written for the same recipe and the same clips."""
    changed = _differences(found.recipe, wanted.recipe)
    if changed:
        raise TrainingError(
            f"{path} is of another recipe: " + "; ".join(changed) + ".",
            "the recipe the run was started with (recipe.yaml beside the checkpoint)",
            "train the changed recipe in another folder",
        )
    if found.data != wanted.data:
        raise TrainingError(
            f"{path} was trained on other clips: the dataset gives other content now than then.",
            "the same clips",
            "go back to the version of fer_zoo that started the run, or train in another folder",
        )


def _differences(one: Any, other: Any, key: str = "") -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted(one.keys() | other.keys())
        return [d for k in keys for d in _differences(one.get(k), other.get(k), f"{key}.{k}" if key else k)]
    return [] if one == other else [f"{key} was {one!r}, now {other!r}"]


def write_start(out: Path, recipe: Recipe) -> None:
    """Write recipe.yaml and run.json, which say what is trained and on what.

    Raises:
        TrainingError: the folder cannot be written.
    """
    _write(out / "recipe.yaml", dump_recipe(recipe))
    _write(out / "run.json", json.dumps(surroundings(), indent=1))


def write_split(out: Path, recipe: Recipe, clips: Mapping[str, ClipSet]) -> None:
    """Write split.json: which clips of a store are trained, validated and tested on. Clips made on demand have no keys.

    Raises:
        TrainingError: the folder cannot be written.
    """
    if not clips["test"].keys:
        return
    split = Split(str(recipe.split), *(tuple(sorted(clips[part].keys)) for part in PARTS))
    try:
        write_splits(out / "split.json", [split], store=clips["train"].fingerprint, seed=recipe.seed)
    except OSError as error:
        raise _unwritten(out / "split.json", error) from error


def _write(path: Path, text: str) -> None:
    try:
        write_text(path, text)
    except OSError as error:
        raise _unwritten(path, error) from error


def _unwritten(path: Path, error: OSError) -> TrainingError:
    return TrainingError(
        f"{path} cannot be written: {error}",
        "a folder with room that one may write to",
        "make room and resume, or choose another folder",
    )


def write_log(path: Path, history: list[dict[str, float]]) -> None:
    """Write log.csv, a row per epoch.

    Raises:
        TrainingError: the file cannot be written; the previous one is kept.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    _write(path, text.getvalue())


def write_result(
    out: Path, model: FERModel, recipe: Recipe, metrics: Mapping[str, Metrics], *, tag: str, hours: float
) -> Path:
    """Write the weights folder with its card; returns the folder."""
    # As it was at the start: that is the code that trained, whatever has been committed since.
    where = json.loads((out / "run.json").read_text())
    card = {
        "name": f"{recipe.model.name}.{tag}",
        "labels": recipe.model.labels,
        **provenance(trained_on(recipe)),
        "protocol": recipe.protocol,
        "metrics": metrics,
        "commit": where["commit"],
        "hardware": where["hardware"],
        "hours": round(hours, 3),
    }
    return weights.write_weights(out / "weights", model, recipe, card, overwrite=True)


def surroundings() -> dict[str, str]:
    """Versions, commit and hardware of this process."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else _processor()
    return {
        "fer_zoo": fer_zoo.__version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "commit": _commit(),
        "hardware": f"{device}, {torch.get_num_threads()} threads",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    """Commit of the checkout that fer_zoo runs from, `-dirty` if changed since; the version where there is none."""
    git = ["git", "-C", str(Path(__file__).parent)]
    describe = [*git, "describe", "--always", "--abbrev=40", "--match=", "--dirty"]
    try:
        # Installed in an environment inside another repository, that one's commit would say nothing.
        subprocess.run([*git, "ls-files", "--error-unmatch", __file__], capture_output=True, check=True, timeout=20)
        return subprocess.run(describe, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return f"release {fer_zoo.__version__}"
