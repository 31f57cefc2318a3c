"""The kinds of files that a network is exported to: how each is written, and opened to be checked."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fer_zoo.exporting.facts import KEY, ExportFacts
from fer_zoo.exporting.runtimes import Run, open_in


class Target(NamedTuple):
    """A kind of file: how it is written, and how it is opened to be checked."""

    write: Callable[[nn.Module, tuple[Tensor, ...], ExportFacts, Path], None]
    check: Callable[[Path], Run]
    bf16: Callable[[Path], Run] | None = None


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


def _run_torch(path: Path) -> Run:
    module = torch.export.load(path).module()  # just written by this process
    return lambda arrays: np.asarray(module(*map(torch.from_numpy, arrays)).detach().numpy())


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


def _compiled(runtime: str, precision: str = "float32") -> Callable[[Path], Run]:
    return lambda path: open_in(runtime, path).compile(precision, torch.get_num_threads())


TARGETS = {
    "onnx": Target(_write_onnx, _compiled("onnxruntime")),
    "openvino": Target(_write_openvino, _compiled("openvino"), _compiled("openvino", "bf16")),
    "torch-export": Target(_write_torch, _run_torch),
}
FINISH = {"onnx": _finish_onnx, "openvino": _finish_openvino}
