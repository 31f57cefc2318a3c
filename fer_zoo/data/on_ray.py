"""The engine `ray` of `spread`: jobs as tasks of a Ray cluster, which queues and places them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from fer_zoo.errors import InputError, MissingExtraError

J = TypeVar("J")
R = TypeVar("R")


def over_ray(
    function: Callable[[J], R], jobs: Sequence[J], workers: int, cpus: float, gpus: float,
    lost: Callable[[J, str], R] | None,
) -> Iterator[tuple[J, R]]:  # fmt: skip
    """Yield each job with its result, at most `workers` at a time; `fer_zoo.data.pool.spread` has the arguments."""
    ray = _import_ray()
    ours = not ray.is_initialized()
    try:
        if ours:
            ray.init(include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
        _check_resources(ray.nodes(), cpus, gpus)
        task = ray.remote(num_cpus=cpus, num_gpus=gpus)(_call)  # Ray takes plain functions only
        waiting, running = iter(jobs), dict[Any, J]()
        while True:
            while len(running) < workers and (job := next(waiting, None)) is not None:
                running[task.remote(function, job)] = job
            if not running:
                return
            (done,), _ = ray.wait(list(running), num_returns=1)
            job = running.pop(done)
            try:
                result = ray.get(done)
            except ray.exceptions.RayTaskError:
                raise
            except ray.exceptions.RayError as error:
                if lost is None:
                    raise
                result = lost(job, " ".join(str(error).split()))
            yield job, result
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise InputError(
            f"Ray failed: {' '.join(str(error).split())}",
            "a cluster that is up, with this package and enough memory on its machines",
            "see `ray status`, then run it again: finished work is kept",
        ) from error
    finally:
        if ours:
            ray.shutdown()


def _call(function: Callable[[J], R], job: J) -> R:
    return function(job)


def _check_resources(machines: Sequence[Mapping[str, Any]], cpus: float, gpus: float) -> None:
    """Raise InputError if no machine could ever take a job: Ray would wait forever without a message."""
    has = [machine["Resources"] for machine in machines if machine["Alive"]]
    if not any(one.get("CPU", 0) >= cpus and one.get("GPU", 0) >= gpus for one in has):
        found = "; ".join(f"{one.get('CPU', 0):g} cores and {one.get('GPU', 0):g} GPUs" for one in has)
        raise InputError(
            f"A job needs {cpus:g} cores and {gpus:g} GPUs; the cluster's machines have {found or 'none'}.",
            "what one machine of the cluster has",
            "ask for less per job, or add machines to the cluster",
        )


def _import_ray() -> Any:
    # Ray reports its use over the network from the first import on; users who want that can still set the variable.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError.for_extra("ray", "ray") from error
    return ray
