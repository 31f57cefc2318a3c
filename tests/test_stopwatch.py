"""Stages of a job: nested stages, generators, errors, and no measurement outside `measured()`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fer_zoo import stopwatch
from fer_zoo.stopwatch import measured, stage, staged


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(stopwatch.time, "perf_counter", made)
    return made


@stage("inner")
def inner(clock: Clock) -> None:
    clock.sleep(5)


def slow(clock: Clock) -> Iterator[int]:
    for number in range(2):
        clock.sleep(3)
        yield number


def test_nested_stages_are_counted_separately(clock: Clock) -> None:
    with measured() as watch:
        with stage("outer"):
            clock.sleep(2)
            inner(clock)
            for _ in staged("items", slow(clock)):
                clock.sleep(1)
        inner(clock)
        clock.sleep(100)
    assert watch.seconds == {"outer": 4, "inner": 10, "items": 6}


def test_an_error_ends_its_stage(clock: Clock) -> None:
    with measured() as watch:
        with pytest.raises(ValueError, match="no"), stage("failing"):
            raise ValueError("no")
        clock.sleep(3)
    assert watch.seconds == {"failing": 0}


def test_nothing_is_measured_outside_measured(clock: Clock) -> None:
    with measured() as watch:
        pass
    inner(clock)
    assert watch.seconds == {}
    assert list(staged("items", range(3))) == [0, 1, 2]
