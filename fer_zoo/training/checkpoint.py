"""Checkpoints: the state of a training in one safetensors file, other values as JSON in its header. No pickle.

All functions raise TrainingError if a file is damaged, belongs to a different network, or cannot be written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fer_zoo.errors import TrainingError
from fer_zoo.files import write_atomically
from fer_zoo.training.run_folder import writing


@dataclass
class TrainingState:
    """How far a training has come, apart from tensors.

    seconds: of training and validation; validation_seconds: of these, validation. history: one row of metrics per
    finished epoch. scaler: state of the fp16 gradient scaler.
    """

    recipe: dict[str, Any]
    data: dict[str, str]
    step: int = 0
    seconds: float = 0.0
    validation_seconds: float = 0.0
    loss_sum: float = 0.0
    best_uar: float = -1.0
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    scaler: dict[str, float] = field(default_factory=dict)


def save_checkpoint(
    path: Path, progress: TrainingState, modules: dict[str, nn.Module], optimizer: torch.optim.Optimizer
) -> None:
    """Write everything that a run needs to resume; the file at `path` is complete at any moment."""
    tensors = {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items() if value is not None}
    write_tensors(path, tensors, {"progress": json.dumps(asdict(progress))})


def load_checkpoint(path: Path, modules: dict[str, nn.Module], optimizer: torch.optim.Optimizer) -> TrainingState:
    """Restore modules and optimizer in place, exactly."""
    tensors, _ = read_tensors(path)
    try:
        for name, module in modules.items():
            module.load_state_dict(_under(tensors, f"{name}."))
        _restore_optimizer(optimizer, _under(tensors, "optimizer."))
    except (LookupError, ValueError, RuntimeError) as error:
        raise TrainingError(
            f"{path} does not fit this network: {error}",
            "a checkpoint written by this version for this recipe",
            "train in another folder",
        ) from error
    return read_progress(path)


def read_progress(path: Path) -> TrainingState:
    """Read only how far the run of a checkpoint has come."""
    with _opened(path) as file:
        header = file.metadata() or {}
    try:
        return TrainingState(**json.loads(header["progress"]))
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(
            f"{path} is not a checkpoint: {error}", "a checkpoint of this version", "start again in another folder"
        ) from error


def write_tensors(path: Path, tensors: dict[str, Tensor], header: dict[str, str]) -> None:
    """Write tensors and a header of strings atomically."""
    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    with writing(path):
        write_atomically(path, lambda stream: stream.write(save(plain, header)))


def keep_weights(folder: Path, model: nn.Module, history: Sequence[Mapping[str, float]], most: int) -> None:
    """Write the last epoch's weights if it is one of the `most` best by validation UAR; delete those of the others."""
    best = sorted(history, key=lambda row: (-row["validation_uar"], row["epoch"]))[:most]
    names = {row["epoch"]: f"epoch-{row['epoch']:03.0f}-uar-{row['validation_uar']:.4f}.safetensors" for row in best}
    if name := names.get(history[-1]["epoch"]):
        write_tensors(folder / name, model.state_dict(), {key: str(value) for key, value in history[-1].items()})
    with writing(folder):
        for file in folder.glob("epoch-*.safetensors"):
            if file.name not in names.values():
                file.unlink()


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors and header."""
    with _opened(path) as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (OSError, RuntimeError, SafetensorError) as error:  # torch's own error for a file that is cut short
        raise TrainingError(
            f"{path} cannot be read: {error}.",
            "a complete checkpoint",
            "restore it from a copy, or start again in another folder",
        ) from error


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        like = parameters[int(number)]
        # The same memory layout as before the stop: another one may round differently.
        same = torch.empty_like(like, dtype=value.dtype).copy_(value) if value.shape == like.shape else value
        state.setdefault(int(number), {})[name] = same
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
