"""From a network to a weights folder, which appears whole or not at all; identical runs give identical bytes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from fer_zoo.card import card_text
from fer_zoo.errors import WeightsError
from fer_zoo.model import FERModel
from fer_zoo.recipes import dump_recipe
from fer_zoo.registry import DATASETS
from fer_zoo.specs import DatabaseSplit, Recipe, WeightsCard
from fer_zoo.weights.building import build_to_fill
from fer_zoo.weights.config import config_fields, read_config
from fer_zoo.weights.files import CARD, CHECK, CONFIG, INDEX, PICTURE, RECIPE, TENSORS, read_text, sha256
from fer_zoo.weights.folder import read_card, read_folder, read_recipe, shard_names
from fer_zoo.weights.loading import load_weights
from fer_zoo.weights.local_paths import portable
from fer_zoo.weights.picture import confusion_picture
from fer_zoo.weights.proof import write_proof
from fer_zoo.weights.tensors import header_text, read_data, read_header, refuse_not_finite

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
    """Write a weights folder of the newest format; it appears whole or not at all.

    A card that somebody edited is never lost: it stays where its record is still true; else it is kept beside the new
    one, as `README.edited.md`.

    Args:
        card: fields of `WeightsCard`, without the hashes, which are computed here; `datasets` and `tested_on`
            are those of the recipe if not said.
        detector_version: of the landmarks that were trained on, where they are not a renderer's own.
        max_shard: bytes of tensors up to which they lie in one file.
        recipe_text: the recipe as it was written once; default: as this version writes it, with base names in place of
            the paths of this machine.

    Raises:
        WeightsError: the folder exists and `overwrite` is not set, the card is incomplete or of other labels than the
            network, a weight is not finite, or the disk is full.
    """
    folder = Path(folder)
    if folder.exists() and not overwrite:
        raise WeightsError(f"{folder} exists.", "a folder that does not exist yet", "choose another, or overwrite it")
    if model.classifier_is_untrained or not model.labels:
        raise WeightsError(
            f"{model.spec.name} has {'an untrained' if model.labels else 'no'} classifier, which can have no metrics.",
            "a trained network with labels",
            "train it first; torch.save(model.state_dict(), PATH) keeps tensors without a card",
        )
    new, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{part}") for part in ("tmp", "old"))
    refuse_not_finite(
        model.state_dict(), f"The network {model.spec.name}", "train it again, e.g. with a lower train.lr"
    )
    text = recipe_text or dump_recipe(portable(recipe))
    fields = {**_datasets(recipe), **card}
    try:
        # Judged before anything is written: the card's own words are what is wrong most often.
        WeightsCard.model_validate({**fields, "sha256": "0" * 64})
        new.mkdir(parents=True)
        _write(
            new / CONFIG, json.dumps(config_fields(model.spec, detector_version or _detector(recipe)), indent=2) + "\n"
        )
        _write(new / RECIPE, text)
        hashes = _write_tensors(new, model, header_text(_facts(model, str(card["name"]), text)), max_shard)
        full = _write_beside(new, model, WeightsCard.model_validate({**fields, **hashes}))
        _write_card(new, folder, full, model)
        read_folder(new)  # nothing is written that cannot be read
        _put_in_place(new, folder, old)
    except ValidationError as error:
        raise WeightsError(
            f"The weights folder {folder} cannot be written: {error}", "a complete card", "complete it, and write again"
        ) from error
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"The weights folder {folder} cannot be written: {error}",
            "room on the disk, and a folder that one may write to",
            "make room and write it again; a training does so when resumed (--resume)",
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return folder


def rewrite(folder: str | Path, out: str | Path, *, detector_version: str | None = None) -> Path:
    """Write a weights folder of any format anew in the newest one, elsewhere: the same tensors, figures and terms.

    Raises:
        WeightsError: the folder is damaged, or `out` exists.
    """
    found = read_folder(folder)
    model, recipe = load_weights(folder), read_recipe(folder)
    text = read_text(found.path / RECIPE) if portable(recipe) == recipe else None
    fields = found.card.model_dump(mode="json", exclude={"sha256", "files", "beside"}, exclude_defaults=True)
    version = detector_version or (found.detector_version if found.format > 1 else None)
    return write_weights(out, model, recipe, fields, detector_version=version, recipe_text=text)


def _facts(model: FERModel, name: str, recipe_text: str) -> dict[str, Any]:
    return {
        "name": name,
        "labels": model.labels,
        "input": model.input_spec.model_dump(mode="json"),
        "recipe_sha256": hashlib.sha256(recipe_text.encode()).hexdigest(),
    }


def _write_beside(folder: Path, model: FERModel, card: WeightsCard) -> WeightsCard:
    """Write the rendered face to check the weights by and the confusion matrix; the card with hashes of all files."""
    write_proof(folder / CHECK, _on_cpu(model, folder, card))
    shutil.copymode(folder / CONFIG, folder / CHECK)
    if card.metrics:
        # Of the test part, or of what else there is.
        shown = card.metrics.get("test") or list(card.metrics.values())[-1]
        (folder / PICTURE).write_bytes(confusion_picture(shown, card.labels))
    beside = [name for name in (CONFIG, CHECK, RECIPE, PICTURE) if (folder / name).is_file()]
    return card.model_copy(update={"beside": {name: sha256(folder / name) for name in beside}})


def _put_in_place(new: Path, folder: Path, old: Path) -> None:
    """Swap a folder, which cannot be done in one step: the old one is kept until the new one is in its place."""
    if folder.exists():
        os.replace(folder, old)
    try:
        os.replace(new, folder)
    except OSError:
        if old.exists():
            os.replace(old, folder)
        raise


def _datasets(recipe: Recipe) -> dict[str, Any]:
    from fer_zoo.data.load import trained_on

    names = trained_on(recipe)
    tested = (recipe.split.test_on,) if isinstance(recipe.split, DatabaseSplit) else names
    return {"datasets": names, "tested_on": tested}


def _detector(recipe: Recipe) -> str:
    from fer_zoo.data.load import trained_on

    # A dataset that takes a request makes its clips itself, and knows where the points are.
    rendered = all("request" in DATASETS.get(name).injected for name in trained_on(recipe))
    return "exact points of the renderer" if rendered else "unknown"


def _write_tensors(folder: Path, model: FERModel, texts: dict[str, str], max_shard: int) -> dict[str, Any]:
    """Write model.safetensors, or shards and their index; returns the fields `sha256` and `files` of the card."""
    tensors = model.state_dict()
    shards: list[dict[str, Tensor]] = [{}]
    room = max_shard
    for name, tensor in tensors.items():
        if tensor.nbytes > room and shards[-1]:
            shards.append({})
            room = max_shard
        shards[-1][name] = tensor
        room -= tensor.nbytes
    names = shard_names(len(shards)) if len(shards) > 1 else [TENSORS]
    for name, shard in zip(names, shards, strict=True):
        save_file({key: value.detach().cpu().contiguous() for key, value in shard.items()}, folder / name, texts)
        shutil.copymode(folder / CONFIG, folder / name)  # safetensors writes for its user alone
    if len(shards) == 1:
        return {"sha256": sha256(folder / TENSORS)}
    places = {key: name for name, shard in zip(names, shards, strict=True) for key in shard}
    index = {"metadata": {"total_size": sum(tensor.nbytes for tensor in tensors.values())}, "weight_map": places}
    _write(folder / INDEX, json.dumps(index, indent=2, sort_keys=True) + "\n")
    return {"sha256": sha256(folder / INDEX), "files": {name: sha256(folder / name) for name in names}}


def _on_cpu(model: FERModel, folder: Path, card: WeightsCard) -> FERModel:
    """The network where its logits are those that everybody gets; a copy only if it lies elsewhere."""
    if _lies_on_cpu(model):
        return model
    with torch.random.fork_rng(devices=[]):
        copy = build_to_fill(read_config(folder / CONFIG).spec)
    for name in card.files or (TENSORS,):
        read_data(read_header(folder / name), copy.state_dict())
    return copy


def _lies_on_cpu(model: FERModel) -> bool:
    return all(value.device.type == "cpu" for value in model.state_dict().values())


def _write_card(new: Path, folder: Path, card: WeightsCard, model: FERModel) -> None:
    text = card_text(card, model.spec)
    if (folder / CARD).is_file():
        there = (folder / CARD).read_text(encoding="utf-8", errors="replace")
        same, edited = _compared(folder, there, card)
        if same:
            text = there
        elif edited:
            _write(new / KEPT_CARD, there)
    if (folder / KEPT_CARD).is_file() and not (new / KEPT_CARD).exists():
        shutil.copyfile(folder / KEPT_CARD, new / KEPT_CARD)
    _write(new / CARD, text)


def _compared(folder: Path, text: str, card: WeightsCard) -> tuple[bool, bool]:
    """Whether the card that is there has the same record, and whether its text is another than we wrote."""
    try:
        there = read_card(folder / CARD)
        return there == card, text != card_text(there, read_config(folder / CONFIG).spec)
    except WeightsError:
        return False, True


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
