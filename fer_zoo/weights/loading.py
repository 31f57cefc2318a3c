"""From a weights folder to a network: every sha256 is checked, then the tensors are loaded strictly."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from fer_zoo.compose import build
from fer_zoo.errors import FerZooError, WeightsError
from fer_zoo.model import FERModel
from fer_zoo.specs import InputSpec, ModelSpec
from fer_zoo.weights.files import INDEX, check_sha256, damaged, differs, parse_json, read_json
from fer_zoo.weights.folder import WeightsFolder, read_folder

# More than any network of the registry has.
MOST_NUMBERS, MOST_TENSORS = 2 * 10**9, 100_000
# Up to this size (80 MB) a network is built with random weights: the first use of the meta device takes over a second.
_SMALL_NETWORK = 20 * 10**6


def load_weights(folder: str | Path) -> FERModel:
    """Build the network of a weights folder and load it, in evaluation mode, its card attached.

    Raises:
        WeightsError: the folder is incomplete or damaged, or its tensors do not fit its own config or are not finite.
    """
    found = read_folder(folder)
    tensors, _ = read_tensors(found)
    return load_tensors(found, tensors)


def read_tensors(found: WeightsFolder) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of a folder, and the facts that its files hold: name, labels, input, recipe_sha256.

    Raises:
        WeightsError: a file cannot be read or is not the one that the card describes, or files disagree.
    """
    opened: dict[str, tuple[dict[str, str], dict[str, Tensor]]] = {}
    for name, digest in found.tensor_files.items():
        path = found.path / name
        if name != INDEX:
            texts, mapped = read_safetensors(path)
            opened[name] = texts, _in_memory(path, mapped)
        check_sha256(path, digest)
    headers = [texts for texts, _ in opened.values()]
    if any(other != headers[0] for other in headers):
        raise damaged(found.path, "its tensor files have different headers")
    if INDEX in found.tensor_files:
        _check_index(found.path / INDEX, {name: list(tensors) for name, (_, tensors) in opened.items()})
    tensors = {key: tensor for _, tensors in opened.values() for key, tensor in tensors.items()}
    return tensors, _facts(found, found.path / next(iter(opened)), headers[0])


def read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return the texts in the header of a safetensors file and its tensors, which are mapped, not read.

    Raises:
        WeightsError: it is not a safetensors file, or is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RuntimeError, TypeError, LookupError, AttributeError) as error:
        raise damaged(path, error) from error


def _in_memory(path: Path, mapped: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read tensors of a file whose header is checked; mapped ones would change with the file, and double the memory."""
    tensors = {name: torch.empty_like(tensor) for name, tensor in mapped.items()}
    try:
        with path.open("rb") as stream:
            begin = 8 + (length := int.from_bytes(stream.read(8), "little"))
            places = json.loads(stream.read(length))
            for name, tensor in tensors.items():
                stream.seek(begin + places[name]["data_offsets"][0])
                inside = memoryview(tensor.reshape(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]
                if stream.readinto(inside) != tensor.nbytes:
                    raise ValueError("it ended while it was read")
    except (OSError, ValueError, LookupError) as error:
        raise damaged(path, error) from error
    return tensors


def load_tensors(found: WeightsFolder, tensors: Mapping[str, Tensor]) -> FERModel:
    """Build the network of a folder and load exactly these tensors.

    Raises:
        WeightsError: the network cannot be built, or a tensor is missing, unexpected, mis-shaped or not finite.
    """
    # Twice as many as the file has: a component may build what it then replaces. More is refused while it is built.
    numbers, count = sum(tensor.numel() for tensor in tensors.values()), len(tensors)
    limits = 2 * numbers + 10**6, 2 * count + 1000
    with torch.random.fork_rng(devices=[]), torch.device("meta" if numbers > _SMALL_NETWORK else "cpu"):
        model = build_counted(found.spec, *limits)
    if numbers > _SMALL_NETWORK and _has_other_tensors(model):
        model = build_counted(found.spec, *limits)
    _refuse_other_tensors(model, tensors, found.path)
    refuse_not_finite(tensors, str(found.path), "do not use it: it was written by a training run that diverged")
    model.load_state_dict(dict(tensors), assign=True)
    model.card, model.weights_folder = found.card, found.path
    return model.eval()


def _has_other_tensors(model: FERModel) -> bool:
    """Whether a network has tensors beside its state dict, which no file fills."""
    if {name for name, _ in model.named_buffers()} - model.state_dict().keys():
        return True
    values = [value for module in model.modules() for key, value in vars(module).items() if not key.startswith("_")]
    inside = (
        list(value.values()) if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
        for value in values
    )
    return any(isinstance(item, Tensor) for items in inside for item in items)


def build_counted(spec: ModelSpec, numbers: int, tensors: int) -> FERModel:
    """Build a network of at most so many numbers in so many tensors, whatever sizes a config asks for.

    Raises:
        WeightsError: it cannot be built, or has more.
    """
    try:
        with _at_most(numbers, tensors):
            return build(spec)
    except _TooLargeError as error:
        problem = f"it would have more than {numbers:.0e} numbers or {tensors} tensors"
        raise _unbuildable(spec, problem) from error
    except FerZooError as error:
        raise _unbuildable(spec, error.given) from error
    except (RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError, LookupError, AssertionError) as error:
        raise _unbuildable(spec, f"{type(error).__name__}: {error}") from error


def _unbuildable(spec: ModelSpec, problem: str) -> WeightsError:
    return WeightsError(
        f"The network {spec.name} cannot be built: {problem}",
        "a network of this version of fer_zoo, as large as its tensors",
        "update fer_zoo; if that does not help, do not use it: its config.json is wrong",
    )


def size_of(spec: ModelSpec) -> int:
    """Return how many bytes the tensors of a network take; they are not allocated.

    Raises:
        WeightsError: it cannot be built, or is absurdly large.
    """
    with torch.device("meta"):
        model = build_counted(spec, MOST_NUMBERS, MOST_TENSORS)
    return sum(tensor.nbytes for tensor in model.state_dict().values())


def refuse_not_finite(tensors: Mapping[str, Tensor], what: str, do: str) -> None:
    """Refuse tensors with NaN or infinity, with which a network predicts nothing.

    Raises:
        WeightsError: there are some; the text names the first of them.
    """
    # The extremes of a tensor are NaN if any of its numbers is; `isfinite` would take memory for each of them.
    floating = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.numel()}
    bad = sorted(n for n, tensor in floating.items() if not all(map(math.isfinite, map(float, tensor.aminmax()))))
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise WeightsError(f"{what} has NaN or infinity in {', '.join(bad[:3])}{more}.", "finite numbers", do)


def _check_index(path: Path, keys: Mapping[str, list[str]]) -> None:
    names = [key for inside in keys.values() for key in inside]
    if len(set(names)) < len(names):
        raise damaged(path, "a tensor lies in two files")
    if read_json(path).get("weight_map") != {key: name for name, inside in keys.items() for key in inside}:
        raise damaged(path, "its weight_map names other files than the tensors lie in")


def _facts(found: WeightsFolder, path: Path, texts: Mapping[str, str]) -> dict[str, Any]:
    try:
        facts = parse_json(texts["fer_zoo"])
        labels, name, clip = facts["labels"], facts["name"], InputSpec.model_validate(facts["input"])
    except (ValueError, KeyError, ValidationError) as error:
        raise damaged(path, error) from error
    card = found.card
    for what, written, expected in (
        ("input", clip, found.spec.input),
        ("labels", labels, list(card.labels)),
        ("name", name, card.name),
    ):
        if written != expected:
            given = f"{path} was written for {written}, not for the {what} in config.json and README.md."
            raise differs(given, f"{what}: {expected}")
    return facts


def _refuse_other_tensors(model: FERModel, tensors: Mapping[str, Tensor], path: Path) -> None:
    wanted = model.state_dict()
    problems = [f"{key} is missing" for key in wanted.keys() - tensors.keys()]
    problems += [f"{key} is unexpected" for key in tensors.keys() - wanted.keys()]
    for key in wanted.keys() & tensors.keys():
        have, want = tensors[key], wanted[key]
        if have.shape != want.shape or have.dtype != want.dtype:
            problems.append(f"{key} is {have.dtype} {tuple(have.shape)}, not {want.dtype} {tuple(want.shape)}")
    if problems:
        shown = "; ".join(sorted(problems)[:6]) + (f"; and {len(problems) - 6} more" if len(problems) > 6 else "")
        accepted = "exactly the tensors of the network in config.json"
        raise differs(f"{path} does not fit {model.spec.name}: {shown}.", accepted)


class _TooLargeError(Exception):
    """The network being built has more numbers or tensors than allowed."""


@contextmanager
def _at_most(numbers: int, tensors: int) -> Iterator[None]:
    """Stop this thread at the module in which parameters and buffers become too many, before they are filled."""
    mine, seen = threading.get_ident(), [0, 0]

    def count(module: nn.Module, name: str, tensor: Tensor | None) -> None:
        if tensor is not None and threading.get_ident() == mine:
            seen[0] += tensor.numel()
            seen[1] += 1
            if seen[0] > numbers or seen[1] > tensors:
                raise _TooLargeError

    hooks = [register_module_parameter_registration_hook(count), register_module_buffer_registration_hook(count)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
