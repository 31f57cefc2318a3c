"""Read an ablation folder: which training runs were requested, which are done, and their results."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from pydantic import FiniteFloat, TypeAdapter, ValidationError

from fer_zoo.documents import read_json
from fer_zoo.errors import FerZooError, InputError
from fer_zoo.evaluation.attempt import LEFT, TAKEN, missing_files
from fer_zoo.recipes import load_recipe, training_changes
from fer_zoo.specs import Recipe
from fer_zoo.training.predictions import Predictions
from fer_zoo.training.run_folder import commits_of

FORMAT = 1
BEST, LAST, NOISY = "best/test", "last/test", "best/test_noisy"
# Files with a run's recipe: as the ablation and as the training wrote it.
RECIPES = ("cell.yaml", "recipe.yaml")

State = Literal["done", "failed", "unfinished", "not run", "unreadable"]
Epochs = tuple[Mapping[str, float], ...]

# Written together with the one of the best weights; only that one is read.
_LAST_NOISY = "last/test_noisy"
_FACTS = ("hardware", "fer_zoo", "torch", "python")
# What JSON of another structure leads to.
_DAMAGED = (ValueError, LookupError, TypeError, AttributeError, OverflowError)
_LOGGED = {"loss", "validation_uar", "seconds"}
_EPOCHS = TypeAdapter(tuple[dict[str, FiniteFloat], ...])


@dataclass(frozen=True)
class Cell:
    """One requested training run and its results.

    recipe: its name. split: e.g. "fold-2-of-5". folder: relative to `root`, the ablation folder. problem: why it is not
    done, "" if it is. spec: the resolved recipe; None before it started. facts: commit, hardware, versions,
    and the fingerprint of the test clips. log, frames: one row per epoch, of the clips and of the stage on single
    frames before them. log_problem: why rows of a finished run are missing, "" if none are. hours: from making or
    opening the clips to evaluation; for an unfinished run those of training so far. predictions: of a finished run, by
    `BEST`, `LAST` and `NOISY`.
    """

    recipe: str
    split: str
    seed: int
    folder: str
    root: Path
    state: State
    problem: str = ""
    spec: Recipe | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    log: Epochs = ()
    frames: Epochs = ()
    log_problem: str = ""
    hours: float = 0.0
    predictions: Mapping[str, Predictions] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.recipe}, {self.split}, seed {self.seed}"


def spec_of(cells: Sequence[Cell]) -> Recipe | None:
    """The recipe of some training runs that differ in fold and seed only; None if none has started."""
    return next((cell.spec for cell in cells if cell.spec is not None), None)


def read_results(folders: Sequence[str | Path]) -> list[Cell]:
    """Read ablation folders: every requested training run, in the order of the folders and their grids.

    Missing, failed or damaged runs come with the reason and stop nothing. A run of which only the log is damaged is
    done: its metrics do not depend on it.

    Raises:
        InputError: no folder, a folder without an ablation, or the same folder twice.
    """
    roots = [Path(folder).resolve() for folder in folders]
    if not roots or len(set(roots)) < len(roots):
        raise InputError(
            f"Ablation folders: {', '.join(map(str, folders)) or 'none'}.",
            "one or more, each once",
            "give the --out folder of `fer-zoo ablate`",
        )
    return [_cell(root, entry) for root in roots for entry in read_grid_cells(root)]


def read_grid_cells(root: Path) -> list[dict[str, Any]]:
    """Entries of an ablation's grid.json: recipe, split, seed and folder.

    Raises:
        InputError: it is missing or damaged.
    """
    try:
        data = read_json(root / "grid.json")
        if data["format"] != FORMAT:
            raise ValueError(f"its format is {data['format']}")
        if not data["cells"]:
            raise ValueError("it has no training runs")
        keys = (("recipe", str), ("split", str), ("seed", int), ("folder", str))
        return [{key: kind(cell[key]) for key, kind in keys} for cell in data["cells"]]
    except (OSError, *_DAMAGED) as error:
        problem = f"{root / 'grid.json'} cannot be read: {_damage(error)}"
        if isinstance(error, FileNotFoundError):
            lacks = f"{root} has no grid.json, so it is not the folder of an ablation."
            problem = lacks if os.path.isdir(root) else f"There is no folder {root}."
        raise InputError(
            problem,
            f"a folder that `fer-zoo ablate` wrote, format {FORMAT}",
            "give the --out folder of `fer-zoo ablate`; restore a damaged file, or move it away",
        ) from error


def _cell(root: Path, entry: Mapping[str, Any]) -> Cell:
    folder = root / entry["folder"]
    try:
        return Cell(**entry, root=root, **_found(folder))
    except (FerZooError, OSError, *_DAMAGED) as error:
        problem = error.given if isinstance(error, FerZooError) else f"{type(error).__name__}: {error}"
        return Cell(**entry, root=root, state="unreadable", problem=in_one_line(problem.replace(f"{folder}/", "")))


def _found(folder: Path) -> dict[str, Any]:
    """The results of a training run, as fields of its cell.

    Raises:
        FerZooError: they are damaged; other damage of a file is an OSError or ValueError.
    """
    spec = _spec(folder)
    if spec is None:
        return _end(folder, "not run", "not started")
    (log, unread), (frames, frames_unread) = _log(folder, "log.csv"), _log(folder, "frames/log.csv")
    (facts, stages), timed = _facts(folder / "run.json"), [log, frames]
    if (folder / TAKEN).exists():  # counted where they were trained
        stages, timed = stages | {"pretraining": 0.0}, [log]
    seconds = sum(stages.values()) or sum(rows[-1]["seconds"] for rows in timed if rows)
    shared = {"spec": spec, "facts": facts, "log": log, "frames": frames, "hours": seconds / 3600}
    if missing := missing_files(folder):
        done = f"{len(log)} of {spec.train.epochs} epochs"
        if unread and (folder / "log.csv").exists():
            done = f"how many of {spec.train.epochs} epochs is unknown ({unread})"
        ended = len(log) >= spec.train.epochs or len(missing) < len(LEFT)
        return shared | _end(folder, "unfinished", f"{done}, but no {', no '.join(missing)}" if ended else done)
    lost = [unread, frames_unread if spec.pretrain else ""]
    return shared | {"state": "done", "predictions": _predictions(folder), "log_problem": "; ".join(filter(None, lost))}


def _spec(folder: Path) -> Recipe | None:
    """The resolved recipe; None before a training run started.

    Raises:
        FerZooError: it is damaged, or missing although something was trained.
    """
    specs = [load_recipe(folder / name) for name in RECIPES if (folder / name).is_file()]
    if not specs:
        if left := [name for name in ("run.json", "log.csv", *LEFT) if (folder / name).exists()]:
            raise InputError(f"There is {left[0]}, but no {RECIPES[0]}.")
        return None
    # A truncated file may still be a valid recipe, because missing keys have defaults.
    if changed := training_changes(specs[0], specs[-1]):
        raise InputError(f"{' and '.join(RECIPES)} differ: {'; '.join(changed)}")
    return specs[0]


def _facts(path: Path) -> tuple[dict[str, str], dict[str, float]]:
    """The facts of run.json, and its seconds by stage, which are written at the end.

    Raises:
        InputError: it is damaged.
    """
    if not path.exists():
        return {}, {}
    try:
        data = read_json(path)
        facts: dict[str, str] = {key: str(data[key]) for key in _FACTS if key in data}
        if "commit" in data:
            facts["commit"] = commits_of(data)
        # A set of several databases has several fingerprints.
        clips = {one for part in data.get("data", {}).values() for one in part["fingerprint"].split()}
        if clips:
            facts["clips"] = " ".join(sorted(clips))
        return facts, {stage: 0.0 + seconds for stage, seconds in data.get("seconds", {}).items()}
    except (OSError, *_DAMAGED) as error:
        raise InputError(f"{path} cannot be read: {_damage(error)}") from error


def _predictions(folder: Path) -> dict[str, Predictions]:
    """The predictions on the test clips.

    Raises:
        InputError: a file is missing or damaged, or they have different clips, e.g. because lines of one are missing.
    """
    files = {kind: folder / "predictions" / f"{kind}.csv" for kind in (BEST, LAST, NOISY)}
    if not files[NOISY].exists() and (folder / "predictions" / f"{_LAST_NOISY}.csv").exists():
        raise InputError(f"There is predictions/{_LAST_NOISY}.csv, but no predictions/{NOISY}.csv.")
    found = {kind: Predictions.read(file) for kind, file in files.items() if file.exists()}
    clips = {kind: (of.labels, of.keys.tolist(), of.truth.tolist()) for kind, of in found.items()}
    for kind, own in clips.items():
        if own != clips[BEST]:
            raise InputError(f"predictions/{BEST}.csv and predictions/{kind}.csv have different clips.")
    return found


def _end(folder: Path, state: State, problem: str) -> dict[str, Any]:
    """State of an unfinished training run, with the reason of its last attempt if that failed."""
    path = folder / "failed.json"
    if not path.is_file():
        return {"state": state, "problem": problem}
    try:
        failure = read_json(path)
        reason = f"{failure['reason']} (exit code {failure['returncode']})"
    except (OSError, *_DAMAGED) as error:
        reason = f"failed.json cannot be read: {_damage(error)}"
    return {"state": "failed", "problem": in_one_line(reason)}


def _damage(error: Exception) -> str:
    return str(error) if isinstance(error, OSError | ValueError) else "it has another structure"


def in_one_line(reason: str) -> str:
    """A reason in one line; absolute paths lose their folders, which mean nothing on other machines."""
    return re.sub(r"(?<![\w.~])(?:/[\w.+@~-]+)+/", "", " ".join(reason.split()))


def first_of(names: Sequence[object], most: int = 5) -> str:
    """The first ones of several names, and how many more there are."""
    more = f"; and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(map(str, names[:most])) + more


def _log(folder: Path, name: str) -> tuple[Epochs, str]:
    """One row per epoch; if they cannot be read, none and the reason."""
    try:
        text = (folder / name).read_text(encoding="utf-8")
        reader = csv.DictReader(StringIO(text), strict=True, restkey="no column", restval="")
        rows = list(reader)
        if absent := sorted(_LOGGED.difference(reader.fieldnames or ())) if rows else []:
            raise ValueError(f"missing columns: {', '.join(absent)}")
        if rows and not text.endswith("\n"):
            raise ValueError("its last line is cut off")
        epochs = _EPOCHS.validate_python(rows)
        return epochs, "" if epochs else f"{name} contains no epoch"
    except FileNotFoundError:
        return (), f"{name} is missing"
    except ValidationError as error:
        (row, column), value = error.errors()[0]["loc"], error.errors()[0]["input"]
        problem = f"epoch {int(row) + 1} has {value!r} for {column}"
    except (OSError, ValueError, csv.Error) as error:
        problem = str(error)
    return (), in_one_line(f"{name} cannot be read: {problem}".replace(f"{folder}/", ""))
