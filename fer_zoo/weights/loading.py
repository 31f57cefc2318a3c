"""From a weights folder to a network: strict, sha256 verified, no more memory than the tensors take."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from fer_zoo import documents
from fer_zoo.errors import WeightsError
from fer_zoo.model import FERModel
from fer_zoo.specs import InputSpec
from fer_zoo.weights.building import build_to_fill
from fer_zoo.weights.files import INDEX, damaged, other_file, parse_json, read_text
from fer_zoo.weights.folder import WeightsFolder, read_folder
from fer_zoo.weights.tensors import TensorFile, read_data, read_header, refuse_not_finite


def load_weights(folder: str | Path) -> FERModel:
    """Build the network of a weights folder and load it, in evaluation mode, its card attached.

    Raises:
        WeightsError: the folder is incomplete or damaged, or its tensors do not fit its own config or are not finite.
    """
    found = read_folder(folder)
    model = build_to_fill(found.spec)
    read_into(model, found)
    model.card = found.card
    return model.eval()


def read_into(model: FERModel, found: WeightsFolder) -> None:
    """Read all tensors straight into a model that was built for them, and check every sha256.

    Raises:
        WeightsError: as `load_weights`; the model is of no use then.
    """
    _read(model, found, model.state_dict())


def read_features(model: FERModel, found: WeightsFolder) -> None:
    """Read the tensors that `forward_features` needs: all but those of the temporal head.

    Raises:
        WeightsError: tensors do not fit, cannot be read, or are not those that the card describes.
    """
    _read(model, found, {name: value for name, value in model.state_dict().items() if not name.startswith("temporal.")})


def read_head(model: FERModel, found: WeightsFolder) -> None:
    """Read the tensors that `read_features` left out, and check the sha256 of everything.

    Raises:
        WeightsError: tensors do not fit, cannot be read, or are not those that the card describes.
    """
    _read(model, found, {name: value for name, value in model.state_dict().items() if name.startswith("temporal.")})


def load_into(model: FERModel, found: WeightsFolder) -> None:
    """Load the tensors of a weights folder into a model of the same network, all of them or none.

    Raises:
        WeightsError: the sha256 is not the card's, the labels differ, or a tensor is missing, unexpected or mis-shaped.
    """
    if model.labels != found.card.labels:
        count = f"{len(found.card.labels)} classes ({', '.join(found.card.labels)})"
        raise WeightsError(
            f"{found.card.name} has {count}; the model has {len(model.labels)} ({', '.join(model.labels)}).",
            "a model with the labels of the weights, in the same order",
            f'create it with create_model("{found.card.name}"), or train a recipe with your own labels',
        )
    fresh = {key: torch.empty_like(value, device="cpu") for key, value in model.state_dict().items()}
    _read(model, found, fresh)
    model.load_state_dict(fresh)
    model.card = found.card


def read_facts(found: WeightsFolder) -> tuple[dict[str, Any], list[TensorFile]]:
    """Facts in the headers of a folder's tensor files (name, labels, recipe_sha256, input), and these headers.

    Raises:
        WeightsError: a header cannot be read, files of one folder disagree, or they are not what the card describes.
    """
    files = [read_header(found.path / name) for name in found.tensor_files if name != INDEX]
    if len({json.dumps(dict(file.texts), sort_keys=True) for file in files}) > 1:
        raise damaged(found.path, "its tensor files have different headers")
    if found.card.files:
        _check_index(found, files)
    path, texts = files[0].path, files[0].texts
    try:
        if found.format == 1:
            facts = {**texts, "labels": documents.parse_json(texts["labels"])}
        else:
            facts = parse_json(texts["fer_zoo"])
            if InputSpec.model_validate(facts["input"]) != found.spec.input:
                raise WeightsError(
                    f"{path} was written for another input than config.json says.",
                    "the same input: size, frames, fps, crop, normalisation, landmarks",
                    "get the folder again",
                )
        labels, name = facts["labels"], facts["name"]
    except (ValueError, KeyError, ValidationError) as error:
        if isinstance(error, WeightsError):
            raise
        raise damaged(path, error) from error
    if labels != list(found.card.labels):
        raise WeightsError(f"{path} was written for the labels {labels}.", "the card's labels", "get the folder again")
    if name != found.card.name:
        raise WeightsError(f"{path} was written for {name}.", f"{found.card.name}, as the card", "get the folder again")
    return facts, files


def _check_index(found: WeightsFolder, files: list[TensorFile]) -> None:
    path = found.path / INDEX
    text = read_text(path)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if digest != found.card.sha256:
        raise other_file(path, digest, found.card.sha256)
    try:
        places = parse_json(text)["weight_map"]
        names = [name for file in files for name in file.tensors]
        if len(set(names)) < len(names):
            raise ValueError("a tensor lies in two files")
        if places != {name: file.path.name for file in files for name in file.tensors}:
            raise ValueError("tensors lie in other files than it says")
    except (ValueError, KeyError) as error:
        raise damaged(path, error) from error


def _read(model: FERModel, found: WeightsFolder, targets: Mapping[str, Tensor]) -> None:
    _, files = read_facts(found)
    _check_tensors(model, files, found.path)
    for file in files:
        wanted = found.tensor_files[file.path.name]
        if (digest := read_data(file, targets)) != wanted:
            raise other_file(file.path, digest, wanted)
    refuse_not_finite(targets, str(found.path), "do not use it: it was written by a training that diverged")


def _check_tensors(model: FERModel, files: list[TensorFile], path: Path) -> None:
    wanted = model.state_dict()
    there = {name: stored for file in files for name, stored in file.tensors.items()}
    problems = [f"{key} is missing" for key in wanted.keys() - there.keys()]
    problems += [f"{key} is unexpected" for key in there.keys() - wanted.keys()]
    for key in wanted.keys() & there.keys():
        have, want = there[key], wanted[key]
        if have.shape != want.shape or have.dtype != want.dtype:
            problems.append(f"{key} is {have}, not {want.dtype} {tuple(want.shape)}")
    if problems:
        shown = "; ".join(sorted(problems)[:6]) + (f"; and {len(problems) - 6} more" if len(problems) > 6 else "")
        raise WeightsError(
            f"{path} does not fit {model.spec.name}: {shown}.",
            "exactly the tensors of the network in config.json",
            "load the folder with create_model by its name, or from its own config",
        )
