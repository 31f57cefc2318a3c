"""What users of the Hugging Face Hub type on a model: `from_pretrained`, `save_pretrained`, `push_to_hub`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from fer_zoo.errors import OptionError, WeightsError
from fer_zoo.factory import create_model
from fer_zoo.hub.names import FOLDER, HUB, is_address
from fer_zoo.hub.plans import Pushed
from fer_zoo.hub.pushing import push
from fer_zoo.model import FERModel
from fer_zoo.paths import find_path
from fer_zoo.recipes import load_recipe
from fer_zoo.registry import BACKBONES
from fer_zoo.specs import Recipe
from fer_zoo.weights.folder import read_folder
from fer_zoo.weights.loading import read_tensors
from fer_zoo.weights.writing import rewrite, write_weights


def from_pretrained(
    name: str | Path, revision: str | None, labels: Sequence[str] | None, num_classes: int | None
) -> FERModel:
    """As `FERModel.from_pretrained`."""
    return create_model(_address(name, revision), pretrained=True, labels=labels, num_classes=num_classes)


def save_pretrained(
    model: FERModel,
    folder: str | Path,
    recipe: Recipe | str | Path | None,
    card: Mapping[str, Any] | None,
    overwrite: bool = False,
) -> Path:
    """As `FERModel.save_pretrained`."""
    if recipe is None and card is None:
        return rewrite(_unchanged(model), folder, overwrite=overwrite)
    if recipe is None or card is None:
        given = "a card without a recipe" if recipe is None else "a recipe without a card"
        raise OptionError(f"{model.spec.name} was to be saved with {given}.", "both, or none", "give both")
    made = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    return write_weights(folder, model, made, card, overwrite=overwrite)


def push_to_hub(
    model: FERModel,
    repo: str,
    recipe: Recipe | str | Path | None,
    card: Mapping[str, Any] | None,
    commit_message: str | None,
    create_pr: bool,
    options: Mapping[str, Any],
) -> Pushed:
    """As `FERModel.push_to_hub`."""
    options = {**options, "message": commit_message, "pull_request": create_pr}
    if recipe is None and card is None:
        return push(_unchanged(model), repo, **options)
    with tempfile.TemporaryDirectory(prefix="fer-zoo-") as folder:
        return push(save_pretrained(model, Path(folder) / "weights", recipe, card), repo, **options)


def _address(name: str | Path, revision: str | None) -> str:
    """Return the name under which `create_model` finds a folder, a repository of a Hub, or weights of the zoo."""
    address, folder = str(name), find_path(os.path.expanduser(name))
    if isinstance(name, Path) or (name and os.path.isdir(folder)):
        address = f"{FOLDER}{folder}"
    elif "/" in address and not is_address(address) and address.partition("/")[0] not in BACKBONES.families():
        address = f"{HUB}{address}"
    if revision is None:
        return address
    if not address.startswith(HUB) or "@" in address:
        raise OptionError(
            f"revision={revision!r} for {str(name)!r}.",
            "a revision of a repository on a Hub, given once",
            "leave it out, or name OWNER/NAME",
        )
    return f"{address}@{revision}"


def _unchanged(model: FERModel) -> Path:
    """Return the folder from which a model was loaded.

    Raises:
        WeightsError: it was not loaded, or its weights have changed since.
    """
    folder, why = model.weights_folder, "was not loaded from a weights folder, or has a new classifier"
    if model.card is not None and folder is not None:
        own, (tensors, _) = model.state_dict(), read_tensors(read_folder(folder))
        same = own.keys() == tensors.keys() and all(
            own[name].dtype == tensor.dtype and torch.equal(own[name].cpu(), tensor) for name, tensor in tensors.items()
        )
        if same:
            return folder
        why = f"has other weights than {folder}, from which it was loaded"
    raise WeightsError(
        f"{model.spec.name} {why}: its training data, terms and metrics are unknown.",
        "a model as it was loaded, or its recipe and card: recipe=..., card={...} with the fields of WeightsCard",
        'give both; `fer-zoo train` writes them by itself: FERModel.from_pretrained("RUN/weights")',
    )
