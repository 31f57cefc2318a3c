"""A training run that was interrupted, killed at any step, or out of disk, ends like an uninterrupted one."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy_faces
from same_run import assert_same_run, assert_same_tensors, step_of
from toy_store import of_stores, toy_store

from fer_zoo import data
from fer_zoo.errors import OptionError, TrainingError
from fer_zoo.recipes import load_recipe
from fer_zoo.specs import Recipe
from fer_zoo.training import TrainResult, run_folder, train
from fer_zoo.training.checkpoint import read_tensors, write_tensors
from fer_zoo.weights import load_weights

# Every option that draws, adds up or averages something.
ALL = {
    "batch_size": 5, "micro_batch": 3, "mixup": 0.4, "sampling": "balanced", "class_weights": "balanced",
    "schedule": "cosine", "label_smoothing": 0.1, "clip_grad": 1.0, "deterministic": True,
}  # fmt: skip
PLAIN = {"optimizer": "sgd", "ema": None, "schedule": "step", "precision": "bf16", "channels_last": False}


@pytest.mark.parametrize("steps", [1, 6, 8])  # in the first epoch, at the end of one, in the second
def test_stopped_and_resumed_is_bit_for_bit_the_same(
    whole: tuple[Path, TrainResult], tmp_path: Path, steps: int
) -> None:
    train(toy_faces.recipe(), tmp_path, max_steps=steps, device="cpu")
    result = train(toy_faces.recipe(), tmp_path, resume=True, device="cpu")
    assert_same_run(whole[0], tmp_path)
    assert result.test == whole[1].test


@pytest.mark.slow
@pytest.mark.parametrize("options", [ALL, PLAIN], ids=["all", "plain"])
def test_so_it_is_with_every_option(tmp_path: Path, options: dict[str, object]) -> None:
    recipe = toy_faces.recipe(**{"epochs": 2, **options})
    train(recipe, tmp_path / "whole", device="cpu")
    train(recipe, tmp_path / "broken", max_steps=6, device="cpu")
    train(recipe, tmp_path / "broken", resume=True, device="cpu")
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


@pytest.mark.parametrize(
    ("step", "options"),
    [
        (7, {}),
        pytest.param(2, {**ALL, "epochs": 2}, marks=pytest.mark.slow),
        pytest.param(3, {"pretrain": True, "epochs": 1, "precision": "bf16"}, marks=pytest.mark.slow),
    ],
    ids=["plain", "all options", "in the frames stage"],
)
def test_killed_and_resumed_is_bit_for_bit_the_same(tmp_path: Path, step: int, options: dict[str, Any]) -> None:
    recipe, killed = toy_faces.recipe(**options), tmp_path / "killed"
    arguments = [str(killed), json.dumps(options), json.dumps({"save_minutes": 0})]
    process = subprocess.Popen(
        [sys.executable, toy_faces.__file__, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    last = (killed / "frames" if recipe.pretrain else killed) / "last.safetensors"
    while not last.exists() or step_of(last) < step:
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "weights").exists(), "killed too late"
    for folder in {killed, last.parent, killed / "predictions" / "last", last.parent / "broken"}:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("last.{}.tmp.safetensors", "best.{}.tmp.safetensors", "run.{}.tmp.json"):
            (folder / f".{name.format(process.pid)}").write_bytes(b"what a kill in the middle of writing leaves")
        (folder / ".mine.tmp").write_bytes(b"somebody else's")
    train(recipe, killed, resume=True, device="cpu")
    train(recipe, tmp_path / "whole", device="cpu")
    assert_same_run(tmp_path / "whole", killed)
    assert {path.name for path in killed.rglob(".*")} == {".mine.tmp", run_folder.LOCK}


@pytest.mark.slow
def test_pretrained_stopped_and_resumed_is_bit_for_bit_the_same(tmp_path: Path) -> None:
    """Stopped in the frames stage, then in the clips stage; a stage cut short must not pass for a finished one."""
    recipe = toy_faces.recipe(pretrain=True)
    train(recipe, tmp_path / "whole", device="cpu")
    twin = train(recipe, tmp_path / "broken", max_steps=8, device="cpu")
    assert load_weights(twin.weights).spec.input.frames == 1, "what there is after 8 steps is the twin"
    assert not (tmp_path / "broken" / "last.safetensors").exists()
    train(recipe, tmp_path / "broken", max_steps=13, resume=True, device="cpu")
    train(recipe, tmp_path / "broken", resume=True, device="cpu")
    assert_same_run(tmp_path / "whole", tmp_path / "broken")
    assert_same_run(tmp_path / "whole" / "frames", tmp_path / "broken" / "frames")
    with pytest.raises(TrainingError, match="already holds a training"):
        train(recipe, tmp_path / "broken", device="cpu")


@pytest.mark.slow
def test_a_full_disk_stops_it_and_nothing_is_lost(whole: tuple[Path, TrainResult], tmp_path: Path) -> None:
    train(toy_faces.recipe(), tmp_path, max_steps=4, device="cpu")
    before = (tmp_path / "last.safetensors").read_bytes()
    files = set(tmp_path.iterdir())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # No file may grow longer than half a checkpoint: writing fails as it does on a disk without room.
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
        with pytest.raises(TrainingError, match=r"last\.safetensors cannot be written") as caught:
            train(toy_faces.recipe(), tmp_path, resume=True, save_minutes=0, device="cpu")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "free some space and resume" in caught.value.do
    assert (tmp_path / "last.safetensors").read_bytes() == before
    assert set(tmp_path.iterdir()) == files, "no half-written file is left"
    train(toy_faces.recipe(), tmp_path, resume=True, device="cpu")
    assert_same_run(whole[0], tmp_path)


def test_a_folder_with_a_run_is_not_overwritten(whole: tuple[Path, TrainResult]) -> None:
    with pytest.raises(TrainingError, match="resume"):
        train(toy_faces.recipe(), whole[0], device="cpu")


def test_resume_with_another_recipe_names_what_differs_before_clips_are_made(
    whole: tuple[Path, TrainResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "load", lambda *_, **__: pytest.fail("clips were asked for"))
    with pytest.raises(TrainingError, match=r"train\.lr was 0\.01, now 0\.02"):
        train(toy_faces.recipe(lr=0.02), whole[0], resume=True, device="cpu")


def test_other_words_for_the_same_training_do_not_stop_a_resume(tmp_path: Path) -> None:
    train(toy_faces.recipe(), tmp_path, max_steps=1, device="cpu")
    before = (tmp_path / "recipe.yaml").read_bytes()
    published = {"war": 93.2, "source": "a paper"}
    message = Recipe.model_validate(
        toy_faces.recipe().model_dump() | {"description": "Better words.", "published": published}
    )
    result = train(message, tmp_path, max_steps=2, resume=True, device="cpu")
    assert load_recipe(result.weights / "recipe.yaml").description == "Better words."
    assert (tmp_path / "recipe.yaml").read_bytes() == before, "of which run.json has the sha256"


def rewritten(last: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what a checkpoint says of the run, as if another version had written it."""
    tensors, header = read_tensors(last)
    progress = json.loads(header["progress"])
    change(progress)
    write_tensors(last, tensors, {"progress": json.dumps(progress)})


def test_a_checkpoint_of_before_a_key_was_added_is_of_its_default(tmp_path: Path) -> None:
    train(toy_faces.recipe(), tmp_path, max_steps=1, device="cpu")
    rewritten(tmp_path / "last.safetensors", lambda progress: progress["recipe"]["train"].pop("mixup"))
    with pytest.raises(TrainingError, match=r"train\.mixup was 0\.0, now 0\.4"):
        train(toy_faces.recipe(mixup=0.4), tmp_path, max_steps=2, resume=True, device="cpu")
    train(toy_faces.recipe(), tmp_path, max_steps=2, resume=True, device="cpu")


def test_a_checkpoint_with_a_key_that_is_no_more_is_refused(tmp_path: Path) -> None:
    train(toy_faces.recipe(), tmp_path, max_steps=1, device="cpu")
    rewritten(tmp_path / "last.safetensors", lambda progress: progress["recipe"]["train"].update(gone=1))
    with pytest.raises(TrainingError, match=r"cannot read: train\.gone: Extra inputs"):
        train(toy_faces.recipe(), tmp_path, max_steps=2, resume=True, device="cpu")


@pytest.mark.parametrize("part", ["train", "validation", "test"])
@pytest.mark.parametrize("prepared", [True, False], ids=["of a store", "made on demand"])
def test_resume_on_other_clips_is_refused(
    whole: tuple[Path, TrainResult], monkeypatch: pytest.MonkeyPatch, part: str, prepared: bool
) -> None:
    load = data.load

    def other(recipe: Recipe, **options: object) -> dict[str, data.ClipSet]:
        clips = load(recipe, **options)  # type: ignore[arg-type]
        stores = frozenset(["f" * 64] if prepared else [])
        return clips | {part: dataclasses.replace(clips[part], fingerprint="other", stores=stores)}

    monkeypatch.setattr(data, "load", other)
    before = (whole[0] / "run.json").read_text()
    with pytest.raises(TrainingError, match=f"other clips: those of {part} have changed since") as caught:
        train(toy_faces.recipe(), whole[0], resume=True, device="cpu")
    assert (whole[0] / "run.json").read_text() == before
    assert ("store was prepared again" in caught.value.given) == prepared
    assert ("restore the store" in caught.value.do) == prepared
    assert ("go back to the version of fer_zoo" in caught.value.do) != prepared


def test_a_re_prepared_store_or_another_split_file_is_refused(tmp_path: Path) -> None:
    toy_store(tmp_path / "ckplus", "ckplus", "fz68")
    train(of_stores(), tmp_path / "first", stores=tmp_path, max_steps=1)
    by_file = of_stores(split={"file": str(tmp_path / "first" / "split.json")})
    train(by_file, tmp_path / "run", stores=tmp_path, max_steps=1)
    split = json.loads((tmp_path / "first" / "split.json").read_text())
    parts = split["splits"][0]
    parts["validation"], parts["test"] = parts["test"], parts["validation"]
    (tmp_path / "first" / "split.json").write_text(json.dumps(split))
    with pytest.raises(TrainingError, match=r"those of validation, test have changed.* or .*split\.json changed"):
        train(by_file, tmp_path / "run", stores=tmp_path, max_steps=2, resume=True)
    shutil.rmtree(tmp_path / "ckplus")
    toy_store(tmp_path / "ckplus", "ckplus", "fz68", variant=1)
    with pytest.raises(
        TrainingError, match=r"those of train, validation, test have changed.*was prepared again\."
    ) as caught:
        train(of_stores(), tmp_path / "first", stores=tmp_path, max_steps=2, resume=True)
    assert caught.value.do == "restore the store as it was, or train in another folder"


# So small a learning rate changes no prediction (batch norm would): no epoch is better than the first.
STUCK = {"norm": "none", "epochs": 6, "patience": 2, "lr": 1e-12, "ema": None}


@pytest.mark.slow
def test_early_stopping(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The epochs since the best one are counted over interruptions, and a run that has stopped stays stopped."""
    result = train(toy_faces.recipe(**STUCK), tmp_path / "whole", device="cpu")
    assert result.epochs == 3
    assert "stopped early: no better validation UAR since epoch 1" in capsys.readouterr().out
    train(toy_faces.recipe(**STUCK), tmp_path / "broken", max_steps=14, device="cpu")
    for _ in range(2):
        assert train(toy_faces.recipe(**STUCK), tmp_path / "broken", resume=True, device="cpu").epochs == 3
        assert_same_run(tmp_path / "whole", tmp_path / "broken")


@pytest.mark.slow
def test_a_frames_stage_that_stopped_early_is_complete(tmp_path: Path) -> None:
    recipe = toy_faces.recipe(pretrain=True, norm="none")
    stuck = toy_faces.recipe(**STUCK).train
    result = train(recipe.model_copy(update={"pretrain": stuck}), tmp_path, device="cpu")
    assert len((tmp_path / "frames" / "log.csv").read_text().splitlines()) == 1 + 3
    assert load_weights(result.weights).spec.input.frames == 6


@pytest.mark.slow
def test_the_weights_of_the_best_epochs_are_kept(whole: tuple[Path, TrainResult], tmp_path: Path) -> None:
    def kept(out: Path) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in sorted((out / "epochs").iterdir())}

    train(toy_faces.recipe(), tmp_path / "whole", keep=2, device="cpu")
    with (tmp_path / "whole" / "log.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda row: -float(row["validation_uar"]))
    names = [f"epoch-{int(row['epoch']):03d}-uar-{float(row['validation_uar']):.4f}.safetensors" for row in rows[:2]]
    assert list(kept(tmp_path / "whole")) == sorted(names)
    assert_same_tensors(tmp_path / "whole" / "epochs" / names[0], whole[0] / "best.safetensors")
    train(toy_faces.recipe(), tmp_path / "broken", keep=2, max_steps=8, device="cpu")
    (tmp_path / "broken" / "epochs" / "epoch-002-uar-0.1234.safetensors").write_bytes(b"of a killed run")
    train(toy_faces.recipe(), tmp_path / "broken", keep=2, resume=True, device="cpu")
    assert kept(tmp_path / "broken").keys() == kept(tmp_path / "whole").keys()
    for name in names:
        assert_same_tensors(*(tmp_path / run / "epochs" / name for run in ("whole", "broken")))
    with pytest.raises(OptionError, match="keep=-1"):
        train(toy_faces.recipe(), tmp_path / "none", keep=-1)
