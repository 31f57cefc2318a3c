"""What an ablation folder holds: which trainings were asked for, which are done, and what they left behind."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fer_zoo.errors import FerZooError, InputError
from fer_zoo.evaluation.attempt import TAKEN, is_done
from fer_zoo.recipes import load_recipe
from fer_zoo.specs import Recipe
from fer_zoo.training.predictions import Predictions
from fer_zoo.training.report import commits_of

FORMAT = 1
BEST, LAST, NOISY = "best/test", "last/test", "best/test_noisy"

State = Literal["done", "failed", "unfinished", "not run", "unreadable"]


@dataclass(frozen=True)
class Cell:
    """One training that was asked for, and what is there of it.

    recipe: its name. split: e.g. "fold-2-of-5". place: its folder below `root`, the ablation folder. state: how far it
    came. problem: why it is not done, "" if it is. spec: the resolved recipe; None before it began. facts: commit,
    hardware, versions, and the fingerprint of the test clips. log: a row an epoch. hours: from making or opening the
    clips to judging; of one that has not ended those of training so far. predictions: of a training that is done, by
    `BEST`, `LAST` and `NOISY`.
    """

    recipe: str
    split: str
    seed: int
    root: Path
    place: str
    state: State
    problem: str = ""
    spec: Recipe | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    log: tuple[Mapping[str, float], ...] = ()
    hours: float = 0.0
    predictions: Mapping[str, Predictions] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.recipe}, {self.split}, seed {self.seed}"


def read_results(folders: Sequence[str | Path]) -> list[Cell]:
    """Read ablation folders: every training that was asked for, in the order of the folders and their grids.

    Trainings that are missing, failed or damaged come with the reason, and stop nothing.

    Raises:
        InputError: no folder, one that holds no ablation, or one folder twice.
    """
    roots = [Path(folder).resolve() for folder in folders]
    if not roots or len(set(roots)) < len(roots):
        raise InputError(
            f"Ablation folders: {', '.join(map(str, folders)) or 'none'}.",
            "one or more, each once",
            "name what `fer-zoo ablate` was given as --out",
        )
    return [_cell(root, asked) for root in roots for asked in _grid(root)]


def _grid(root: Path) -> list[dict[str, Any]]:
    try:
        data = json.loads((root / "grid.json").read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise ValueError(f"it is of format {data['format']}")
        keys = (("recipe", str), ("split", str), ("seed", int), ("folder", str))
        cells = [{key: kind(cell[key]) for key, kind in keys} for cell in data["cells"]]
        if not cells:
            raise ValueError("it asks for no training")
        return cells
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{root / 'grid.json'} cannot be read: {error}",
            f"a folder that `fer-zoo ablate` wrote, format {FORMAT}",
            "name what it was given as --out",
        ) from error


def _cell(root: Path, asked: Mapping[str, Any]) -> Cell:
    folder = root / asked["folder"]
    named = {"recipe": asked["recipe"], "split": asked["split"], "seed": asked["seed"]}
    named |= {"root": root, "place": asked["folder"]}
    recipe = next((folder / name for name in ("cell.yaml", "recipe.yaml") if (folder / name).is_file()), None)
    if recipe is None:
        return Cell(**named, **_end(folder, "not run", "not started"))
    try:
        spec = load_recipe(recipe)
        log, frames = _log(folder / "log.csv"), _log(folder / "frames" / "log.csv")
        facts, stages = _facts(folder / "run.json")
        if (folder / TAKEN).exists():  # counted where they were trained
            frames, stages = (), stages | {"pretraining": 0.0}
        seconds = sum(stages.values()) or sum(rows[-1]["seconds"] for rows in (log, frames) if rows)
        shared = {**named, "spec": spec, "facts": facts, "log": log, "hours": seconds / 3600}
        if not is_done(folder):
            return Cell(**shared, **_end(folder, "unfinished", f"{len(log)} of {spec.train.epochs} epochs"))
        kinds = [kind for kind in (BEST, LAST, NOISY) if (folder / "predictions" / f"{kind}.csv").is_file()]
        said = {kind: Predictions.read(folder / "predictions" / f"{kind}.csv") for kind in kinds}
        return Cell(**shared, state="done", predictions=said)
    except FerZooError as error:
        return Cell(**named, state="unreadable", problem=in_one_line(error.given))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Cell(**named, state="unreadable", problem=in_one_line(f"{type(error).__name__}: {error}"))


def _end(folder: Path, state: State, problem: str) -> dict[str, Any]:
    """How a training that is not done ended; the reason of its last attempt, if that failed."""
    failure = folder / "failed.json"
    if not failure.is_file():
        return {"state": state, "problem": problem}
    try:
        data = json.loads(failure.read_text(encoding="utf-8"))
        reason = f"{data['reason']} (exit code {data['returncode']})"
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"failed.json cannot be read: {error}"
    return {"state": "failed", "problem": in_one_line(reason)}


def in_one_line(reason: str) -> str:
    """A reason in one line, its absolute paths without their folders, which are of one machine."""
    return re.sub(r"(?<![\w.~])(?:/[\w.+@~-]+)+/", "", " ".join(reason.split()))


def _log(path: Path) -> tuple[dict[str, float], ...]:
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as stream:
        return tuple({key: float(value) for key, value in row.items()} for row in csv.DictReader(stream))


def _facts(path: Path) -> tuple[dict[str, str], dict[str, float]]:
    """What run.json says, and its seconds by stage, which stand there at the end."""
    if not path.is_file():
        return {}, {}
    data = json.loads(path.read_text(encoding="utf-8"))
    facts = {key: str(data[key]) for key in ("hardware", "fer_zoo", "torch", "python") if key in data}
    if "commit" in data:
        facts["commit"] = commits_of(data)
    if "data" in data:
        # Of several databases a part has several.
        parts = " ".join(str(part["fingerprint"]) for part in data["data"].values())
        facts["clips"] = " ".join(sorted(set(parts.split())))
    return facts, {stage: float(seconds) for stage, seconds in data.get("seconds", {}).items()}
