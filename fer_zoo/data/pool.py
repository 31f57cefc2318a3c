"""Jobs spread over processes of this machine, where a killed parent leaves none behind, or over a Ray cluster."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Literal, TypeVar

from fer_zoo.errors import InputError

J = TypeVar("J")
R = TypeVar("R")

Engine = Literal["processes", "ray"]


def spread(
    function: Callable[[J], R], jobs: Sequence[J], workers: int, engine: Engine = "processes"
) -> Iterator[tuple[J, R]]:
    """Yield each job with its result as it is done; in this process if `workers` is 1 and the engine is processes.

    The function must be a module's, and jobs and results must pickle. The first error ends it, as does closing the
    iterator: what is running is finished, the rest is not begun.

    Raises:
        InputError: a process ended unexpectedly.
        MissingExtraError: the engine is `ray`, which is not installed.
    """
    if engine == "ray":
        from fer_zoo.data.on_ray import spread_on_ray

        yield from spread_on_ray(function, jobs, workers)
        return
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            yield job, function(job)
        return
    # Spawned, not forked: torch and numba keep threads, which a fork would break.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context, initializer=_leave_with_parent) as pool:
        running = {pool.submit(function, job): job for job in jobs}
        try:
            for done in as_completed(running):
                yield running[done], done.result()
        except BrokenProcessPool as error:
            raise InputError(
                f"A worker process ended unexpectedly: {error}",
                'enough memory, and in a script `if __name__ == "__main__":` round the call',
                "run it again, with fewer workers if memory is short; what is done is kept",
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _leave_with_parent() -> None:
    """End this worker when the process that started it is gone, even if it was killed outright."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
