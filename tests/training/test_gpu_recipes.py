"""The recipes for GPUs fit one to eight of them; the tool that measures them counts what torch does."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fer_zoo.compose import build
from fer_zoo.recipes import list_recipes, load_recipe
from fer_zoo.training.preflight import check_shares

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import measure_training

GPU = [name for name in list_recipes() if name.startswith("gpu/")]


@pytest.mark.parametrize("name", GPU)
def test_their_batches_can_be_shared(name: str) -> None:
    whole = load_recipe(name, ["model.backbone=incres3d_tiny"] if "tiny" not in name else [])
    for count in (1, 2, 4, 8):
        check_shares(whole, count, joint=True)
    assert "not measured yet" in whole.description


def test_there_are_some() -> None:
    assert "gpu/incres3d_lstm_lm" in GPU
    assert build(load_recipe("gpu/incres3d_lstm_lm").model).backbone.output.channels > 0


@pytest.mark.parametrize("stage", [["--set", "train.batch_size=4"], ["--set", "pretrain.batch_size=4", "--frames"]])
def test_measuring_on_a_cpu(stage: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--set", "model.input.size=48", "--set", "data.canvas=64", *stage]
    measure_training.main(["quickstart", "--device", "cpu", "--warm", "1", "--steps", "1", *small])
    lines = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    assert set(lines) == {"clips/s", "ms a step"}
    assert float(lines["clips/s"]) == pytest.approx(4000 / float(lines["ms a step"]), rel=0.1)


def test_operations_are_those_of_a_product_by_hand() -> None:
    """A linear layer of 3 x 5: forward, and backward to the weights; its input needs no gradient."""

    class Linear(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3 * 2 * 4 * 4, 5, bias=False)

        def forward(self, clip: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
            return self.layer(clip.flatten(1))

    shape = SimpleNamespace(frames=2, size=4)
    run = SimpleNamespace(
        recipe=SimpleNamespace(model=SimpleNamespace(input=shape)),
        accelerator=SimpleNamespace(device=torch.device("cpu")),
        model=Linear(),
    )
    assert measure_training.operations(run) == 2 * 2 * (3 * 2 * 4 * 4) * 5
