"""Jobs as tasks of a local Ray of two workers: results, errors, and what a task that dies leaves behind."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fer_zoo.data.pool import spread
from fer_zoo.errors import InputError, MissingExtraError, VideoError


def square(number: int) -> int:
    if number == 13:
        raise VideoError("thirteen", "another number", "take it")
    return number * number


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
    if os.environ.get("CI"):  # there the extra is part of the installation, and a skip would hide that
        import ray
    else:
        ray = pytest.importorskip("ray", reason="needs the extra ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Tasks find functions of this module by its name, as they find those of a package.
    path = {"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=path)
    yield
    ray.shutdown()


def local(test: Callable[..., None]) -> Callable[..., None]:
    """Seconds to start and to stop a cluster are too long for every day."""
    return pytest.mark.slow(pytest.mark.usefixtures("two_workers")(test))


@local
def test_every_job_has_its_result() -> None:
    assert dict(spread(square, range(6), 2, "ray")) == {n: n * n for n in range(6)}
    assert list(spread(square, [], 2, "ray")) == []


@local
def test_an_error_comes_home_as_it_is() -> None:
    with pytest.raises(VideoError, match="thirteen") as caught:
        list(spread(square, [1, 13, 2], 2, "ray"))
    assert caught.value.do == "take it"


@local
@pytest.mark.parametrize("workers", [1, 2])
def test_at_most_that_many_tasks_at_a_time(tmp_path: Path, workers: int) -> None:
    list(spread(mark, [(str(tmp_path), n) for n in range(5)], workers, "ray"))
    assert max(int(path.read_text()) for path in tmp_path.glob("*.saw")) <= workers


@local
def test_a_task_that_dies() -> None:
    with pytest.raises(InputError, match="Ray failed"):
        list(spread(leave, [1], 2, "ray"))


@local
def test_one_task_that_dies() -> None:
    """With `lost` that is no error, and the others have their results."""
    found = dict(spread(leave_if_odd, [1, 2, 4], 2, "ray", lost=lambda job, message: -job))
    assert found == {1: -1, 2: 2, 4: 4}


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r'pip install "\.\[ray\]"'):
        list(spread(square, [1], 2, "ray"))
