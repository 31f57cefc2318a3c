"""What a training leaves behind: recipe, what it ran on and how long, log, broken batch, weights folder."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import platform
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import fer_zoo
from fer_zoo import weights
from fer_zoo.data.clips import NO_SUBJECT, ClipSet
from fer_zoo.data.load import keys_name_databases, trained_on
from fer_zoo.data.split_files import fingerprint_of, write_splits
from fer_zoo.data.splits import PARTS, Split, sharing
from fer_zoo.data.terms import provenance
from fer_zoo.documents import read_json
from fer_zoo.errors import TrainingError
from fer_zoo.files import clear_leftovers, locked, write_text
from fer_zoo.model import FERModel
from fer_zoo.recipes import dump_recipe
from fer_zoo.specs import Metrics, Recipe
from fer_zoo.training.checkpoint import Progress

if TYPE_CHECKING:
    from accelerate import PartialState

    from fer_zoo.training.run import Run


# Held while a training runs in its folder.
LOCK = ".training.lock"


@contextmanager
def alone(out: Path, state: PartialState) -> Iterator[None]:
    """Keep every other training out of a folder while the block runs; the lock of a killed one goes with it.

    Raises:
        TrainingError: another one is at work there, or the folder cannot be written.
    """
    with ExitStack() as held:
        if state.is_main_process:
            try:
                out.mkdir(parents=True, exist_ok=True)
                lock = held.enter_context(locked(out / LOCK))
            except OSError as error:
                raise _unwritten(out, error) from error
            if lock is None:
                raise TrainingError(
                    f"Another process trains in {out}.",
                    "one training at a time in a folder",
                    "let it end, stop it, or choose another folder",
                )
        yield


def tidy(out: Path) -> None:
    """Remove the halves of checkpoints and other files that a killed training of this folder left.

    Raises:
        TrainingError: one cannot be removed.
    """
    try:
        clear_leftovers(out)
    except OSError as error:
        raise _unwritten(out, error) from error


def write_start(out: Path, recipe: Recipe, state: PartialState) -> None:
    """Write recipe.yaml and run.json, which say what is trained and on what.

    Raises:
        TrainingError: the folder cannot be written.
    """
    text = dump_recipe(recipe)
    facts = {
        **surroundings(state),
        "recipe_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "recipe": recipe.model_dump(mode="json"),
        "precision": recipe.train.precision,
        "started": now(),
    }
    _write(out / "recipe.yaml", text)
    _write(out / "run.json", json.dumps(facts, indent=1))


def now() -> str:
    """The time, in UTC to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def add_to_run(out: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Rewrite run.json with what is known now.

    Raises:
        TrainingError: it is damaged or cannot be written.
    """
    _write(out / "run.json", json.dumps(change(_read_run(out)), indent=1))


def _read_run(out: Path) -> dict[str, Any]:
    path = out / "run.json"
    try:
        run = read_json(path)
        if absent := {"commit", "hardware"} - set(run):
            raise ValueError(f"it does not say {' and '.join(sorted(absent))}")
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(
            f"{path} cannot be read: {error}", "the file as it was written", "restore it from a copy, or start anew"
        ) from error
    return dict(run)


def add_resume(out: Path, state: PartialState) -> None:
    """Say in run.json when the training went on, and on what, where that is not what it started on.

    Raises:
        TrainingError: as `add_to_run`.
    """
    now_on = surroundings(state)

    def change(run: dict[str, Any]) -> dict[str, Any]:
        other = {fact: value for fact, value in now_on.items() if run.get(fact) != value}
        return run | {"resumed": [*run.get("resumed", []), {"when": now(), **other}]}

    add_to_run(out, change)


def add_data(out: Path, clips: Mapping[str, ClipSet], seconds: float, detectors: Sequence[str] = ()) -> None:
    """Say in run.json what the clips are, and how many seconds it took to have them.

    Args:
        detectors: versions of the detectors that found the clips' points; none where they are a renderer's.

    Raises:
        TrainingError: as `add_to_run`.
    """

    def change(run: dict[str, Any]) -> dict[str, Any]:
        stages = run.get("seconds", {})
        stages = stages | {"clips": round(stages.get("clips", 0.0) + seconds, 1)}
        found = {"detector_version": ", ".join(detectors)} if detectors else {}
        return run | {"data": data_facts(clips), "seconds": stages} | found

    add_to_run(out, change)


def add_end(out: Path, progress: Progress, judging: float, pretraining: float) -> None:
    """Say in run.json when the training ended and the seconds of its stages, breaks left out.

    Raises:
        TrainingError: as `add_to_run`.
    """
    seconds = {
        "pretraining": pretraining,
        "training": progress.seconds - progress.validation_seconds,
        "validation": progress.validation_seconds,
        "judging": judging,
    }
    rounded = {name: round(value, 1) for name, value in seconds.items()}
    add_to_run(out, lambda run: run | {"ended": now(), "seconds": run.get("seconds", {}) | rounded})


def data_facts(clips: Mapping[str, ClipSet]) -> dict[str, Any]:
    """What run.json says of each part: fingerprint, numbers of clips and known subjects, clips of each label."""
    facts = {}
    for part, own in clips.items():
        counts = np.bincount(own.labels, minlength=len(own.names)).tolist()
        facts[part] = {
            "fingerprint": own.fingerprint,
            "clips": len(own),
            "subjects": len(set(own.subjects.tolist()) - {NO_SUBJECT}),
            "labels": dict(zip(own.names, counts, strict=True)),
        }
    return facts


def write_broken(out: Path, run: Run, step: int, names: Sequence[str], loss: float, gradient: float) -> TrainingError:
    """Keep what step number `step`, from 1, is examined with, in the folder `broken`; returns the error to raise.

    Raises:
        TrainingError: the folder cannot be written.
    """
    rate = run.optimizer.param_groups[0]["lr"]
    facts = {"step": step, "lr": rate, "loss": str(loss), "gradient": str(gradient), "clips": list(names)}
    if run.accelerator.is_main_process:
        _write(out / "broken" / "batch.json", json.dumps(facts, indent=1))
    run.save(out / "broken" / "state.safetensors")
    return TrainingError(
        f"Step {step}: the loss is {loss} and the gradient's norm {gradient} at learning rate {rate:.3g}, on the clips "
        + "; ".join(names)
        + ".",
        "finite numbers",
        f"{_calmer(run)}, in another folder; last.safetensors is as it was, {out / 'broken'} holds the "
        "batch and the state at this step",
    )


def out_of_memory(run: Run, pieces: int) -> TrainingError:
    """The error to raise where a device has no memory for what it takes at once."""
    spec, shape, count = run.recipe.train, run.recipe.model.input, run.accelerator.num_processes
    at_once = -(-spec.batch_size // (pieces * count))
    return TrainingError(
        f"Step {run.progress.step + 1}: {run.accelerator.device} has no memory left for {at_once} clips of "
        f"{shape.frames} x {shape.size} x {shape.size} pixels at once.",
        "as many as it has room for",
        f"set {run.block}.micro_batch below {at_once}, in another folder; or resume on more devices"
        if at_once > 1
        else "train a smaller network or input, or on a larger device",
    )


def _calmer(run: Run) -> str:
    spec, block = run.recipe.train, run.block
    clipping, warmup = "set" if spec.clip_grad is None else "lower", "lengthen" if spec.warmup else "set"
    return f"lower {block}.lr, {clipping} {block}.clip_grad or {warmup} {block}.warmup"


def write_split(out: Path, recipe: Recipe, clips: Mapping[str, ClipSet]) -> None:
    """Write split.json: which clips of a store are trained, validated and tested on. Clips made on demand have no keys.

    Another recipe may name the file as its split.

    Raises:
        TrainingError: the folder cannot be written.
    """
    if not clips["test"].keys:
        return
    whose = {
        part: {own.person(clip) or (own.videos or own.keys)[clip] for clip in range(len(own))}
        for part, own in clips.items()
    }
    keys = {part: tuple(sorted(clips[part].keys)) for part in PARTS}
    split = Split(str(recipe.split), **keys, note=sharing(whose))
    stores = {store for own in clips.values() for store in own.stores}
    try:
        several = stores if keys_name_databases(recipe) else ()
        write_splits(out / "split.json", [split], store=fingerprint_of(stores), seed=recipe.seed, stores=several)
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
    where = _read_run(out)
    card = {
        "name": f"{recipe.model.name}.{tag}",
        "labels": recipe.model.labels,
        **provenance(trained_on(recipe)),
        "protocol": recipe.protocol,
        "metrics": metrics,
        "commit": commits_of(where),
        "hardware": ", then ".join(_each(where, "hardware")),
        "hours": round(hours, 3),
    }
    version = where.get("detector_version")
    return weights.write_weights(out / "weights", model, recipe, card, overwrite=True, detector_version=version)


def _each(run: Mapping[str, Any], fact: str) -> list[str]:
    """What run.json says of the start and of every resume, each value once, in order."""
    # Earlier versions wrote only the time of a resume.
    resumes = [known for known in run.get("resumed", []) if isinstance(known, dict)]
    return list(dict.fromkeys([run[fact], *(known.get(fact, run[fact]) for known in resumes)]))


def commits_of(run: Mapping[str, Any]) -> str:
    """All commits that a run.json names; `-dirty` at the end, where it is looked for, if one of them was so."""
    commits = _each(run, "commit")
    clean = dict.fromkeys(commit.removesuffix("-dirty") for commit in commits)
    return ", then ".join(clean) + "-dirty" * any(commit.endswith("-dirty") for commit in commits)


def surroundings(state: PartialState) -> dict[str, Any]:
    """Versions, commit and hardware of this process, and how many train together."""
    import accelerate

    device = torch.cuda.get_device_name(state.device) if state.device.type == "cuda" else _processor()
    many = f"{state.num_processes} x " * (state.num_processes > 1)
    return {
        "fer_zoo": fer_zoo.__version__,
        "torch": str(torch.__version__),
        "accelerate": accelerate.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "commit": _commit(),
        "hardware": f"{many}{device}, {torch.get_num_threads()} threads",
        "device": state.device.type,
        "processes": state.num_processes,
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
