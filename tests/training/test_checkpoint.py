"""Checkpoints: what was written comes back exactly, damage is an error, and no file holds a pickle."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from fer_zoo.errors import TrainingError
from fer_zoo.training.checkpoint import TrainingState, load_checkpoint, read_progress, save_checkpoint


def network() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = nn.Sequential(nn.Conv3d(2, 4, 3), nn.BatchNorm3d(4)).to(memory_format=torch.channels_last_3d)
    return model, torch.optim.AdamW(model.parameters(), lr=0.1)


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(torch.ones(2, 2, 4, 4, 4)).square().sum().backward()
    optimizer.step()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    model, optimizer = network()
    step(model, optimizer)
    progress = TrainingState(
        recipe={"a": [1, 0.1]}, data={"train": "x"}, step=3, loss_sum=0.1 + 0.2, history=[{"epoch": 1}]
    )
    save_checkpoint(tmp_path / "last.safetensors", progress, {"model": model}, optimizer)
    return tmp_path / "last.safetensors"


def test_round_trip(tmp_path: Path) -> None:
    model, optimizer = network()
    step(model, optimizer)
    before = TrainingState(recipe={"a": [1, 0.1]}, data={"train": "x"}, step=3, loss_sum=0.1 + 0.2, best_uar=1 / 3)
    save_checkpoint(tmp_path / "last.safetensors", before, {"model": model}, optimizer)
    other, its_optimizer = network()
    assert load_checkpoint(tmp_path / "last.safetensors", {"model": other}, its_optimizer) == before
    assert read_progress(tmp_path / "last.safetensors") == before
    for state, restored in zip(optimizer.state.values(), its_optimizer.state.values(), strict=True):
        for key, tensor in state.items():
            assert torch.equal(tensor, restored[key])
            assert tensor.stride() == restored[key].stride()
    step(model, optimizer)
    step(other, its_optimizer)
    for one, two in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_a_cut_file_is_an_error(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-10])
    with pytest.raises(TrainingError, match="cannot be read"):
        read_progress(saved)


def test_another_network_is_an_error(saved: Path) -> None:
    model = nn.Linear(2, 2)
    with pytest.raises(TrainingError, match="does not fit"):
        load_checkpoint(saved, {"model": model}, torch.optim.AdamW(model.parameters()))


def test_an_unwritable_place_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    model, optimizer = network()
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot be written"):
        save_checkpoint(tmp_path / "file" / "last.safetensors", TrainingState({}, {}), {"model": model}, optimizer)


def test_a_failed_write_keeps_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fer_zoo.files.os.fsync", full)
    model, optimizer = network()
    with pytest.raises(TrainingError, match="No space left"):
        save_checkpoint(saved, TrainingState({}, {}), {"model": model}, optimizer)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_the_scale_of_fp16_gradients_comes_back(tmp_path: Path) -> None:
    """As `Run.save` keeps it; the scaler itself needs no GPU."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20, growth_interval=3)
    model, optimizer = network()
    for _ in range(2):
        scaler.scale(model(torch.ones(2, 2, 4, 4, 4)).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
    progress = TrainingState({}, {}, scaler=scaler.state_dict())
    save_checkpoint(tmp_path / "last.safetensors", progress, {"model": model}, optimizer)
    other = torch.amp.GradScaler("cpu")
    other.load_state_dict(read_progress(tmp_path / "last.safetensors").scaler)
    assert other.state_dict() == scaler.state_dict()
    assert other.state_dict()["_growth_tracker"] == 2
