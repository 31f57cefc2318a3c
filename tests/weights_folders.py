"""Small weights folders for tests, and ways to damage them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import safe_open
from safetensors.torch import save_file

from fer_zoo.compose import build
from fer_zoo.model import FERModel
from fer_zoo.specs import Recipe
from fer_zoo.weights import sha256, write_weights

LABELS = ("calm", "glad", "cross")
METRICS = {"clips": 6, "subjects": 2, "war": 0.5, "uar": 0.5, "confusion": [[1, 1, 0], [0, 2, 0], [2, 0, 0]]}


def small_recipe(labels: tuple[str, ...] = LABELS, width: float = 0.05, hidden: int = 8) -> Recipe:
    model = {
        "backbone": {"name": "incres3d_tiny", "width": width},
        "temporal": {"name": "lstm", "hidden": hidden},
        "fusion": {"name": "lm", "radius": 2},
        "pool": "mean",
        "labels": labels,
        "input": {"frames": 6, "size": 32},
    }
    split = {"train": (0, 2), "validation": (2, 3), "test": (3, 4)}
    return Recipe.model_validate({"model": model, "split": split, "protocol": "subject-independent", "seed": 1})


def card_fields(**changes: Any) -> dict[str, Any]:
    fields = {
        "name": "incres3d_tiny_lstm_lm.try",
        "labels": LABELS,
        "licence": "Apache-2.0",
        "terms": "None beyond the licence.",
        "may_use": "anybody",
        "share_weights": "yes",
        "terms_source": "a note of 2026-11-22",
        "training_data": "Coloured squares.",
        "protocol": "subject-independent",
        "metrics": {"test": METRICS},
        "commit": "0" * 40,
        "hardware": "a small machine",
        "hours": 0.1,
        "synthetic": True,
    }
    return {**fields, **changes}


def small_model(**options: Any) -> FERModel:
    torch.manual_seed(0)
    return build(small_recipe(**options).model)


def make_folder(folder: Path, *, overwrite: bool = False, max_shard: int = 10**9, **card: Any) -> Path:
    return write_weights(
        folder, small_model(), small_recipe(), card_fields(**card), overwrite=overwrite, max_shard=max_shard
    )


def record(folder: Path) -> dict[str, Any]:
    """The record in the front matter of the card."""
    return dict(yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])["fer_zoo"])


def change_record(folder: Path, **changes: Any) -> None:
    """Change the record in the card; `None` takes a field out."""
    _, front, body = (folder / "README.md").read_text().split("---\n", 2)
    matter = yaml.safe_load(front)
    matter["fer_zoo"] = {key: value for key, value in {**matter["fer_zoo"], **changes}.items() if value is not None}
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump(matter, sort_keys=False)}---\n{body}")


def sign(folder: Path) -> None:
    """Make every hash in the card right, so that only what was changed in the files is wrong."""
    beside = {name: sha256(folder / name) for name in record(folder)["beside"]}
    change_record(folder, sha256=sha256(folder / "model.safetensors"), beside=beside)


def change_config(folder: Path, change: Any) -> None:
    """Apply `change` to the fields of config.json, and sign."""
    fields = json.loads((folder / "config.json").read_text())
    change(fields)
    (folder / "config.json").write_text(json.dumps(fields))
    sign(folder)


def rewrite_tensors(folder: Path, tensors: dict[str, torch.Tensor], name: str = "model.safetensors") -> None:
    """Replace the tensors and make hashes and header fit, so that only the tensors themselves are wrong."""
    with safe_open(folder / name, framework="pt") as opened:
        header = opened.metadata()
    save_file(tensors, folder / name, header)
    sign(folder)
