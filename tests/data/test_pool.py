"""Jobs over processes, or as tasks of a local Ray: all results and errors come back, and no process is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ray_cluster import ray_cluster

from fer_zoo.data.pool import spread
from fer_zoo.errors import InputError, MissingExtraError, VideoError


def square(number: int) -> int:
    if number == 13:
        raise VideoError("thirteen", "another number", "take it")
    if number == 99:
        os._exit(7)
    if number == 78:
        raise TwoArgumentsError("seventy", "eight")
    return (lambda: None) if number == 77 else number * number  # type: ignore[return-value]


class TwoArgumentsError(Exception):
    """Pickles, but cannot be built again from its message."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} {other}")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_has_its_result(workers: int) -> None:
    assert dict(spread(square, range(6), workers)) == {n: n * n for n in range(6)}


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_error_comes_home_as_it_is(workers: int) -> None:
    with pytest.raises(VideoError, match="thirteen"):
        list(spread(square, [1, 13, 2], workers))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "name"), [(77, "lambda"), (78, "TwoArgumentsError")])
def test_what_cannot_be_sent_is_named(number: int, name: str) -> None:
    with pytest.raises(TypeError, match=f"{name}.* cannot be sent between processes"):
        list(spread(square, [1, number], 2))


@pytest.mark.slow
def test_a_worker_that_dies() -> None:
    with pytest.raises(InputError, match="A worker process ended unexpectedly"):
        list(spread(square, [99, 1], 2))


@pytest.mark.slow
def test_a_killed_parent_leaves_no_worker(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys, time\n"
        "from fer_zoo.data.pool import spread\n"
        "def work(number):\n"
        "    open(sys.argv[0] + f'.{os.getpid()}', 'w').close()\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    list(spread(work, [1, 2], 2))\n"
    )
    parent = subprocess.Popen([sys.executable, script])
    workers: list[int] = []
    deadline = time.monotonic() + 180  # spawned processes import torch, on a busy machine for long
    while len(workers) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
        workers = [int(path.suffix[1:]) for path in tmp_path.glob("script.py.*")]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(workers) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


# A shell starts what runs in the background with SIGINT ignored, and so everything below it.
INTERRUPTIBLE = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"


def started(folder: Path, body: str) -> tuple[subprocess.Popen[str], set[int]]:
    """A script that spreads two jobs over two processes, as soon as both were started, and their numbers."""
    script = folder / "script.py"
    script.write_text(
        f"{INTERRUPTIBLE}import time\n{body}\n"
        "from fer_zoo.data.pool import spread\n"
        "if __name__ == '__main__':\n"
        "    list(spread(time.sleep, [60, 60], 2))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 180  # spawned processes import torch, on a busy machine for long
    while len(workers := members(parent.pid, "spawn_main")) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    return parent, workers


def members(session: int, command: str) -> set[int]:
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, group = (process / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(group) == session and state != "Z" and command in (process / "cmdline").read_text():
                found.add(int(process.name))
        except (OSError, ValueError):
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_second_interrupt_ends_workers_that_ignore_the_first(tmp_path: Path) -> None:
    parent, workers = started(tmp_path, "if __name__ != '__main__':\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    assert len(workers) == 2
    for _ in range(2):
        os.kill(parent.pid, signal.SIGINT)
        time.sleep(1)
    parent.wait(20)
    assert not members(parent.pid, "spawn_main")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_parent_killed_before_its_workers_have_imported_leaves_none(tmp_path: Path) -> None:
    parent, workers = started(tmp_path, "if __name__ != '__main__':\n    time.sleep(60)  # a slow import")
    time.sleep(0.5)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 10
    while members(parent.pid, "") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(workers) == 2
    assert members(parent.pid, "") == set()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.slow
@pytest.mark.parametrize("import_seconds", [0, 60])
def test_an_interrupt_ends_all_without_a_traceback_of_a_worker(import_seconds: int, tmp_path: Path) -> None:
    parent, workers = started(tmp_path, f"if __name__ != '__main__':\n    time.sleep({import_seconds})")
    time.sleep(0.5)
    os.killpg(parent.pid, signal.SIGINT)
    output, _ = parent.communicate(timeout=60)
    assert len(workers) == 2
    assert output.count("Traceback") == output.count("KeyboardInterrupt") == 1, output
    until = time.monotonic() + 30
    while members(parent.pid, "") and time.monotonic() < until:  # the watchdog sees within 0.05 s that its parent ended
        time.sleep(0.05)
    assert members(parent.pid, "") == set()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs signal masks")
def test_an_interrupt_while_a_process_is_started_waits_until_it_is_known() -> None:
    """Also where another thread gets the signal: numerical libraries have some."""
    script = (
        f"{INTERRUPTIBLE}import os, threading, time\n"
        "from fer_zoo.data.pool import _interrupts_held_back\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "done = False\n"
        "try:\n"
        "    with _interrupts_held_back():\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(0.5)\n"
        "        done = True\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', done)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert run.stdout == "interrupted True\n", run.stderr


def mark(job: tuple[str, int]) -> None:
    """Leave a file while at work, and one that tells how many were at work."""
    folder, number = Path(job[0]), job[1]
    (folder / f"{number}.busy").touch()
    time.sleep(0.2)
    (folder / f"{number}.saw").write_text(str(len(list(folder.glob("*.busy")))))
    (folder / f"{number}.busy").unlink()


def leave(number: int) -> None:
    os._exit(7)


def leave_if_odd(number: int) -> int:
    if number % 2:
        os._exit(7)
    return number


@pytest.fixture(scope="module")
def two_workers() -> Iterator[None]:
    with ray_cluster(__file__):
        yield


def local(test: Callable[..., None]) -> Callable[..., None]:
    """Seconds to start and to stop a cluster are too long for every day."""
    return pytest.mark.slow(pytest.mark.usefixtures("two_workers")(test))


@local
def test_every_job_has_its_result_with_ray() -> None:
    assert dict(spread(square, range(6), 2, "ray")) == {n: n * n for n in range(6)}
    assert list(spread(square, [], 2, "ray")) == []


@local
def test_an_error_comes_home_as_it_is_with_ray() -> None:
    with pytest.raises(VideoError, match="thirteen") as caught:
        list(spread(square, [1, 13, 2], 2, "ray"))
    assert caught.value.do == "take it"


@local
@pytest.mark.parametrize("workers", [1, 2])
def test_at_most_that_many_tasks_of_ray_at_a_time(tmp_path: Path, workers: int) -> None:
    list(spread(mark, [(str(tmp_path), n) for n in range(5)], workers, "ray"))
    assert max(int(path.read_text()) for path in tmp_path.glob("*.saw")) <= workers


@local
def test_a_task_of_ray_that_dies() -> None:
    with pytest.raises(InputError, match="Ray failed"):
        list(spread(leave, [1], 2, "ray"))


@local
def test_one_task_of_ray_that_dies() -> None:
    """With `lost` that is no error, and the others have their results."""
    found = dict(spread(leave_if_odd, [1, 2, 4], 2, "ray", lost=lambda job, message: -job))
    assert found == {1: -1, 2: 2, 4: 4}


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r'pip install "\.\[ray\]"'):
        list(spread(square, [1], 2, "ray"))
