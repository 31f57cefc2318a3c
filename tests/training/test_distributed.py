"""Two processes come to what one does, whichever of them begins and ends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import toy_faces
from accelerate import PartialState
from safetensors.torch import load_file

from fer_zoo.compose import build
from fer_zoo.errors import TrainingError
from fer_zoo.training import distributed, train
from fer_zoo.training.distributed import with_joint_batch_norm
from fer_zoo.training.predictions import Predictions

# Sums of two processes are in another order; so are dropout's draws and batch norm's clips, which are left out.
PLAIN = {"norm": "none", "dropout": 0.0, "epochs": 2}
ALL = {**PLAIN, "batch_size": 7, "micro_batch": 2, "mixup": 0.4, "sampling": "balanced", "class_weights": "balanced"}


def launch(out: Path, options: dict[str, Any], **train_options: Any) -> None:
    """Train in two processes, as a user does."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", toy_faces.__file__]
    done = subprocess.run(
        [*command, str(out), json.dumps(options), json.dumps(train_options)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr


def assert_close(one: Path, other: Path) -> None:
    first, second = (load_file(out / "last.safetensors") for out in (one, other))
    assert first.keys() == second.keys()
    for key, tensor in first.items():
        torch.testing.assert_close(tensor, second[key], rtol=1e-3, atol=1e-4, msg=key)
    for table in one.glob("predictions/*/*.csv"):
        message, too = (Predictions.read(out / table.relative_to(one)) for out in (one, other))
        assert message.keys.tolist() == too.keys.tolist()
        assert abs(message.probabilities - too.probabilities).max() < 1e-3


@pytest.mark.slow
def test_two_processes_are_as_one(tmp_path: Path) -> None:
    train(toy_faces.recipe(**PLAIN), tmp_path / "one", device="cpu")
    launch(tmp_path / "two", PLAIN)
    assert_close(tmp_path / "one", tmp_path / "two")
    start = json.loads((tmp_path / "two" / "run.json").read_text())
    assert start["processes"] == 2
    assert start["hardware"].startswith("2 x ")
    names = [{str(file.relative_to(out)) for file in out.rglob("*")} for out in (tmp_path / "one", tmp_path / "two")]
    assert names[0] == names[1]


@pytest.mark.parametrize(("count", "device", "joint"), [(2, "cuda", True), (2, "cpu", False), (1, "cuda", False)])
def test_joint_batch_norm_keeps_the_names_and_values_of_all_tensors(count: int, device: str, joint: bool) -> None:
    model = build(toy_faces.recipe().model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state: Any = SimpleNamespace(num_processes=count, device=torch.device(device))
    converted = with_joint_batch_norm(model, state)
    norms = [module for module in converted.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert all(isinstance(norm, torch.nn.SyncBatchNorm) == joint for norm in norms)
    after = converted.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], value) for key, value in before.items())


@pytest.mark.slow
def test_started_by_two_processes_and_resumed_by_one(tmp_path: Path) -> None:
    train(toy_faces.recipe(**ALL), tmp_path / "one", device="cpu")
    launch(tmp_path / "mixed", ALL, max_steps=4)
    train(toy_faces.recipe(**ALL), tmp_path / "mixed", resume=True, device="cpu")
    assert_close(tmp_path / "one", tmp_path / "mixed")


@pytest.mark.slow
def test_batch_norm_of_two_processes_keeps_one_network(tmp_path: Path) -> None:
    """Each process normalises its own clips; running statistics must be equal for a distributed evaluation."""
    launch(tmp_path / "run", {"epochs": 2})
    from fer_zoo import data
    from fer_zoo.training import evaluate_clips
    from fer_zoo.training.metrics import figures
    from fer_zoo.weights import load_weights

    model = load_weights(tmp_path / "run" / "weights")
    message = Predictions.read(tmp_path / "run" / "predictions" / "best" / "test.csv")
    assert evaluate_clips(model, data.load(toy_faces.recipe())["test"]) == figures(message).card()


def test_a_numbered_device_is_for_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainingError, match="for 2 processes"):
        distributed.join("cpu:0")
    monkeypatch.delenv("WORLD_SIZE")
    assert isinstance(distributed.join("cpu"), PartialState)


def test_a_launcher_that_shards_the_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    accelerator = distributed.make_accelerator(toy_faces.recipe().train, distributed.join("cpu"))
    kind = type(accelerator.distributed_type)
    monkeypatch.setattr("accelerate.Accelerator.distributed_type", kind.FSDP)
    with pytest.raises(TrainingError, match="asks for FSDP"):
        distributed.make_accelerator(toy_faces.recipe().train, distributed.join("cpu"))
