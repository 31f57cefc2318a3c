"""Jobs over processes: all results, errors come home, and a killed parent leaves nobody behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fer_zoo.data.pool import spread
from fer_zoo.errors import InputError, VideoError


def square(number: int) -> int:
    if number == 13:
        raise VideoError("thirteen", "another number", "take it")
    if number == 99:
        os._exit(7)
    return number * number


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_has_its_result(workers: int) -> None:
    assert dict(spread(square, range(6), workers)) == {n: n * n for n in range(6)}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_comes_home_as_it_is(workers: int) -> None:
    with pytest.raises(VideoError, match="thirteen"):
        list(spread(square, [1, 13, 2], workers))


def test_a_worker_that_dies() -> None:
    with pytest.raises(InputError, match="A worker process ended unexpectedly"):
        list(spread(square, [99, 1], 2))


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
    deadline = time.monotonic() + 60
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
