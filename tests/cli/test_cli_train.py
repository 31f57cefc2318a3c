"""`fer-zoo train`: what cannot start says so before any work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer_zoo import cli
from fer_zoo.errors import TrainingError
from fer_zoo.specs import Metrics
from fer_zoo.training import TrainResult


def test_training_that_cannot_start_says_so_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def rendered(*_: object, **__: object) -> None:
        pytest.fail("clips were rendered first")

    monkeypatch.setattr("fer_zoo.data.render_cache._render_missing", rendered)
    out = tmp_path / "run"
    assert cli.main(["train", "quickstart", "--device", "nonsense", "--out", str(out)]) == cli.EXIT_ERROR
    error = capsys.readouterr().err
    assert "nonsense" in error
    assert "What to do:" in error
    (tmp_path / "file").touch()
    assert cli.main(["train", "quickstart", "--out", str(tmp_path / "file" / "run")]) == cli.EXIT_ERROR
    error = capsys.readouterr().err
    assert str(tmp_path / "file") in error
    assert "Traceback" not in error
    assert not out.exists()


def test_a_wrong_recipe_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert cli.main(["train", "quickstart", "--out", out, "--set", "train.lrr=1"]) == cli.EXIT_ERROR
    assert "did you mean 'lr'?" in capsys.readouterr().err
    assert cli.main(["train", "quickstrat", "--out", out]) == cli.EXIT_ERROR
    assert "did you mean 'quickstart'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("recipe", "message", "do"),
    [
        (["paper/mmi_3d"], "cross-validation (5 folds)", "--set split.fold=1"),
        (["paper/mmi_3d", "--set", "split.fold=1"], "Clips of 'mmi': There is no clip store", "fer-zoo prepare mmi"),
        (["paper/cross_mmi"], "Clips of 'ckplus': There is no clip store", "fer-zoo prepare ckplus"),
    ],
)
def test_missing_inputs_are_reported_and_leave_no_files(
    recipe: list[str], message: str, do: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stores = ["--stores", str(tmp_path)]
    assert cli.main(["train", *recipe, *stores, "--out", str(tmp_path / "out")]) == cli.EXIT_ERROR
    given, do_next = capsys.readouterr().err.split("What to do: ")
    assert message in given
    assert do in do_next
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tag", ["a/b", "", "..", "a b", "ä", "a\n"])
def test_a_tag_that_names_no_folder(tag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "quickstart", "--out", str(tmp_path / "out"), "--tag", tag]) == cli.EXIT_ERROR
    assert capsys.readouterr().err == (
        f"fer-zoo: The tag {tag!r} cannot name weights.\n"
        "  Accepted: letters, digits, - and _, e.g. 'local'\n"
        "  What to do: choose another tag\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_labels_without_test_clips_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Metrics(war=0.5, uar=0.5, clips=7, subjects=1, confusion=np.eye(7, dtype=int).tolist())
    lacking = whole.model_copy(update={"confusion": np.diag([1, 1, 0, 1, 1, 0, 1]).tolist()})
    result = TrainResult(tmp_path, whole, lacking, 1, 0.1)
    monkeypatch.setattr("fer_zoo.training.train", lambda *_, **__: result)
    assert cli.main(["train", "quickstart", "--out", str(tmp_path)]) == cli.EXIT_OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "validation: WAR 50.0%, UAR 50.0% (7 clips of 1 subject)"
    assert lines[2] == (
        "test: WAR 50.0%, UAR 50.0% (7 clips of 1 subject); no clip of disgust, sadness: UAR is the mean of the others"
    )


def test_that_there_was_no_test_set_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    validation = Metrics(war=0.5, uar=0.5, clips=7, subjects=1, confusion=np.eye(7, dtype=int).tolist())
    monkeypatch.setattr("fer_zoo.training.train", lambda *_, **__: TrainResult(tmp_path, validation, None, 1, 0.1))
    assert cli.main(["train", "quickstart", "--out", str(tmp_path)]) == cli.EXIT_OK
    assert capsys.readouterr().out.splitlines()[2].startswith("no subject was held out for a test")


def test_nothing_to_resume_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise TrainingError("Stopped by the test.")

    monkeypatch.setattr("fer_zoo.training.train", stopped)
    arguments = ["train", "quickstart", "--out", str(tmp_path)]
    message = f"There is nothing to resume in {tmp_path}; starting a new training run.\n"
    assert cli.main([*arguments, "--resume"]) == cli.EXIT_ERROR
    assert capsys.readouterr().err.startswith(message)
    assert cli.main(arguments) == cli.EXIT_ERROR
    assert message not in capsys.readouterr().err
    (tmp_path / "last.safetensors").touch()
    assert cli.main([*arguments, "--resume"]) == cli.EXIT_ERROR
    assert message not in capsys.readouterr().err
