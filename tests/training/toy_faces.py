"""A dataset that needs no rendering and can be learned in a minute: the face's lower half is red, green or blue."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fer_zoo.data import ClipRequest, ClipSet
from fer_zoo.registry import DATASETS, register_dataset
from fer_zoo.specs import Recipe
from fer_zoo.training import train

LABELS = ("red", "green", "blue")

if "toy_faces" not in DATASETS:

    @register_dataset(
        "toy_faces",
        synthetic=True,
        licence="CC0-1.0",
        terms="None.",
        training_data="Coloured squares.",
        may_use="anybody",
        share_weights="yes",
        terms_source="this file, written 2026-11-22",
    )
    def toy_faces(request: ClipRequest, *, variant: int = 0) -> ClipSet:
        """Coloured squares; another `variant` counts as other content."""
        subjects = np.arange(*request.subjects).repeat(len(LABELS))
        labels = np.tile(np.arange(len(LABELS)), len(subjects) // len(LABELS))
        rng = np.random.default_rng(request.subjects[0])
        side = request.canvas
        frames = rng.integers(0, 120, (len(labels), request.frames, side, side, 3), np.uint8)
        for clip, label in enumerate(labels):
            frames[clip, :, side // 2 :, :, label] += 100
        landmarks = rng.uniform(0.2 * side, 0.8 * side, (len(labels), request.frames, 68, 2))
        points = np.asarray(landmarks, np.float32)
        clips = ClipSet.from_arrays(frames, points, labels, subjects, request.labels, exact=True)
        return replace(clips, fingerprint=hashlib.sha256(f"{request} {variant}".encode()).hexdigest())


def recipe(*, pretrain: bool = False, norm: str = "batch", dropout: float = 0.2, **train_options: Any) -> Recipe:
    model = {
        "backbone": {"name": "incres3d_tiny", "width": 0.05, "norm": norm},
        "dropout": dropout,
        "temporal": {"name": "lstm", "hidden": 8},
        "fusion": {"name": "lm", "radius": 2},
        "pool": "mean",
        "labels": LABELS,
        "input": {"frames": 6, "size": 32},
    }
    options = {"epochs": 3, "batch_size": 4, "optimizer": "adamw", "lr": 0.01, "schedule": "onecycle", "ema": 0.9}
    return Recipe.model_validate(
        {
            "model": model,
            "data": {"dataset": "toy_faces", "canvas": 40},
            "split": {"train": (0, 8), "validation": (10, 13), "test": (20, 24)},
            "protocol": "subject-independent",
            "seed": 5,
            "train": {**options, **train_options},
            "pretrain": {**options, "epochs": 2} if pretrain else None,
        }
    )


if __name__ == "__main__":  # run by tests that kill it, or start several of it: FOLDER, options of `recipe`, of `train`
    made = recipe(**json.loads(sys.argv[2]))
    train(made, Path(sys.argv[1]), resume=True, device="cpu", **json.loads(sys.argv[3]))
