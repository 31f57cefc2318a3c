"""Training on a toy: it learns, leaves a whole folder, resumes exactly even after kill -9, stops when broken."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_faces
from safetensors.torch import load_file

from fer_zoo import data
from fer_zoo.data.store import ClipFacts, StoredClip, StoreFacts, digest, finish_store, write_shard
from fer_zoo.errors import InputError, TrainingError
from fer_zoo.recipes import load_recipe
from fer_zoo.registry import DATASETS
from fer_zoo.specs import ComponentSpec, CropSpec, Recipe
from fer_zoo.training import TrainResult, evaluate_clips, loop, train
from fer_zoo.weights import load_weights, read_folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainResult]:
    """A run from start to end without a break."""
    out = tmp_path_factory.mktemp("whole")
    return out, train(toy_faces.recipe(), out)


def assert_same_tensors(one: Path, other: Path) -> None:
    first, second = load_file(one), load_file(other)
    assert first.keys() == second.keys()
    for key, tensor in first.items():
        assert torch.equal(tensor, second[key]), key


def assert_same_run(one: Path, other: Path) -> None:
    """Model, average, optimizer, best weights and figures are equal bit for bit."""
    assert_same_tensors(one / "last.safetensors", other / "last.safetensors")
    assert_same_tensors(one / "best.safetensors", other / "best.safetensors")
    rows = [[{**row, "seconds": ""} for row in csv.DictReader((out / "log.csv").open())] for out in (one, other)]
    assert rows[0] == rows[1]


def test_it_learns(tmp_path: Path) -> None:
    # Colour is the toy's label, so colour is left alone. Three seeds all reached 100 %.
    calm = {"grey": 0, "colour": 0, "erase": 0, "compress": 0, "lowres": 0}
    result = train(toy_faces.recipe(epochs=16, lr=0.02, augment=calm), tmp_path)
    assert result.validation.uar > 0.85
    assert result.test.uar > 0.85
    assert (result.test.clips, result.test.subjects) == (12, 4)


def test_the_run_folder(whole: tuple[Path, TrainResult]) -> None:
    out, result = whole
    names = {"best.safetensors", "last.safetensors", "log.csv", "recipe.yaml", "run.json", "weights"}
    assert {file.name for file in out.iterdir()} == names
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


@pytest.mark.parametrize("steps", [1, 6, 8])  # in the first epoch, at the end of one, in the second
def test_stopped_and_resumed_is_bit_for_bit_the_same(
    whole: tuple[Path, TrainResult], tmp_path: Path, steps: int
) -> None:
    train(toy_faces.recipe(), tmp_path, max_steps=steps)
    result = train(toy_faces.recipe(), tmp_path, resume=True)
    assert_same_run(whole[0], tmp_path)
    assert result.test == whole[1].test


def test_killed_and_resumed_is_bit_for_bit_the_same(whole: tuple[Path, TrainResult], tmp_path: Path) -> None:
    command = [sys.executable, toy_faces.__file__, str(tmp_path)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    last = tmp_path / "last.safetensors"
    while not last.exists() or _step(last) < 7:
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 7 <= _step(last) < 18
    train(toy_faces.recipe(), tmp_path, resume=True)
    assert_same_run(whole[0], tmp_path)


def test_pretrained_stopped_and_resumed_is_bit_for_bit_the_same(tmp_path: Path) -> None:
    """Stopped in the frames stage, then in the clips stage; a stage cut short must not pass for a finished one."""
    recipe = toy_faces.recipe(pretrain=True)
    train(recipe, tmp_path / "whole")
    twin = train(recipe, tmp_path / "broken", max_steps=8)
    assert load_weights(twin.weights).spec.input.frames == 1, "what there is after 8 steps is the twin"
    assert not (tmp_path / "broken" / "last.safetensors").exists()
    train(recipe, tmp_path / "broken", max_steps=13, resume=True)
    train(recipe, tmp_path / "broken", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "broken")
    assert_same_run(tmp_path / "whole" / "frames", tmp_path / "broken" / "frames")
    with pytest.raises(TrainingError, match="already holds a training"):
        train(recipe, tmp_path / "broken")


def test_killed_while_pretraining_and_resumed_is_bit_for_bit_the_same(tmp_path: Path) -> None:
    train(toy_faces.recipe(pretrain=True), tmp_path / "whole")
    command = [sys.executable, toy_faces.__file__, str(tmp_path / "killed"), "pretrain"]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    last = tmp_path / "killed" / "frames" / "last.safetensors"
    while not last.exists() or _step(last) < 3:
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    train(toy_faces.recipe(pretrain=True), tmp_path / "killed", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def test_what_would_stop_a_training_is_found_before_clips_are_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("clips were asked for")

    monkeypatch.setattr(data, "load", never)
    with pytest.raises(TrainingError, match="Device 'nonsense'"):
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
    wanted = toy_faces.recipe(epochs=1)
    train(wanted, tmp_path)
    assert load_recipe(tmp_path / "recipe.yaml") == wanted


def _step(last: Path) -> int:
    """The step of a checkpoint that may be replaced at any moment: read through one handle, unlike `safe_open`."""
    with last.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    return int(json.loads(header["__metadata__"]["progress"])["step"])


@pytest.mark.parametrize("options", [{"optimizer": "sgd", "ema": None, "schedule": "constant"}, {"precision": "bf16"}])
def test_other_optimizers_and_precisions_resume_too(tmp_path: Path, options: dict[str, object]) -> None:
    recipe = toy_faces.recipe(epochs=2, **options)
    train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "broken", max_steps=7)
    train(recipe, tmp_path / "broken", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_the_seed_matters(whole: tuple[Path, TrainResult], tmp_path: Path) -> None:
    train(toy_faces.recipe().model_copy(update={"seed": 6}), tmp_path)
    one, other = (load_file(out / "last.safetensors") for out in (whole[0], tmp_path))
    assert not torch.equal(one["model.classifier.weight"], other["model.classifier.weight"])


def test_a_folder_with_a_run_is_not_overwritten(whole: tuple[Path, TrainResult]) -> None:
    with pytest.raises(TrainingError, match="resume"):
        train(toy_faces.recipe(), whole[0])


def test_resume_with_another_recipe_names_what_differs(whole: tuple[Path, TrainResult]) -> None:
    with pytest.raises(TrainingError, match=r"train\.lr was 0\.01, now 0\.02"):
        train(toy_faces.recipe(lr=0.02), whole[0], resume=True)


def test_resume_on_other_clips_is_refused(whole: tuple[Path, TrainResult], monkeypatch: pytest.MonkeyPatch) -> None:
    load = data.load

    def other(recipe: Recipe, **options: object) -> dict[str, data.ClipSet]:
        clips = load(recipe, **options)  # type: ignore[arg-type]
        return {part: dataclasses.replace(clips[part], fingerprint="other") for part in clips}

    monkeypatch.setattr(data, "load", other)
    with pytest.raises(TrainingError, match="other clips"):
        train(toy_faces.recipe(), whole[0], resume=True)


def test_a_diverging_run_stops_with_step_and_clips_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    recipe = toy_faces.recipe(optimizer="sgd", lr=1e30, schedule="constant", ema=None)
    with pytest.raises(TrainingError, match=r"(?s)Step \d+: .*subject \d+ (red|green|blue) take 0.*clip_grad"):
        train(recipe, tmp_path)
    last = load_file(tmp_path / "last.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in last.values() if tensor.is_floating_point())


def test_too_few_clips_for_a_batch(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="24 training clips for batches of 64"):
        train(toy_faces.recipe(batch_size=64), tmp_path)


def toy_store(folder: Path, reader: str, detector: str) -> None:
    """The toy's clips as a store of a database, five subjects' worth of the network's frames and two more."""
    request = data.ClipRequest(toy_faces.LABELS, (0, 6), 1, 8, 25.0, 54, folder)
    clips = DATASETS.get("toy_faces").build(options={}, request=request)
    stored = [
        StoredClip(
            ClipFacts(
                key=f"S{clips.subjects[n]}/{n:03d}",
                label=clips.names[clips.labels[n]],
                subject=f"S{clips.subjects[n]}",
                take=0,
                files=("a.avi",),
                frame_range=(0, 8),
                fps=25.0,
                box=None,
            ),
            clips.read(np.array([n]))[0],
            clips.landmarks[n],
            np.ones(8, np.float32),
        )
        for n in range(len(clips))
    ]
    write_shard(folder, 0, stored, encoding="raw")
    facts = StoreFacts(
        reader=ComponentSpec(name=reader),
        detector=ComponentSpec(name=detector),
        detector_version="1",
        crop=CropSpec(scale=1.69),
        size=54,
        frames=8,
        fps=25.0,
        encoding="raw",
        sources_sha256=digest([reader]),
    )
    finish_store(folder, facts)


def of_stores(**changes: Any) -> Recipe:
    split = {"split": {"folds": 3, "fold": 1}, "data": {"dataset": "ckplus"}}
    return Recipe.model_validate({**toy_faces.recipe().model_dump(), **split, **changes})


def test_training_from_a_store(tmp_path: Path) -> None:
    """It leaves the split beside the checkpoint, its card has the database's terms, and it resumes exactly."""
    toy_store(tmp_path / "ckplus", "ckplus", "dlib")
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
    assert len(card.metrics) == 3, "exact points are judged with a detector's noise too"


def test_a_store_that_does_not_fit_starts_nothing(tmp_path: Path) -> None:
    toy_store(tmp_path / "ckplus", "ckplus", "face_alignment")
    with pytest.raises(InputError, match="detector: the store's points are of face_alignment"):
        train(of_stores(), tmp_path / "run", stores=tmp_path)
    assert not (tmp_path / "run").exists()


def test_validation_is_of_the_averaged_weights(tmp_path: Path) -> None:
    clips = data.load(toy_faces.recipe())
    run = loop.start(toy_faces.recipe(), clips, tmp_path, torch.device("cpu"))
    before = run.average.classifier.weight.clone()
    start = run.model.classifier.weight.clone()
    loop.train_step(run, toy_faces.recipe(), clips["train"], np.arange(4), 18)
    moved = run.model.classifier.weight
    torch.testing.assert_close(run.average.classifier.weight, before + 0.9 * (moved - start))
