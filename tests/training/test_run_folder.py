"""What a training leaves behind beside weights: run.json, and what the best and the last weights say."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path

import accelerate
import numpy as np
import pytest
import torch
import toy_faces
from safetensors.torch import load_file

from fer_zoo import data
from fer_zoo.compose import build
from fer_zoo.training import TrainResult, evaluate_clips, train
from fer_zoo.training.metrics import figures
from fer_zoo.training.predictions import Predictions
from fer_zoo.training.seed import kernels


def test_run_json(whole: tuple[Path, TrainResult]) -> None:
    out, _ = whole
    run = json.loads((out / "run.json").read_text())
    assert run["recipe_sha256"] == hashlib.sha256((out / "recipe.yaml").read_bytes()).hexdigest()
    assert (run["torch"], run["accelerate"], run["numpy"]) == (
        torch.__version__, accelerate.__version__, np.__version__,
    )  # fmt: skip
    assert (run["processes"], run["device"], run["precision"]) == (1, "cpu", "fp32")
    assert run["data"]["train"]["labels"] == {"red": 8, "green": 8, "blue": 8}
    assert {part: facts["subjects"] for part, facts in run["data"].items()} == {"train": 8, "validation": 3, "test": 4}
    began, ended = (datetime.fromisoformat(run[when]) for when in ("started", "ended"))
    assert set(run["seconds"]) == {"clips", "pretraining", "training", "validation", "judging"}
    assert sum(run["seconds"].values()) <= (ended - began).total_seconds() + 2
    assert "resumed" not in run


def test_a_resumed_run_says_so_and_keeps_its_start(tmp_path: Path) -> None:
    train(toy_faces.recipe(), tmp_path, max_steps=2, device="cpu")
    first = json.loads((tmp_path / "run.json").read_text())
    train(toy_faces.recipe(), tmp_path, max_steps=3, resume=True, device="cpu")
    train(toy_faces.recipe(), tmp_path, max_steps=4, resume=True, device="cpu")
    run = json.loads((tmp_path / "run.json").read_text())
    assert len(run["resumed"]) == 2
    assert all(run[key] == first[key] for key in ("started", "commit", "recipe_sha256", "data"))


def test_the_tables_are_of_the_best_and_the_last_weights(tmp_path: Path) -> None:
    """At a rate that wrecks the network no later epoch is better than the first."""
    recipe = toy_faces.recipe(lr=3.0, epochs=2, ema=None)
    result = train(recipe, tmp_path, device="cpu")
    tables = [(tmp_path / "predictions" / which / "test.csv").read_text() for which in ("best", "last")]
    assert tables[0] != tables[1], "no use as a test"
    clips, model = data.load(recipe), build(recipe.model)
    last = {key.removeprefix("model."): value for key, value in load_file(tmp_path / "last.safetensors").items()}
    for which, state in (("last", last), ("best", load_file(tmp_path / "best.safetensors"))):
        model.load_state_dict({key: value for key, value in state.items() if not key.startswith("optimizer.")})
        for part in ("validation", "test"):
            said = Predictions.read(tmp_path / "predictions" / which / f"{part}.csv")
            assert figures(said).card() == evaluate_clips(model, clips[part])
            assert said.keys.tolist() == [clips[part].key(clip) for clip in range(len(clips[part]))]
            assert set(said.subjects) == {f"{subject:06d}" for subject in clips[part].subjects}
            if which == "best":
                assert figures(said).card() == getattr(result, part)
        assert (tmp_path / "predictions" / which / "test_noisy.csv").is_file()


def test_deterministic_settings_are_put_back() -> None:
    assert not torch.are_deterministic_algorithms_enabled()
    with kernels(deterministic=True):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.benchmark
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.slow
def test_a_compiled_network_trains_and_is_saved_as_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced as for a GPU but run by torch's plain kernels: making kernels for a CPU takes minutes."""
    compiled = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model, **_: compiled(model, backend="eager"))
    plain = {"dropout": 0.0, "epochs": 1, "optimizer": "sgd", "ema": None}
    train(toy_faces.recipe(**plain), tmp_path / "plain", device="cpu")
    train(toy_faces.recipe(compile=True, **plain), tmp_path / "compiled", device="cpu")
    one, other = (load_file(tmp_path / run / "last.safetensors") for run in ("plain", "compiled"))
    assert one.keys() == other.keys()
    for key, tensor in one.items():
        torch.testing.assert_close(tensor, other[key], rtol=1e-4, atol=1e-5)
