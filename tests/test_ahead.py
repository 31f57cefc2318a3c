"""A generator in a thread: order, bound, errors in both directions, and no thread that is left."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing

import pytest

from fer_zoo.ahead import ahead


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def numbers(count: int, closed: list[str], made: list[int] | None = None) -> Generator[int, None, None]:
    try:
        for number in range(count):
            if made is not None:
                made.append(number)
            yield number
    finally:
        closed.append(threading.current_thread().name)


@pytest.mark.parametrize("depth", [1, 3, 100])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_all_items_in_order(count: int, depth: int) -> None:
    closed: list[str] = []
    assert list(ahead(numbers(count, closed), depth)) == list(range(count))
    assert len(closed) == 1
    assert closed != [threading.current_thread().name]


def test_it_is_never_further_ahead_than_it_may_be() -> None:
    made: list[int] = []
    with closing(ahead(numbers(10_000, [], made), 5)) as items:
        for item in items:
            # Those in the queue, the one that waits for a place in it, and the one that was taken out.
            assert len(made) <= item + 1 + 5 + 1
            if item == 200:
                break
    assert len(made) < 220


def test_an_error_comes_after_the_items_before_it() -> None:
    def failing() -> Generator[int, None, None]:
        yield from range(3)
        raise KeyError("broken")

    items = ahead(failing(), 10)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="broken"):
        next(items)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_the_reader_ends_the_thread(error: type[BaseException]) -> None:
    closed: list[str] = []

    def read() -> None:
        with closing(ahead(numbers(10_000, closed), 2)) as items:
            for item in items:
                if item == 7:
                    raise error

    with pytest.raises(error):
        read()
    assert len(closed) == 1


def test_one_inside_another() -> None:
    closed: list[str] = []

    def doubled() -> Generator[int, None, None]:
        with closing(ahead(numbers(10_000, closed), 2)) as items:
            for item in items:
                yield 2 * item

    with closing(ahead(doubled(), 2)) as items:
        assert [next(items) for _ in range(5)] == [0, 2, 4, 6, 8]
    assert len(closed) == 1
