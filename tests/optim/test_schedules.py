"""Schedules: the share of the learning rate in every step, against torch's own schedulers and by hand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch

from fer_zoo.registry import SCHEDULES
from fer_zoo.specs import TrainSpec
from fer_zoo.testing import check_schedule


def shares(name: str, steps: int, **options: Any) -> list[float]:
    schedule = SCHEDULES.get(name).build(options=options, steps=steps)
    return [schedule(step) for step in range(steps)]


@pytest.mark.parametrize("name", SCHEDULES.names())
def test_the_contract(name: str) -> None:
    check_schedule(name)
    check_schedule(name, warmup=0.3)
    assert max(shares(name, 100)) == 1


def test_constant() -> None:
    assert set(shares("constant", 50)) == {1.0}


def test_onecycle_rises_and_falls() -> None:
    found = shares("onecycle", 100, warmup=0.2)
    assert found[0] == pytest.approx(0.04)
    assert max(found) == found[20] == 1
    assert found[:21] == sorted(found[:21])
    assert found[20:] == sorted(found[20:], reverse=True)
    assert found[60] == pytest.approx(1.001 / 2)
    assert 0.001 <= found[99] < 0.002


def test_cosine_rises_in_a_line_and_falls() -> None:
    found = shares("cosine", 100, warmup=0.1)
    assert found[0] == pytest.approx(1 / 11)
    assert max(found) == found[10] == 1
    steps = [after - before for before, after in pairwise(found[:11])]
    assert steps == pytest.approx([steps[0]] * 10), "a line"
    assert found[55] == pytest.approx(0.5)
    assert 0 < found[99] < 0.002


def of_torch(make: Any, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, found = make(optimizer), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_as_torch_has_them() -> None:
    schedulers = torch.optim.lr_scheduler
    assert shares("cosine", 60, warmup=0.0) == pytest.approx(
        of_torch(lambda o: schedulers.CosineAnnealingLR(o, T_max=60), 60)
    )
    assert shares("step", 60, decay=0.3, decay_every=0.25) == pytest.approx(
        of_torch(lambda o: schedulers.StepLR(o, step_size=15, gamma=0.3), 60)
    )
    assert shares("constant", 60, warmup=0.5)[:31] == pytest.approx(
        of_torch(lambda o: schedulers.LinearLR(o, start_factor=1 / 31, total_iters=30), 31)
    )


def test_steps_down() -> None:
    found = shares("step", 10, decay=0.1, decay_every=0.3)
    assert found == pytest.approx([1] * 3 + [0.1] * 3 + [0.01] * 3 + [0.001])
    assert set(shares("step", 7, decay_every=1.0)) == {1.0}


@pytest.mark.parametrize("name", ["constant", "step"])
def test_the_others_rise_in_a_line_if_they_have_a_warmup(name: str) -> None:
    more = {"decay_every": 0.05} if name == "step" else {}
    without, found = shares(name, 100, **more), shares(name, 100, warmup=0.1, **more)
    assert [share / full for share, full in zip(found, without, strict=True)][:11] == pytest.approx(
        [(step + 1) / 11 for step in range(11)]
    )
    assert found[10:] == without[10:], "exactly"


def test_the_default_warmup() -> None:
    default = {name: SCHEDULES.get(name).options["warmup"].default for name in SCHEDULES.names()}
    assert default == {"constant": 0.0, "step": 0.0, "onecycle": 0.2, "cosine": 0.2}
    assert shares("cosine", 100, **TrainSpec(schedule="cosine", warmup=0.0).schedule.options)[0] == 1
