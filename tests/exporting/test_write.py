"""Exports compute what PyTorch computes, say what they are, and leave nothing behind when they are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exported_files import RUNTIME_OF, SUFFIX, exported, inputs, needs, targets
from torch import nn
from weights_folders import LABELS, make_folder, small_model

import fer_zoo
from fer_zoo.errors import ExportError, InputError, OptionError
from fer_zoo.exporting import TOLERANCE, export, load_exported, write
from fer_zoo.registry import TEMPORALS
from fer_zoo.weights import load_weights


@pytest.mark.parametrize("target", targets("onnx", "openvino"))
def test_any_batch_gives_the_logits_of_pytorch(tmp_path: Path, target: str) -> None:
    path = exported(tmp_path, target)
    model = load_weights(tmp_path / "weights")
    network = load_exported(path)
    assert network.runtime == RUNTIME_OF[target]
    for batch in (1, 3, 8):
        clip, landmarks = inputs(batch)
        with torch.inference_mode():
            expected = model(clip, landmarks)
        assert (network(clip, landmarks) - expected).abs().max() < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("target", targets("onnx", "openvino"))
def test_local_contrast_is_in_the_file(tmp_path: Path, target: str) -> None:
    model = small_model().eval()
    plain = model.spec.input
    model.spec = model.spec.model_copy(update={"input": plain.model_copy(update={"local_contrast": True})})
    path = tmp_path / f"small{SUFFIX[target]}"
    export(model, path)
    network = load_exported(path)
    clip, landmarks = inputs(3)
    with torch.inference_mode():
        expected = model(clip, landmarks)
    assert (network(clip, landmarks) - expected).abs().max() < TOLERANCE
    assert (network(clip[:, [1, 2, 0]], landmarks) - expected).abs().max() < TOLERANCE


@needs("onnx")
def test_other_programs_find_names_shapes_and_facts_in_an_onnx_file(tmp_path: Path) -> None:
    """With onnx alone, as somebody would read the file who does not have fer_zoo."""
    import onnx

    path = exported(tmp_path, "onnx")
    assert {found.name for found in tmp_path.iterdir()} == {"weights", "small.onnx"}
    model = onnx.load(path)
    onnx.checker.check_model(model)
    dims = {each.name: [d.dim_value for d in each.type.tensor_type.shape.dim] for each in model.graph.input}
    assert dims == {"clip": [0, 3, 6, 32, 32], "landmarks": [0, 6, 68, 2]}  # 0: any
    assert [each.name for each in model.graph.output] == ["logits"]
    (text,) = [entry.value for entry in model.metadata_props if entry.key == "fer_zoo"]
    facts = json.loads(text)
    assert (facts["labels"], facts["inputs"]) == (list(LABELS), ["clip", "landmarks"])
    assert facts["input"]["size"] == 32
    assert facts["licence"] == "Apache-2.0"
    assert "Coloured squares." in facts["summary"]
    assert "synthetic faces" in facts["summary"]
    assert "WAR 0.500" in facts["summary"]


@needs("openvino")
def test_an_openvino_file_has_the_facts_and_full_precision(tmp_path: Path) -> None:
    import openvino

    path = exported(tmp_path, "openvino")
    assert {found.name for found in tmp_path.iterdir()} == {"weights", "small.xml", "small.bin"}
    model = openvino.Core().read_model(path)
    assert json.loads(model.get_rt_info(["fer_zoo"]).astype(str))["labels"] == list(LABELS)
    numbers = sum(p.numel() for p in load_weights(tmp_path / "weights").parameters())
    assert path.with_suffix(".bin").stat().st_size > 3 * numbers  # bytes; half precision would have two


@pytest.mark.slow
def test_a_torch_export_is_read_by_torch_alone(tmp_path: Path) -> None:
    path = exported(tmp_path, "torch-export")
    extra = {"fer_zoo.json": ""}
    program = torch.export.load(path, extra_files=extra)
    assert json.loads(extra["fer_zoo.json"])["labels"] == list(LABELS)
    clip, landmarks = inputs(5)
    with torch.inference_mode():
        expected = load_weights(tmp_path / "weights")(clip, landmarks)
        torch.testing.assert_close(program.module()(clip, landmarks), expected, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.slow
def test_the_callers_model_is_not_changed(tmp_path: Path) -> None:
    model = small_model().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    export(model, tmp_path / "a.pt2")
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


class Wrong(nn.Module):
    def forward(self, clip: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
        return clip.mean((1, 2, 3, 4))[:, None] + landmarks.nan_to_num().mean((1, 2, 3))[:, None] * torch.ones(1, 3)


@pytest.mark.parametrize("target", targets("onnx", "openvino", "torch-export"))
def test_a_file_that_computes_something_else_is_refused(
    tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = write.TARGETS[target]
    path = tmp_path / f"a{SUFFIX[target]}"
    path.write_bytes(b"an older file")
    monkeypatch.setitem(write.TARGETS, target, lambda network, *rest: right(Wrong(), *rest))
    with pytest.raises(ExportError, match="computes something else") as caught:
        export(small_model(), path)
    assert caught.value.accepted == "the logits of PyTorch within 0.0001"
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"an older file"


class Host(nn.Module):
    """Leaves the graph: a number of a tensor decides what is computed."""

    out_features = 4

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.layer = nn.Linear(in_features, 4)

    def forward(self, sequence: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        values = np.asarray(self.layer(sequence.mean(1)).detach())
        return torch.from_numpy(values * (1 if values.sum() > 0 else 2))


@pytest.mark.slow
@pytest.mark.parametrize("target", targets("onnx", "torch-export"))
def test_the_component_that_cannot_be_exported_is_named(tmp_path: Path, target: str) -> None:
    before = TEMPORALS.snapshot()
    try:
        TEMPORALS.register("host")(Host)
        model = fer_zoo.create_model("incres3d_tiny_host_lm", size=32, frames=6, width=0.05, radius=2, pool="mean")
        with pytest.raises(ExportError, match="because of its temporal head 'host': ") as caught:
            export(model, tmp_path / f"a{SUFFIX[target]}")
    finally:
        TEMPORALS.restore(before)
    assert caught.value.accepted
    assert "--runtime torch" in caught.value.do
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "to"), [("a.txt", None), ("a", "onnx"), ("a.onnx", "openvino"), (None, None), (None, "tflite")]
)
def test_targets_and_suffixes_that_do_not_fit_are_refused(path: str | None, to: str | None) -> None:
    with pytest.raises(OptionError) as caught:
        export("incres3d_tiny_lstm_lm", path, to)
    assert "onnx (.onnx), openvino (.xml), torch-export (.pt2)" in caught.value.accepted


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    for given in (nn.Linear(2, 2), 3):
        with pytest.raises(InputError):
            export(given, tmp_path / "a.onnx")  # type: ignore[arg-type]
    model = small_model()
    model.reset_classifier(num_classes=0)
    with pytest.raises(OptionError, match="no classifier"):
        export(model, tmp_path / "a.onnx")


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(fer_zoo.FerZooError, match="extra 'onnx'"):
        export(small_model(), tmp_path / "a.onnx")


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot be written to"):
        export(small_model(), tmp_path / "none" / "a.pt2")


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(write.TARGETS, "torch-export", full)
    make_folder(tmp_path / "weights")
    with pytest.raises(ExportError, match="No space left"):
        export(tmp_path / "weights", tmp_path / "a.pt2")
    assert [found.name for found in tmp_path.iterdir()] == ["weights"]
