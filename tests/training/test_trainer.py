"""Training on a toy dataset: it learns, writes a complete folder, and stops on errors."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_faces
from safetensors.torch import load_file
from same_run import assert_same_run
from store_clips import content
from toy_store import of_stores, toy_store

from fer_zoo import data
from fer_zoo.errors import InputError, OptionError, TrainingError
from fer_zoo.recipes import load_recipe
from fer_zoo.registry import DATASETS
from fer_zoo.specs import ComponentSpec
from fer_zoo.training import TrainResult, distributed, evaluate_clips, run_folder, train, trainer
from fer_zoo.training.batches import Batches
from fer_zoo.training.checkpoint import read_progress
from fer_zoo.training.predictions import Predictions
from fer_zoo.training.run import Stage, start
from fer_zoo.training.step import train_step
from fer_zoo.weights import load_weights, read_folder


@pytest.mark.slow
def test_it_learns(tmp_path: Path) -> None:
    # Colour is the toy's label, so colour is left alone. Three seeds all reached 100 %.
    calm = {"grey": 0, "colour": 0, "erase": 0, "compress": 0, "lowres": 0}
    result = train(toy_faces.recipe(epochs=16, lr=0.02, augment=calm), tmp_path)
    assert result.validation.uar > 0.85
    assert result.test.uar > 0.85
    assert (result.test.clips, result.test.subjects) == (12, 4)


def test_the_run_folder(whole: tuple[Path, TrainResult]) -> None:
    out, result = whole
    names = {"best.safetensors", "last.safetensors", "log.csv", "recipe.yaml", "run.json", "weights", "predictions"}
    assert {file.name for file in out.iterdir()} - {run_folder.LOCK} == names
    assert load_recipe(out / "recipe.yaml") == toy_faces.recipe()
    assert json.loads((out / "run.json").read_text())["torch"] == torch.__version__
    rows = list(csv.DictReader((out / "log.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [row["step"] for row in rows] == ["6", "12", "18"]
    best = max(float(row["validation_uar"]) for row in rows)
    assert result.validation.uar == best
    assert result.epochs == 3


def test_the_weights_give_the_figures_of_the_card(whole: tuple[Path, TrainResult]) -> None:
    _, result = whole
    card = read_folder(result.weights).card
    assert card.name == "incres3d_tiny_lstm_lm.local"
    assert (card.metrics["validation"], card.metrics["test"]) == (result.validation, result.test)
    assert len(card.metrics) == 3, "and the test figure with a detector's noise"
    assert (card.licence, card.terms, card.synthetic) == ("CC0-1.0", "None.", True)
    clips = data.load(toy_faces.recipe())
    assert evaluate_clips(load_weights(result.weights), clips["test"]) == result.test


def test_what_would_stop_a_training_is_found_before_clips_are_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("clips were asked for")

    monkeypatch.setattr(data, "load", never)
    with pytest.raises(OptionError, match="Device 'nonsense'"):
        train(toy_faces.recipe(), tmp_path, device="nonsense")
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot be written"):
        train(toy_faces.recipe(), tmp_path / "file" / "run")


def test_an_attempt_that_ended_while_rendering_leaves_no_stale_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(data, "load", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train(toy_faces.recipe(lr=0.5), tmp_path)
    expected = toy_faces.recipe(epochs=1)
    train(expected, tmp_path)
    assert load_recipe(tmp_path / "recipe.yaml") == expected


def test_a_second_training_in_the_folder_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    train(toy_faces.recipe(), tmp_path, max_steps=3, device="cpu")
    before = content(tmp_path)
    hold = (
        "import sys, time; from pathlib import Path; from fer_zoo.files import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, tmp_path / run_folder.LOCK], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(TrainingError, match="Another process trains in"):
            train(toy_faces.recipe(), tmp_path, resume=True, device="cpu")
        assert content(tmp_path) == before
        other.kill()
    assert train(toy_faces.recipe(), tmp_path, resume=True, device="cpu").epochs == 3


@pytest.mark.parametrize(("micro_batch", "do"), [(None, r"set train\.micro_batch below 4"), (1, "a smaller network")])
def test_a_device_without_memory_left(
    micro_batch: int | None, do: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr(trainer, "train_step", full)
    with pytest.raises(TrainingError, match=rf"(?s)Step 1: cpu has no memory left for {micro_batch or 4} clips.*{do}"):
        train(toy_faces.recipe(micro_batch=micro_batch, norm="none"), tmp_path, device="cpu")


def test_the_seed_matters(whole: tuple[Path, TrainResult], tmp_path: Path) -> None:
    train(toy_faces.recipe().model_copy(update={"seed": 6}), tmp_path)
    one, other = (load_file(out / "last.safetensors") for out in (whole[0], tmp_path))
    assert not torch.equal(one["model.classifier.weight"], other["model.classifier.weight"])


@pytest.mark.parametrize(("size", "lr"), [(4, 1e30), (24, 3e38)], ids=["at the next step", "after an epoch"])
def test_a_diverging_run_stops_with_step_and_clips_and_keeps_the_checkpoint(
    tmp_path: Path, size: int, lr: float
) -> None:
    """With one step an epoch no next step finds out that it broke the weights."""
    recipe = toy_faces.recipe(optimizer="sgd", lr=lr, schedule="constant", ema=None, batch_size=size)
    with pytest.raises(TrainingError, match=r"(?s)Step \d+: .*\d+/(red|green|blue)/000.*clip_grad"):
        train(recipe, tmp_path, device="cpu")
    last = load_file(tmp_path / "last.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in last.values() if tensor.is_floating_point())
    batch = json.loads((tmp_path / "broken" / "batch.json").read_text())
    step = read_progress(tmp_path / "broken" / "state.safetensors").step
    assert batch["step"] == (step + 1 if size == 4 else step == 1)
    assert len(set(batch["clips"])) == size
    clips = data.load(recipe)["train"]
    assert batch["clips"] == Batches(recipe, clips).names(batch["step"] - 1)
    assert not (tmp_path / "weights").exists()


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"schedule": "constant"}, "lower train.lr, set train.clip_grad or set train.warmup, in"),
        ({"schedule": "constant", "warmup": 0.5}, "lower train.lr, set train.clip_grad or lengthen train.warmup, in"),
        (
            {"schedule": "cosine", "clip_grad": 1e30},
            "lower train.lr, lower train.clip_grad or lengthen train.warmup, in",
        ),
    ],
)
def test_a_diverging_run_is_advised_by_what_its_recipe_has(
    tmp_path: Path, options: dict[str, Any], advice: str
) -> None:
    recipe = toy_faces.recipe(optimizer="sgd", lr=1e30, ema=None, **options)
    with pytest.raises(TrainingError) as caught:
        train(recipe, tmp_path, device="cpu")
    assert caught.value.do.startswith(advice)


def test_a_diverging_frames_stage_is_advised_by_its_block(tmp_path: Path) -> None:
    """The recipe's own `pretrain`, which the stage itself has as `train`."""
    recipe = toy_faces.recipe(pretrain=True)
    assert recipe.pretrain is not None
    wild = recipe.pretrain.model_copy(update={"optimizer": ComponentSpec(name="sgd"), "lr": 1e30, "ema": None})
    with pytest.raises(TrainingError) as caught:
        train(recipe.model_copy(update={"pretrain": wild}), tmp_path, device="cpu")
    assert caught.value.do.startswith("lower pretrain.lr, set pretrain.clip_grad or lengthen pretrain.warmup, in")


def test_training_from_a_store(tmp_path: Path) -> None:
    """It leaves the split beside the checkpoint, its card has the database's terms, and it resumes exactly."""
    toy_store(tmp_path / "ckplus", "ckplus", "fz68")
    result = train(of_stores(), tmp_path / "whole", stores=tmp_path)
    (split,) = json.loads((tmp_path / "whole" / "split.json").read_text())["splits"]
    assert [len(split[part]) for part in ("train", "validation", "test")] == [6, 6, 6]
    assert (result.test.clips, result.test.subjects) == (6, 2)
    card = read_folder(result.weights).card
    assert card.licence == DATASETS.get("ckplus").defaults["licence"]
    assert set(card.metrics) == {"validation", "test"}, "a detector's points get no noise"
    train(of_stores(), tmp_path / "broken", stores=tmp_path, max_steps=2)
    train(of_stores(), tmp_path / "broken", stores=tmp_path, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_training_across_databases(tmp_path: Path) -> None:
    for name in ("ckplus", "mmi", "fera"):
        toy_store(tmp_path / name, name, "exact")
    split = {"train_on": ["mmi", "fera"], "test_on": "ckplus", "validation_folds": 3}
    result = train(of_stores(split=split, protocol="cross-database"), tmp_path / "run", stores=tmp_path)
    card = read_folder(result.weights).card
    assert card.training_data.startswith("[mmi]")
    assert "ckplus" not in card.training_data
    assert (card.metrics["test"].clips, card.metrics["test"].subjects) == (18, 6)
    assert (card.metrics["validation"].clips, card.metrics["validation"].subjects) == (12, 4)
    noisy = "test, noisy landmarks"
    assert set(card.metrics) == {"validation", "validation, fera", "validation, mmi", "test", noisy}, "of several: each"


def test_pooled_databases_are_evaluated_separately(tmp_path: Path) -> None:
    for name in ("ckplus", "mmi"):
        toy_store(tmp_path / name, name, "exact")
    pooled = {"folds": 3, "fold": 1, "pooled_with": ["mmi"]}
    result = train(of_stores(split=pooled), tmp_path / "run", stores=tmp_path)
    metrics = read_folder(result.weights).card.metrics
    for part in ("validation", "test", "test, noisy landmarks"):
        ours, others = metrics[f"{part}, ckplus"], metrics[f"{part}, mmi"]
        assert (ours.clips + others.clips, ours.subjects + others.subjects) == (12, 4)
        both = (np.array(ours.confusion) + np.array(others.confusion)).tolist()
        assert both == np.array(metrics[part].confusion).tolist()
    message = Predictions.read(tmp_path / "run" / "predictions" / "best" / "test.csv")
    assert message.groups["database"].tolist() == [key.partition(":")[0] for key in message.keys.tolist()]


def test_a_store_that_does_not_fit_starts_nothing(tmp_path: Path) -> None:
    toy_store(tmp_path / "ckplus", "ckplus", "face_alignment")
    with pytest.raises(InputError, match="detector: the store's landmarks are from face_alignment"):
        train(of_stores(), tmp_path / "run", stores=tmp_path)
    assert not (tmp_path / "run").exists()


def test_validation_is_of_the_averaged_weights(tmp_path: Path) -> None:
    clips = data.load(toy_faces.recipe())
    stage = Stage(toy_faces.recipe(), tmp_path)
    run = start(stage, stage.network(), clips, distributed.join("cpu"))
    before = run.average.classifier.weight.clone()
    first = run.model.classifier.weight.clone()
    train_step(run, Batches(toy_faces.recipe(), clips["train"]).ahead(0, 1))
    moved = run.model.classifier.weight
    torch.testing.assert_close(run.average.classifier.weight, before + 0.9 * (moved - first))
