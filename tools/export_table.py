"""Which components can be exported, and why others cannot, as benchmarks/exports.csv: `python tools/export_table.py`.

docs/export.md has the table (`python tools/model_zoo.py`); the slow tests try every combination of the components.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

import fer_zoo
from fer_zoo.errors import FerZooError
from fer_zoo.exporting import TOLERANCE, export, load_exported
from fer_zoo.exporting.write import check_batch
from fer_zoo.model import FERModel
from fer_zoo.registry import BACKBONES, FUSIONS, TEMPORALS

TABLE = Path(__file__).parent.parent / "benchmarks" / "exports.csv"
TARGETS = ("onnx", "openvino")
COLUMNS = ("kind", "component", *TARGETS)
# One member represents the family: timm's tiny test network.
BACKBONE_NAMES = (*BACKBONES.names(), "timm/test_resnet")
_NARROW = ("incres3d", "incres2d", "incres3d_deep", "incres2plus1d", "incres3d_v2")


def small(backbone: str, temporal: str = "mean", fusion: str = "none") -> FERModel:
    """Return a network for small clips, and a narrow one where the full one is large, with random weights."""
    options: dict[str, Any] = {"size": 80, "width": 0.0625} if backbone in _NARROW else {"size": 32}
    if "hidden" in TEMPORALS.get(temporal).options:
        options["hidden"] = 8
    torch.manual_seed(0)
    name = "_".join([backbone, temporal] if fusion == "none" else [backbone, temporal, fusion])
    return fer_zoo.create_model(name, frames=10, pool="mean", **options)


def attempt(model: FERModel) -> dict[str, str]:
    """Return "yes" or the reason against it for each target; OpenVINO reads the ONNX file, as in its own export."""
    found: dict[str, str] = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        for target, run in (("onnx", export), ("openvino", _check_openvino)):
            try:
                run(model, path)
                found[target] = "yes"
            except FerZooError as error:
                found[target] = (
                    error.given.replace(f"{folder}/", "") if path.exists() or not found else "not without ONNX"
                )
    return found


def _check_openvino(model: FERModel, path: Path) -> None:
    clip, landmarks = check_batch(model)
    landmarks_if_needed = landmarks if model.needs_landmarks else None
    with torch.inference_mode():
        expected = model.eval()(clip, landmarks_if_needed)
    difference = float((load_exported(path, "openvino")(clip, landmarks_if_needed) - expected).abs().max())
    if not difference <= TOLERANCE * max(1.0, float(expected.abs().max())):
        raise FerZooError(f"a logit differs by {difference:.3g}")


def components() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield kind and name of every built-in component, and the parts of a network with it and light other parts."""
    for name in BACKBONE_NAMES:
        yield "backbone", name, (name,)
    for name in TEMPORALS.names():
        yield "temporal head", name, ("incres3d_tiny", name)
    for name in FUSIONS.names():
        yield "fusion", name, ("incres3d_tiny", "mean", name)


def read() -> list[dict[str, str]]:
    """Return the rows of the table; none if it does not exist yet."""
    if not TABLE.exists():
        return []
    with TABLE.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def main() -> None:
    """Try the components that are not in the table yet, and add them to it."""
    known = {(row["kind"], row["component"]): row for row in read()}
    everything = list(components())
    for kind, name, parts in everything:
        if (kind, name) not in known:
            known[kind, name] = {"kind": kind, "component": name, **attempt(small(*parts))}
            print(known[kind, name], file=sys.stderr, flush=True)
            _write([known[kind, name] for kind, name, _ in everything if (kind, name) in known])


def _write(rows: list[dict[str, str]]) -> None:
    with TABLE.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
