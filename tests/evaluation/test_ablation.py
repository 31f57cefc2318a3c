"""Cells in separate processes: finished ones are skipped, failures stop no others, a killed run resumes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import toy_databases
from ray_cluster import ray_cluster

from fer_zoo.errors import InputError
from fer_zoo.evaluation.ablation import Ended, RunOptions, ablate
from fer_zoo.evaluation.attempt import LEFT, Job
from fer_zoo.evaluation.grid import CellPlan
from fer_zoo.evaluation.results import read_results
from fer_zoo.files import locked
from fer_zoo.recipes import load_recipe

STUB = RunOptions(train=("stub_training",))


def cells(seeds: tuple[int, ...] = (1, 2, 3), **changes: Any) -> list[CellPlan]:
    recipe = toy_databases.recipe(split={"folds": 3, "fold": 1}, **changes)
    return [CellPlan("base", "fold-1-of-3", recipe.model_copy(update={"seed": seed})) for seed in seeds]


def behave(out: Path, **behaviour: Any) -> None:
    out.mkdir(exist_ok=True)
    (out / "behaviour.json").write_text(json.dumps(behaviour))


def left(out: Path) -> dict[str, bytes]:
    """All that the cells have left, but for what tells of attempts."""
    files = (path for path in out.rglob("*") if path.is_file())
    excluded = {"output.log", ".lock", "behaviour.json"}
    return {str(path.relative_to(out)): path.read_bytes() for path in files if path.name not in excluded}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cells, run without a break."""
    out = tmp_path_factory.mktemp("whole")
    ablate(cells(), out, STUB)
    return out


def test_a_run_leaves_what_a_report_reads(whole: Path) -> None:
    found = read_results([whole])
    assert [(cell.recipe, cell.split, cell.seed, cell.state) for cell in found] == [
        ("base", "fold-1-of-3", seed, "done") for seed in (1, 2, 3)
    ]
    folder = whole / "base" / "fold-1-of-3" / "seed-2"
    assert load_recipe(folder / "cell.yaml") == cells()[1].recipe
    assert (folder / "output.log").read_text().startswith("started with [] and OMP_NUM_THREADS=")


def test_finished_cells_are_skipped_and_the_rest_reported(whole: Path, tmp_path: Path) -> None:
    ended_runs: list[Ended] = []
    first = ablate(cells(seeds=(1,)), tmp_path, STUB, ended_runs.append)
    second = ablate(cells(), tmp_path, STUB, ended_runs.append)
    assert ((first.skipped, first.trained), (second.skipped, second.trained)) == ((0, 1), (1, 2))
    assert [(ended.cell.recipe.seed, ended.done, ended.of) for ended in ended_runs] == [(1, 1, 1), (2, 2, 3), (3, 3, 3)]
    assert ended_runs[1].left > ended_runs[2].left == 0
    assert ended_runs[0].metrics is not None
    assert ended_runs[0].metrics.war == pytest.approx(0.5, abs=0.4)
    assert left(tmp_path) == left(whole)
    log = tmp_path / "base" / "fold-1-of-3" / "seed-1" / "output.log"
    assert log.read_text().count("started") == 1


def test_a_failed_cell_stops_no_other_and_is_retried(whole: Path, tmp_path: Path) -> None:
    behave(tmp_path, fail=["seed-2"])
    ended_runs: list[Ended] = []
    outcome = ablate(cells(), tmp_path, STUB, ended_runs.append)
    assert (outcome.trained, outcome.skipped) == (2, 0)
    ((cell, reason),) = outcome.failed
    assert (cell.recipe.seed, reason) == (2, "The loss is no longer finite.\n  What to do: lower train.lr")
    assert [ended.metrics is None for ended in ended_runs] == [False, True, False]
    folder = tmp_path / cell.folder
    assert json.loads((folder / "failed.json").read_text()) == {"reason": reason, "returncode": 2}
    assert [found.state for found in read_results([tmp_path])] == ["done", "failed", "done"]
    behave(tmp_path)
    outcome = ablate(cells(), tmp_path, STUB)
    assert (outcome.trained, outcome.skipped, outcome.failed) == (1, 2, [])
    assert left(tmp_path) == left(whole), "it went on where it had stopped; failed.json is gone"
    assert (folder / "output.log").read_text().count("started") == 2


@pytest.mark.parametrize(
    ("number", "message"), [(9, "killed by SIGKILL, perhaps for lack of memory"), (15, "killed by SIGTERM")]
)
def test_a_cell_that_is_killed(tmp_path: Path, number: int, message: str) -> None:
    behave(tmp_path, signal=number)
    ((_, reason),) = ablate(cells(seeds=(1,)), tmp_path, STUB).failed
    assert reason == message


def test_a_cell_whose_folder_cannot_be_used_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full when it takes over the frames of another."""

    def full(job: Job) -> None:
        if job.folder.name == "seed-2":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("fer_zoo.evaluation.attempt._copy_frames", full)
    outcome = ablate(cells(), tmp_path, STUB)
    assert outcome.trained == 2
    ((cell, reason),) = outcome.failed
    assert (cell.recipe.seed, reason) == (2, "its folder cannot be used: [Errno 28] No space left on device")


def test_a_cell_that_cannot_begin(tmp_path: Path) -> None:
    ((_, reason),) = ablate(cells(seeds=(1,)), tmp_path, RunOptions(train=("stub_that_is_not_there",))).failed
    assert "No module named stub_that_is_not_there" in reason


def test_a_training_that_ends_well_and_leaves_nothing_has_failed(tmp_path: Path) -> None:
    behave(tmp_path, nothing=True)
    ((_, reason),) = ablate(cells(seeds=(1,)), tmp_path, STUB).failed
    assert reason == f"it ended without {', '.join(LEFT)}"


def test_a_folder_of_another_recipe_is_refused_by_name_and_nothing_is_touched(tmp_path: Path) -> None:
    ablate(cells(), tmp_path, STUB)
    before = left(tmp_path)
    with pytest.raises(InputError, match=r"(?s)seed-1: train\.epochs was 1, now 7.*seed-3: train\.epochs was 1"):
        ablate(cells(train={"epochs": 7, "batch_size": 4, "optimizer": "adamw"}), tmp_path, STUB)
    assert left(tmp_path) == before
    (tmp_path / "base" / "fold-1-of-3" / "seed-4").mkdir()
    (tmp_path / "base" / "fold-1-of-3" / "seed-4" / "thesis.tex").touch()
    with pytest.raises(InputError, match=r"seed-4 contains thesis\.tex and no recipe"):
        ablate(cells(seeds=(4,)), tmp_path, STUB)
    assert json.loads((tmp_path / "grid.json").read_text())["cells"] == [cell.entry() for cell in cells()]


def test_another_description_is_no_other_recipe(tmp_path: Path) -> None:
    ablate(cells(seeds=(1,)), tmp_path, STUB)
    assert ablate(cells(seeds=(1,), description="In other words."), tmp_path, STUB).skipped == 1


def test_more_cells_can_be_added(tmp_path: Path) -> None:
    ablate(cells(seeds=(1, 2)), tmp_path, STUB)
    ablate(cells(seeds=(3, 2)), tmp_path, STUB)
    assert [cell.seed for cell in read_results([tmp_path])] == [1, 2, 3]


def test_jobs_at_a_time_share_the_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    behave(tmp_path, together=3)
    outcome = ablate(cells(), tmp_path, RunOptions(jobs=3, train=STUB.train, arguments=("--device", "cpu")))
    assert outcome.trained == 3
    for log in tmp_path.rglob("output.log"):
        assert "started with ['--device', 'cpu'] and OMP_NUM_THREADS=2" in log.read_text()


@pytest.mark.parametrize(
    ("visible", "arguments", "seen"),
    [
        (None, (), {"0", "1"}),
        ("3,5", (), {"3", "5"}),
        ("3", (), {"3"}),
        ("3,5", ("--device", "cuda:1"), {"3,5"}),
    ],
)
def test_jobs_at_a_time_share_the_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, arguments: tuple[str, ...], seen: set[str]
) -> None:
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    behave(tmp_path, together=2)
    assert ablate(cells(), tmp_path, RunOptions(jobs=2, train=STUB.train, arguments=arguments)).trained == 3
    gpus = [log.read_text().split("sees GPUs ")[1].split()[0] for log in tmp_path.rglob("output.log")]
    assert set(gpus) == seen


def wait_for(condition: Callable[[], bool], runner: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until a condition holds, for 120 s at most and only as long as a runner, if one is given, lives."""
    deadline = time.monotonic() + 120
    while not condition():
        assert runner is None or runner.poll() is None, "the runner ended"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(folder: Path) -> bool:
    """Whether some process still trains in a cell's folder."""
    with locked(folder / ".lock") as lock:
        return lock is None


def in_first_step(folder: Path) -> bool:
    return (folder / "steps").exists() and (folder / "steps").read_text() == "0"


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that runs the three cells, two at a time, which wait in their first step; killed at the end."""
    behave(tmp_path, hold=True)
    path = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, __file__, str(tmp_path)], env=path) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_stopped_at_any_moment_and_started_again_it_ends_the_same(
    whole: Path, tmp_path: Path, runner: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    folders = [tmp_path / cell.folder for cell in cells()[:2]]
    wait_for(lambda: all(in_first_step(folder) for folder in folders), runner)
    with pytest.raises(InputError, match=rf"(?s)running in .*process {runner.pid} on"):
        ablate(cells(), tmp_path, STUB)
    os.kill(runner.pid, number)
    runner.wait(120)
    wait_for(lambda: not any(alive(folder) for folder in folders))
    assert all((folder / "steps").read_text() == "0" for folder in folders)
    behave(tmp_path)
    outcome = ablate(cells(), tmp_path, STUB)
    assert (outcome.trained, outcome.failed) == (3, [])
    assert left(tmp_path) == left(whole)


@pytest.mark.slow
def test_trainings_leave_when_their_runner_is_gone(tmp_path: Path, runner: subprocess.Popen[bytes]) -> None:
    folder = tmp_path / cells()[0].folder
    wait_for(lambda: in_first_step(folder), runner)
    assert alive(folder)
    runner.kill()
    runner.wait()
    wait_for(lambda: not alive(folder))


def test_a_lock_of_a_process_that_is_gone_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("process 1 on elsewhere, long ago, with a longer text than the next one's")
    ablate(cells(seeds=(1,)), tmp_path, STUB)
    assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} on ")
    assert "long ago" not in (tmp_path / ".lock").read_text()


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written to"):
        ablate(cells(), tmp_path / "file" / "out", STUB)


def test_a_damaged_grid_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "grid.json").write_text('{"format": 9}')
    with pytest.raises(InputError, match="its format is 9"):
        ablate(cells(), tmp_path, STUB)
    assert (tmp_path / "grid.json").read_text() == '{"format": 9}'


@pytest.fixture(scope="module")
def two_workers() -> Iterator[None]:
    with ray_cluster(__file__, gpus=1):
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("two_workers")
def test_on_a_local_ray_of_two_workers(whole: Path, tmp_path: Path) -> None:
    """Halves of a GPU, so that two run at a time; a failure is reported as usual."""
    behave(tmp_path, fail=["seed-2"])
    on_ray = RunOptions(engine="ray", cpus=1, gpus=0.5, train=STUB.train)
    outcome = ablate(cells(), tmp_path, on_ray)
    assert (outcome.trained, [cell.recipe.seed for cell, _ in outcome.failed]) == (2, [2])
    behave(tmp_path)
    assert ablate(cells(), tmp_path, on_ray).trained == 1
    assert left(tmp_path) == left(whole)
    with pytest.raises(InputError, match="2 GPUs; the cluster's machines have 2 cores and 1 GPUs"):
        ablate(cells(seeds=(4,)), tmp_path, RunOptions(engine="ray", gpus=2, train=STUB.train))


if __name__ == "__main__":  # run by the tests of killed runners
    # A shell that starts the tests in the background has them ignore it, and so would this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    ablate(cells(), sys.argv[1], RunOptions(jobs=2, train=STUB.train))
