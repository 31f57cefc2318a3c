"""Deterministic kernels: in training and evaluation, put back afterwards, and named where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import toy_faces

from fer_zoo.errors import TrainingError
from fer_zoo.training import train, trainer
from fer_zoo.training.seed import kernels


def test_deterministic_settings_are_put_back() -> None:
    assert not torch.are_deterministic_algorithms_enabled()
    with kernels(deterministic=True):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.benchmark
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_deterministic_training_is_evaluated_so_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool]] = []

    def watched(name: str) -> None:
        own = getattr(trainer, name)

        def watch(*arguments: Any) -> Any:
            seen.append((name, torch.are_deterministic_algorithms_enabled()))
            return own(*arguments)

        monkeypatch.setattr(trainer, name, watch)

    for name in ("train_step", "evaluate_run"):
        watched(name)
    for expected in (True, False):
        seen.clear()
        recipe = toy_faces.recipe(deterministic=expected)
        train(recipe, tmp_path / str(expected), max_steps=1, device="cpu")
        assert seen == [("train_step", expected), ("evaluate_run", expected)]


@pytest.mark.parametrize("where", ["train_step", "evaluate_run"])
def test_a_part_without_a_deterministic_kernel_is_named(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("avg_pool3d_backward_cuda does not have a deterministic implementation.\nMore words.")

    monkeypatch.setattr(trainer, where, refuse)
    with pytest.raises(TrainingError, match=r"train\.deterministic: avg_pool3d_backward_cuda does not") as caught:
        train(toy_faces.recipe(deterministic=True), tmp_path / "wanted", max_steps=1, device="cpu")
    assert "More words" not in str(caught.value)
    with pytest.raises(RuntimeError, match="avg_pool3d"):
        train(toy_faces.recipe(), tmp_path / "not_wanted", max_steps=1, device="cpu")
    assert not torch.are_deterministic_algorithms_enabled()
