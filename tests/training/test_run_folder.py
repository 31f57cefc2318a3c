"""The files of a training run besides weights: run.json and predictions of the best and last weights."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import accelerate
import numpy as np
import pytest
import torch
import toy_faces
from safetensors.torch import load_file

from fer_zoo.errors import HubError, TrainingError
from fer_zoo.hub.pushing import fit_to_push
from fer_zoo.recipes import load_recipe
from fer_zoo.specs import Recipe
from fer_zoo.training import TrainResult, run_folder, train
from fer_zoo.weights import read_folder


def test_run_json(whole: tuple[Path, TrainResult]) -> None:
    out, _ = whole
    run = json.loads((out / "run.json").read_text())
    assert Recipe.model_validate(run["recipe"]) == load_recipe(out / "recipe.yaml") == toy_faces.recipe()
    assert run["recipe_sha256"] == hashlib.sha256((out / "recipe.yaml").read_bytes()).hexdigest()
    assert (run["torch"], run["accelerate"], run["numpy"]) == (
        torch.__version__, accelerate.__version__, np.__version__,
    )  # fmt: skip
    assert (run["processes"], run["device"], run["precision"]) == (1, "cpu", "fp32")
    assert run["data"]["train"]["labels"] == {"red": 8, "green": 8, "blue": 8}
    assert {part: facts["subjects"] for part, facts in run["data"].items()} == {"train": 8, "validation": 3, "test": 4}
    began, ended = (datetime.fromisoformat(run[when]) for when in ("started", "ended"))
    assert set(run["seconds"]) == {"clips", "pretraining", "training", "validation", "evaluation"}
    assert sum(run["seconds"].values()) <= (ended - began).total_seconds() + 2
    assert "resumed" not in run


def test_a_resumed_run_says_so_and_keeps_its_start(tmp_path: Path) -> None:
    train(toy_faces.recipe(), tmp_path, max_steps=2, device="cpu")
    first = json.loads((tmp_path / "run.json").read_text())
    train(toy_faces.recipe(), tmp_path, max_steps=3, resume=True, device="cpu")
    train(toy_faces.recipe(), tmp_path, max_steps=4, resume=True, device="cpu")
    run = json.loads((tmp_path / "run.json").read_text())
    assert [set(resume) for resume in run["resumed"]] == [{"when"}] * 2, "nothing else is as it was not"
    assert all(run[key] == first[key] for key in ("started", "commit", "recipe_sha256", "data"))


@pytest.mark.slow
def test_resuming_on_other_code_and_hardware_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    surroundings = run_folder.surroundings

    def go_on(folder: Path, **options: object) -> None:
        for step, (commit, hardware) in enumerate(
            [("a" * 40, "abacus"), ("b" * 40 + "-dirty", "quill"), ("a" * 40, "abacus")], 1
        ):
            found = {"commit": commit, "hardware": hardware, "torch": f"2.{step}"}
            monkeypatch.setattr(run_folder, "surroundings", lambda state, found=found: surroundings(state) | found)
            result = train(toy_faces.recipe(**options), folder, max_steps=step, resume=step > 1, device="cpu")
            card = read_folder(result.weights).card
            if step == 1:
                assert (card.commit, card.hardware) == ("a" * 40, "abacus")
            else:  # what looks for it looks at the end
                assert card.commit == f"{'a' * 40}, then {'b' * 40}-dirty"
                assert card.hardware == "abacus, then quill"

    go_on(tmp_path)
    run = json.loads((tmp_path / "run.json").read_text())
    assert (run["commit"], run["hardware"], run["torch"]) == ("a" * 40, "abacus", "2.1")
    then, again = run["resumed"]
    assert then | {"when": ""} == {"when": "", "commit": "b" * 40 + "-dirty", "hardware": "quill", "torch": "2.2"}
    assert again | {"when": ""} == {"when": "", "torch": "2.3"}
    with pytest.raises(HubError, match="changed tree"):
        fit_to_push(tmp_path / "weights")
    go_on(tmp_path / "with_frames", pretrain=True)  # which has a folder and a card of its own


def test_resume_records_of_earlier_versions_are_read(tmp_path: Path) -> None:
    train(toy_faces.recipe(), tmp_path, max_steps=1, device="cpu")
    run = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(run | {"resumed": ["2026-11-01T00:00:00+00:00"]}))
    result = train(toy_faces.recipe(), tmp_path, max_steps=2, resume=True, device="cpu")
    assert read_folder(result.weights).card.commit == run["commit"]
    resumed = json.loads((tmp_path / "run.json").read_text())["resumed"]
    assert (resumed[0], len(resumed)) == ("2026-11-01T00:00:00+00:00", 2)


@pytest.mark.parametrize("text", ["{}", "[]", "no json", '{"commit": "a"}'])
def test_a_damaged_run_json_stops_a_resume_before_it_trains(text: str, tmp_path: Path) -> None:
    train(toy_faces.recipe(), tmp_path, max_steps=1, device="cpu")
    (tmp_path / "run.json").write_text(text)
    before = (tmp_path / "last.safetensors").read_bytes()
    with pytest.raises(TrainingError, match=r"run\.json cannot be read"):
        train(toy_faces.recipe(), tmp_path, max_steps=2, resume=True, device="cpu")
    assert (tmp_path / "last.safetensors").read_bytes() == before


@pytest.mark.slow
def test_a_compiled_network_trains_and_is_saved_as_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced as for a GPU but run by torch's plain kernels: making kernels for a CPU takes minutes."""
    compiled, compiled_models = torch.compile, []

    def compile_plainly(model: Any, **_: object) -> Any:
        compiled_models.append(model)
        return compiled(model, backend="eager")

    monkeypatch.setattr(torch, "compile", compile_plainly)
    plain = {"dropout": 0.0, "epochs": 1, "optimizer": "sgd", "ema": None}
    train(toy_faces.recipe(**plain), tmp_path / "plain", device="cpu")
    assert not compiled_models
    train(toy_faces.recipe(compile=True, **plain), tmp_path / "compiled", device="cpu")
    assert len(compiled_models) == 1
    one, other = (load_file(tmp_path / run / "last.safetensors") for run in ("plain", "compiled"))
    assert one.keys() == other.keys()
    for key, tensor in one.items():
        torch.testing.assert_close(tensor, other[key], rtol=1e-4, atol=1e-5)


def test_leftover_files_are_removed_from_every_folder_of_a_run(tmp_path: Path) -> None:
    """Those of this process and of processes that have ended; a running process and other files are left alone."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    folders = ["", "predictions/best", "predictions/last", "broken", "weights", "frames", "frames/predictions/last"]
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for process in (ended.pid, os.getpid(), os.getppid()):
            (tmp_path / folder / f".test.{process}.tmp.csv").write_text("half")
        (tmp_path / folder / "test.csv").write_text("whole")
    run_folder.clear(tmp_path)
    kept = {"test.csv", f".test.{os.getppid()}.tmp.csv"}
    for folder in folders:
        assert {path.name for path in (tmp_path / folder).iterdir() if path.is_file()} == kept


def test_resuming_removes_what_a_kill_while_writing_predictions_left(tmp_path: Path) -> None:
    train(toy_faces.recipe(epochs=1), tmp_path, device="cpu")
    left = tmp_path / "predictions" / "last" / f".test.{2**22 + 1}.tmp.csv"
    left.write_text("half")
    train(toy_faces.recipe(epochs=1), tmp_path, resume=True, device="cpu")
    assert not left.exists()
