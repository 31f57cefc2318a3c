"""Clips for training and judging: datasets, their cache, and random changes."""

from __future__ import annotations

import os
from pathlib import Path

from fer_zoo.data.clips import ClipRequest, ClipSet
from fer_zoo.data.synthetic import cache_root
from fer_zoo.errors import OptionError
from fer_zoo.registry import DATASETS
from fer_zoo.specs import Recipe

# What a dataset must state when it is registered.
PROVENANCE = ("licence", "terms", "training_data", "synthetic")

__all__ = ["PROVENANCE", "ClipRequest", "ClipSet", "cache_root", "load"]


def load(recipe: Recipe, *, cache: Path | None = None, workers: int | None = None) -> dict[str, ClipSet]:
    """Return the clips of a recipe's parts, "train", "validation" and "test"; renders what is not there yet.

    Raises:
        UnknownNameError, OptionError: the dataset or one of its options does not exist, or it states no provenance.
    """
    dataset = DATASETS.get(recipe.data.dataset.name)
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
            subjects=getattr(recipe.split, part),
            takes=recipe.data.takes,
            frames=model.input.frames,
            fps=model.input.fps,
            canvas=recipe.data.canvas,
            cache=cache or cache_root(),
            workers=workers or os.cpu_count() or 1,
        )
        parts[part] = dataset.build(options=recipe.data.dataset.options, request=request)
    return parts
