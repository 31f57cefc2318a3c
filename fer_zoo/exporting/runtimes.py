"""The one interface to runtimes: open a file, read its facts, compile it, run arrays through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import MissingExtraError, OptionError, WeightsError
from fer_zoo.exporting.facts import KEY, ExportFacts, parse_facts

Arrays = Sequence[NDArray[np.float32]]
Run = Callable[[Arrays], NDArray[np.float32]]


class Opened(Protocol):
    """A file opened by a runtime."""

    facts: ExportFacts

    def compile(self, precision: str, threads: int) -> Run:
        """Return a function from the inputs, in the order of `facts.inputs`, to the logits."""


class Runtime(NamedTuple):
    """A runtime beside PyTorch: the files that it reads, the extra that installs it, and how it opens a file."""

    suffixes: tuple[str, ...]
    target: str
    extra: str
    open: Callable[[Path], Opened]


class _OnnxRuntime:
    def __init__(self, path: Path) -> None:
        self._path = path
        # Without optimisation, which would double the time: this session only reads the metadata.
        found = self._session(1, optimise=False).get_modelmeta().custom_metadata_map
        self.facts = parse_facts(found.get(KEY), path)

    def _session(self, threads: int, *, optimise: bool = True) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        if not optimise:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return onnxruntime.InferenceSession(str(self._path), options, providers=["CPUExecutionProvider"])

    def compile(self, precision: str, threads: int) -> Run:
        if precision != "float32":
            raise OptionError(
                f"precision={precision!r} for the runtime onnxruntime.",
                "float32, as its CPU kernels have no other",
                "leave it out, or use the runtime openvino or torch",
            )
        session, names = self._session(threads), self.facts.inputs

        def run(arrays: Arrays) -> NDArray[np.float32]:
            return np.asarray(session.run(None, dict(zip(names, arrays, strict=True)))[0], np.float32)

        return run


class _OpenVINO:
    def __init__(self, path: Path) -> None:
        import openvino

        self._core = openvino.Core()
        self._model = self._core.read_model(path)
        # Its own format keeps the key; from ONNX files it takes metadata over as facts of the framework.
        where = [KEY] if path.suffix == ".xml" else ["framework", KEY]
        text = self._model.get_rt_info(where).astype(str) if self._model.has_rt_info(where) else None
        self.facts = parse_facts(text, path)

    def compile(self, precision: str, threads: int) -> Run:
        # Without the hint it would compute in bfloat16 wherever the processor can.
        hints = {"INFERENCE_PRECISION_HINT": "f32" if precision == "float32" else precision}
        compiled = self._core.compile_model(self._model, "CPU", {**hints, "INFERENCE_NUM_THREADS": threads})

        def run(arrays: Arrays) -> NDArray[np.float32]:
            # Copied: the result lies in memory that the next run writes to.
            return np.array(compiled(list(arrays))[0], np.float32)

        return run


# The suffix of each export target's files.
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torch-export": ".pt2"}
RUNTIMES = {
    "onnxruntime": Runtime((".onnx",), "onnx", "onnx", _OnnxRuntime),
    "openvino": Runtime((".xml", ".onnx"), "openvino", "openvino", _OpenVINO),
}


def open_in(runtime: str, path: Path) -> Opened:
    """Open an exported file.

    Raises:
        MissingExtraError: the runtime is not installed. WeightsError: the file is damaged, or not an export.
    """
    chosen = RUNTIMES[runtime]
    try:
        return chosen.open(path)
    except ImportError as error:
        raise MissingExtraError.for_extra(runtime, chosen.extra) from error
    except WeightsError:
        raise
    except Exception as error:  # runtimes raise classes of their own
        raise WeightsError(
            f"{path} cannot be read by {runtime}: {str(error).strip().splitlines()[-1][:300]}",
            f"a whole file that `fer-zoo export` wrote{', and the .bin beside it' if path.suffix == '.xml' else ''}",
            "export the network again",
        ) from error
