"""One attempt at one training run of an ablation: its process, its output file, and its failure file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import BinaryIO

from fer_zoo.files import atomic_folder, locked, write_text

# Files of a finished training run.
LEFT = ("predictions/best/test.csv", "predictions/last/test.csv", "weights/README.md")
# Next to frames/, if that stage was copied from another training run: the name of its folder.
TAKEN = "frames_of.txt"

_CHILD = Path(__file__).with_name("child.py")
_TAIL = 4000
# Seconds for a training run to notice that its parent was killed, and to end after it was stopped.
_ORPHAN, _LEAVING = 30.0, 10.0


@dataclass(frozen=True)
class Job:
    """A training run to start: its folder with cell.yaml, what trains it, further arguments, compute threads.

    twins: folders of training runs with the same stage on single frames, which is then trained only once.
    """

    folder: Path
    train: tuple[str, ...]
    arguments: tuple[str, ...]
    threads: int | None
    twins: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """Result of a training run: `reason` is empty if it finished, and says what happened if not."""

    reason: str
    seconds: float


def missing_files(folder: Path) -> list[str]:
    """Files that a training run still lacks: none if it is finished."""
    return [name for name in LEFT if not (folder / name).is_file()]


def attempt(job: Job, stop: Event | None = None, gpu: str | None = None) -> Attempt:
    """Start or resume the training run in a folder; leaves output.log, and failed.json if it fails.

    A full or missing disk is a failure of this run, not an error: others may use another disk, or start later.

    Args:
        stop: when set, the training run is stopped, and neither done nor failed.
        gpu: the only GPU that the training run sees, as CUDA_VISIBLE_DEVICES names it; None for all of them.
    """
    began = time.monotonic()
    try:
        reason = _attempt(job, stop, gpu)
    except OSError as error:
        reason = f"its folder cannot be used: {error}"
    return Attempt(reason, time.monotonic() - began)


def _attempt(job: Job, stop: Event | None, gpu: str | None) -> str:
    failed = job.folder / "failed.json"
    with locked(job.folder / ".lock", wait=_ORPHAN) as lock:
        if lock is None:
            returncode, reason = -1, "another process trains in this folder"
        else:
            failed.unlink(missing_ok=True)
            _copy_frames(job)
            with (job.folder / "output.log").open("ab") as log:
                start = log.tell()
                ended = _train(job, stop, gpu, log, lock)
            if ended is None:
                return "stopped"
            returncode, reason = ended, _reason(job.folder, ended, start)
        if reason:
            write_text(failed, json.dumps({"reason": reason, "returncode": returncode}, indent=1) + "\n")
        return reason


def _copy_frames(job: Job) -> None:
    """Copy the finished frames stage of a twin; training checks that its clips are the same."""
    own = job.folder / "frames"
    # The second stage starts when the first one has ended.
    ended = [twin for twin in job.twins if (twin / "last.safetensors").is_file() and (twin / "frames").is_dir()]
    if own.exists() or not ended:
        return
    with atomic_folder(own) as new:
        shutil.copytree(ended[0] / "frames", new, dirs_exist_ok=True)
        write_text(job.folder / TAKEN, f"{ended[0]}\n")


def _train(job: Job, stop: Event | None, gpu: str | None, log: BinaryIO, lock: int) -> int | None:
    """Train in a process of its own; its exit code, or None if it was stopped."""
    command = [sys.executable, "-P", str(_CHILD), str(os.getpid()), *job.train, str(job.folder / "cell.yaml")]
    command += ["--out", str(job.folder), "--resume", *job.arguments]
    # It finds the modules that this process finds.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    if job.threads is not None:
        environment["OMP_NUM_THREADS"] = str(job.threads)
    if gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = gpu
    # In its own session: Ctrl-C is for this process, which then stops it. It inherits the lock, so no other process
    # trains here while it does, even if this process is killed.
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
        pass_fds=(lock,),
    ) as process:
        while stop is None or not stop.is_set():
            with suppress(subprocess.TimeoutExpired):
                return process.wait(0.2)
        for number in (signal.SIGTERM, signal.SIGKILL):
            # The process group: its child processes too.
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, number)
                process.wait(_LEAVING)
                break
    return None


def _reason(folder: Path, returncode: int, start: int) -> str:
    """Why a training run failed: the last error that it printed, or else its last line; "" if it is finished."""
    if returncode == 0:
        missing = missing_files(folder)
        return f"it ended without {', '.join(missing)}" if missing else ""
    if returncode < 0:
        killed = f"killed by {signal.Signals(-returncode).name}"
        return f"{killed}, perhaps for lack of memory" if returncode == -signal.SIGKILL else killed
    with (folder / "output.log").open("rb") as log:
        log.seek(max(start, log.seek(0, os.SEEK_END) - _TAIL))
        output = log.read().decode("utf-8", "replace").strip()
    _, found, error = output.rpartition("fer-zoo: ")
    return error if found else (output.splitlines() or ["it printed nothing"])[-1]
