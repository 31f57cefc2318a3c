"""The folder of a training: its lock, recipe.yaml, run.json, split.json, log.csv, leftover files and weights.

All functions raise TrainingError if a file is damaged or cannot be written; a file that is replaced is kept then.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fer_zoo import errors, weights
from fer_zoo._version import __version__
from fer_zoo.compose import resolved
from fer_zoo.data.clips import NO_SUBJECT, ClipSet
from fer_zoo.data.load import keys_name_databases, trained_on
from fer_zoo.data.split_files import fingerprint_of, write_splits
from fer_zoo.data.splits import PARTS, Split, sharing
from fer_zoo.data.terms import provenance, with_start_weights
from fer_zoo.documents import read_json
from fer_zoo.errors import TrainingError
from fer_zoo.files import clear_leftovers, locked, write_text
from fer_zoo.model import FERModel
from fer_zoo.recipes import dump_recipe, load_recipe, with_backbone_of
from fer_zoo.specs import Calibration, Metrics, Recipe
from fer_zoo.weights.local_paths import portable

if TYPE_CHECKING:
    from accelerate import PartialState

LAST, BEST = "last.safetensors", "best.safetensors"
# Held while a training runs in its folder.
LOCK = ".training.lock"


def begun(out: Path) -> bool:
    """Whether a folder holds a training that can be resumed."""
    return (out / LAST).exists() or (out / "frames" / LAST).exists()


def identified(out: Path, recipe: Recipe) -> Recipe:
    """Return a recipe that names a Hub model by its commit, with its config; a run that began keeps its own."""
    if begun(out) and (out / "recipe.yaml").exists():
        recipe = with_backbone_of(load_recipe(out / "recipe.yaml"), recipe)
    model = resolved(recipe.model, weights=recipe.backbone_weights == "pretrained")
    return recipe.model_copy(update={"model": model})


@contextmanager
def locked_folder(out: Path, *, main: bool) -> Iterator[None]:
    """Keep every other training out of a folder while the block runs; the lock of a killed process ends with it."""
    with ExitStack() as held:
        if main:
            with writing(out):
                out.mkdir(parents=True, exist_ok=True)
                lock = held.enter_context(locked(out / LOCK))
            if lock is None:
                raise TrainingError(
                    f"Another process trains in {out}.",
                    "one training run per folder",
                    "wait until it ends, stop it, or choose another folder",
                )
        yield


def begin(out: Path, recipe: Recipe, state: PartialState, *, resumed: bool) -> None:
    """Remove the leftover files of a killed training run; write what is trained."""
    clear(out)
    if not (resumed and (out / "run.json").exists()):
        # Again without a checkpoint: an attempt that ended while rendering may have left another recipe's.
        write_start(out, recipe, state)


def clear(out: Path) -> None:
    """Remove the half-written files that a killed training run left, in the folder and all folders below it."""
    with writing(out):
        for folder in [out, *sorted(path for path in out.rglob("*") if path.is_dir())]:
            clear_leftovers(folder)


def write_start(out: Path, recipe: Recipe, state: PartialState) -> None:
    """Write recipe.yaml and run.json: what is trained, and on what."""
    text = dump_recipe(recipe)
    facts = {
        **surroundings(state),
        "recipe_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "recipe": recipe.model_dump(mode="json"),
        "precision": recipe.train.precision,
        "started": now(),
    }
    write(out / "recipe.yaml", text)
    write(out / "run.json", json.dumps(facts, indent=1))


def add_resume(out: Path, state: PartialState) -> None:
    """Add to run.json when the training was resumed, and what differs from where it was started."""
    run = read_run(out)
    differs = {fact: value for fact, value in surroundings(state).items() if run.get(fact) != value}
    update(out, {"resumed": [*run.get("resumed", []), {"when": now(), **differs}]})


def add_data(out: Path, clips: Mapping[str, ClipSet], seconds: float, detectors: Sequence[str] = ()) -> None:
    """Add to run.json what the clips are, and how many seconds it took to render or open them.

    Args:
        detectors: versions of the detectors that found the clips' landmarks; none where the landmarks are rendered.
    """
    before = read_run(out).get("seconds", {}).get("clips", 0.0)
    facts = {"data": {part: _clip_facts(own) for part, own in clips.items()}}
    if detectors:
        facts["detector_version"] = ", ".join(detectors)  # type: ignore[assignment]
    update(out, facts, seconds={"clips": before + seconds})


def write_split(out: Path, recipe: Recipe, clips: Mapping[str, ClipSet]) -> None:
    """Write split.json: which clips of a store are in which part. Clips made on demand have no keys, and no split.json.

    Another recipe may name the file as its split.
    """
    if not clips["train"].keys:
        return
    subjects = {
        part: {own.subject_of(clip) or (own.videos or own.keys)[clip] for clip in range(len(own))}
        for part, own in clips.items()
    }
    keys = {part: tuple(sorted(clips[part].keys)) if part in clips else () for part in PARTS}
    split = Split(str(recipe.split), **keys, note=sharing({part: subjects.get(part, ()) for part in PARTS}))
    stores = {store for own in clips.values() for store in own.stores}
    several = stores if keys_name_databases(recipe) else ()
    with writing(out / "split.json"):
        write_splits(out / "split.json", [split], store=fingerprint_of(stores), seed=recipe.seed, stores=several)


def write_log(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write log.csv, one row per epoch."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write(path, text.getvalue())


def write_weights(
    out: Path,
    model: FERModel,
    recipe: Recipe,
    metrics: Mapping[str, Metrics],
    calibration: Calibration,
    *,
    tag: str,
    hours: float,
) -> Path:
    """Write the weights folder with its card; returns the folder."""
    run, start = read_run(out), portable(recipe).model.backbone.options
    init = run.get("init")  # a resumed run does not read the weights that it started from
    terms = provenance(trained_on(recipe), {init["started_from"]["name"]: init["terms"]} if init else {})
    if recipe.backbone_weights == "pretrained" and "hub" in start:
        terms = with_start_weights(terms, start["hub"], start.get("licence", "unknown"))
    card = {
        "name": f"{recipe.model.name}.{tag}",
        "labels": recipe.model.labels,
        "started_from": init and init["started_from"],
        **terms,
        "protocol": recipe.protocol,
        "metrics": metrics,
        **({} if "test" in metrics else {"tested_on": ()}),
        "calibration": calibration,
        "commit": commits_of(run),
        "hardware": ", then ".join(_each(run, "hardware")),
        "hours": round(hours, 3),
    }
    version = run.get("detector_version")
    return weights.write_weights(out / "weights", model, recipe, card, overwrite=True, detector_version=version)


def write(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with writing(path):
        write_text(path, text)


def writing(path: Path) -> AbstractContextManager[None]:
    """Raise TrainingError where the block cannot write a file or folder."""
    do = "free some space and resume (nothing is lost), or choose another folder"
    return errors.writing(path, TrainingError, do)


def now() -> str:
    """The time, in UTC to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_run(out: Path) -> dict[str, Any]:
    """The content of run.json."""
    path = out / "run.json"
    try:
        run = read_json(path)
        if missing := {"commit", "hardware"} - set(run):
            raise ValueError(f"it has no {' and no '.join(sorted(missing))}")
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(
            f"{path} cannot be read: {error}", "the file as it was written", "restore it from a copy, or start again"
        ) from error
    return dict(run)


def update(out: Path, facts: Mapping[str, Any], *, seconds: Mapping[str, float] | None = None) -> None:
    """Rewrite run.json with further facts, and with the seconds of further stages of the training, without breaks."""
    run = read_run(out)
    if seconds:
        rounded = {stage: round(value, 3) for stage, value in seconds.items()}
        facts = {**facts, "seconds": run.get("seconds", {}) | rounded}
    write(out / "run.json", json.dumps({**run, **facts}, indent=1))


def _clip_facts(clips: ClipSet) -> dict[str, Any]:
    """Fingerprint, numbers of clips and known subjects, clips of each label."""
    counts = np.bincount(clips.labels, minlength=len(clips.names)).tolist()
    return {
        "fingerprint": clips.fingerprint,
        "clips": len(clips),
        "subjects": len(set(clips.subjects.tolist()) - {NO_SUBJECT}),
        "labels": dict(zip(clips.names, counts, strict=True)),
    }


def surroundings(state: PartialState) -> dict[str, Any]:
    """Versions, commit and hardware of this process, and how many train together."""
    import accelerate

    many = f"{state.num_processes} x " * (state.num_processes > 1)
    return {
        "fer_zoo": __version__,
        "torch": str(torch.__version__),
        "accelerate": accelerate.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "commit": checkout_commit(),
        "hardware": f"{many}{device_name(state.device)}, {torch.get_num_threads()} threads",
        "device": state.device.type,
        "processes": state.num_processes,
    }


def commits_of(run: Mapping[str, Any]) -> str:
    """All commits that a run.json names; `-dirty` at the end if one of them was."""
    commits = _each(run, "commit")
    clean = dict.fromkeys(commit.removesuffix("-dirty") for commit in commits)
    return ", then ".join(clean) + "-dirty" * any(commit.endswith("-dirty") for commit in commits)


def _each(run: Mapping[str, Any], fact: str) -> list[str]:
    """A fact at the start and at every resume, each value once, in order."""
    # Earlier versions wrote only the time of a resume.
    resumes = [known for known in run.get("resumed", []) if isinstance(known, dict)]
    return list(dict.fromkeys([run[fact], *(known.get(fact, run[fact]) for known in resumes)]))


def device_name(device: torch.device) -> str:
    """The name of a GPU, or else of the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def checkout_commit() -> str:
    """Commit of the checkout that fer_zoo runs from, `-dirty` if changed since; without a checkout the version."""
    git = ["git", "-C", str(Path(__file__).parent)]
    describe = [*git, "describe", "--always", "--abbrev=40", "--match=", "--dirty"]
    try:
        # Installed in an environment inside another repository, that repository's commit would say nothing.
        subprocess.run([*git, "ls-files", "--error-unmatch", __file__], capture_output=True, check=True, timeout=20)
        return subprocess.run(describe, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return f"release {__version__}"
