"""Jobs as tasks of a Ray cluster: Ray queues and places them; here only as many are handed over as asked for."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from fer_zoo.errors import InputError, MissingExtraError

J = TypeVar("J")
R = TypeVar("R")


def spread_on_ray(
    function: Callable[[J], R], jobs: Sequence[J], workers: int, *, cpus: float = 1, gpus: float = 0,
    lost: Callable[[J, str], R] | None = None,
) -> Iterator[tuple[J, R]]:  # fmt: skip
    """Yield each job with its result as it is done, at most `workers` of them at a time.

    In a program that is connected to Ray that cluster works, else the one that the environment's RAY_ADDRESS names,
    else a local one that ends with this call.

    Args:
        cpus: what Ray reserves for a job; parts of one are possible.
        gpus: the same; a job sees only the GPU that it was given a part of, and none if that is 0.
        lost: what stands for a job whose worker or machine was lost for good, of the job and what Ray says; without
            it that is an error.

    Raises:
        MissingExtraError: Ray is not installed.
        InputError: there is no such cluster, none of its machines has what a job needs, or it lost a task for good.
    """
    ray = _import_ray()
    ours = not ray.is_initialized()
    try:
        if ours:
            ray.init(include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
        _check_room(ray.nodes(), cpus, gpus)
        task = ray.remote(num_cpus=cpus, num_gpus=gpus)(function)
        waiting, running = iter(jobs), dict[Any, J]()
        while True:
            while len(running) < workers and (job := next(waiting, None)) is not None:
                running[task.remote(job)] = job
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
            f"Ray did not do its work: {' '.join(str(error).split())}",
            "a cluster that is up, with this package and enough memory on its machines",
            "see `ray status`, then run it again: what is done is kept",
        ) from error
    finally:
        if ours:
            ray.shutdown()


def _check_room(machines: Sequence[Mapping[str, Any]], cpus: float, gpus: float) -> None:
    """Raise InputError if no machine could ever take a job: Ray would wait for one without a word."""
    has = [machine["Resources"] for machine in machines if machine["Alive"]]
    if not any(one.get("CPU", 0) >= cpus and one.get("GPU", 0) >= gpus for one in has):
        found = "; ".join(f"{one.get('CPU', 0):g} cores and {one.get('GPU', 0):g} GPUs" for one in has)
        raise InputError(
            f"A job is to have {cpus:g} cores and {gpus:g} GPUs; the cluster's machines have {found or 'none'}.",
            "what one machine of the cluster has",
            "ask for less a job, or add machines to the cluster",
        )


def _import_ray() -> Any:
    # Ray counts its users over the network, from the first import on; whoever wants that may still say so.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError.for_extra("ray", "ray") from error
    return ray
