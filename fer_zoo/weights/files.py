"""Names of the files of a weights folder, and bounded, strict reading of untrusted text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fer_zoo import documents
from fer_zoo.errors import WeightsError
from fer_zoo.files import sha256

CONFIG = "config.json"
TENSORS = "model.safetensors"
INDEX = "model.safetensors.index.json"
CHECK = "check.safetensors"
RECIPE = "recipe.yaml"
CARD = "README.md"
PICTURE = "confusion.png"
SHARD = re.compile(r"model-(\d{5})-of-(\d{5})\.safetensors")
# What `documents` lets through, and could forge lines where a text is printed.
BREAKS = re.compile(r"[\n\t]")
# Far above what is written: a config has some kilobytes, a card of 400 classes half a megabyte a part.
LARGEST = {CONFIG: 2**20, RECIPE: 2**20, CARD: 2**22, INDEX: 2**24}


def differs(given: str, accepted: str = "the file as it was written") -> WeightsError:
    """Build the error for a folder that is not as it was written."""
    return WeightsError(given, accepted, "get the folder again")


def damaged(path: Path, why: object) -> WeightsError:
    """Build the error for a file that is not as it was written; a refused value, which may be long, is left out."""
    if isinstance(why, ValidationError):
        problems = why.errors(include_url=False, include_input=False, include_context=False)
        why = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems[:6])
    elif isinstance(why, Exception) and not isinstance(why, documents.DocumentError):
        why = f"{type(why).__name__}: {why}"
    return differs(f"{path} is damaged: {why}")


def check_sha256(path: Path, expected: str) -> None:
    """Refuse a file with different content than its card says.

    Raises:
        WeightsError: it is missing, cannot be read, or differs.
    """
    try:
        digest = sha256(path)
    except OSError as error:
        raise damaged(path, error) from error
    if digest != expected:
        raise differs(f"{path} is not the file its card describes: sha256 {digest[:12]}..., not {expected[:12]}....")


def read_text(path: Path) -> str:
    """Read a UTF-8 text file no larger than its kind may be.

    Raises:
        WeightsError: it is missing, cannot be read, is too large or not UTF-8.
    """
    try:
        return documents.read_text(path, LARGEST[path.name])
    except (OSError, ValueError) as error:
        raise damaged(path, error) from error


def read_json(path: Path) -> dict[str, Any]:
    """As `parse_json(read_text(path))`; every error is a WeightsError."""
    text = read_text(path)
    try:
        return parse_json(text)
    except ValueError as error:
        raise damaged(path, error) from error


def parse_json(text: str) -> dict[str, Any]:
    """Parse a JSON object, as `documents.parse_json`; its strings are single lines.

    Raises:
        ValueError: it is something else.
    """
    value = documents.parse_json(text)
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    if bad := next((text for text in documents.strings(value) if BREAKS.search(text)), None):
        raise ValueError(f"it has control characters: {bad[:80]!r}")
    return value
