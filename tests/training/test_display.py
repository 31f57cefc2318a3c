"""Display of training: one line per epoch in the first process only."""

from __future__ import annotations

import pytest
import rich
import toy_faces
from rich.console import Console

from fer_zoo.training.checkpoint import TrainingState
from fer_zoo.training.display import Display


@pytest.mark.parametrize("main", [True, False])
def test_a_line_an_epoch_where_it_speaks(main: bool, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"epoch": 1, "lr": 0.01, "loss": 1.5, "validation_uar": 0.4567, "validation_war": 0.5, "seconds": 90.0}
    progress = TrainingState({}, {}, step=6, best_uar=0.4567, best_epoch=1, history=[row])
    with Display(toy_faces.recipe(), progress, 18, main=main) as display:
        for step in range(7, 10):
            display.step(step, 1.25, 0.01, 0.5)
        display.epoch(progress)
    message = capsys.readouterr().out
    assert ("epoch 1/3  loss 1.500  validation UAR 45.7% WAR 50.0%  1.5 min  best\n" in message) == main
    assert (message != "") == main


@pytest.mark.parametrize("width", [160, 80])
def test_the_bar(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = 0.0
    monkeypatch.setattr(rich, "_console", Console(width=width, get_time=lambda: clock))
    progress = TrainingState({}, {}, step=6, best_uar=0.3333, best_epoch=1)
    with Display(toy_faces.recipe(), progress, 18, main=True) as display:
        for step in range(7, 10):
            clock += 0.5
            display.step(step, 1.25, 0.01, 0.5)
        progress.best_uar = 0.4567
        progress.history = [
            {"epoch": 1, "lr": 0.01, "loss": 1, "validation_uar": 0.4567, "validation_war": 0.5, "seconds": 9}
        ]
        display.epoch(progress)
    bar = capsys.readouterr().out.splitlines()[-1]
    assert ("incres3d_tiny_lstm_lm" in bar) == (width == 160)
    gone_by = "0:00:01 " * (width == 160)
    figures = f"9/18 loss 1.250  2.00 it/s  8.0 clips/s  UAR 45.7 {gone_by}left 0:00:05"
    assert figures in bar, "batches of 4 clips, half a second each, nine of them to come"


@pytest.mark.filterwarnings("error")
def test_a_notebook_without_ipywidgets_shows_the_epochs_and_no_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console(width=80, force_jupyter=True)
    monkeypatch.setattr(rich, "_console", console)
    monkeypatch.setattr("fer_zoo.notebooks.find_spec", lambda name: None)
    printed: list[str] = []
    monkeypatch.setattr(console, "print", lambda text, **_: printed.append(text))
    progress = TrainingState({}, {}, step=6)
    progress.history = [
        {"epoch": 1, "lr": 0.01, "loss": 1, "validation_uar": 0.4567, "validation_war": 0.5, "seconds": 9}
    ]
    with Display(toy_faces.recipe(), progress, 18, main=True) as display:
        display.step(7, 1.25, 0.01, 0.5)
        display.epoch(progress)
    assert [text[:9] for text in printed] == ["epoch 1/3"]


def test_a_long_training_fits_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = 0.0
    monkeypatch.setattr(rich, "_console", Console(width=80, get_time=lambda: clock))
    progress = TrainingState({}, {}, step=0)
    with Display(toy_faces.recipe(), progress, 123456, main=True) as display:
        for step in range(1, 50):
            clock += 0.5
            display.step(step, 1.25, 0.01, 0.5)
    bar = capsys.readouterr().out.splitlines()[-1]
    assert bar.split()[0].endswith("/123456")
    assert "left 17:0" in bar


def test_a_training_with_nothing_left_to_do_claims_no_pace(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(toy_faces.recipe(), TrainingState({}, {}, step=18), 18, main=True):
        pass
    message = capsys.readouterr().out
    assert "18/18" in message
    assert "it/s" not in message
