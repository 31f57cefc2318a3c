"""`fer-zoo export` and `fer-zoo benchmark`, and what `evaluate` and `predict` make of an exported file."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from fer_zoo import cli
from fer_zoo.benchmark import Measurement

sys.path += [str(Path(__file__).parent.parent / folder) for folder in ("evaluation", "exporting")]

import toy_databases
from exported_files import needs, targets


@pytest.mark.slow
@pytest.mark.parametrize("target", targets("onnx", "openvino"))
def test_an_exported_file_evaluates_like_its_weights(
    tmp_path: Path, target: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    toy_databases.database(tmp_path, "mmi")
    folder = toy_databases.weights_folder(tmp_path / "run")
    assert cli.main(["export", str(folder), "--to", target]) == cli.EXIT_OK
    file, difference, *_ = capsys.readouterr().out.splitlines()
    assert file == f"incres3d_tiny_lstm_lm.local{'.onnx' if target == 'onnx' else '.xml'}"
    assert difference.startswith("largest difference of a logit from PyTorch: ")
    assert cli.main(["evaluate", str(folder), "--store", "./mmi"]) == cli.EXIT_OK
    expected = capsys.readouterr().out
    assert cli.main(["evaluate", file, "--store", "./mmi"]) == cli.EXIT_OK
    assert capsys.readouterr().out == expected
    runtime = "onnxruntime" if target == "onnx" else "openvino"
    assert cli.main(["evaluate", str(folder), "--store", "./mmi", "--runtime", runtime]) == cli.EXIT_OK
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(
    "command",
    [
        ["export", "incres3d_tiny_lstm_lm", "--to", "tflite"],
        ["export", "incres3d_tiny_lstm_lm"],
        ["export", "incres3d_tiny_lstm_lm", "--to", "onnx", "--out", "a.xml"],
        ["export", "nonsense", "--to", "onnx"],
        ["export", "incres3d_tiny_lstm_lm", "--to", "torch-export", "--int8", "mmi"],
        ["evaluate", "incres3d_tiny_lstm_lm", "--store", "mmi", "--runtime", "tensorrt"],
        ["evaluate", "none.onnx", "--store", "mmi"],
        ["predict", "a.mp4", "--runtime", "tensorrt"],
        ["benchmark", "incres3d_tiny_lstm_lm", "--variant", "tensorrt"],
        ["benchmark", "incres3d_tiny_lstm_lm", "--clock", "sun"],
        ["benchmark", "incres3d_tiny_lstm_lm", "--against", "torchvision:nonsense"],
    ],
    ids=" ".join,
)
def test_bad_input_is_one_error_of_three_parts(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.mp4").write_bytes(b"no video")
    assert cli.main(command) in (cli.EXIT_ERROR, 4)
    error = capsys.readouterr().err
    assert "Accepted: " in error
    assert "What to do: " in error
    assert [each.name for each in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.slow
@needs("onnx")
def test_benchmark_prints_a_table_and_writes_a_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = toy_databases.weights_folder(tmp_path / "run"), tmp_path / "speed.csv"
    command = ["benchmark", str(folder), "--batch-size", "2", "--rounds", "1", "--out", str(out), "--threads", "1"]
    for variant in ("torch", "torch channels_last bf16", "onnxruntime"):
        command += ["--variant", variant]
    assert cli.main([*command, "--clock", "processor"]) == cli.EXIT_OK
    head, *lines, file = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "network"
    assert (len(lines), file) == (3, str(out))
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert set(rows[0]) == set(Measurement.__dataclass_fields__)
    for row in rows:
        flop_rate = float(row["clips_per_s"]) * float(row["gflop"])
        assert flop_rate == pytest.approx(float(row["gflop_per_s"]), rel=0.01)
        assert float(row["matmul_share"]) > 0
        assert row["commit"]
    assert float(rows[0]["speed_up"]) == 1
