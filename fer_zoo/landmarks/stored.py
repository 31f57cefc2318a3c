"""The files of a landmark network: model.safetensors, and landmarks.json with its sha256 and how it was made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from fer_zoo.documents import DocumentError, read_bytes, read_json
from fer_zoo.errors import WeightsError
from fer_zoo.files import write_atomically, write_text
from fer_zoo.folding import folded
from fer_zoo.landmarks.network import LandmarkNet

TENSORS, FACTS = "model.safetensors", "landmarks.json"
_LARGEST = 50_000_000  # bytes; the network has 3 MB


def read_facts(folder: Path) -> dict[str, Any]:
    """Read landmarks.json: `sha256` of the tensors, and how they were made.

    Raises:
        WeightsError: the file is missing or damaged.
    """
    try:
        facts = read_json(folder / FACTS)
        if isinstance(facts["sha256"], str):
            return dict(facts)
        raise TypeError("sha256 is not a text")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder / FACTS, f"{type(error).__name__}: {error}") from error


def load_network(folder: Path) -> LandmarkNet:
    """Load a landmark network as `read_network`, ready to run on the CPU: its batch norms are folded."""
    return folded(read_network(folder))


def read_network(folder: Path) -> LandmarkNet:
    """Load a landmark network, strictly and without pickle.

    Raises:
        WeightsError: a file is missing, or its content is not what landmarks.json seals, or does not fit the network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path, sealed = folder / TENSORS, read_facts(folder)["sha256"]
    try:
        content = read_bytes(path, _LARGEST)
        if (found := hashlib.sha256(content).hexdigest()) != sealed:
            raise _damaged(path, f"sha256 {found[:12]}..., not {sealed[:12]}...")
        net = LandmarkNet()
        net.load_state_dict(load(content))
    except (OSError, DocumentError, SafetensorError, RuntimeError) as error:
        raise _damaged(path, str(error)) from error
    return net


def write_network(folder: Path, net: LandmarkNet, facts: dict[str, Any]) -> dict[str, Any]:
    """Write the tensors and the facts that seal them; returns the facts with the sha256."""
    from safetensors.torch import save

    tensors = {key: value.detach().cpu().contiguous() for key, value in net.state_dict().items()}
    content = save(tensors)
    write_atomically(folder / TENSORS, lambda stream: stream.write(content))
    facts = {"sha256": hashlib.sha256(content).hexdigest(), **facts}
    write_text(folder / FACTS, json.dumps(facts, indent=1) + "\n")
    return facts


def _damaged(path: Path, reason: str) -> WeightsError:
    return WeightsError(
        f"The landmark network {path} cannot be used: {reason}.",
        f"{TENSORS} and {FACTS} as `fer-zoo train-landmarks` wrote them",
        "restore both from the same source; those of the package by installing it again",
    )
