"""How long the stages of a job take: `stage(NAME)` is a name for what is done in it, and costs nothing unasked."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

_END = object()


class Stopwatch:
    """Seconds of each stage; a stage within another counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open: list[str] = []
        self._since = 0.0

    def enter(self, name: str) -> None:
        """Begin a stage; the one around it pauses."""
        self._count()
        self._open.append(name)

    def leave(self) -> None:
        """End the stage that was begun last; the one around it goes on."""
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
    """Measure the stages of what is done in this block."""
    watch = Stopwatch()
    before = _running.set(watch)
    try:
        yield watch
    finally:
        _running.reset(before)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Count this block, or as a decorator each call of a function, for stage `name` of whoever measures."""
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
    """Yield the items; the time that making each takes counts for stage `name`."""
    iterator = iter(items)
    while True:
        with stage(name):
            item = next(iterator, _END)
        if item is _END:
            return
        yield item  # type: ignore[misc]  # _END is the only item that is no T
