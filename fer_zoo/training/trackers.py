"""Experiment trackers (TensorBoard, Weights & Biases, Trackio, MLflow): metrics of a training, through accelerate."""

from __future__ import annotations

import os
import secrets
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from fer_zoo.errors import MissingExtraError, TrainingError
from fer_zoo.registry import unknown_name
from fer_zoo.training import run_folder
from fer_zoo.training.run import Run

TRACKERS = ("mlflow", "tensorboard", "trackio", "wandb")
# Logs metrics by name at a step of the optimizer.
Log = Callable[[Mapping[str, float], int], None]


def chosen_trackers(names: Sequence[str]) -> tuple[str, ...]:
    """Check names of trackers, and return each once.

    Raises:
        UnknownNameError: no such tracker.
        MissingExtraError: its package is not installed.
    """
    chosen = tuple(dict.fromkeys(names))
    for name in chosen:
        if name not in TRACKERS:
            raise unknown_name("tracker", name, TRACKERS, "pass one of these")
        if find_spec(name) is None:
            raise MissingExtraError.for_extra(name, name)
    return chosen


@contextmanager
def tracked(run: Run, names: Sequence[str]) -> Iterator[Log]:
    """Open the trackers' runs of a stage, in the main process: those of the training that is resumed, or new ones.

    A tracker that fails later is reported and not used any more: its server must not end a training of days.

    Raises:
        TrainingError: a tracker cannot be started.
    """
    trackers = _started(run, names) if run.accelerator.is_main_process and names else {}

    def each(action: Callable[[Any], None]) -> None:
        for name, tracker in list(trackers.items()):
            try:
                action(tracker)
            except Exception as error:
                del trackers[name]
                warnings.warn(f"{name} failed and is not used any more: {error}", stacklevel=3)

    try:
        yield lambda values, step: each(lambda tracker: tracker.log(dict(values), step=step))
    finally:
        each(lambda tracker: tracker.finish())


def _started(run: Run, names: Sequence[str]) -> dict[str, Any]:
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    folder = run.stage.folder.resolve()
    title = f"{folder.parent.name} {folder.name}" if run.stage.block == "pretrain" else folder.name
    known = run_folder.read_run(folder).get("trackers", {})
    trackers, ids = {}, dict(known)
    for name in names:
        own = known.get(name)
        ids[name] = own or secrets.token_hex(4)
        project, options = {
            # Points after the checkpoint that is resumed are drawn again.
            "tensorboard": ("tensorboard", {"logging_dir": folder, "purge_step": run.progress.step + 1}),
            # Points that it already has are ignored; those of a resumed training are the same.
            "wandb": (os.environ.get("WANDB_PROJECT", "fer_zoo"), {"name": title, "id": ids[name], "resume": "allow"}),
            "trackio": ("fer_zoo", {"name": f"{title}-{ids[name]}", "resume": "allow", "embed": False}),
            "mlflow": ("fer_zoo", {"run_name": title, "run_id": own}),
        }[name]
        try:
            tracker = LOGGER_TYPE_TO_CLASS[name](project, **options)
            tracker.start()
            if own is None or name == "trackio":  # which keeps only the settings of the last start
                # What may change when a training is resumed is left out.
                free = {"description", "published"}
                settings = run.recipe.model_dump(mode="json", exclude=free, exclude_none=True)
                tracker.store_init_configuration(dict(_flat(settings)))
            if name == "mlflow":
                ids[name] = tracker.tracker.info.run_id
        except Exception as error:
            raise TrainingError(
                f"The tracker {name} cannot {'start' if own is None else f'continue run {own}'}: {error}.",
                "a tracker that is set up",
                f"see the documentation of {name} for its server and log-in, or leave out --log-with {name}",
            ) from error
        trackers[name] = tracker
    if ids != known:
        run_folder.update(folder, {"trackers": ids})
    return trackers


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """One value per key path."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value if isinstance(value, str | int | float) else str(value)
