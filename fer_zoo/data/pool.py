"""Jobs spread over processes of this machine, which end with the process that started them, or over Ray."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess as Process
from types import FrameType
from typing import Any, Literal, TypeVar

from fer_zoo.errors import FerZooError, InputError, MissingExtraError

J = TypeVar("J")
R = TypeVar("R")

Engine = Literal["processes", "ray"]
# Reads process numbers until the pipe ends, as it does when the process that writes them is killed.
_WATCHDOG = """
import os, signal, sys
for worker in [int(line) for line in sys.stdin]:
    try:
        os.kill(worker, getattr(signal, "SIGKILL", signal.SIGTERM))
    except OSError:  # it has ended
        pass
"""
# Seconds that a terminated worker has to remove its temporary files.
_GRACE = 5.0


def spread(
    function: Callable[[J], R],
    jobs: Sequence[J],
    workers: int,
    engine: Engine = "processes",
    *,
    cpus: float = 1,
    gpus: float = 0,
    lost: Callable[[J, str], R] | None = None,
) -> Iterator[tuple[J, R]]:
    """Yield each job with its result as it finishes; in this process if `workers` is 1 and the engine is processes.

    The function must be defined in a module, and jobs and results must be picklable. After the first error the running
    jobs finish and no other starts; an interruption and closing the iterator end them at once.

    Args:
        engine: "ray" hands the jobs to the Ray cluster that this program is connected to, else the one that the
            environment's RAY_ADDRESS names, else a local one that ends with this call.
        cpus: cores that Ray reserves for a job, which may be fractional.
        gpus: the same; a job sees only the GPU that it was given a part of, and none if that is 0.
        lost: with Ray, gives the result of a job whose worker or machine was lost for good, from the job and Ray's
            message; None: that is an error.

    Raises:
        InputError: a process ended unexpectedly; no such cluster, or none of its machines has what a job needs.
        MissingExtraError: the engine is `ray`, which is not installed.
    """
    if engine == "ray":
        yield from _over_ray(function, jobs, workers, cpus, gpus, lost)
    elif workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            yield job, function(job)
    else:
        yield from _over_processes(function, jobs, workers)


def _over_processes(function: Callable[[J], R], jobs: Sequence[J], workers: int) -> Iterator[tuple[J, R]]:
    # Pipes and no queues or executors: those need semaphores, and so /dev/shm, which small containers lack.
    team: dict[Any, Process] = {}
    waiting, running = iter(jobs), dict[Any, J]()
    with _watchdog() as watch:
        try:
            for job in (next(waiting) for _ in range(min(workers, len(jobs)))):
                with _interrupts_held_back():
                    ours, process = _start(function)
                    team[ours], running[ours] = process, job
                    watch(process)
                _send(ours, job)
            while running:
                for pipe in wait(list(running)):
                    job = running.pop(pipe)
                    succeeded, result = _received(pipe, team[pipe])
                    if not succeeded:
                        raise result
                    for following in waiting:
                        running[pipe] = following
                        _send(pipe, following)
                        break
                    yield job, result
        except Exception:
            raise
        except BaseException:  # interrupted, or the iterator was closed
            for process in team.values():
                process.terminate()
            try:
                for process in team.values():
                    process.join(_GRACE)
            finally:  # interrupted again, or one does not end, e.g. deep in a library
                for process in team.values():
                    process.kill()
            raise
        finally:
            for pipe in team:
                pipe.close()  # the worker then finishes its job and ends
            for process in team.values():
                process.join()


@contextmanager
def _watchdog() -> Iterator[Callable[[Process], None]]:
    """Start a small process that kills the workers if this process is killed; gives what names a worker to it.

    The workers could watch this process only after they have imported everything, which can take many seconds.
    """
    with _interrupts_held_back():
        watchdog = subprocess.Popen([sys.executable, "-I", "-S", "-c", _WATCHDOG], stdin=subprocess.PIPE, text=True)
    with watchdog:
        assert watchdog.stdin is not None
        pipe = watchdog.stdin
        try:
            yield lambda process: print(process.pid, file=pipe, flush=True)
        finally:
            watchdog.kill()


def _start(function: Callable[[J], R]) -> tuple[Connection, Process]:
    # Spawned, not forked: torch and numba keep threads, which a fork would break.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, function), daemon=True)
    process.start()
    theirs.close()
    return ours, process


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Start processes that never see Ctrl-C, not even while they import: the process that started them ends them.

    An interrupt that comes meanwhile is handled at the end of the block.
    """
    if not hasattr(signal, "pthread_sigmask"):  # pragma: no cover  (Windows)
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # or the first process would start it, which lets interrupts through again
    held: list[tuple[int, FrameType | None]] = []
    handler = signal.getsignal(signal.SIGINT)
    # The mask is for the new process. This one may get the signal in another thread, and must not be stopped by it
    # between starting a process and knowing it.
    held_here = handler is not None and threading.current_thread() is threading.main_thread()
    if held_here:
        signal.signal(signal.SIGINT, lambda number, frame: held.append((number, frame)))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if held_here:
            signal.signal(signal.SIGINT, handler)
        if held and callable(handler):
            handler(*held[0])


def _send(pipe: Any, job: object) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # it has ended, which shows when its result is awaited
        pipe.send(job)


def _received(pipe: Any, process: Process) -> tuple[bool, Any]:
    try:
        outcome: tuple[bool, Any] = pipe.recv()
        return outcome
    except (EOFError, ConnectionResetError) as error:
        process.join(_GRACE)
        raise InputError(
            f"A worker process ended unexpectedly (exit code {process.exitcode}).",
            'enough memory, and in a script `if __name__ == "__main__":` around the call',
            "run it again, with fewer workers if memory is short; finished work is kept",
        ) from error


def _work(pipe: Any, function: Callable[[Any], object]) -> None:
    """Do the jobs of the pipe, sending back (succeeded, result or error), until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # runs what removes temporary files
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            job = pipe.recv()
            try:
                outcome = True, function(job)
            except Exception as error:
                if not isinstance(error, FerZooError):
                    error.add_note("".join(traceback.format_exception(error)))
                outcome = False, error
            try:
                if not outcome[0]:  # as it is built again on the other side, which fails for some classes
                    copy(outcome[1])
                pipe.send(outcome)
            except (BrokenPipeError, ConnectionResetError):
                raise
            except Exception as error:
                problem = TypeError(f"{outcome[1]!r} cannot be sent between processes: {error}")
                for note in getattr(outcome[1], "__notes__", ()):
                    problem.add_note(note)
                pipe.send((False, problem))


def _over_ray(
    function: Callable[[J], R],
    jobs: Sequence[J],
    workers: int,
    cpus: float,
    gpus: float,
    lost: Callable[[J, str], R] | None,
) -> Iterator[tuple[J, R]]:
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
