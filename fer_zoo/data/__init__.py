"""Clips for training and judging: datasets, their cache, and random changes."""

from __future__ import annotations

import os
from pathlib import Path

from fer_zoo.data import datasets  # noqa: F401  (importing registers the readers)
from fer_zoo.data.clips import ClipRequest, ClipSet
from fer_zoo.data.synthetic import cache_root
from fer_zoo.errors import InputError, OptionError, RecipeError
from fer_zoo.registry import DATASETS
from fer_zoo.specs import DatabaseSplit, FoldSplit, Recipe, SplitSpec

# What a dataset must state when it is registered.
PROVENANCE = ("licence", "terms", "training_data", "synthetic")

__all__ = ["PROVENANCE", "ClipRequest", "ClipSet", "cache_root", "load", "subject_split"]


def load(recipe: Recipe, *, cache: Path | None = None, workers: int | None = None) -> dict[str, ClipSet]:
    """Return the clips of a recipe's parts, "train", "validation" and "test"; renders what is not there yet.

    Raises:
        UnknownNameError, OptionError: the dataset or one of its options does not exist, or it states no provenance.
        RecipeError: the recipe splits by folds or by databases.
        InputError: the dataset is read from a folder, through a clip store, which training does not read yet.
    """
    split = subject_split(recipe)
    dataset = DATASETS.get(recipe.data.dataset.name)
    if "root" in dataset.injected:
        raise InputError(
            f"Clips of {dataset.name!r} are read from a clip store; training does not read stores yet.",
            "a dataset that makes its clips itself: synthmh, or one of a plug-in (fer_zoo.register_dataset)",
            "train on another dataset; the network alone is built by create_model(recipe=...)",
        )
    if lacking := [fact for fact in PROVENANCE if fact not in dataset.defaults]:
        raise OptionError(
            f"Dataset {dataset.name!r} is registered without {', '.join(lacking)}.",
            f"register_dataset(name, {', '.join(f'{fact}=...' for fact in PROVENANCE)})",
            "state them: the card of every weights file trained on it does",
        )
    model = recipe.model
    parts = {}
    for part in ("train", "validation", "test"):
        request = ClipRequest(
            labels=model.labels,
            subjects=getattr(split, part),
            takes=recipe.data.takes,
            frames=model.input.frames,
            fps=model.input.fps,
            canvas=recipe.data.canvas,
            cache=cache or cache_root(),
            workers=workers or os.cpu_count() or 1,
        )
        parts[part] = dataset.build(options=recipe.data.dataset.options, request=request)
    return parts


def subject_split(recipe: Recipe) -> SplitSpec:
    """Return a recipe's split if it is by ranges of subjects, the one kind that this version trains on.

    Raises:
        RecipeError: it is by folds or by databases.
    """
    match recipe.split:
        case SplitSpec():
            return recipe.split
        case FoldSplit(folds=folds):
            given = f"This recipe describes {folds}-fold cross-validation; this version trains on one split."
        case DatabaseSplit():
            given = "This recipe describes a cross-database test; this version trains on one dataset."
    raise RecipeError(
        given,
        "split: {train: [first, end], validation: [first, end], test: [first, end]}, ranges of subject numbers",
        "give such a split, with protocol: subject-independent",
    )
