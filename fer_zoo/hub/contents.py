"""Which files of a repository make a weights folder, and how large each may be."""

from __future__ import annotations

from pathlib import Path

import torch

from fer_zoo.compose import build
from fer_zoo.specs import ModelSpec
from fer_zoo.weights import check_size, read_beginning
from fer_zoo.weights.files import CARD, CHECK, CONFIG, LARGEST, PICTURE, RECIPE, SHARD, TENSORS

__all__ = [
    "CARD",
    "CONFIG",
    "LIMITS",
    "MIB",
    "PICTURE",
    "TENSORS",
    "is_ours",
    "largest",
    "needed",
    "shows_picture",
    "tensor_files",
]

MIB = 2**20
# Those that weights.files bounds are text; the other two are a clip of a face and a picture.
LIMITS = {**LARGEST, CHECK: 64 * MIB, PICTURE: 16 * MIB}
# A header that says more than this about its tensors is none.
_HEADER = 32 * MIB


def needed(format_version: int) -> tuple[str, ...]:
    """The files beside config, card and tensors that a folder of this format always has."""
    return (RECIPE,) if format_version == 1 else (RECIPE, CHECK)


def shows_picture(card: Path) -> bool:
    """Whether a card shows the picture that lies beside it."""
    return f"]({PICTURE})" in card.read_text(encoding="utf-8", errors="replace")


def is_ours(path: str) -> bool:
    """Whether a file of a repository is one that a weights folder has."""
    return path in LIMITS or path == TENSORS or SHARD.fullmatch(path) is not None


def tensor_files(folder: Path) -> dict[str, str]:
    """Files of tensors and their sha256, by config and card; they need not be there yet.

    Raises:
        WeightsError: config or card are damaged.
    """
    return dict(read_beginning(folder).tensor_files)


def largest(spec: ModelSpec) -> int:
    """How many bytes the tensors of a network can take in files.

    Raises:
        WeightsError: it cannot be built, or is absurdly large.
    """
    check_size(spec)
    with torch.device("meta"):
        tensors = build(spec).state_dict().values()
    size: int = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    return size + _HEADER
