"""A step in pieces is the step of the whole batch; weights of classes, mixtures and the loss against a plain sum."""

from __future__ import annotations

import dataclasses
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_faces
from torch import nn

from fer_zoo import data
from fer_zoo.data.augment import augment_batch
from fer_zoo.errors import TrainingError
from fer_zoo.specs import Recipe
from fer_zoo.training import distributed
from fer_zoo.training.batches import Batches
from fer_zoo.training.run import Run, Stage, start
from fer_zoo.training.step import DivergedError, change, train_step, update_average

CPU = torch.device("cpu")


def started(recipe: Recipe, folder: Path, clips: dict[str, data.ClipSet]) -> Run:
    stage = Stage(recipe, folder)
    return start(stage, stage.network(), clips, distributed.join("cpu"))


def stepped(folder: Path, steps: int = 2, **options: Any) -> tuple[Run, float]:
    """A run without batch norm and dropout after some steps of SGD, and the loss of the last."""
    plain = {"norm": "none", "dropout": 0.0, "optimizer": "sgd", "schedule": "constant", "ema": None, "batch_size": 7}
    recipe = toy_faces.recipe(**{**plain, **options})
    clips = data.load(recipe)
    run = started(recipe, folder, clips)
    batches = Batches(recipe, clips["train"])
    loss = math.nan
    for step in range(steps):
        loss = train_step(run, batches.ahead(step, step + 1))
    return run, loss


@pytest.mark.parametrize(
    "options", [{}, {"mixup": 0.4, "class_weights": "balanced", "sampling": "balanced", "clip_grad": 0.1}]
)
def test_in_pieces_it_is_the_same_up_to_rounding(tmp_path: Path, options: dict[str, Any]) -> None:
    whole, loss = stepped(tmp_path / "whole", **options)
    cut, loss_in_pieces = stepped(tmp_path / "cut", micro_batch=2, **options)
    assert loss_in_pieces == pytest.approx(loss, rel=1e-6)
    first, _ = stepped(tmp_path / "first", steps=0, **options)
    for before, one, other in zip(
        first.model.parameters(), whole.model.parameters(), cut.model.parameters(), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
        assert not torch.equal(before, one)


def test_the_loss_is_the_weighted_mean(tmp_path: Path) -> None:
    options = {"mixup": 0.4, "class_weights": "balanced", "label_smoothing": 0.1}
    plain = {"norm": "none", "dropout": 0.0, "optimizer": "sgd", "ema": None, "batch_size": 7}
    recipe = toy_faces.recipe(**plain, **options)
    clips = data.load(recipe)
    uneven = dataclasses.replace(clips["train"], labels=np.repeat([0, 1, 2], [16, 6, 2]))
    run = started(recipe, tmp_path, {**clips, "train": uneven})
    batches = Batches(recipe, uneven)
    (piece,) = batches.ahead(0, 1)
    given = change(piece, recipe, exact=True, device=CPU)
    logs = torch.log_softmax(run.model(given.clips, given.landmarks), dim=1).detach().double()
    weights, expected = (24 / 48, 24 / 18, 24 / 6), 0.0
    for clip in range(7):
        for label, share in zip(given.labels[clip], given.shares[clip], strict=True):
            smooth = -0.9 * logs[clip, label] - 0.1 * logs[clip].mean()
            expected += float(share * weights[label] * smooth) / 7
    assert train_step(run, batches.ahead(0, 1)) == pytest.approx(expected, rel=1e-5)


def test_a_mixture() -> None:
    """Pixels and labels are shared; landmarks are the stronger clip's, and its share is half or more."""
    recipe = toy_faces.recipe(mixup=0.4, batch_size=7)
    clips = data.load(recipe)["train"]
    (piece,) = Batches(recipe, clips).ahead(0, 1)
    (same,) = Batches(recipe, clips).ahead(0, 1)
    alone, points = augment_batch(same.frames, same.landmarks, recipe.model.input, recipe.train.augment, same.rngs)
    mixed = change(piece, recipe, exact=True, device=CPU)
    partner = [1, 0, 3, 2, 5, 4, 6]
    shares = mixed.shares[:, 0]
    assert ((shares >= 0.5) & (shares <= 1)).all()
    assert len(set(shares.tolist())) == 7
    torch.testing.assert_close(mixed.shares.sum(dim=1), torch.ones(7))
    strong = shares.view(-1, 1, 1, 1, 1)
    torch.testing.assert_close(mixed.clips, alone * strong + alone[partner] * (1 - strong))
    torch.testing.assert_close(mixed.landmarks, points, equal_nan=True)
    assert mixed.labels.tolist() == [[piece.labels[n], piece.labels[partner[n]]] for n in range(7)]


def test_without_a_mixture_every_clip_is_itself() -> None:
    recipe = toy_faces.recipe()
    (piece,) = Batches(recipe, data.load(recipe)["train"]).ahead(0, 1)
    given = change(piece, recipe, exact=True, device=CPU)
    assert given.labels.tolist() == piece.labels[:, None].tolist()
    assert given.shares.tolist() == [[1]] * 4
    assert given.clips.is_contiguous(memory_format=torch.channels_last_3d)


def test_a_detectors_points_get_no_noise() -> None:
    calm = {"flip": 0, "rotate_deg": 0, "scale": 0, "shift": 0, "lose_landmarks": 0}
    recipe = toy_faces.recipe(augment=calm)
    batches = Batches(recipe, data.load(recipe)["train"])
    moved = [change(next(batches.ahead(0, 1)), recipe, exact=exact, device=CPU).landmarks for exact in (True, False)]
    still = [change(next(batches.ahead(0, 1)), recipe, exact=False, device=CPU).landmarks for _ in range(2)]
    assert not torch.equal(*moved)
    assert torch.equal(*still)


@pytest.mark.parametrize("expected", [True, False])
def test_the_memory_layout_is_the_recipes(tmp_path: Path, expected: bool) -> None:
    run, _ = stepped(tmp_path, steps=1, channels_last=expected)
    # A kernel of one place, or of one channel, lies in memory alike in both layouts.
    kernels = [p for p in run.model.parameters() if p.ndim == 5 and p[0, 0].numel() > 1 and p.shape[1] > 1]
    assert kernels
    for kernel in kernels:
        assert kernel.is_contiguous(memory_format=torch.channels_last_3d) == expected
        assert kernel.is_contiguous() != expected
    (piece,) = Batches(run.recipe, data.load(run.recipe)["train"]).ahead(0, 1)
    given = change(piece, run.recipe, exact=True, device=CPU).clips
    assert given.is_contiguous(memory_format=torch.channels_last_3d) == expected
    assert given.is_contiguous() != expected


def scaled(folder: Path, scale: float) -> tuple[Run, Any]:
    """A run with the scaler of fp16, which itself needs no GPU, whose first step overflows."""
    run, _ = stepped(folder, steps=0)
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    run.accelerator.scaler = scaler
    run.optimizer = run.accelerator.prepare_optimizer(run.optimizer.optimizer)  # type: ignore[attr-defined]
    run.model.classifier.weight.register_hook(lambda gradient: gradient * math.inf)
    return run, scaler


def one_step(run: Run) -> float:
    clips = data.load(run.recipe)["train"]
    return train_step(run, Batches(run.recipe, clips).ahead(run.progress.step, run.progress.step + 1))


def test_a_step_that_overflows_fp16_is_left_out_and_the_scale_halved(tmp_path: Path) -> None:
    run, scaler = scaled(tmp_path, 2.0**16)
    before = [parameter.clone() for parameter in run.model.parameters()]
    assert math.isfinite(one_step(run))
    assert all(torch.equal(old, new) for old, new in zip(before, run.model.parameters(), strict=True))
    assert (scaler.get_scale(), run.progress.step) == (2.0**15, 1)


def test_an_overflow_at_the_smallest_scale_is_a_divergence(tmp_path: Path) -> None:
    run, _ = scaled(tmp_path, 2.0**-14)
    with pytest.raises(DivergedError) as caught:
        one_step(run)
    assert not math.isfinite(caught.value.gradient)
    assert math.isfinite(caught.value.loss)
    assert run.progress.step == 0


def test_what_the_launcher_says_of_precision_and_accumulation_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, loss = stepped(tmp_path / "plain", micro_batch=2)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "EAGER")
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled"))
    launched, its_loss = stepped(tmp_path / "launched", micro_batch=2)
    assert (launched.accelerator.mixed_precision, launched.accelerator.gradient_accumulation_steps) == ("no", 1)
    assert its_loss == loss
    for one, other in zip(plain.model.parameters(), launched.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_fp16_needs_a_gpu(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="fp16 on a CPU"):
        stepped(tmp_path, precision="fp16")


@pytest.mark.parametrize(("capability", "used"), [("AVX2", "no"), ("DEFAULT", "no"), ("AVX512", "bf16")])
def test_bf16_is_not_emulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capability: str, used: str) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run, _ = stepped(tmp_path, precision="bf16")
    assert run.accelerator.mixed_precision == used
    assert any("bf16 is about ten times slower" in str(each.message) for each in caught) == (used == "no")


def test_average_follows_weights_and_statistics() -> None:
    average, model = (nn.BatchNorm1d(1) for _ in range(2))
    nn.init.constant_(model.weight, 3.0)
    model.running_mean = torch.tensor([10.0])
    model.num_batches_tracked = torch.tensor(7)
    update_average(average, model, decay=0.75, step=1000)
    assert average.weight.item() == pytest.approx(1.5)
    assert average.running_mean is not None
    assert average.running_mean.item() == pytest.approx(2.5)
    assert average.num_batches_tracked == 7
    update_average(average, model, decay=0.999, step=0)  # early on 1 / 10 is kept
    assert average.weight.item() == pytest.approx(2.85)
