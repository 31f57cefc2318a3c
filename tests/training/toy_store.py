"""The toy's clips as a prepared store, and recipes that train on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import toy_faces

from fer_zoo import data
from fer_zoo.data.store import ClipFacts, StoredClip, StoreFacts, digest, finish_store, write_shard
from fer_zoo.registry import DATASETS
from fer_zoo.specs import ComponentSpec, CropSpec, Recipe


def toy_store(folder: Path, reader: str, detector: str, variant: int = 0) -> None:
    """The toy's clips as a store of a database, six subjects' worth of the network's frames and two more."""
    request = data.ClipRequest(toy_faces.LABELS, (0, 6), 1, 8, 25.0, 54, folder)
    clips = DATASETS.get("toy_faces").build(options={}, request=request)
    stored = [
        StoredClip(
            ClipFacts(
                key=f"S{clips.subjects[n]}/{n:03d}",
                label=clips.names[clips.labels[n]],
                subject=f"S{clips.subjects[n]}",
                take=0,
                files=("a.avi",),
                frame_range=(0, 8),
                fps=25.0,
                box=None,
            ),
            clips.read(np.array([n]))[0] + np.uint8(variant),
            clips.landmarks[n],
            np.ones(8, np.float32),
        )
        for n in range(len(clips))
    ]
    write_shard(folder, 0, stored, encoding="raw")
    facts = StoreFacts(
        reader=ComponentSpec(name=reader),
        detector=ComponentSpec(name=detector),
        detector_version="1",
        crop=CropSpec(scale=1.69),
        size=54,
        frames=8,
        fps=25.0,
        encoding="raw",
        sources_sha256=digest([reader]),
    )
    finish_store(folder, facts)


def of_stores(**changes: Any) -> Recipe:
    """A fold of the store `ckplus`, or what `changes` say."""
    split = {"split": {"folds": 3, "fold": 1}, "data": {"dataset": "ckplus"}}
    return Recipe.model_validate({**toy_faces.recipe().model_dump(), **split, **changes})
