"""What a finished store tells of what is not in it, and of what made its labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from video_files import Squares, draw

from fer_zoo.data.cut import CutSpec
from fer_zoo.data.datasets._emfacs import load_rules
from fer_zoo.data.datasets.disfa import UNITS
from fer_zoo.data.prepare import prepare
from fer_zoo.data.reading import plan_reading
from fer_zoo.registry import LANDMARKERS, register_landmarker
from fer_zoo.specs import ComponentSpec

SPEC = CutSpec(frames=4, canvas=24, detector=ComponentSpec(name="squares"))


@pytest.fixture(autouse=True)
def squares() -> Iterator[None]:
    before = LANDMARKERS.snapshot()
    register_landmarker("squares")(Squares)
    yield
    LANDMARKERS.restore(before)


def test_clips_with_too_few_faces_are_counted(tmp_path: Path) -> None:
    for name, faces in (("a", 12), ("b", 5), ("c", 1)):
        (tmp_path / "root" / "fear" / name).mkdir(parents=True)
        for number in range(12):
            world = [("red", 40 + number, 60, 30 + len(name) * ord(name) % 7)] if number < faces else []
            Image.fromarray(draw(world)).save(tmp_path / "root" / "fear" / name / f"{number:02d}.png")
    header = prepare(ComponentSpec(name="folder"), tmp_path / "root", tmp_path / "store", SPEC)
    # a: three clips; b: one, another with a face in one frame of four, and one without; c: none with enough.
    assert (header.clips, header.failures) == (4, 1)
    assert header.preparation["faceless_clips"] == 1
    assert header.preparation["faces"] == 0.5
    failures = (tmp_path / "store" / "failures.csv").read_text()
    assert "no face was found in 50% of the frames of any clip, in 25% at most." in failures


def test_what_made_the_labels_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "ActionUnit_Labels" / "SN001").mkdir(parents=True)
    for unit in UNITS:
        rows = "".join(f"{number},0\n" for number in range(1, 31))
        (tmp_path / "ActionUnit_Labels" / "SN001" / f"SN001_au{unit}.txt").write_text(rows)
    (tmp_path / "Video_LeftCamera").mkdir()
    (tmp_path / "Video_LeftCamera" / "LeftVideoSN001_comp.avi").touch()
    plan = plan_reading(ComponentSpec(name="disfa"), tmp_path, SPEC, "raw")
    assert plan.facts.preparation["facts"] == {"rules_version": 1, "rules_sha256": load_rules().fingerprint}
