"""Timing of the stages of a job: `stage(NAME)` marks a stage, at no cost unless `measured()` is active."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

_END = object()


class Stopwatch:
    """Seconds of each stage; time in a nested stage is not counted for the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open: list[str] = []
        self._since = 0.0

    def enter(self, name: str) -> None:
        """Begin a stage and pause the outer one."""
        self._count()
        self._open.append(name)

    def leave(self) -> None:
        """End the innermost stage and resume the outer one."""
        self._count()
        self._open.pop()

    def _count(self) -> None:
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] = self.seconds.get(self._open[-1], 0.0) + now - self._since
        self._since = now


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
    watch.enter(name)
    try:
        yield
    finally:
        watch.leave()


def staged(name: str, items: Iterable[T]) -> Iterator[T]:
    """Yield the items, and count the time to produce them as stage `name`."""
    iterator = iter(items)
    while True:
        with stage(name):
            item = next(iterator, _END)
        if item is _END:
            return
        yield item  # type: ignore[misc]  # _END is the only item that is not a T
