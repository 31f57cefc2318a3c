"""Trackers get the metrics and settings of a training, and a resumed training continues the same run of them."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import toy_faces

from fer_zoo.errors import MissingExtraError, TrainingError, UnknownNameError
from fer_zoo.training import run_folder, trackers, train
from fer_zoo.training.run import Stage
from fer_zoo.training.trackers import TRACKERS, chosen_trackers, tracked

PER_EPOCH = {"epoch", "train/epoch_loss", "train/lr", "validation/war", "validation/uar"}
NAMES = {*PER_EPOCH, "train/loss", "train/clips_per_second", "test/war", "test/uar"}


def stopped_and_resumed(out: Path, name: str) -> list[dict[str, str]]:
    """Train with a tracker, in two parts of two and one epochs; returns the rows of log.csv."""
    train(toy_faces.recipe(), out, max_steps=12, log_with=name, device="cpu")
    known = json.loads((out / "run.json").read_text())["trackers"]
    train(toy_faces.recipe(), out, resume=True, log_with=name, device="cpu")
    assert json.loads((out / "run.json").read_text())["trackers"] == known
    return list(csv.DictReader((out / "log.csv").open()))


def test_tensorboard(tmp_path: Path) -> None:
    """The curves of a run that was stopped and resumed are those of one run."""
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    rows = stopped_and_resumed(tmp_path, "tensorboard")
    curves = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(curves.Tags()["scalars"]) == NAMES
    assert [point.step for point in curves.Scalars("validation/uar")] == [6, 12, 18]
    for name, column in (("validation/uar", "validation_uar"), ("train/epoch_loss", "loss"), ("epoch", "epoch")):
        assert [point.value for point in curves.Scalars(name)] == pytest.approx([float(row[column]) for row in rows])
    assert [point.step for point in curves.Scalars("train/loss")] == [10]
    assert len(list((tmp_path / "tensorboard").rglob("hparams.yml"))) == 1, "the settings are written once"


@pytest.mark.slow
def test_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    rows = stopped_and_resumed(tmp_path / "mine", "mlflow")
    from mlflow.tracking import MlflowClient

    client = MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("fer_zoo").experiment_id])
    assert run.info.run_name == "mine"
    assert run.data.params["train.optimizer.name"] == "adamw"
    assert set(run.data.metrics) == NAMES
    points = client.get_metric_history(run.info.run_id, "validation/uar")
    assert [point.step for point in points] == [6, 12, 18]
    assert [point.value for point in points] == pytest.approx([float(row["validation_uar"]) for row in rows])


@pytest.mark.slow
def test_trackio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when it is imported
    storage = pytest.importorskip("trackio.sqlite_storage").SQLiteStorage
    rows = stopped_and_resumed(tmp_path / "mine", "trackio")
    name = f"mine-{json.loads((tmp_path / 'mine' / 'run.json').read_text())['trackers']['trackio']}"
    points = [row for row in storage.get_logs("fer_zoo", name) if "validation/uar" in row]
    assert [row["step"] for row in points] == [6, 12, 18]
    assert [row["validation/uar"] for row in points] == pytest.approx([float(row["validation_uar"]) for row in rows])
    assert storage.get_run_config("fer_zoo", name)["train.optimizer.name"] == "adamw"


@pytest.mark.slow
def test_wandb_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.chdir(tmp_path)
    for name, value in (("WANDB_MODE", "offline"), ("WANDB_SILENT", "true"), ("WANDB_PROJECT", "faces")):
        monkeypatch.setenv(name, value)
    stopped_and_resumed(tmp_path / "mine", "wandb")
    own = json.loads((tmp_path / "mine" / "run.json").read_text())["trackers"]["wandb"]
    files = sorted((tmp_path / "wandb").glob(f"offline-run-*-{own}/run-{own}.wandb"))
    assert len(files) == 2, "two parts of one run, which `wandb sync --append` puts together"
    written = files[0].read_bytes()
    assert all(text in written for text in (b"validation/uar", b"train.optimizer.name", b"faces"))


def test_names() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown tracker 'wandbb'"):
        chosen_trackers(["wandbb"])
    assert chosen_trackers([]) == ()
    assert chosen_trackers(["tensorboard", "tensorboard"]) == ("tensorboard",)


@pytest.mark.parametrize("name", TRACKERS)
def test_what_is_not_installed_is_reported_before_anything_is_done(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf'pip install "\.\[{name}\]"'):
        train(toy_faces.recipe(), tmp_path / "run", log_with=name)
    assert not (tmp_path / "run").exists()


class Server:
    """A tracker whose server is down from a certain call on."""

    logged: list[tuple[dict[str, float], int]] = []  # noqa: RUF012

    def __init__(self, project: str, **options: Any) -> None:
        self.fails = options["run_name"] == "down"

    def start(self) -> None:
        if self.fails:
            raise ConnectionError("no route to host")
        self.tracker = SimpleNamespace(info=SimpleNamespace(run_id="r1"))

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        assert values["train.lr"] == 0.01

    def log(self, values: dict[str, float], step: int) -> None:
        if step > 1:
            raise ConnectionError("connection lost")
        self.logged.append((values, step))

    def finish(self) -> None:
        raise AssertionError("it is not used any more")


def test_a_server_that_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start it is an error; later a warning, as a tracker must not end a training of days."""
    tracking = pytest.importorskip("accelerate.tracking")
    monkeypatch.setitem(tracking.LOGGER_TYPE_TO_CLASS, "mlflow", Server)

    def run_in(folder: Path) -> Any:
        run_folder.write(folder / "run.json", json.dumps({"commit": "", "hardware": ""}))
        accelerator = SimpleNamespace(is_main_process=True)
        recipe = toy_faces.recipe()
        return SimpleNamespace(
            stage=Stage(recipe, folder), recipe=recipe, progress=SimpleNamespace(step=0), accelerator=accelerator
        )

    down = "The tracker mlflow cannot start: no route to host"
    with pytest.raises(TrainingError, match=down), tracked(run_in(tmp_path / "down"), ["mlflow"]):
        pass
    with tracked(run_in(tmp_path / "up"), ["mlflow"]) as log:
        log({"a": 1.0}, 1)
        with pytest.warns(UserWarning, match="mlflow failed and is not used any more: connection lost"):
            log({"a": 2.0}, 2)
        log({"a": 3.0}, 3)
    assert Server.logged == [({"a": 1.0}, 1)]
    assert json.loads((tmp_path / "up" / "run.json").read_text())["trackers"] == {"mlflow": "r1"}


def test_settings_are_flat() -> None:
    flat = dict(trackers._flat({"a": {"b": 1, "c": [1, 2]}, "d": "x"}))
    assert flat == {"a.b": 1, "a.c": "[1, 2]", "d": "x"}
