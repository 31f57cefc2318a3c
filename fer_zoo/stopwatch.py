"""Timing of the stages of a job: `stage(NAME)` marks a stage, at no cost unless `measured()` is active."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass
class Stopwatch:
    """Seconds of each stage; time in a nested stage is not counted for the outer one."""

    seconds: dict[str, float] = field(default_factory=dict)
    nested: float = 0.0
    """Seconds of the stages that ended inside the current one."""


_running: ContextVar[Stopwatch | None] = ContextVar("stopwatch", default=None)


@contextmanager
def measured() -> Iterator[Stopwatch]:
    """Measure the stages in this block."""
    watch = Stopwatch()
    before = _running.set(watch)
    try:
        yield watch
    finally:
        _running.reset(before)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Count the time of this block (or, as a decorator, of each call) as stage `name`."""
    watch = _running.get()
    if watch is None:
        yield
        return
    began, outer, watch.nested = time.perf_counter(), watch.nested, 0.0
    try:
        yield
    finally:
        took = time.perf_counter() - began
        watch.seconds[name] = watch.seconds.get(name, 0.0) + took - watch.nested
        watch.nested = outer + took


def staged(name: str, items: Iterable[T]) -> Iterator[T]:
    """Yield the items, and count the time to produce them as stage `name`."""
    iterator = iter(items)
    while True:
        with stage(name):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item
