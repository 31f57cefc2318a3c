"""What the best and the last weights of a training say of clips that it did not train on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from fer_zoo.data.augment import with_detector_noise
from fer_zoo.data.clips import DATABASE, ClipSet
from fer_zoo.data.playback import central_frames
from fer_zoo.errors import TrainingError
from fer_zoo.model import FERModel
from fer_zoo.specs import Metrics, Recipe
from fer_zoo.training.evaluate import as_predictions, crop_clips, predict_cropped
from fer_zoo.training.metrics import Figures, figures, group_figures
from fer_zoo.training.predictions import Predictions
from fer_zoo.training.run import Run

if TYPE_CHECKING:
    from accelerate import Accelerator

# What the card calls the parts.
_ON_CARD = {"test_noisy": "test, points as inexact as a detector's"}


def judged_parts(recipe: Recipe, clips: Mapping[str, ClipSet]) -> dict[str, ClipSet]:
    """Clips to judge on, cropped: "validation", "test", and "test_noisy" where points are a renderer's.

    Rendered points are exact, a detector's are not: the figure with noise is the one to expect in use.
    """
    length = recipe.model.input.frames
    parts = {part: central_frames(clips[part], length) for part in ("validation", "test")}
    if clips["test"].exact:
        parts["test_noisy"] = with_detector_noise(parts["test"], recipe.seed)
    return {part: crop_clips(own, recipe.model.input) for part, own in parts.items()}


def judge(run: Run, clips: Mapping[str, ClipSet], out: Path) -> dict[str, Metrics]:
    """Write what the last and the best weights say of every part; return the card's figures, of the best ones.

    `run.average` then holds the best weights: those of before the first epoch's end are the last ones.

    Raises:
        TrainingError: the predictions cannot be written.
    """
    parts = judged_parts(run.recipe, clips)
    said = {part: predict(run, own) for part, own in parts.items()}
    _write(run, said, out / "predictions" / "last")
    if not _is_best(run):
        run.load_best(out)
        said = {part: predict(run, own) for part, own in parts.items()}
    _write(run, said, out / "predictions" / "best")
    return {name: own.card() for part, whole in said.items() for name, own in _on_card(part, whole)}


def _on_card(part: str, said: Predictions) -> Iterator[tuple[str, Figures]]:
    """Figures of a part, and where it pools databases of each of them too: a mean may hide that one is read badly."""
    name = _ON_CARD.get(part, part)
    yield name, figures(said)
    for database, own in group_figures(said).get(DATABASE, {}).items():
        yield f"{name}, {database}", own


def _is_best(run: Run) -> bool:
    """Whether the last weights are those of the best epoch, so that they need not be asked twice."""
    history = run.progress.history
    return bool(history) and run.progress.best_epoch == len(history) and history[-1]["step"] == run.progress.step


def predict(run: Run, clips: ClipSet) -> Predictions:
    """What the averaged weights say of cropped clips; each process asks them about its share."""
    return as_predictions(clips, predict_shared(run.average, clips, run.accelerator))


def predict_shared(model: FERModel, clips: ClipSet, accelerator: Accelerator) -> npt.NDArray[np.float64]:
    """Probabilities (N, classes) of cropped clips, the same in every process."""
    mine = np.arange(accelerator.process_index, len(clips), accelerator.num_processes)
    said = np.zeros((len(clips), len(clips.names)))
    said[mine] = predict_cropped(model, clips.take(mine))
    whole = accelerator.reduce(torch.from_numpy(said).to(accelerator.device), "sum")
    return np.asarray(whole.cpu().numpy(), np.float64)


def _write(run: Run, said: Mapping[str, Predictions], folder: Path) -> None:
    if not run.accelerator.is_main_process:
        return
    for part, predictions in said.items():
        path = folder / f"{part}.csv"
        try:
            predictions.write(path)
        except OSError as error:
            raise TrainingError(
                f"{path} cannot be written: {error}", "room on the disk", "make room and resume; nothing is lost"
            ) from error
