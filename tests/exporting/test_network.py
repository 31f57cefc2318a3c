"""An exported file predicts and evaluates like the model it was made from; what cannot be run is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exported_files import exported, inputs, needs, targets
from video_files import Squares, draw, encode
from weights_folders import make_folder

from fer_zoo.errors import InputError, MissingExtraError, OptionError, WeightsError
from fer_zoo.exporting import ExportedNetwork, load_exported
from fer_zoo.exporting.runtimes import RUNTIMES, open_in
from fer_zoo.inference import predict_faces, predict_stream, predict_video


def video(folder: Path) -> Path:
    images = [draw([("red", 60 + i, 60, 60)]) for i in range(16)]
    return encode(folder / "a.mp4", images, options={"crf": "8"}, pix_fmt="yuv444p")


@pytest.mark.slow
@pytest.mark.parametrize("target", targets("onnx", "openvino"))
def test_a_file_predicts_what_its_model_predicts(tmp_path: Path, target: str) -> None:
    path, source = exported(tmp_path, target), video(tmp_path)
    expected = predict_video(tmp_path / "weights", source, landmarker=Squares())
    for timeline in (
        predict_video(str(path), source, landmarker=Squares()),
        predict_faces(path, source, landmarker=Squares())[0],
    ):
        assert (timeline.model, timeline.labels) == (expected.model, expected.labels)
        assert timeline.synthetic
        assert timeline.notes == expected.notes
        for row, other in zip(timeline.rows, expected.rows, strict=True):
            assert row.label == other.label
            np.testing.assert_allclose(row.probabilities, other.probabilities, atol=1e-5)
    rows = list(predict_stream(path, source, landmarker=Squares()))
    assert len(rows) == len(expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    "runtime", [pytest.param("onnxruntime", marks=needs("onnx")), pytest.param("openvino", marks=needs("openvino"))]
)
def test_a_name_is_exported_for_a_runtime(tmp_path: Path, runtime: str) -> None:
    make_folder(tmp_path / "weights")
    source = video(tmp_path)
    expected = predict_video(tmp_path / "weights", source, landmarker=Squares(), runtime="torch")
    timeline = predict_video(tmp_path / "weights", source, landmarker=Squares(), runtime=runtime, threads=1)
    assert [row.label for row in timeline.rows] == [row.label for row in expected.rows]


@pytest.mark.slow
@needs("openvino")
def test_openvino_runs_onnx_files_too(tmp_path: Path) -> None:
    path = exported(tmp_path, "onnx")
    clip, landmarks = inputs(3)
    other = load_exported(path)(clip, landmarks)
    torch.testing.assert_close(load_exported(path, "openvino")(clip, landmarks), other, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@needs("openvino")
def test_bfloat16_is_close_where_the_processor_has_it(tmp_path: Path) -> None:
    network = load_exported(exported(tmp_path, "openvino"))
    clip, landmarks = inputs(3)
    expected = network(clip, landmarks)
    with torch.autocast("cpu", torch.bfloat16):
        got = network(clip, landmarks)
    assert (got - expected).abs().max() < 0.15 * (1 + expected.abs().max())


@pytest.fixture
def network(tmp_path: Path) -> ExportedNetwork:
    return load_exported(exported(tmp_path, "onnx"))


@pytest.mark.slow
@needs("onnx")
def test_what_a_file_cannot_do_is_refused(network: ExportedNetwork, tmp_path: Path) -> None:
    clip, landmarks = inputs(2)
    with pytest.raises(InputError, match="no landmarks"):
        network(clip)
    with pytest.raises(InputError, match="A clip"):
        network(clip[:, :, :3], landmarks)
    with pytest.raises(InputError, match="lengths"):
        network(clip, landmarks, torch.tensor([3, 3]))
    with pytest.raises(OptionError, match="precision='bf16'"), torch.autocast("cpu", torch.bfloat16):
        network(clip, landmarks)
    with pytest.raises(OptionError, match="moved to meta"):
        network.to("meta")
    with pytest.raises(OptionError, match="float16"):
        network.half()
    assert not network.train().training
    with pytest.raises(OptionError, match="opened by onnxruntime"):
        predict_video(network, video(tmp_path), landmarker=Squares(), runtime="torch")


def test_files_and_runtimes_that_do_not_fit(tmp_path: Path) -> None:
    for name in ("a.onnx", "a.xml", "a.pt2"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(OptionError) as caught:
        load_exported(tmp_path / "a.onnx", "tensorrt")
    assert caught.value.accepted == "torch, onnxruntime, openvino"
    with pytest.raises(OptionError, match="run by onnxruntime"):
        load_exported(tmp_path / "a.xml", "onnxruntime")
    with pytest.raises(OptionError, match="run by torch"):
        load_exported(tmp_path / "a.onnx", "torch")
    with pytest.raises(OptionError, match="given as a model"):
        load_exported(tmp_path / "a.pt2")
    with pytest.raises(WeightsError, match="no file"):
        load_exported(tmp_path / "b.onnx")


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError(" \n"), ValueError("first\nlast\n")])
def test_an_error_of_a_runtime_may_have_no_text(error: Exception, tmp_path: Path, monkeypatch: Any) -> None:
    def broken(path: Path) -> None:
        raise error

    monkeypatch.setitem(RUNTIMES, "onnxruntime", RUNTIMES["onnxruntime"]._replace(open=broken))
    with pytest.raises(WeightsError, match=rf"read by onnxruntime: ({type(error).__name__}|last)\n"):
        open_in("onnxruntime", tmp_path / "a.onnx")


@pytest.mark.parametrize("target", targets("onnx", "openvino"))
@pytest.mark.parametrize("damage", [pytest.param("empty", marks=pytest.mark.slow), "cut", "text"])
def test_damaged_files_are_refused(tmp_path: Path, target: str, damage: str) -> None:
    path = exported(tmp_path, target)
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": b"a poem\n"}[damage])
    with pytest.raises(WeightsError) as caught:
        load_exported(path)
    assert caught.value.do == "export the network again"


@needs("onnx")
@pytest.mark.parametrize("runtime", ["onnxruntime", pytest.param("openvino", marks=needs("openvino"))])
@pytest.mark.parametrize("text", [None, "{}", "[", '{"format": 2}'])
def test_files_without_their_facts_are_refused(tmp_path: Path, runtime: str, text: str | None) -> None:
    import onnx

    path = exported(tmp_path, "onnx")
    model = onnx.load(path)
    del model.metadata_props[:]
    if text is not None:
        onnx.helper.set_model_props(model, {"fer_zoo": text})
    onnx.save(model, path)
    with pytest.raises(WeightsError, match="cannot be used"):
        load_exported(path, runtime)


def test_a_missing_runtime_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.onnx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match="onnxruntime"):
        load_exported(tmp_path / "a.onnx")
