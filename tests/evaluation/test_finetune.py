"""`finetune`: every subject is held out once, the same call again continues, bad data is refused before any work."""

from __future__ import annotations

from pathlib import Path

import pytest
import toy_databases

from fer_zoo import cli
from fer_zoo.errors import FerZooError, InputError, OptionError, TrainingError
from fer_zoo.evaluation.finetune import FineTuned, finetune
from fer_zoo.training.predictions import Predictions
from fer_zoo.weights import read_folder

SHORT = ("train.epochs=1", "train.batch_size=4")


def table(folder: Path, rows: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for row in rows:
        (folder / row.split(",")[0]).write_bytes(row.encode())
    path = folder / "mine.csv"
    path.write_text("\n".join(["path,label,subject", *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([f"{n}.mp4,bored,s{n}" for n in range(6)], "one label, 'bored'"),
        ([f"{n}.mp4,{'ab'[n % 2]},anna" for n in range(6)], "Too few subjects: a has 1, b has 1"),
        ([f"{n}.mp4,{'ab'[n % 2]},s{n // 2 % 2}" for n in range(8)], "Too few subjects: a has 2, b has 2"),
        ([f"{n}.mp4,{'ab'[n % 2]}," for n in range(6)], "The clips have no subjects"),
    ],
)
def test_too_few_labels_or_subjects_are_refused_before_a_video_is_read(
    tmp_path: Path, rows: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        finetune("incres3d_tiny_lstm_lm_in", table(tmp_path / "videos", rows), tmp_path / "run")
    assert caught.value.accepted
    assert caught.value.do
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("data", ["missing.csv", "."])
def test_no_such_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"not there|not a clip store"):
        finetune("incres3d_tiny_lstm_lm_in", data, "run")
    assert not Path("run").exists()


@pytest.mark.parametrize("name", ["incres3d_tiny_lstm_lmm", "runs/none/weights"])
def test_no_such_weights(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    toy_databases.database(tmp_path, "ckplus")
    arguments = ["finetune", name, "--data", str(tmp_path / "ckplus"), "--out", str(tmp_path / "run")]
    assert cli.main(arguments) == cli.EXIT_ERROR
    error = capsys.readouterr().err
    assert "Accepted:" in error
    assert "What to do:" in error
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_every_subject_is_held_out_once_and_the_same_call_continues(tmp_path: Path) -> None:
    store = toy_databases.database(tmp_path, "ckplus", clips=2)
    weights = toy_databases.weights_folder(tmp_path / "source")

    def call(out: str = "run", **options: object) -> FineTuned:
        return finetune(str(weights), tmp_path / "ckplus", tmp_path / out, overrides=SHORT, device="cpu", **options)  # type: ignore[arg-type]

    done = call(folds=3)
    found = Predictions.read(tmp_path / "run" / "predictions.csv")
    assert sorted(found.keys.tolist()) == sorted(clip.key for clip in store.facts)
    assert done.folds == 3
    assert done.result.predictions.labels == toy_databases.LABELS
    card = read_folder(done.weights).card
    assert card.started_from is not None
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.safetensors")}
    (tmp_path / "run" / "fold-3" / "weights" / "README.md").unlink()  # as if it was interrupted there
    again = call(folds=3)
    assert again.result.predictions.probabilities.tolist() == done.result.predictions.probabilities.tolist()
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.safetensors")} == before
    with pytest.raises(TrainingError, match="different recipe"):
        call(folds=3, tag="local", recipe="finetune/linear_probe")
    with pytest.raises(FerZooError, match="folds"):
        call("other", folds=2)
    with pytest.raises((OptionError, InputError)):
        call("other", folds=50)
