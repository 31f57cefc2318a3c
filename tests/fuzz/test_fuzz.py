"""The bounded run of the fuzz harness, and that it sees what it is there to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import engine
from .targets import TARGETS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
OUT = engine.ROOT / "fuzz-out"


@pytest.mark.parametrize("target", TARGETS)
def test_only_right_results_and_errors_of_three_parts(target: str) -> None:
    report = engine.fuzz(target, OUT)
    assert not report.failures, str(report)
    assert report.cases == TARGETS[target].cases


@pytest.mark.parametrize("target", TARGETS)
def test_undamaged_inputs_are_read(target: str, tmp_path: Path) -> None:
    TARGETS[target].seed(tmp_path)
    for case in sorted(tmp_path.iterdir()):
        TARGETS[target].read(case)
