"""One diagram per folder of recipes, drawn from the recipes by `tools/gallery.py`: what is fixed and what varies."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from fer_zoo.recipes import list_recipes, load_recipe
from fer_zoo.specs import Recipe

ROWS = {"data": "#d9e8f5", "network": "#eeeeee", "training": "#cfe8c9", "test": "#eadcf2"}
# Most values of a key that are listed.
MOST = 7


def families() -> dict[str, list[str]]:
    """Names of recipes by folder; those in no folder under `recipes`."""
    found: dict[str, list[str]] = {}
    for name in list_recipes():
        folder, slash, _ = name.rpartition("/")
        found.setdefault(folder if slash else "recipes", []).append(name)
    return found


def facts(family: str) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Keys and their values in the recipes of a family, by row of the diagram, in the order of the recipes."""
    recipes = [load_recipe(name) for name in families()[family]]
    rows: dict[str, list[tuple[str, tuple[str, ...]]]] = {row: [] for row in ROWS}
    for row, key, values in ((row, key, [_text(read(r)) for r in recipes]) for row, key, read in READ):
        seen = tuple(dict.fromkeys(values))
        if seen != ("none",):
            rows[row].append((key, seen))
    return rows


def _text(value: Any) -> str:
    return "none" if value is None or value == () else f"{value:g}" if isinstance(value, float) else str(value)


def _training_sets(recipe: Recipe) -> str:
    split: Any = recipe.split
    return " + ".join(getattr(split, "train_on", ()) or (recipe.data.dataset.name, *getattr(split, "pooled_with", ())))


def _phase(recipe: Recipe, key: str) -> str | None:
    phase: Any = getattr(recipe, key)
    if phase is None:
        return None
    return f"{phase.epochs} epochs, {phase.optimizer.name}, lr {phase.lr:g}"


def _start(recipe: Recipe) -> str | None:
    return recipe.init or ("published for the backbone" if recipe.backbone_weights == "pretrained" else None)


def _subjects(recipe: Recipe) -> str | None:
    part = getattr(recipe.split, "train", None)
    return f"{part[1] - part[0]:,} subjects" if part else None


def _test(recipe: Recipe) -> str:
    split: Any = recipe.split
    if hasattr(split, "test_on"):
        return f"all of {split.test_on}"
    if hasattr(split, "published"):
        return f"the official split {split.published}"
    if hasattr(split, "folds"):
        return f"fold {split.fold} of {split.folds}" if split.fold else f"each of {split.folds} folds"
    if hasattr(split, "test"):
        return f"{split.test[1] - split.test[0]:,} held-out subjects"
    return type(split).__name__


READ: list[tuple[str, str, Any]] = [
    ("data", "clips of", _training_sets),
    ("data", "train on", _subjects),
    ("data", "clip", lambda r: f"{r.model.input.frames} x {r.model.input.size} px"),
    ("network", "backbone", lambda r: r.model.backbone.name),
    ("network", "head", lambda r: r.model.temporal.name),
    ("network", "fusion", lambda r: r.model.fusion.name),
    ("network", "pool", lambda r: r.model.pool),
    ("training", "start", _start),
    ("training", "frozen", lambda r: ", ".join(r.freeze) or None),
    ("training", "LoRA", lambda r: f"rank {r.train.lora.rank}" if getattr(r.train, "lora", None) else None),
    ("training", "frames", lambda r: _phase(r, "pretrain")),
    ("training", "clips", lambda r: _phase(r, "train")),
    ("test", "test on", _test),
    ("test", "protocol", lambda r: r.protocol),
]  # fmt: skip


def family(name: str) -> Figure:
    """A box per row of facts; orange: what differs between the recipes."""
    lines = {row: _lines(found) for row, found in facts(name).items()}
    height = 0.5 + sum(0.24 * len(text) + 0.3 for text in lines.values())
    figure = Figure(figsize=(5, height), facecolor="white")
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_xlim(0, 5)
    axis.set_ylim(height, 0)
    axis.set_axis_off()
    number = len(families()[name])
    axis.text(0.12, 0.26, f"{name}: {number} recipe{'s' * (number > 1)}", fontsize=12, weight="bold", va="center")
    if any(varies for text in lines.values() for *_, varies in text):
        axis.text(4.88, 0.26, "orange: varies", fontsize=10, color="#b85c00", ha="right", va="center")
    top = 0.5
    for row, text in lines.items():
        tall = 0.24 * len(text) + 0.16
        axis.add_patch(
            FancyBboxPatch((0.12, top), 4.76, tall, boxstyle="round,pad=0,rounding_size=0.06", fc=ROWS[row], ec="none")
        )
        axis.text(0.22, top + 0.2, row, fontsize=10, weight="bold", va="center")
        for index, (key, value, varies) in enumerate(text):
            y = top + 0.2 + 0.24 * index
            axis.text(1.05, y, key, fontsize=9.5, va="center", color="#555555")
            axis.text(1.83, y, value, fontsize=9.5, va="center", color="#b85c00" if varies else "black")
        top += tall
        if row != "test":
            axis.annotate("", (0.55, top + 0.15), (0.55, top), arrowprops={"arrowstyle": "-|>", "color": "#555555"})
        top += 0.14
    return figure


def _lines(found: Sequence[tuple[str, tuple[str, ...]]]) -> list[tuple[str, str, bool]]:
    """Lines of key, value, and whether it varies; long lists of values are wrapped and end in a number."""
    lines = []
    for key, values in found:
        more = [f"and {len(values) - MOST} more"] * (len(values) > MOST)
        for index, part in enumerate(textwrap.wrap(" | ".join([*values[:MOST], *more]), 40)):
            lines.append((key if index == 0 else "", part, len(values) > 1))
    return lines
