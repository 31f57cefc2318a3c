"""Reading a weights folder as far as that goes without tensors: config and card."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_zoo.documents import parse_yaml
from fer_zoo.errors import FerZooError, WeightsError
from fer_zoo.paths import find_path
from fer_zoo.recipe_documents import parse
from fer_zoo.recipes import load_recipe
from fer_zoo.specs import ModelSpec, Recipe, WeightsCard
from fer_zoo.weights.config import Config, read_config
from fer_zoo.weights.files import (
    BREAKS,
    CARD,
    CHECK,
    CONFIG,
    INDEX,
    PICTURE,
    RECIPE,
    TENSORS,
    damaged,
    differs,
    read_text,
)


@dataclass(frozen=True)
class WeightsFolder:
    """A weights folder whose config and card were read and agree; the tensors are not read yet."""

    path: Path
    config: Config
    card: WeightsCard

    @property
    def spec(self) -> ModelSpec:
        """The network."""
        return self.config.model

    @property
    def detector_version(self) -> str:
        """Version of the detector whose landmarks the network was trained on."""
        return self.config.detector_version

    @property
    def tensor_files(self) -> Mapping[str, str]:
        """Names of the files with tensors and their sha256; the index of shards, where there are any, comes first."""
        return {INDEX: self.card.sha256, **self.card.files} if self.card.files else {TENSORS: self.card.sha256}


def known_files(found: WeightsFolder) -> tuple[str, ...]:
    """Names of the files that belong to a weights folder and are there; whatever else lies beside them does not."""
    # A picture of which the card says no sha256 may be any file, by a link even one from elsewhere.
    picture = [PICTURE] if PICTURE in found.card.beside else []
    names = [CONFIG, *found.tensor_files, CHECK, RECIPE, CARD, *picture]
    return tuple(name for name in names if (found.path / name).is_file())


def read_folder(folder: str | Path) -> WeightsFolder:
    """Read config and card of a weights folder and check that they agree; reads no tensor.

    Raises:
        WeightsError: a file is missing or damaged, of an unknown format, or card and config disagree.
    """
    path = find_path(folder)
    tensors = INDEX if os.path.isfile(path / INDEX) and not os.path.isfile(path / TENSORS) else TENSORS
    _refuse_missing(path, [CONFIG, tensors, RECIPE, CARD])
    found = read_beginning(path)
    _refuse_missing(path, [*found.tensor_files])
    return found


def read_beginning(path: Path) -> WeightsFolder:
    """As `read_folder`; what is not there but config and card may still be on its way.

    Raises:
        WeightsError: they are damaged, or disagree.
    """
    config, card = read_config(path / CONFIG), read_card(path / CARD)
    if card.labels != config.model.labels:
        labels, theirs = ", ".join(config.model.labels), ", ".join(card.labels)
        given = f"{path}: the card has the labels {theirs}; the config {labels}."
        raise differs(given, "the same labels in the same order")
    return WeightsFolder(path, config, card)


def read_card(path: str | Path) -> WeightsCard:
    """Read the record in the front matter of a card, README.md.

    Raises:
        WeightsError: it is too large or damaged, incomplete, or names files that no weights folder has.
    """
    path = Path(path)
    text = read_text(path)
    try:
        matter = front_matter(text)
        if "fer_zoo" not in matter:
            raise ValueError("it has no record of fer_zoo's, so these are no weights of fer_zoo")
        card = WeightsCard.model_validate(matter["fer_zoo"])
    except ValueError as error:
        raise damaged(path, error) from error
    odd = [name for name in _ONE_LINE if BREAKS.search(getattr(card, name))]
    shards = [f"model-{k:05d}-of-{len(card.files):05d}.safetensors" for k in range(1, len(card.files) + 1)]
    digests = [card.sha256, *card.files.values(), *card.beside.values()]
    for wrong, problem in (
        (not all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests), "a sha256 is none"),
        (sorted(card.files) != shards, "its files are no shards of weights"),
        (odd, f"control characters in {', '.join(odd)}"),
        (not card.beside.keys() <= {CONFIG, CHECK, RECIPE, PICTURE}, "it names files that no weights folder has"),
    ):
        if wrong:
            raise damaged(path, problem)
    return card


def read_recipe(folder: str | Path) -> Recipe:
    """Read the recipe of a weights folder, which a stranger may have written.

    Raises:
        WeightsError: it is missing, damaged, not a recipe of this version, or extends another one.
    """
    path = Path(folder) / RECIPE
    try:
        # Only recipes that extend nothing are written; one that does would read files beside it.
        if "extends" in parse(path).data:
            raise WeightsError(f"{path} extends another recipe.", "a recipe without `extends`", "write it in full")
        return load_recipe(path)
    except WeightsError:
        raise
    except (FerZooError, OSError, ValueError) as error:
        raise WeightsError(
            f"{path} cannot be read: {error}",
            "a recipe of this version of fer_zoo",
            "get the folder again, or update fer_zoo",
        ) from error


def _refuse_missing(path: Path, names: list[str]) -> None:
    missing = [name for name in names if not os.path.isfile(path / name)]
    if missing:
        raise WeightsError(
            f"{path} lacks {', '.join(missing)}." if os.path.isdir(path) else f"There is no folder {path}.",
            f"a weights folder: {', '.join(names)}",
            "give the folder that `fer-zoo train` wrote, usually RUN/weights",
        )


# What is printed beside other things.
_ONE_LINE = ("name", "licence", "share_weights", "terms_source", "protocol", "commit", "hardware")
_LONGEST_MATTER = 2**19


def front_matter(text: str) -> dict[str, Any]:
    """The YAML at the beginning of a card.

    Raises:
        ValueError: there is none, or it is not a mapping.
    """
    text = text.replace("\r\n", "\n")
    if not text.startswith("---\n") or "\n---\n" not in text[4:]:
        raise ValueError("README.md has no front matter between lines of ---")
    written = text[4:].split("\n---\n", 1)[0]
    if len(written) > _LONGEST_MATTER:
        raise ValueError(f"its front matter is longer than {_LONGEST_MATTER} characters")
    matter = parse_yaml(written)
    if not isinstance(matter, dict):
        raise ValueError("its front matter has no keys")
    return matter
