"""Learning rate by step, and which parameters decay."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from fer_zoo.specs import TrainSpec
from fer_zoo.training.optim import learning_rate, make_optimizer, update_average


def test_constant() -> None:
    assert {learning_rate(TrainSpec(), step, 50) for step in range(50)} == {0.01}


def test_onecycle_rises_and_falls() -> None:
    spec = TrainSpec(schedule="onecycle", lr=0.5, warmup=0.2)
    rates = [learning_rate(spec, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.02)
    assert max(rates) == rates[20] == 0.5
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[60] == pytest.approx(0.5 * (1.001) / 2)
    assert 0.0005 <= rates[99] < 0.001


def test_cosine_rises_from_nothing_and_falls_to_nothing() -> None:
    spec = TrainSpec(schedule="cosine", lr=0.5, warmup=0.1)
    rates = [learning_rate(spec, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.5 / 11)
    assert max(rates) == rates[10] == 0.5
    steps = [after - before for before, after in pairwise(rates[:11])]
    assert steps == pytest.approx([steps[0]] * 10), "a line"
    assert rates[55] == pytest.approx(0.25)
    assert 0 < rates[99] < 0.001
    assert learning_rate(TrainSpec(schedule="cosine", lr=0.5, warmup=0.0), 0, 100) == 0.5


def test_steps_down() -> None:
    spec = TrainSpec(schedule="step", lr=0.5, decay=0.1, decay_every=0.3)
    rates = [learning_rate(spec, step, 10) for step in range(10)]
    assert rates == pytest.approx([0.5] * 3 + [0.05] * 3 + [0.005] * 3 + [0.0005])
    last = TrainSpec(schedule="step", decay_every=1.0)
    assert {learning_rate(last, step, 7) for step in range(7)} == {0.01}


@pytest.mark.parametrize("schedule", ["constant", "step"])
def test_the_others_rise_in_a_line_too_if_they_are_asked(schedule: Any) -> None:
    plain = TrainSpec(schedule=schedule, lr=0.5, decay_every=0.05)
    warm = TrainSpec(schedule=schedule, lr=0.5, decay_every=0.05, warmup=0.1)
    without, rates = ([learning_rate(spec, step, 100) for step in range(100)] for spec in (plain, warm))
    assert [rate / full for rate, full in zip(rates, without, strict=True)][:11] == pytest.approx(
        [(step + 1) / 11 for step in range(11)]
    )
    assert rates[10:] == without[10:], "exactly"


def test_who_does_not_ask_gets_the_warm_up_that_his_schedule_always_had() -> None:
    default = {schedule: TrainSpec(schedule=schedule).warmup for schedule in ("constant", "step", "onecycle", "cosine")}
    assert default == {"constant": 0.0, "step": 0.0, "onecycle": 0.2, "cosine": 0.2}
    assert TrainSpec(schedule="cosine", warmup=0.0).warmup == 0.0


def test_a_run_of_one_step_has_a_rate() -> None:
    for schedule in ("onecycle", "cosine", "step", "constant"):
        assert learning_rate(TrainSpec(schedule=schedule), 0, 1) > 0


def test_sgd_decays_all_and_adamw_spares_norms_and_biases() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    (sgd,) = make_optimizer(model, TrainSpec(weight_decay=0.1)).param_groups
    assert (len(sgd["params"]), sgd["weight_decay"], sgd["momentum"]) == (4, 0.1, 0.9)
    decayed, spared = make_optimizer(model, TrainSpec(optimizer="adamw", weight_decay=0.1)).param_groups
    assert (len(decayed["params"]), decayed["weight_decay"]) == (1, 0.1)
    assert (len(spared["params"]), spared["weight_decay"]) == (3, 0.0)


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
