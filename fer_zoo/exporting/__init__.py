"""Networks as files for other runtimes: ONNX, OpenVINO and torch.export; written, checked against PyTorch, and run."""

from fer_zoo.exporting.facts import ExportFacts, Int8Facts
from fer_zoo.exporting.network import ExportedNetwork, check_runtime, is_exported, load_exported
from fer_zoo.exporting.runtimes import RUNTIMES
from fer_zoo.exporting.write import ExportResult, export, in_runtime
from fer_zoo.weights.checking import TOLERANCE

__all__ = [
    "RUNTIMES",
    "TOLERANCE",
    "ExportFacts",
    "ExportResult",
    "ExportedNetwork",
    "Int8Facts",
    "check_runtime",
    "export",
    "in_runtime",
    "is_exported",
    "load_exported",
]
