"""From a network to a weights folder, which appears whole or not at all; identical runs give identical bytes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import save_file

from fer_zoo.card import card_text
from fer_zoo.errors import WeightsError
from fer_zoo.files import atomic_folder, sha256
from fer_zoo.model import FERModel
from fer_zoo.recipes import dump_recipe
from fer_zoo.registry import DATASETS
from fer_zoo.specs import DatabaseSplit, Recipe, WeightsCard
from fer_zoo.weights.checking import write_proof
from fer_zoo.weights.config import config_fields, read_config
from fer_zoo.weights.files import CARD, CHECK, CONFIG, INDEX, PICTURE, RECIPE, TENSORS, read_text
from fer_zoo.weights.folder import read_card, read_folder, read_recipe
from fer_zoo.weights.loading import load_weights, refuse_not_finite
from fer_zoo.weights.local_paths import portable, portable_spec
from fer_zoo.weights.picture import confusion_picture

MAX_SHARD = 5 * 10**9
KEPT_CARD = "README.edited.md"


def write_weights(
    folder: str | Path,
    model: FERModel,
    recipe: Recipe,
    card: Mapping[str, Any],
    *,
    overwrite: bool = False,
    detector_version: str | None = None,
    max_shard: int = MAX_SHARD,
    recipe_text: str | None = None,
) -> Path:
    """Write a weights folder; it appears whole or not at all.

    An edited card is never lost: it stays if its record is still true; else it is kept beside the new one, as
    `README.edited.md`.

    Args:
        card: fields of `WeightsCard`, without the hashes, which are computed here; `datasets` and `tested_on`
            default to those of the recipe.
        detector_version: of the landmarks that were trained on, where they are not a renderer's own.
        max_shard: bytes of tensors up to which they lie in one file.
        recipe_text: the recipe as it was written once; default: as this version writes it, with base names in place of
            the paths of this machine.

    Raises:
        WeightsError: the folder exists and `overwrite` is not set, the card is incomplete or of other labels than the
            network, a weight is not finite, or the disk is full.
    """
    from fer_zoo.data.load import trained_on

    folder = Path(folder)
    if os.path.exists(folder) and not overwrite:
        raise WeightsError(f"{folder} exists.", "a folder that does not exist yet", "choose another, or overwrite it")
    if model.classifier_is_untrained or not model.labels:
        raise WeightsError(
            f"{model.spec.name} has {'an untrained' if model.labels else 'no'} classifier, which can have no metrics.",
            "a trained network with labels",
            "train it first; torch.save(model.state_dict(), PATH) keeps tensors without a card",
        )
    refuse_not_finite(
        model.state_dict(), f"The network {model.spec.name}", "train it again, e.g. with a lower train.lr"
    )
    text = recipe_text or dump_recipe(portable(recipe))
    names = trained_on(recipe)
    tested = (recipe.split.test_on,) if isinstance(recipe.split, DatabaseSplit) else names
    fields = {"datasets": names, "tested_on": tested, **card}
    # A dataset that takes a request makes its clips itself, and knows where the landmarks are.
    rendered = all("request" in DATASETS.get(name).injected for name in names)
    detector = detector_version or ("exact points of the renderer" if rendered else "unknown")
    with _replaced(folder, overwrite) as new:
        # Checked before anything is written: the card's own text is what is wrong most often.
        WeightsCard.model_validate({**fields, "sha256": "0" * 64})
        _write(new / CONFIG, json.dumps(config_fields(portable_spec(model.spec), detector), indent=2) + "\n")
        _write(new / RECIPE, text)
        hashes = _write_tensors(new, model, str(card["name"]), text, max_shard)
        full = _write_beside(new, model, WeightsCard.model_validate({**fields, **hashes}))
        _write_card(new, folder, full, model)
        read_folder(new)  # nothing is written that cannot be read
    return folder


@contextmanager
def _replaced(folder: Path, overwrite: bool) -> Iterator[Path]:
    """Give a folder that takes the place of `folder` if the block succeeds.

    Raises:
        WeightsError: the card is incomplete, or a file cannot be written.
    """
    try:
        with atomic_folder(folder, replace=overwrite) as new:
            yield new
    except ValidationError as error:
        raise WeightsError(
            f"The weights folder {folder} cannot be written: {error}", "a complete card", "complete it, and write again"
        ) from error
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"The weights folder {folder} cannot be written: {error}",
            "free space on the disk, and a writable folder",
            "free some and write it again; a training run does so when resumed (--resume)",
        ) from error


def rewrite(
    folder: str | Path, out: str | Path, *, detector_version: str | None = None, overwrite: bool = False
) -> Path:
    """Write a copy of a weights folder, without local paths: the same tensors, metrics and terms.

    Raises:
        WeightsError: the folder is damaged, or `out` exists and `overwrite` is not set.
    """
    found = read_folder(folder)
    model, recipe = load_weights(folder), read_recipe(folder)
    text = read_text(found.path / RECIPE) if portable(recipe) == recipe else None
    fields = found.card.model_dump(mode="json", exclude={"sha256", "files", "beside"}, exclude_defaults=True)
    version = detector_version or found.detector_version
    return write_weights(out, model, recipe, fields, detector_version=version, recipe_text=text, overwrite=overwrite)


def _write_beside(folder: Path, model: FERModel, card: WeightsCard) -> WeightsCard:
    """Write the rendered face to check the weights by and the confusion matrix; the card with hashes of all files."""
    on_cpu = all(value.device.type == "cpu" for value in model.state_dict().values())
    write_proof(folder / CHECK, model if on_cpu else deepcopy(model).cpu())
    shutil.copymode(folder / CONFIG, folder / CHECK)
    if card.metrics:
        # Of the test part, or of what else there is.
        shown = card.metrics.get("test") or list(card.metrics.values())[-1]
        (folder / PICTURE).write_bytes(confusion_picture(shown, card.labels))
    beside = [name for name in (CONFIG, CHECK, RECIPE, PICTURE) if (folder / name).is_file()]
    return card.model_copy(update={"beside": {name: sha256(folder / name) for name in beside}})


def _write_tensors(folder: Path, model: FERModel, name: str, recipe_text: str, max_shard: int) -> dict[str, Any]:
    """Write model.safetensors, or shards and their index; returns the fields `sha256` and `files` of the card."""
    from huggingface_hub import split_torch_state_dict_into_shards

    facts = {
        "name": name,
        "labels": model.labels,
        "input": model.input_spec.model_dump(mode="json"),
        "recipe_sha256": hashlib.sha256(recipe_text.encode()).hexdigest(),
    }
    # One text: the order of several would differ from run to run.
    header = {"fer_zoo": json.dumps(facts, sort_keys=True, ensure_ascii=False)}
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    plan = split_torch_state_dict_into_shards(tensors, max_shard_size=max_shard)
    for name, keys in plan.filename_to_tensors.items():
        save_file({key: tensors[key] for key in keys}, folder / name, header)
        shutil.copymode(folder / CONFIG, folder / name)  # safetensors gives the file to its user alone
    if not plan.is_sharded:
        return {"sha256": sha256(folder / TENSORS)}
    index = {"metadata": {"total_size": plan.metadata["total_size"]}, "weight_map": plan.tensor_to_filename}
    _write(folder / INDEX, json.dumps(index, indent=2, sort_keys=True) + "\n")
    return {
        "sha256": sha256(folder / INDEX),
        "files": {name: sha256(folder / name) for name in plan.filename_to_tensors},
    }


def _write_card(new: Path, folder: Path, card: WeightsCard, model: FERModel) -> None:
    text = card_text(card, model.spec)
    if (folder / KEPT_CARD).is_file():
        shutil.copyfile(folder / KEPT_CARD, new / KEPT_CARD)
    if (folder / CARD).is_file():
        old = (folder / CARD).read_text(encoding="utf-8", errors="replace")
        try:
            record = read_card(folder / CARD)
            edited = old != card_text(record, read_config(folder / CONFIG).model)
        except WeightsError:
            record, edited = None, True
        if record == card:
            text = old
        elif edited:
            _write(new / KEPT_CARD, old)
    _write(new / CARD, text)


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
