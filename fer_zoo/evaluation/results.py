"""What an ablation folder holds: which trainings were asked for, which are done, and what they left behind."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from fer_zoo.documents import read_json
from fer_zoo.errors import FerZooError, InputError
from fer_zoo.evaluation.attempt import LEFT, TAKEN, is_done
from fer_zoo.recipes import load_recipe, training_changes
from fer_zoo.specs import Recipe
from fer_zoo.training.predictions import Predictions
from fer_zoo.training.provenance import commits_of

FORMAT = 1
BEST, LAST, NOISY = "best/test", "last/test", "best/test_noisy"

State = Literal["done", "failed", "unfinished", "not run", "unreadable"]
Epochs = tuple[Mapping[str, float], ...]

# Written with the one of the best weights, which alone is read.
_LAST_NOISY = "last/test_noisy"
_RECIPES = ("cell.yaml", "recipe.yaml")
_FACTS = ("hardware", "fer_zoo", "torch", "python")
_LOGGED = {"loss", "validation_uar", "seconds"}


@dataclass(frozen=True)
class Cell:
    """One training that was asked for, and what is there of it.

    recipe: its name. split: e.g. "fold-2-of-5". place: its folder below `root`, the ablation folder. state: how far it
    came. problem: why it is not done, "" if it is. spec: the resolved recipe; None before it began. facts: commit,
    hardware, versions, and the fingerprint of the test clips. log, frames: a row an epoch, of clips and of the single
    frames that may come before. log_problem: why rows of one that is done are missing, "" if none are. hours: from
    making or opening the clips to judging; of one that has not ended those of training so far. predictions: of a
    training that is done, by `BEST`, `LAST` and `NOISY`.
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
    log: Epochs = ()
    frames: Epochs = ()
    log_problem: str = ""
    hours: float = 0.0
    predictions: Mapping[str, Predictions] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.recipe}, {self.split}, seed {self.seed}"


def read_results(folders: Sequence[str | Path]) -> list[Cell]:
    """Read ablation folders: every training that was asked for, in the order of the folders and their grids.

    Trainings that are missing, failed or damaged come with the reason, and stop nothing. One whose log alone is damaged
    is done: its figures do not depend on it.

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
        data = read_json(root / "grid.json")
        if data["format"] != FORMAT:
            raise ValueError(f"it is of format {data['format']}")
        keys = (("recipe", str), ("split", str), ("seed", int), ("folder", str))
        cells = [{key: kind(cell[key]) for key, kind in keys} for cell in data["cells"]]
        if not cells:
            raise ValueError("it asks for no training")
        return cells
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise InputError(
            f"{root / 'grid.json'} cannot be read: {error}",
            f"a folder that `fer-zoo ablate` wrote, format {FORMAT}",
            "name what it was given as --out",
        ) from error


def _cell(root: Path, asked: Mapping[str, Any]) -> Cell:
    named = {"recipe": asked["recipe"], "split": asked["split"], "seed": asked["seed"]}
    named |= {"root": root, "place": asked["folder"]}
    folder = root / asked["folder"]
    try:
        return Cell(**named, **_found(folder))
    except FerZooError as error:
        problem = error.given
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"{type(error).__name__}: {error}"
    return Cell(**named, state="unreadable", problem=in_one_line(problem.replace(f"{folder}/", "")))


def _found(folder: Path) -> dict[str, Any]:
    """What is there of a training, as the fields of its cell.

    Raises:
        FerZooError: it is damaged; other damage of a file is an OSError or ValueError.
    """
    spec = _spec(folder)
    if spec is None:
        return _end(folder, "not run", "not started")
    (log, unread), (frames, frames_unread) = _log(folder, "log.csv"), _log(folder, "frames/log.csv")
    facts, stages = _facts(folder / "run.json")
    timed = [log, frames]
    if (folder / TAKEN).exists():  # counted where they were trained
        timed, stages = [log], stages | {"pretraining": 0.0}
    seconds = sum(stages.values()) or sum(rows[-1]["seconds"] for rows in timed if rows)
    shared = {"spec": spec, "facts": facts, "log": log, "frames": frames, "hours": seconds / 3600}
    if not is_done(folder):
        return shared | _end(folder, "unfinished", _how_far(folder, spec, len(log), unread))
    lost = [unread, frames_unread if spec.pretrain else ""]
    return shared | {
        "state": "done", "predictions": _predictions(folder), "log_problem": "; ".join(filter(None, lost))
    }  # fmt: skip


def _spec(folder: Path) -> Recipe | None:
    """The resolved recipe; None before a training began.

    Raises:
        FerZooError: there is none although something was trained, or it is damaged.
    """
    specs = [load_recipe(folder / name) for name in _RECIPES if (folder / name).is_file()]
    if not specs:
        if left := [name for name in ("run.json", "log.csv", *LEFT) if (folder / name).exists()]:
            raise InputError(f"There is {left[0]}, but no {_RECIPES[0]}.")
        return None
    # A file that was cut off may still be a recipe: what is missing has defaults.
    if changed := training_changes(specs[0], specs[-1]):
        raise InputError(f"{' and '.join(_RECIPES)} are not of one recipe: {'; '.join(changed)}")
    return specs[0]


def _predictions(folder: Path) -> dict[str, Predictions]:
    """What the weights said of the tested clips.

    Raises:
        InputError: a file is lost or damaged, or they are not of the same clips, as where lines of one are lost.
    """
    files = {kind: folder / "predictions" / f"{kind}.csv" for kind in (BEST, LAST, NOISY)}
    if not files[NOISY].exists() and (folder / "predictions" / f"{_LAST_NOISY}.csv").exists():
        raise InputError(f"There is predictions/{_LAST_NOISY}.csv, but no predictions/{NOISY}.csv.")
    found = {kind: Predictions.read(file) for kind, file in files.items() if file.exists()}
    clips = {kind: (of.labels, of.keys.tolist(), of.truth.tolist()) for kind, of in found.items()}
    for kind, own in clips.items():
        if own != clips[BEST]:
            raise InputError(f"predictions/{BEST}.csv and predictions/{kind}.csv are not of the same clips.")
    return found


def _how_far(folder: Path, spec: Recipe, epochs: int, unread: str) -> str:
    """Why a training is not done: epochs, or files that come after them."""
    absent = [name for name in LEFT if not (folder / name).is_file()]
    trained = f"{epochs} of {spec.train.epochs} epochs"
    if unread and (folder / "log.csv").exists():
        trained = f"how many of {spec.train.epochs} epochs is unknown ({unread})"
    ended = epochs >= spec.train.epochs or len(absent) < len(LEFT)
    return f"{trained}, but no {', no '.join(absent)}" if ended else trained


def _end(folder: Path, state: State, problem: str) -> dict[str, Any]:
    """How a training that is not done ended; the reason of its last attempt, if that failed."""
    failure = folder / "failed.json"
    if not failure.is_file():
        return {"state": state, "problem": problem}
    try:
        data = read_json(failure)
        reason = f"{data['reason']} (exit code {data['returncode']})"
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"failed.json cannot be read: {error}"
    return {"state": "failed", "problem": in_one_line(reason)}


def in_one_line(reason: str) -> str:
    """A reason in one line, its absolute paths without their folders, which are of one machine."""
    return re.sub(r"(?<![\w.~])(?:/[\w.+@~-]+)+/", "", " ".join(reason.split()))


def _log(folder: Path, name: str) -> tuple[Epochs, str]:
    """A row an epoch; where they cannot be read none, and why."""
    try:
        text = (folder / name).read_text(encoding="utf-8")
        reader = csv.DictReader(StringIO(text), strict=True, restkey="no column", restval="")
        rows = list(reader)
        if absent := sorted(_LOGGED.difference(reader.fieldnames or ())) if rows else []:
            raise ValueError(f"there is no column {', '.join(absent)}")
        if rows and not text.endswith("\n"):
            raise ValueError("its last line is cut off")
        epochs = tuple(_epoch(number, row) for number, row in enumerate(rows, 1))
    except FileNotFoundError:
        return (), f"{name} is not there"
    except (OSError, ValueError, csv.Error) as error:
        return (), in_one_line(f"{name} cannot be read: {error}".replace(f"{folder}/", ""))
    return epochs, "" if epochs else f"{name} holds no epoch"


def _epoch(number: int, row: Mapping[str, str]) -> dict[str, float]:
    """Raises ValueError if an entry is missing, one too many, or no finite number."""
    found = {}
    for key, value in row.items():
        try:
            found[key] = float(value)
        except (ValueError, TypeError):  # of a row that is too long the rest is a list
            found[key] = math.nan
        if not math.isfinite(found[key]):
            raise ValueError(f"epoch {number} has {value!r} for {key}")
    return found


def _facts(path: Path) -> tuple[dict[str, str], dict[str, float]]:
    """What run.json says, and its seconds by stage, which stand there at the end.

    Raises:
        InputError: it is damaged.
    """
    if not path.exists():
        return {}, {}
    try:
        data = _mapping(read_json(path))
        facts: dict[str, str] = {key: str(data[key]) for key in _FACTS if key in data}
        if "commit" in data:
            facts["commit"] = commits_of(data)
        if "data" in data:
            # Of several databases a part has several.
            parts = " ".join(str(_mapping(part)["fingerprint"]) for part in _mapping(data["data"]).values())
            facts["clips"] = " ".join(sorted(set(parts.split())))
        stages = {stage: float(seconds) for stage, seconds in _mapping(data.get("seconds", {})).items()}
        if not all(map(math.isfinite, stages.values())):
            raise ValueError(f"seconds are {stages}")
        return facts, stages
    except KeyError as error:
        raise InputError(f"{path} cannot be read: it says no {error}") from error
    except (OSError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{json.dumps(value)[:40]} stands where a mapping should")
    return value
