"""The table of what can be exported holds for networks of these components."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest
from exported_files import needs

from fer_zoo.errors import IncompatibleComponentsError
from fer_zoo.registry import FUSIONS, TEMPORALS

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tools"))

import export_table

# Every backbone with a head and a fusion of frames or of maps, and every head with every fusion. A head sees of a
# backbone the size of its features only, so all 672 combinations, an hour of exports, would find little more.
CASES = [
    *itertools.product(export_table.BACKBONE_NAMES, ["lstm"], ["lm", "lm_in"]),
    *itertools.product(["incres3d_tiny"], [name for name in TEMPORALS.names() if name != "lstm"], FUSIONS.names()),
]


@pytest.mark.slow
def test_the_table_has_every_component() -> None:
    rows = export_table.read()
    expected = (*export_table.BACKBONE_NAMES, *TEMPORALS.names(), *FUSIONS.names())
    assert [row["component"] for row in rows] == list(expected), "run `python tools/export_table.py`"
    assert all(row[target] for row in rows for target in export_table.TARGETS)


@pytest.mark.slow
@needs("onnx")
@needs("openvino")
@pytest.mark.parametrize(("backbone", "temporal", "fusion"), CASES)
def test_a_network_can_be_exported_if_its_components_can(backbone: str, temporal: str, fusion: str) -> None:
    """With torch.export too, which is the first step of an ONNX export."""
    try:
        model = export_table.small(backbone, temporal, fusion)
    except IncompatibleComponentsError:
        pytest.skip("not a network")
    table = {(row["kind"], row["component"]): row for row in export_table.read()}
    parts = [table["backbone", backbone], table["temporal head", temporal], table["fusion", fusion]]
    for target, found in export_table.attempt(model).items():
        assert (found == "yes") == all(part[target] == "yes" for part in parts), found
