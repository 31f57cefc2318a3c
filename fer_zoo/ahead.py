"""Lets a generator run in a thread of its own, so that its next items are made while the last ones are used."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, suppress
from queue import Empty, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Generator[T, None, None], depth: int) -> Generator[T, None, None]:
    """Yield the items of a generator that runs in a thread, at most `depth` items ahead.

    An error of the generator is raised here, after the items before it. When this generator is closed or ends, the
    other one is closed and its thread has ended, so no thread outlives a `with closing(...)` around it.
    """
    # Items, each in a tuple, and at the end what ended the thread: an error, or nothing.
    made: Queue[tuple[T] | BaseException | None] = Queue(depth)
    stopped = Event()
    thread = Thread(target=_make, args=(items, made, stopped), daemon=True)
    thread.start()
    try:
        while isinstance(got := made.get(), tuple):
            yield got[0]
        if got is not None:
            raise got
    finally:
        stopped.set()
        while thread.is_alive():  # it may wait for a place in the queue
            with suppress(Empty):
                made.get(timeout=0.01)
        thread.join()


def _make(items: Generator[T, None, None], made: Queue[tuple[T] | BaseException | None], stopped: Event) -> None:
    error = None
    try:
        with closing(items):
            for item in items:
                if stopped.is_set():
                    break
                made.put((item,))
    except BaseException as caught:  # raised in the thread that waits
        error = caught
    made.put(error)
