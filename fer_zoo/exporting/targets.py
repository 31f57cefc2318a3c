"""The kinds of files that a network is exported to: how each is written, and run to be checked."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fer_zoo.exporting.facts import KEY, ExportFacts
from fer_zoo.exporting.runtimes import RUNTIME_OF, Run, open_in


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporters' warnings about their own code from the user; no gradients, and no fused attention."""
    import logging

    fast = torch.backends.mha.get_fastpath_enabled()
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        logging.disable(before)


def _program(network: nn.Module, inputs: tuple[Tensor, ...]) -> torch.export.ExportedProgram:
    batch = torch.export.Dim("batch", min=1)
    shapes = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]
    for tensor in inputs:
        shapes[tensor] = {0: batch}
    return torch.export.export(network, inputs, dynamic_shapes=shapes)


def _write_torch(network: nn.Module, inputs: tuple[Tensor, ...], facts: ExportFacts, path: Path) -> None:
    torch.export.save(_program(network, inputs), path, extra_files={f"{KEY}.json": facts.model_dump_json()})


def _write_onnx(network: nn.Module, inputs: tuple[Tensor, ...], facts: ExportFacts, path: Path) -> None:
    import onnx  # noqa: F401  (torch's error would name onnxscript alone)
    import onnxscript  # noqa: F401

    made = torch.onnx.export(
        _program(network, inputs), dynamo=True, input_names=list(facts.inputs), output_names=["logits"], verbose=False
    )
    assert made is not None
    made.model.metadata_props[KEY] = facts.model_dump_json()
    made.save(path, external_data=False)


def _write_openvino(network: nn.Module, inputs: tuple[Tensor, ...], facts: ExportFacts, path: Path) -> None:
    import openvino  # noqa: F401  (first: what is missing is the target's own package)

    # By way of ONNX: OpenVINO's own conversion of PyTorch programs does not know all their operations.
    with tempfile.TemporaryDirectory() as folder:
        between = Path(folder) / "network.onnx"
        _write_onnx(network, inputs, facts, between)
        _finish_openvino(between, facts, path)


def _finish_openvino(between: Path, facts: ExportFacts, path: Path) -> None:
    import openvino

    made = openvino.Core().read_model(between)
    made.set_rt_info(facts.model_dump_json(), [KEY])
    openvino.save_model(made, path, compress_to_fp16=False)


def _finish_onnx(between: Path, facts: ExportFacts, path: Path) -> None:
    import onnx

    made = onnx.load(between)
    onnx.helper.set_model_props(made, {KEY: facts.model_dump_json()})
    onnx.save(made, path)


def run_file(target: str, path: Path, precision: str = "float32") -> Run:
    """Return a function from the inputs to the logits of a file that this process has just written."""
    if target == "torch-export":
        module = torch.export.load(path).module()
        return lambda arrays: np.asarray(module(*map(torch.from_numpy, arrays)).detach().numpy())
    return open_in(RUNTIME_OF[target], path).compile(precision, torch.get_num_threads())


Write = Callable[[nn.Module, tuple[Tensor, ...], ExportFacts, Path], None]
TARGETS: dict[str, Write] = {"onnx": _write_onnx, "openvino": _write_openvino, "torch-export": _write_torch}
FINISH = {"onnx": _finish_onnx, "openvino": _finish_openvino}
