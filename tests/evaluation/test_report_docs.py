"""Reports in the docs are made from their report.json, and show no real faces."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from ablation_folders import two_recipes

from fer_zoo.errors import InputError, OptionError
from fer_zoo.evaluation.report import write_report

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import report_docs  # noqa: E402


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ablation = two_recipes(tmp_path_factory.mktemp("runs") / "tiny")
    return write_report([ablation.root], stores=ablation.root)[0]


def test_a_page_with_its_pictures(report: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "old.png").touch()
    source = report_docs.take("tiny", report, tmp_path)
    assert source.read_bytes() == (report / "report.json").read_bytes()
    text = report_docs.written(source)
    head, body = text.split("\n\n", 1)
    assert "do not edit" in head
    assert body == (report / "report.md").read_text().replace("](pictures/", "](tiny/")
    pictures = sorted(path.name for path in (tmp_path / "tiny").iterdir())
    assert pictures == ["confusion-1.png", "curves-1.png", "uar-1.png"]
    assert all(f"](tiny/{name})" in text for name in pictures)


def test_the_page_follows_the_numbers(report: Path, tmp_path: Path) -> None:
    source = report_docs.take("tiny", report, tmp_path)
    data = json.loads(source.read_text())
    data["settings"][0]["rows"][0]["best"]["estimates"]["uar"]["value"] = 0.1234
    source.write_text(json.dumps(data))
    assert "| 12.3 [" in report_docs.written(source)


def test_real_faces_are_refused_in_the_docs(report: Path, tmp_path: Path) -> None:
    data = json.loads((report / "report.json").read_text())
    data["settings"][0] |= {"faces": ["f3p0/fear"], "synthetic": False}
    (tmp_path / "report.json").write_text(json.dumps(data))
    with pytest.raises(OptionError, match="faces of people"):
        report_docs.take("tiny", tmp_path, tmp_path / "docs")
    assert not (tmp_path / "docs").exists()
    with pytest.raises(InputError, match="cannot be read as a report"):
        report_docs.take("tiny", tmp_path / "none", tmp_path / "docs")


def test_the_pages_in_the_docs_are_up_to_date() -> None:
    sources = sorted(report_docs.FOLDER.glob("*.json"))
    assert {page.stem for page in report_docs.FOLDER.glob("*.md")} == {source.stem for source in sources}
    for source in sources:
        assert source.with_suffix(".md").read_text() == report_docs.written(source), "run `python tools/report_docs.py`"
