"""Small ablation folders, written through the real writers, for the tests of results and reports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_zoo.recipes import dump_recipe
from fer_zoo.specs import Recipe
from fer_zoo.training.predictions import Predictions
from fer_zoo.training.run_folder import write_log

LABELS = ("anger", "fear", "happiness")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FACTS = {"fer_zoo": "0.1", "torch": "2.9", "python": "3.12", "commit": COMMIT, "hardware": "Abacus, 1 threads"}


def recipe(**changes: Any) -> Recipe:
    """A tiny network for a split in three folds of `synthmh`."""
    fields: dict[str, Any] = {
        "description": "The baseline.",
        "model": {
            "backbone": {"name": "incres3d_tiny", "width": 0.05},
            "temporal": {"name": "mean"},
            "fusion": {"name": "none"},
            "labels": LABELS,
            "input": {"frames": 5, "size": 30},
        },
        "data": {"dataset": "synthmh"},
        "split": {"folds": 3, "fold": 1},
        "protocol": "subject-independent",
        "seed": 1,
        "train": {"epochs": 2},
    }
    for key, value in changes.items():
        fields[key] = {**fields[key], **value} if isinstance(fields.get(key), dict) and key != "split" else value
    return Recipe.model_validate(fields)


def predictions_of(
    by_key: Mapping[str, tuple[str, str, str, float]], labels: Sequence[str] = LABELS, **columns: Any
) -> Predictions:
    """Predictions from {key: (subject, truth, predicted, its probability)}; the other labels share the rest."""
    probabilities = np.array(
        [
            [p if label == predicted else (1 - p) / (len(labels) - 1) for label in labels]
            for _, _, predicted, p in by_key.values()
        ]
    )
    made = {
        "labels": tuple(labels),
        "keys": np.array(list(by_key)),
        "subjects": np.array([subject for subject, *_ in by_key.values()]),
        "videos": np.array(list(by_key)),
        "truth": np.array([labels.index(truth) for _, truth, *_ in by_key.values()]),
        "probabilities": probabilities,
    }
    return Predictions(**{**made, **columns})


def fold_predictions(fold: int, wrong: Sequence[str] = (), p: float = 0.8) -> dict[str, tuple[str, str, str, float]]:
    """One clip per label of two subjects, predicted with probability p; those in `wrong` as the next label."""
    found = {}
    for subject in range(2):
        for number, label in enumerate(LABELS):
            key = f"f{fold}p{subject}/{label}"
            predicted = LABELS[(number + 1) % len(LABELS)] if key in wrong else label
            found[key] = (f"f{fold}p{subject}", label, predicted, p)
    return found


class Ablation:
    """An ablation folder that is being written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cells: list[dict[str, Any]] = []
        root.mkdir(parents=True, exist_ok=True)

    def ask(self, name: str, split: str, seed: int) -> Path:
        """Add a training run to the grid; returns its folder, which does not exist yet."""
        folder = f"{name.replace('/', '__')}/{split}/seed-{seed}"
        self.cells.append({"recipe": name, "split": split, "seed": seed, "folder": folder})
        (self.root / "grid.json").write_text(json.dumps({"format": 1, "cells": self.cells}))
        return self.root / folder

    def begin(
        self,
        name: str,
        split: str,
        spec: Recipe,
        *,
        facts: Mapping[str, Any] = FACTS,
        losses: Sequence[float] = (1.5, 0.5),
    ) -> Path:
        """Add a training run that was interrupted after one epoch per loss."""
        folder = self.ask(name, split, spec.seed)
        folder.mkdir(parents=True)
        (folder / "cell.yaml").write_text(dump_recipe(spec))
        (folder / "run.json").write_text(json.dumps(facts))
        rows = [
            {"epoch": n, "step": 4 * n, "lr": 0.1, "loss": loss, "validation_war": 0.5, "validation_uar": 0.4 + 0.1 * n,
             "seconds": 1800.0 * n}
            for n, loss in enumerate(losses, 1)
        ]  # fmt: skip
        if rows:
            write_log(folder / "log.csv", rows)
        return folder

    def finish(
        self, name: str, split: str, spec: Recipe, best: Predictions, last: Predictions | None = None,
        noisy: Predictions | None = None, **begun: Any,
    ) -> Path:  # fmt: skip
        """Add a finished training run."""
        folder = self.begin(name, split, spec, **begun)
        for kind, predictions in {"best/test": best, "last/test": last or best, "best/test_noisy": noisy}.items():
            if predictions is not None:
                predictions.write(folder / "predictions" / f"{kind}.csv")
        (folder / "weights").mkdir()
        (folder / "weights" / "README.md").write_text("card")
        return folder


# Of `base`: which clips each seed gets wrong. The others follow from these by hand, see the tests.
WRONG = {1: ("f1p0/anger", "f3p0/fear", "f3p1/fear"), 2: ("f3p0/fear",)}
SURE = {1: 0.8, 2: 0.9}


def two_recipes(root: Path) -> Ablation:
    """Three folds and two seeds of `base` and of `mine`, which gets anger wrong; `last` is always correct."""
    ablation = Ablation(root)
    mine = {
        "model": {"temporal": {"name": "gru", "hidden": 4}},
        "description": 'A <script>alert("x")</script> | *b* & c_d_',
    }
    for name, changes in (("base", {}), ("mine", mine)):
        for fold in (1, 2, 3):
            for seed in (1, 2):
                spec = recipe(split={"folds": 3, "fold": fold}, seed=seed, **changes)
                wrong = WRONG[seed] if name == "base" else [f"f{fold}p0/anger", f"f{fold}p1/anger"]
                best, last = (predictions_of(fold_predictions(fold, which, SURE[seed])) for which in (wrong, ()))
                ablation.finish(name, f"fold-{fold}-of-3", spec, best, last)
    return ablation
