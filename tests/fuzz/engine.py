"""Runs cases in a worker, restarts it when it dies or hangs, and keeps each kind of failure with its input."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .targets import TARGETS
from .worker import make_case

ROOT = Path(__file__).parents[2]
# The worker limits its processor time itself; this ends one that waits for ever.
WALL_SECONDS = 300
STARTUP_SECONDS = 300
# A target that goes wrong everywhere needs no further case.
MOST_FAILURES = 40


@dataclass
class Report:
    """What a run found: cases read, and by what went wrong, the saved cases and how often it came."""

    cases: int = 0
    failures: dict[str, tuple[Path, str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{self.cases} cases, {sum(self.counts.values())} failures of {len(self.failures)} kinds"]
        for wrong, (saved, text) in self.failures.items():
            lines += [f"\n{wrong} ({self.counts[wrong]} times)", f"  again: python -m tests.fuzz --replay {saved}"]
            lines += [f"    {line}" for line in text.strip().splitlines()[-12:]]
        return "\n".join(lines)


class Worker:
    """A worker process whose lines are read with a limit of time."""

    def __init__(self, *arguments: object) -> None:
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 (as long as the worker)
        self._lines: queue.Queue[str | None] = queue.Queue()
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker", *map(str, arguments)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line)
        self._lines.put(None)

    def line(self, seconds: float) -> dict[str, Any] | None:
        """The next line; None if the worker ended. Raises queue.Empty if nothing came in time."""
        text = self._lines.get(timeout=seconds)
        return None if text is None else dict(json.loads(text))

    def end(self) -> tuple[int, str]:
        """Kill it if it lives; its exit status and the end of what it wrote to stderr."""
        self._process.kill() if self._process.poll() is None and self._lines.empty() else None
        status = self._process.wait()
        self._errors.seek(0)
        return status, self._errors.read()[-3000:]

    def kill(self) -> None:
        self._process.kill()


def results(target: str, seeds: Path, case: Path, seed: int, first: int, end: int) -> Iterator[dict[str, Any]]:
    """The outcomes of cases `first` to `end`, in order; the worker is started as often as it takes."""
    while first < end:
        worker, begun, wait = Worker(target, seeds, case, seed, first, end), None, STARTUP_SECONDS
        try:
            while True:
                found = worker.line(wait)
                wait = WALL_SECONDS
                if found is None:
                    break
                begun = found.get("begin")
                if begun is None:
                    first = found["number"] + 1
                    yield found
        except queue.Empty:
            worker.kill()
            status, text = worker.end()
            yield {"number": begun or first, "wrong": f"no answer within {wait} s", "text": text}
        else:
            status, text = worker.end()
            if begun is None and first >= end:
                return
            if begun is None:
                raise RuntimeError(f"the worker ended with {status} before a case:\n{text}")
            yield {"number": begun, "wrong": _death(status), "text": text}
        finally:
            worker.kill()
        first = (begun if begun is not None else first) + 1


def _death(status: int) -> str:
    if status == -signal.SIGPROF:
        return "too much processor time"
    return f"died of {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"


def fuzz(
    target: str, out: Path, *, seed: int = 1, cases: int | None = None, minutes: float | None = None, first: int = 0
) -> Report:
    """Run a target's cases (or as many as fit in `minutes`), and save a case of each kind of failure below `out`."""
    report, stop = Report(), time.monotonic() + 60 * minutes if minutes else None
    with tempfile.TemporaryDirectory() as scratch:
        seeds, case = Path(scratch, "seeds"), Path(scratch, "case")
        seeds.mkdir()
        TARGETS[target].seed(seeds)
        end = 10**9 if stop else first + (cases or TARGETS[target].cases)
        for found in results(target, seeds, case, seed, first, end):
            report.cases += 1
            if wrong := found.get("wrong"):
                report.counts[wrong] = report.counts.get(wrong, 0) + 1
                if wrong not in report.failures:
                    saved = out / f"{target}-{seed}-{found['number']}"
                    shutil.rmtree(saved, ignore_errors=True)
                    make_case(target, seed, found["number"], seeds, saved / "case")  # the worker is on to the next
                    (saved / "report.txt").write_text(f"{wrong}\n\n{found['text']}", errors="replace")
                    report.failures[wrong] = saved, found["text"]
            if sum(report.counts.values()) >= MOST_FAILURES or (stop and time.monotonic() > stop):
                break
    return report


def replay(saved: Path) -> str:
    """Read a saved case once more, on a copy; what went wrong, or ""."""
    target = saved.resolve().name.split("-")[0]
    with tempfile.TemporaryDirectory() as scratch:
        case = Path(scratch, "case")
        shutil.copytree(saved / "case", case)
        worker = Worker(target, case)
        try:
            found = worker.line(STARTUP_SECONDS + WALL_SECONDS)
        except queue.Empty:
            worker.kill()
            return f"no answer\n{worker.end()[1]}"
        if found is None:
            status, text = worker.end()
            return f"{_death(status)}\n{text}"
        return f"{found['wrong']}\n{found['text']}" if "wrong" in found else ""
