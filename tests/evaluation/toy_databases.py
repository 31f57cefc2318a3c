"""Small stores of coloured squares under the names of real databases, and a recipe for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fer_zoo import weights
from fer_zoo.compose import build
from fer_zoo.data.store import ClipFacts, Store, StoredClip, StoreFacts, digest, finish_store, open_store, write_shard
from fer_zoo.data.terms import provenance
from fer_zoo.specs import ComponentSpec, CropSpec, Recipe

LABELS = ("anger", "fear", "happiness")


def database(
    folder: Path, name: str, subjects: Sequence[str | None] = ("S1", "S2", "S3", "S4", "S5", "S6"), *,
    labels: Sequence[str] = LABELS, detector: str = "fz68", clips: int = 1, groups: Sequence[Mapping[str, str]] = ({},),
    **facts: Any,
) -> Store:  # fmt: skip
    """Make the store folder/name: `clips` clips per subject and label, from one video; the label is a colour.

    Published splits set_1 to set_3: the clips of one label number n of each person in its test part are those of every
    third person from the n-th on. Groups: those of the people in turn.
    """
    rng = np.random.default_rng(sum(map(ord, name)))
    stored = []
    for number, who in enumerate(subjects):
        for place, label in enumerate(labels):
            for take in range(clips):
                frames = rng.integers(0, 120, (8, 54, 54, 3), np.uint8)
                frames[:, 27:, :, place % 3] += 100
                split = {f"set_{n}": "test" if number % 3 == n - 1 else "train" for n in (1, 2, 3)}
                known = ClipFacts(
                    key=f"{who or 'unknown'}-{number}/{label}/{take}",
                    video=None if clips == 1 else f"{number}-{label}.avi",
                    label=label,
                    subject=who,
                    take=take,
                    files=("a.avi",),
                    frame_range=(8 * take, 8 * take + 8),
                    fps=25.0,
                    box=None,
                    split=split,
                    groups=dict(groups[number % len(groups)]),
                )
                points = rng.uniform(11, 43, (8, 68, 2)).astype(np.float32)
                stored.append(StoredClip(known, frames, points, np.ones(8, np.float32)))
    write_shard(folder / name, 0, stored, encoding="raw")
    made = {
        "reader": ComponentSpec(name=name),
        "detector": ComponentSpec(name=detector),
        "detector_version": "1",
        "crop": CropSpec(scale=1.69),
        "size": 54,
        "frames": 8,
        "fps": 25.0,
        "encoding": "raw",
        "sources_sha256": digest([name]),
    }
    finish_store(folder / name, StoreFacts(**{**made, **facts}))
    return open_store(folder / name)


def fields(**changes: Any) -> dict[str, Any]:
    """Keys of a recipe, as they stand in a file."""
    return {
        "model": {
            "backbone": {"name": "incres3d_tiny", "width": 0.05},
            "temporal": {"name": "lstm", "hidden": 8},
            "fusion": {"name": "lm", "radius": 2},
            "pool": "mean",
            "labels": list(LABELS),
            "input": {"frames": 6, "size": 32},
        },
        "data": {"dataset": "ckplus"},
        "split": {"folds": 3},
        "protocol": "subject-independent",
        "seed": 5,
        "train": {"epochs": 1, "batch_size": 4, "optimizer": "adamw"},
        **changes,
    }


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate(fields(**changes))


def weights_folder(run: Path, of: Recipe | None = None) -> Path:
    """The weights folder of a network that learned nothing."""
    spec = of or recipe(split={"folds": 3, "fold": 1})
    torch.manual_seed(1)
    card: dict[str, Any] = {
        "name": f"{spec.model.name}.local",
        "labels": spec.model.labels,
        **provenance(["ckplus"]),
        "protocol": spec.protocol,
        "metrics": {},
        "commit": "none",
        "hardware": "none",
        "hours": 0.0,
    }
    run.mkdir(exist_ok=True)
    return weights.write_weights(run / "weights", build(spec.model), spec, card)
