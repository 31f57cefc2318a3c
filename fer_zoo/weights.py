"""Weights folders: write, find, check, load. Strict, sha256 verified, no pickle.

A folder holds `config.json` (the network), `model.safetensors`, `recipe.yaml` (how it was made) and `README.md`
(the card: terms and figures, in YAML front matter under the key `fer_zoo`, and for people).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from fer_zoo.card import card_text
from fer_zoo.compose import build
from fer_zoo.errors import FerZooError, WeightsError
from fer_zoo.model import FERModel
from fer_zoo.recipes import dump_recipe
from fer_zoo.specs import ModelSpec, Recipe, WeightsCard

FORMAT = 1
_ZOO = Path(__file__).parent / "zoo"
_FILES = ("config.json", "model.safetensors", "recipe.yaml", "README.md")


@dataclass(frozen=True)
class WeightsFolder:
    """A weights folder whose config and card were read and agree; the tensors are not read yet."""

    path: Path
    spec: ModelSpec
    card: WeightsCard


def bundled() -> dict[str, Path]:
    """Names `<model>.<tag>` and folders of the weights that come with the package."""
    if not _ZOO.is_dir():
        return {}
    return {folder.name: folder for folder in sorted(_ZOO.iterdir()) if (folder / "config.json").is_file()}


def find(model: str, tag: str | None = None) -> Path:
    """Return the folder of a model's weights: those of `tag`, or without one the only ones there are.

    Raises:
        WeightsError: the model has no weights, not of that tag, or several and no tag was given.
    """
    known = bundled()
    tags = [name.rpartition(".")[2] for name in known if name.rpartition(".")[0] == model]
    if tag is None and len(tags) == 1:
        tag = tags[0]
    if tag in tags:
        return known[f"{model}.{tag}"]
    available = ", ".join(known) or "none yet"
    if tags:
        given = f"{model!r} has weights {', '.join(tags)}" + (f", not {tag!r}." if tag else "; say which.")
        raise WeightsError(given, available, f'create_model("{model}.{tags[0]}")')
    raise WeightsError(
        f"There are no weights for {model!r}.",
        f"names with weights: {available}",
        "create it with pretrained=False and train it (`fer-zoo train RECIPE`), or choose a name that has weights",
    )


def write_weights(
    folder: str | Path, model: FERModel, recipe: Recipe, card: Mapping[str, Any], *, overwrite: bool = False
) -> Path:
    """Write a weights folder; it appears whole or not at all.

    Args:
        card: fields of `WeightsCard`, without `sha256`, which is computed here.

    Raises:
        WeightsError: the folder exists and `overwrite` is not set, the card is incomplete, or the disk is full.
    """
    folder = Path(folder)
    if folder.exists() and not overwrite:
        raise WeightsError(f"{folder} exists.", "a folder that does not exist yet", "choose another, or overwrite it")
    new, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{part}") for part in ("tmp", "old"))
    recipe_text = dump_recipe(recipe)
    header = {
        "name": str(card["name"]),
        "labels": json.dumps(model.labels),
        "recipe_sha256": hashlib.sha256(recipe_text.encode()).hexdigest(),
    }
    try:
        new.mkdir(parents=True)
        tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
        (new / "model.safetensors").write_bytes(save(tensors, header))
        full = WeightsCard(**{**card, "sha256": _sha256(new / "model.safetensors")})
        config = {"format": FORMAT, "model": model.spec.model_dump(mode="json")}
        (new / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        (new / "recipe.yaml").write_text(recipe_text)
        (new / "README.md").write_text(card_text(full, model.spec))
        if folder.exists():
            # A folder cannot be swapped in one step: the old one is kept until the new one is in its place.
            os.replace(folder, old)
        try:
            os.replace(new, folder)
        except OSError:
            if old.exists():
                os.replace(old, folder)
            raise
    except (OSError, SafetensorError, ValidationError) as error:
        raise WeightsError(
            f"The weights folder {folder} cannot be written: {error}",
            "a complete card and room on the disk",
            "try again",
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return folder


def read_folder(folder: str | Path) -> WeightsFolder:
    """Read config and card of a weights folder and check that they agree; reads no tensor.

    Raises:
        WeightsError: a file is missing or damaged, of an unknown format, or card and config disagree.
    """
    path = Path(folder)
    missing = [name for name in _FILES if not (path / name).is_file()]
    if missing:
        raise WeightsError(
            f"{path} lacks {', '.join(missing)}.",
            f"a weights folder: {', '.join(_FILES)}",
            "give the folder that `fer-zoo train` wrote, usually RUN/weights",
        )
    try:
        config = json.loads((path / "config.json").read_text())
        if config.get("format") != FORMAT:
            raise WeightsError(
                f"{path} has format {config.get('format')!r}.", f"format {FORMAT}", "update fer_zoo, or write it anew"
            )
        spec = ModelSpec(**config["model"])
        card = WeightsCard(**_front_matter((path / "README.md").read_text())["fer_zoo"])
    except WeightsError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise WeightsError(
            f"{path} is damaged: {type(error).__name__}: {error}",
            "config.json and README.md as they were written",
            "get the folder again",
        ) from error
    if card.labels != spec.labels:
        raise WeightsError(
            f"{path}: the card is labelled {', '.join(card.labels)}; the config {', '.join(spec.labels)}.",
            "the same labels in the same order",
            "get the folder again",
        )
    return WeightsFolder(path, spec, card)


def load_weights(folder: str | Path) -> FERModel:
    """Build the network of a weights folder and load it, in evaluation mode, its card attached.

    Raises:
        WeightsError: the folder is incomplete or damaged, or its tensors do not fit its own config.
    """
    found = read_folder(folder)
    try:
        model = build(found.spec)
    except WeightsError:
        raise
    except FerZooError as error:
        raise WeightsError(
            f"The network of {found.path} cannot be built: {error.given}", error.accepted, "update fer_zoo"
        ) from error
    load_into(model, found)
    return model.eval()


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
    path = found.path / "model.safetensors"
    digest = _sha256(path)
    if digest != found.card.sha256:
        raise WeightsError(
            f"{path} is not the file its card describes: sha256 {digest[:12]}..., not {found.card.sha256[:12]}....",
            "the file as it was written",
            "get the folder again",
        )
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        labels = json.loads(header.get("labels", "null"))
    except (OSError, ValueError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read: {error}", "a safetensors file", "get the folder again") from error
    if labels != list(found.card.labels):
        raise WeightsError(f"{path} was written for the labels {labels}.", "the card's labels", "get the folder again")
    _check_tensors(model, tensors, path)
    model.load_state_dict(tensors)
    model.card = found.card


def _check_tensors(model: FERModel, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    wanted = model.state_dict()
    problems = [f"{key} is missing" for key in wanted.keys() - tensors.keys()]
    problems += [f"{key} is unexpected" for key in tensors.keys() - wanted.keys()]
    for key in wanted.keys() & tensors.keys():
        have, want = tensors[key], wanted[key]
        if have.shape != want.shape or have.dtype != want.dtype:
            problems.append(f"{key} is {have.dtype} {tuple(have.shape)}, not {want.dtype} {tuple(want.shape)}")
    if problems:
        shown = "; ".join(sorted(problems)[:6]) + (f"; and {len(problems) - 6} more" if len(problems) > 6 else "")
        raise WeightsError(
            f"{path} does not fit {model.spec.name}: {shown}.",
            "exactly the tensors of the network in config.json",
            "load the folder with create_model by its name, or from its own config",
        )


def _front_matter(text: str) -> Any:
    if not text.startswith("---\n") or "\n---\n" not in text[4:]:
        raise ValueError("README.md has no front matter between lines of ---")
    return yaml.safe_load(text[4:].split("\n---\n", 1)[0])


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
