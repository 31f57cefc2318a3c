"""Predictions and metrics of a network on clips that are cropped exactly as inference crops them; its calibration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from fer_zoo.data.augment import with_detector_noise
from fer_zoo.data.clips import DATABASE, PHOTO, ClipSet, Points
from fer_zoo.data.load import find_store
from fer_zoo.data.playback import central_frames, view_frames, with_frames
from fer_zoo.data.store import Store, open_store
from fer_zoo.data.store.fits import differences
from fer_zoo.errors import InputError
from fer_zoo.landmarks.base import MIRROR_68
from fer_zoo.model import FERModel, Network
from fer_zoo.specs import Calibration, InputSpec, Metrics, Recipe, ViewsSpec
from fer_zoo.training.metrics import Figures, calibration_error, figures, group_figures
from fer_zoo.training.predictions import Predictions
from fer_zoo.training.run_folder import writing
from fer_zoo.video.crop import crop_clip, normalise, place_crop

if TYPE_CHECKING:
    from accelerate import Accelerator

    from fer_zoo.training.run import Run

# Clips that are in memory at once: 100 to 300 MB.
_AT_ONCE = 256
# What the card calls the parts; cards of published weights have these names.
_ON_CARD = {"test_noisy": "test, noisy landmarks"}
# Of the temperature by which logits are divided.
_TEMPERATURES = (0.2, 5.0)
_PRIOR = 0.5  # standard deviation of log(temperature) before any clip is seen: a handful of clips hardly move it
_LEAST = 1e-12


def evaluate_clips(model: FERModel, clips: ClipSet, *, batch_size: int = 32) -> Metrics:
    """Crop clips by the model's input spec and return WAR, UAR and confusion.

    Raises:
        InputError: no clips, other labels than the model's, or a clip without a face.
    """
    if clips.names != model.labels:
        raise InputError(
            f"The clips have the labels {', '.join(clips.names)}; the model has {', '.join(model.labels)}.",
            "the same labels in the same order",
            "load the clips with the model's labels",
        )
    cropped = crop_clips(clips, model.input_spec)
    return figures(as_predictions(cropped, predict_cropped(model, cropped, batch_size=batch_size))).card()


def evaluate_run(run: Run, clips: Mapping[str, ClipSet]) -> tuple[dict[str, Metrics], Calibration]:
    """Write the predictions of the last and the best weights; return metrics and calibration of the best weights.

    `run.average` then holds the best weights, calibrated; before the end of the first epoch these are the last ones.

    Raises:
        TrainingError: the predictions cannot be written.
    """
    parts = _evaluated_parts(run.recipe, clips)
    predicted = _predict(run, parts)
    _write(run, predicted, "last")
    history, progress = run.progress.history, run.progress
    is_best = history and progress.best_epoch == len(history) and history[-1]["step"] == progress.step
    if not is_best:
        run.load_best()
        predicted = _predict(run, parts)
    calibration, predicted = calibrate(run.average, predicted)
    _write(run, predicted, "best")
    return {name: own.card() for part, whole in predicted.items() for name, own in _on_card(part, whole)}, calibration


def fit_temperature(predictions: Predictions) -> float:
    """Return the temperature by which the logits are to be divided so that the probabilities fit the true labels.

    The maximum of the likelihood of the true labels (Guo et al. 2017, On Calibration of Modern Neural Networks), with a
    weak prior on a temperature near 1.
    """
    from scipy.optimize import minimize_scalar

    truth = predictions.truth[:, None]

    def loss(log_temperature: float) -> float:
        shares = at_temperature(predictions.probabilities, float(np.exp(log_temperature)))
        likelihood = np.log(np.maximum(np.take_along_axis(shares, truth, axis=1), _LEAST)).sum()
        return float((log_temperature / _PRIOR) ** 2 / 2 - likelihood)

    return float(np.exp(minimize_scalar(loss, bounds=tuple(np.log(_TEMPERATURES)), method="bounded").x))


def at_temperature(probabilities: npt.NDArray[np.float64], temperature: float) -> npt.NDArray[np.float64]:
    """Return what probabilities (N, classes) become when the logits are divided by the temperature."""
    logits = np.log(np.maximum(probabilities, _LEAST)) / temperature
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def calibrate(model: FERModel, predicted: Mapping[str, Predictions]) -> tuple[Calibration, dict[str, Predictions]]:
    """Divide the logits of a network, in its classifier, by the temperature fitted on "validation".

    Args:
        predicted: the network's predictions by part.

    Returns:
        The temperature with the expected calibration error of each part, and the predictions of the changed network.
    """
    temperature = fit_temperature(predicted["validation"])
    assert isinstance(model.classifier, nn.Linear), "only networks with a classifier are trained"
    with torch.no_grad():
        model.classifier.weight.div_(temperature)
        model.classifier.bias.div_(temperature)
    scaled = {
        part: replace(own, probabilities=at_temperature(own.probabilities, temperature))
        for part, own in predicted.items()
    }
    before, after = ({part: calibration_error(own) for part, own in parts.items()} for parts in (predicted, scaled))
    return Calibration(temperature=temperature, before=before, after=after), scaled


def predict_shared(
    model: FERModel, clips: ClipSet, accelerator: Accelerator, views: ViewsSpec | None = None
) -> npt.NDArray[np.float64]:
    """Probabilities (N, classes) of clips, the same in every process; each predicts its share of the clips.

    Args:
        views: of the clips; None: they are cropped already.
    """
    mine = np.arange(accelerator.process_index, len(clips), accelerator.num_processes)
    probabilities = np.zeros((len(clips), len(clips.names)))
    own = clips.take(mine)
    probabilities[mine] = predict_cropped(model, own) if views is None else predict_views(model, own, views)
    whole = accelerator.reduce(torch.from_numpy(probabilities).to(accelerator.device), "sum")
    return np.asarray(whole.cpu().numpy(), np.float64)


def open_matching(store: str | Path, spec: InputSpec, *, any_fps: bool = False) -> Store:
    """Open a clip store, by its folder or its name in `stores_root()`, that a network with this input can use.

    Raises:
        InputError: there is no such store, or it does not match the input.
    """
    opened = open_store(find_store(store))
    if problems := differences(opened.header, spec, any_fps=any_fps):
        raise InputError(
            f"The store {opened.folder} does not match these weights. " + "; ".join(problems) + ".",
            "a store that was prepared for this network's input",
            "prepare it with the recipe.yaml in the weights folder: `fer-zoo prepare DATASET --recipe ... --out ...`",
        )
    return opened


def predict_clips(model: Network, clips: ClipSet, views: ViewsSpec | None = None) -> Predictions:
    """Predict clips by the mean over their views; by default one view, of the middle frames."""
    return as_predictions(clips, predict_views(model, clips, views or ViewsSpec()))


def predict_views(model: Network, clips: ClipSet, views: ViewsSpec) -> npt.NDArray[np.float32]:
    """Mean probabilities (N, classes) over the views of clips, cropped as the input spec says; some clips at a time."""
    spec, parts = model.input_spec, [np.zeros((0, len(clips.names)), np.float32)]
    frames = view_frames(clips.landmarks.shape[1], spec, views.clips)
    for start in range(0, len(clips), _AT_ONCE):
        some = clips.take(np.arange(start, min(start + _AT_ONCE, len(clips))))
        cropped = (crop_clips(with_frames(some, numbers), spec) for numbers in frames)
        parts.append(np.mean([predict_cropped(model, view, flip=views.flip) for view in cropped], axis=0))
    return np.concatenate(parts)


def predict_cropped(
    model: Network, clips: ClipSet, *, batch_size: int = 32, flip: bool = False
) -> npt.NDArray[np.float32]:
    """Probabilities (N, classes) of cropped clips; leaves the model in the mode it was in.

    Args:
        flip: the mean with those of the clips flipped horizontally.
    """
    device = next(model.parameters()).device
    was_training, parts = model.training, []
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(clips), batch_size):
                rows = np.arange(start, min(start + batch_size, len(clips)))
                clip = normalise(torch.from_numpy(clips.read(rows)).to(device), model.input_spec)
                landmarks = torch.from_numpy(clips.landmarks[rows]).to(device)
                shares = torch.softmax(model(clip, landmarks).float(), dim=1)
                if flip:
                    mirrored = landmarks[:, :, MIRROR_68] * landmarks.new_tensor([-1, 1])
                    mirrored += mirrored.new_tensor([model.input_spec.size - 1, 0])
                    shares = (shares + torch.softmax(model(clip.flip(-1), mirrored).float(), dim=1)) / 2
                parts.append(shares.cpu().numpy())
    finally:
        model.train(was_training)
    return np.concatenate(parts) if parts else np.zeros((0, len(model.labels)), np.float32)


def as_predictions(clips: ClipSet, probabilities: npt.NDArray[np.floating]) -> Predictions:
    """Probabilities (N, classes) of clips with what is known of the clips."""
    numbers = range(len(clips))
    keys = np.array([clips.key(clip) for clip in numbers])
    return Predictions(
        labels=clips.names,
        keys=keys,
        subjects=np.array([clips.subject_of(clip) for clip in numbers]),
        videos=np.array(clips.videos) if clips.videos else keys,
        truth=clips.labels,
        probabilities=probabilities.astype(np.float64),
        # Photographs are for splits only: metrics of each of them would be of too few clips.
        groups={name: np.array(groups) for name, groups in clips.groups.items() if name != PHOTO}
        | ({} if clips.intensities is None else {"intensity": _strengths(clips.intensities)}),
    )


def _strengths(intensities: Points) -> npt.NDArray[np.str_]:
    """Group (N,) of each clip by the mean intensity of its frames (N, T); "" of neutral ones."""
    quarters = np.ceil(intensities.mean(axis=1) * 4).astype(int).clip(0, 4)
    names = np.array(["", *(f"{n / 4:g} to {(n + 1) / 4:g}" for n in range(4))])
    return np.asarray(names[quarters])


def crop_clips(clips: ClipSet, spec: InputSpec) -> ClipSet:
    """Clips in memory, cut by `spec.crop` to `spec.size` pixels, landmarks with them.

    Raises:
        InputError: a clip has no face in any frame, or another number of frames than `spec`.
    """
    if clips.landmarks.shape[1] != spec.frames:
        raise InputError(
            f"Clips of {clips.landmarks.shape[1]} frames.",
            f"clips of {spec.frames} frames, which the model was made for",
            "load the clips with the model's input spec",
        )
    frames = np.empty((len(clips), spec.frames, spec.size, spec.size, 3), np.uint8)
    landmarks = np.empty_like(clips.landmarks)
    for clip in range(len(clips)):
        place = place_crop(clips.landmarks[clip], spec.crop)
        if place is None:
            raise InputError(f"{clips.key(clip)} has no face in any frame.", "clips with landmarks", "leave it out")
        whole = clips.read(np.array([clip]))[0]
        frames[clip], landmarks[clip] = crop_clip(whole, clips.landmarks[clip], place, spec.size)
    return replace(clips, frames=frames, rows=np.arange(len(clips)), landmarks=landmarks)


def _evaluated_parts(recipe: Recipe, clips: Mapping[str, ClipSet]) -> dict[str, ClipSet]:
    """Clips to evaluate on: "validation", "test" if there is one, and "test_noisy" where landmarks are rendered.

    Rendered landmarks are exact, a detector's are not: the metrics with noise are those to expect in use.
    """
    parts = {part: own for part, own in clips.items() if part != "train"}
    if "test" in clips and clips["test"].exact:
        test = clips["test"] if recipe.views.clips > 1 else central_frames(clips["test"], recipe.model.input)
        parts["test_noisy"] = with_detector_noise(test, recipe.seed)
    return parts


def _predict(run: Run, parts: Mapping[str, ClipSet]) -> dict[str, Predictions]:
    return {
        part: as_predictions(clips, predict_shared(run.average, clips, run.accelerator, run.recipe.views))
        for part, clips in parts.items()
    }


def _on_card(part: str, predictions: Predictions) -> Iterator[tuple[str, Figures]]:
    """Metrics of a part, by video too if videos were cut into several clips, and of each database of several."""
    name = _ON_CARD.get(part, part)
    yield name, figures(predictions)
    if len(set(predictions.videos.tolist())) < len(predictions):
        yield f"{name}, by video", figures(predictions.by_video())
    # A mean may hide that one database is predicted badly.
    for database, own in group_figures(predictions).get(DATABASE, {}).items():
        yield f"{name}, {database}", own


def _write(run: Run, predicted: Mapping[str, Predictions], which: str) -> None:
    if not run.accelerator.is_main_process:
        return
    for part, predictions in predicted.items():
        path = run.stage.folder / "predictions" / which / f"{part}.csv"
        with writing(path):
            predictions.write(path)
