"""int8 files say how accurate they are, on clips that did not calibrate them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from exported_files import needs, targets

from fer_zoo.errors import InputError, OptionError
from fer_zoo.evaluation.on_store import evaluate_on_store
from fer_zoo.exporting import export, load_exported

sys.path.append(str(Path(__file__).parent.parent / "evaluation"))

import toy_databases


@pytest.mark.slow
@pytest.mark.parametrize("target", targets("onnx", "openvino"))
def test_int8_has_its_accuracy_beside_it(tmp_path: Path, target: str) -> None:
    toy_databases.database(tmp_path, "mmi", clips=2)
    folder = toy_databases.weights_folder(tmp_path / "run")
    path = tmp_path / {"onnx": "a.onnx", "openvino": "a.xml"}[target]
    found = export(folder, path, int8=tmp_path / "mmi").int8
    assert found is not None
    assert (found.store, found.calibration_clips, found.clips) == ("mmi", 12, 24)
    assert found.same_label > 0.7
    network = load_exported(path)
    assert network.facts.int8 == found
    assert str(found) in network.facts.summary
    assert {"onnx": b"QuantizeLinear", "openvino": b"FakeQuantize"}[target] in path.read_bytes()
    # Evaluation on the whole store gives the same labels in float32 and int8 as often as the file says, nearly.
    whole = evaluate_on_store(path, tmp_path / "mmi").predictions
    eager = evaluate_on_store(folder, tmp_path / "mmi").predictions
    assert (whole.predicted == eager.predicted).mean() == pytest.approx(found.same_label, abs=0.3)


@needs("onnx")
def test_stores_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    folder = toy_databases.weights_folder(tmp_path / "run")
    toy_databases.database(tmp_path, "mmi", subjects=["a"], labels=["anger", "fear"])
    toy_databases.database(tmp_path, "ckplus", fps=7.0)
    for store, message in (("mmi", "2 clips"), ("ckplus", "does not match"), ("none", "none")):
        with pytest.raises(InputError, match=message):
            export(folder, tmp_path / "a.onnx", int8=tmp_path / store)
    with pytest.raises(OptionError, match="int8 for the export target torch-export"):
        export(folder, tmp_path / "a.pt2", int8=tmp_path / "mmi")
    assert {each.name for each in tmp_path.iterdir()} == {"run", "mmi", "ckplus"}
