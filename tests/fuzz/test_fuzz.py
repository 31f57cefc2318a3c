"""The bounded run of the fuzz harness, and that it sees what it is there to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import engine
from .targets import TARGETS
from .worker import make_case

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


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        ("right", ""),
        ("bare", "KeyError"),
        ("vague", "an error without three parts"),
        ("crash", "died of SIGSEGV"),
        ("memory", "MemoryError"),
        ("loop", "too much processor time"),
    ],
)
def test_the_harness_sees_what_goes_wrong(what: str, wrong: str, tmp_path: Path) -> None:
    saved = tmp_path / "probe-1-1"
    (saved / "case").mkdir(parents=True)
    (saved / "case" / "what").write_text(what)
    found = engine.replay(saved)
    assert found.startswith(wrong)
    assert bool(found) == bool(wrong)


def test_a_case_is_the_same_again(tmp_path: Path) -> None:
    (tmp_path / "seeds").mkdir()
    TARGETS["table"].seed(tmp_path / "seeds")
    for number in range(20):
        for copy in ("one", "other"):
            make_case("table", 1, number, tmp_path / "seeds", tmp_path / copy)
        one, other = ((tmp_path / copy / "clips.csv").read_bytes() for copy in ("one", "other"))
        assert one == other
