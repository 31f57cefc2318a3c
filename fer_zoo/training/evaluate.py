"""Figures of a model on clips, cropped exactly as inference crops them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from fer_zoo.data.clips import ClipSet
from fer_zoo.errors import InputError
from fer_zoo.model import FERModel
from fer_zoo.specs import InputSpec, Metrics
from fer_zoo.training.metrics import figures
from fer_zoo.training.predictions import Predictions
from fer_zoo.video.crop import crop_clip, normalise, place_crop


def evaluate_clips(model: FERModel, clips: ClipSet, *, batch_size: int = 32) -> Metrics:
    """Crop clips by the model's input spec and return WAR, UAR and confusion.

    Raises:
        InputError: no clips, other labels than the model's, or a clip without a face.
    """
    if clips.names != model.labels:
        raise InputError(
            f"Clips are labelled {', '.join(clips.names)}; the model says {', '.join(model.labels)}.",
            "the same labels in the same order",
            "load the clips with the model's labels",
        )
    cropped = crop_clips(clips, model.input_spec)
    return figures(as_predictions(cropped, predict_cropped(model, cropped, batch_size=batch_size))).card()


def predict_cropped(model: FERModel, clips: ClipSet, *, batch_size: int = 32) -> npt.NDArray[np.float32]:
    """Probabilities (N, classes) of cropped clips; leaves the model in the mode it was in."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(clips), batch_size):
            rows = np.arange(start, min(start + batch_size, len(clips)))
            clip = normalise(torch.from_numpy(clips.read(rows)).to(device), model.input_spec)
            landmarks = torch.from_numpy(clips.landmarks[rows]).to(device)
            parts.append(torch.softmax(model(clip, landmarks).float(), dim=1).cpu().numpy())
    model.train(was_training)
    return np.concatenate(parts) if parts else np.zeros((0, len(model.labels)), np.float32)


def as_predictions(clips: ClipSet, probabilities: npt.NDArray[np.floating]) -> Predictions:
    """Probabilities (N, classes) of clips with what is known of these."""
    numbers = range(len(clips))
    keys = np.array([clips.key(clip) for clip in numbers])
    return Predictions(
        labels=clips.names,
        keys=keys,
        subjects=np.array([clips.person(clip) for clip in numbers]),
        videos=np.array(clips.videos) if clips.videos else keys,
        truth=clips.labels,
        probabilities=probabilities.astype(np.float64),
        groups={name: np.array(groups) for name, groups in clips.groups.items()},
    )


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
            raise InputError(f"{clips.clip_id(clip)} has no face in any frame.", "clips with landmarks", "leave it out")
        whole = clips.read(np.array([clip]))[0]
        frames[clip], landmarks[clip] = crop_clip(whole, clips.landmarks[clip], place, spec.size)
    return replace(clips, frames=frames, rows=np.arange(len(clips)), landmarks=landmarks)
