"""The files of a report: right numbers in the tables, one HTML file by itself, escaped text, the same bytes again."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from ablation_folders import Ablation, fold_predictions, predictions_of, recipe, two_recipes
from markdown_it import MarkdownIt
from matplotlib.figure import Figure
from matplotlib.text import Text
from picture_texts import check_texts
from PIL import Image

from fer_zoo.errors import InputError
from fer_zoo.evaluation.report import pictures as pictures_module
from fer_zoo.evaluation.report import read_report, write_report
from fer_zoo.evaluation.report.collect import make_report
from fer_zoo.evaluation.report.format import as_html, as_markdown
from fer_zoo.evaluation.report.numbers import Mistake, Report
from fer_zoo.evaluation.report.pictures import curves_picture, mistakes_picture, number_pictures
from fer_zoo.evaluation.report.write import as_json
from fer_zoo.evaluation.results import read_results
from fer_zoo.training.run_folder import write_log

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """What an HTML page holds; every tag must be closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.sources: list[str] = []
        self.ids: list[str] = []
        self.cells: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = {name: value or "" for name, value in attrs}
        assert not any(name.startswith("on") for name in found)
        self.links += [found["href"]] if "href" in found else []
        self.sources += [found["src"]] if "src" in found else []
        self.ids += [found["id"]] if "id" in found else []
        if tag in ("td", "th"):
            self.cells.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data


def rendered(markdown: str) -> Page:
    return Page(MarkdownIt("commonmark").enable("table").render(markdown))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ablation = two_recipes(tmp_path_factory.mktemp("runs") / "tiny")
    ablation.ask("mine", "fold-1-of-3", 3)
    out, _ = write_report([ablation.root], stores=ablation.root / "nowhere")
    assert out == ablation.root / "report"
    return out


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return (folder / "report.html").read_text()


def table(markdown: str, *header: str) -> list[list[str]]:
    """Rows of the first table that has these columns, each cell's text."""
    for found in re.findall(r"(?:^\|.*\|\n?)+", markdown, re.M):
        lines = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in found.splitlines()]
        if set(header) <= set(lines[0]):
            return [[line[lines[0].index(name)] for name in header] for line in lines[2:]]
    raise AssertionError(header)


def test_the_tables_hold_the_right_numbers(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    figures = table(text, "recipe", "training runs", "best: WAR", "best: UAR", "last: UAR")
    assert [[cell.split(" [")[0] for cell in row] for row in figures] == [
        ["`base`", "6", "88.9", "88.9", "100.0"],
        ["`mine`", "6 of 7", "66.7", "66.7", "100.0"],
    ]
    assert all(re.fullmatch(r"\d+\.\d \[\d+\.\d, \d+\.\d\]", cell) for row in figures for cell in row[2:])
    assert table(text, "best: WAR, folds", "best: WAR, seeds")[0] == ["88.9 ± 12.7", "88.9 ± 7.9"]
    assert table(text, "recall", "anger", "fear", "happiness", "calibration error") == [
        ["`base`", "91.7", "75.0", "100.0", "3.9"],
        ["`mine`", "0.0", "100.0", "100.0", "18.3"],
    ]
    assert table(text, "F1", "anger")[0] == ["`base`", "95.7"]
    ((recipe, difference, verdict),) = table(text, "recipe", "UAR", "")
    assert (recipe, difference.split(" [")[0]) == ("`mine`", "-22.2")
    assert verdict in ("not significant", "**significant**")
    assert table(text, "clip", "truth", "predicted", "its probability") == [
        ["`f3p0/fear`", "fear", "happiness", "85.0"]
    ]
    assert table(text, "recipe", "seed", "state", "why") == [["`mine`", "3", "not run", "not started"]]
    assert "**Warning:** 1 of 13 training runs are missing" in text
    assert "12.00 in total" in text
    assert "| tested on | synthmh, 3 folds: 18 clips of 6 subjects |" in text
    assert "published figures" not in text, "none of these recipes has one"


def test_the_papers_tables_are_shown_with_a_recipe_of_the_paper(tmp_path: Path) -> None:
    ablation = two_recipes(tmp_path / "x")
    ablation.ask("paper/ckplus_3d", "fold-1-of-5", 1)
    folder, _ = write_report([ablation.root], stores=ablation.root)
    text = (folder / "report.md").read_text()
    assert table(text, "recipe", "published", "remarks")[0] == ["`paper/ckplus_2d`", "85.77", "not run"]


def test_long_names_of_recipes_do_not_overlap_in_the_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures_module, "_png", lambda figure: figure)
    ablation = Ablation(tmp_path / "x")
    for name in (
        "ablations/temporal_transformer_with_many_layers",
        "ablations/backbone_2plus1d, train.lr=0.0005, model.pool=flatten",
        "a_name_without_any_place_to_break_it_anywhere",
        "anamewithoutanyplacetobreakitanywhereatallforsure",
        "ablations/base",
    ):
        ablation.finish(name, "fold-1-of-3", recipe(), predictions_of(fold_predictions(1)))
    for name, figure in number_pictures(make_report(read_results([ablation.root]))).items():
        check_texts(cast(Figure, figure))
        assert name.startswith("uar") or "transformer" in " ".join(text.get_text() for text in figure.findobj(Text))


def test_a_report_without_a_training_run_says_what_to_run(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    ablation.ask("mine", "fold-1-of-3", 1)
    folder, report = write_report([ablation.root])
    assert report.warnings == ("None of the 1 training runs is done: run the same `fer-zoo ablate` command again.",)
    text = (folder / "report.md").read_text()
    assert "nothing to report. To train what is missing, run the same `fer-zoo ablate` command again" in text
    assert "paper/" not in text


def test_verdicts_follow_the_adjusted_p(folder: Path) -> None:
    (delta,) = read_report(folder / "report.json").settings[0].deltas
    text = (folder / "report.md").read_text()
    assert delta.uar_holm is not None
    expected = "**significant**" if delta.uar_holm < 0.05 else "not significant"
    assert table(text, "recipe", "")[0] == ["`mine`", expected]
    assert ("**Not significant** in UAR at 0.05: mine." in text) == (delta.uar_holm >= 0.05)


def test_the_html_is_one_file_without_scripts(folder: Path, html: str) -> None:
    found = Page(html)
    assert not found.tags & {"script", "link", "iframe", "object", "embed"}
    assert len(found.sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in found.sources)
    assert all(link.startswith("#") and link[1:] in found.ids for link in found.links)
    assert len(set(found.ids)) == len(found.ids)
    assert "http" not in html
    assert "url(" not in html
    assert "prefers-color-scheme: dark" in html
    assert sorted(path.name for path in folder.iterdir()) == ["pictures", "report.html", "report.json", "report.md"]


def test_descriptions_of_recipes_are_escaped_in_both_forms(folder: Path, html: str) -> None:
    text = 'A <script>alert("x")</script> | *b* & c_d_'
    assert text in Page(html).cells
    assert text in rendered((folder / "report.md").read_text()).cells
    assert "<script" not in html


def test_both_forms_have_the_same_tables(folder: Path, html: str) -> None:
    cells = rendered((folder / "report.md").read_text()).cells
    assert len(cells) > 100
    assert cells == Page(html).cells


def test_pictures_are_pictures_of_a_sensible_size(folder: Path) -> None:
    names = sorted(path.name for path in (folder / "pictures").iterdir())
    assert names == ["confusion-1.png", "curves-1.png", "uar-1.png"]
    for name in names:
        picture = Image.open(folder / "pictures" / name)
        assert 300 < picture.width < 2000
        assert np.asarray(picture.convert("RGB")).std() > 5
        assert "Software" not in picture.info
    assert f"](pictures/{names[0]})" in (folder / "report.md").read_text()


def test_the_same_folder_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "tiny"
    shutil.copytree(folder.parent, moved, ignore=shutil.ignore_patterns("report"))
    again, _ = write_report([moved], tmp_path / "again", stores=tmp_path / "nowhere")
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 6
    assert all((again / file).read_bytes() == (folder / file).read_bytes() for file in files)
    assert str(tmp_path) not in (again / "report.json").read_text()


def test_the_json_is_the_source_of_the_page(folder: Path) -> None:
    report = read_report(folder / "report.json")
    assert as_json(report) == (folder / "report.json").read_text()
    assert as_markdown(report, "pictures/") == (folder / "report.md").read_text()
    (folder.parent / "broken.json").write_text('{"format": 1}')
    for path in (folder / "report.md", folder.parent / "broken.json", folder / "none.json"):
        with pytest.raises(InputError, match="cannot be read as a report"):
            read_report(path)


def test_epochs_of_single_frames_are_drawn_before_those_of_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ablation = Ablation(tmp_path / "x")
    folder = ablation.finish("a", "fold-1-of-3", recipe(pretrain={"epochs": 3}), predictions_of(fold_predictions(1)))
    epochs = [{"epoch": n, "loss": 2.5, "validation_uar": 0.3, "seconds": 1} for n in (1, 2, 3)]
    write_log(folder / "frames" / "log.csv", epochs)
    (setting,) = make_report(read_results([ablation.root])).settings
    with monkeypatch.context() as patch:
        patch.setattr(pictures_module, "_png", lambda figure: figure)
        figure: Any = curves_picture(setting)
    for panel, of in zip(figure.axes, ([[2.5] * 3, [1.5, 0.5]], [[0.3] * 3, [0.5, 0.6]]), strict=True):
        frames, clips = panel.lines
        assert (frames.get_linestyle(), clips.get_linestyle()) == (":", "-")
        assert [list(line.get_xdata()) for line in panel.lines] == [[1, 2, 3], [4, 5]]
        assert [pytest.approx(line.get_ydata()) for line in panel.lines] == of
        assert panel.get_xlim() == (0.5, 5.5)


def test_a_training_whose_curve_is_lost_is_reported(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    folder = ablation.finish("a", "fold-1-of-3", recipe(), predictions_of(fold_predictions(1)))
    (folder / "log.csv").write_text("epoch,step\n1,2")
    out, report = write_report([ablation.root], stores=tmp_path)
    assert [path.name for path in (out / "pictures").iterdir()] == ["confusion-1.png"]
    (warning,) = report.warnings
    assert "missing columns: loss, seconds, validation_uar: a, fold-1-of-3, seed 1." in warning
    assert warning in (out / "report.html").read_text()


def test_a_report_has_only_its_own_pictures(tmp_path: Path) -> None:
    """Not those of an earlier report, nor what a killed one left; what others put there stays."""
    ablation = Ablation(tmp_path / "x")
    folder = ablation.finish("a", "fold-1-of-3", recipe(), predictions_of(fold_predictions(1)))
    out, _ = write_report([ablation.root], stores=tmp_path)
    pictures = out / "pictures"
    made = ["confusion-1.png", "curves-1.png"]
    assert sorted(path.name for path in pictures.iterdir()) == made
    old = ["mistakes-1.jpg", "mistakes-12.jpg", "confusion-2.png", "uar-3.png", ".mistakes-1.77.tmp.jpg"]
    mine = ["mistakes-1.png.txt", "my-mistakes-1.jpg", "mistakes-a.jpg", "curves-1.png.bak", ".hidden", "mistakes.jpg"]
    for name in old + mine:
        (pictures / name).write_bytes(b"x")
    (pictures / "mistakes-3.jpg").mkdir()
    (out / ".report.77.tmp.html").touch()
    (out / "mistakes-1.jpg").touch()
    write_report([ablation.root], stores=tmp_path)
    assert sorted(path.name for path in pictures.iterdir()) == sorted([*made, *mine, "mistakes-3.jpg"])
    files = ["mistakes-1.jpg", "pictures", "report.html", "report.json", "report.md"]
    assert sorted(path.name for path in out.iterdir()) == files
    for name in mine:
        (pictures / name).unlink()
    (pictures / "mistakes-3.jpg").rmdir()
    (folder / "weights" / "README.md").unlink()
    write_report([ablation.root], stores=tmp_path)
    assert not pictures.exists()


def test_pictures_of_an_earlier_report_go_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before, a report has cost nothing that another one cannot bring back."""
    ablation = Ablation(tmp_path / "x")
    ablation.finish("a", "fold-1-of-3", recipe(), predictions_of(fold_predictions(1)))
    out, _ = write_report([ablation.root], stores=tmp_path)
    (out / "pictures" / "mistakes-1.jpg").touch()

    def killed(path: Path, text: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("fer_zoo.evaluation.report.write.write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            write_report([ablation.root], stores=tmp_path)
    assert (out / "pictures" / "mistakes-1.jpg").exists()
    write_report([ablation.root], stores=tmp_path)
    assert not (out / "pictures" / "mistakes-1.jpg").exists()


def test_unreadable_faces_are_reported(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    assert "No faces are shown: Clips of 'synthmh'" in text
    assert "nowhere" not in text


def test_a_folder_without_a_finished_training(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    ablation.begin("a", "fold-1-of-3", recipe(), losses=[1.0])
    out, report = write_report([ablation.root])
    assert report.settings[0].rows[0].best is None
    text = (out / "report.md").read_text()
    assert "No training run is done." in text
    assert table(text, "recipe", "state", "why") == [["`a`", "unfinished", "1 of 2 epochs"]]
    assert not (out / "pictures").exists()
    Page((out / "report.html").read_text())


def test_one_recipe_and_one_training(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    ablation.finish("a", "fold-1-of-3", recipe(), predictions_of(fold_predictions(1)))
    out, _ = write_report([ablation.root])
    text = (out / "report.md").read_text()
    assert "a made none." in text
    assert "Differences" not in text
    assert "One seed per fold: intervals and p-values do not cover other seeds." in text


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "x")
    ablation.begin("a", "fold-1-of-3", recipe(), losses=[])
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written to"):
        write_report([ablation.root], tmp_path / "file" / "report")


NASTY = [
    "a|b", "`tick`", "<b>x</b>", "&amp; & &#60;", "*a* _b_ __c__ a_b", "[x](http://y.z)", "- item", "# head", "1. one",
    "> quote", "~~x~~", "\\*", "{: .x }", "two\nlines", "https://a.b", "$x$", "", "![p](q)", "+1.4 [0.1, 0.2]",
]  # fmt: skip


def renamed(folder: Path, text: str) -> Report:
    """The report with another name for the recipe `mine` and for the label `fear`."""

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: replaced(item) for key, item in value.items()}
        if isinstance(value, list):
            return [replaced(item) for item in value]
        return text if value in ("mine", "fear") else value

    return Report.model_validate_json(json.dumps(replaced(json.loads((folder / "report.json").read_text()))))


@pytest.mark.parametrize("text", NASTY)
def test_any_text_stays_text(text: str, folder: Path) -> None:
    """Names and labels are shown as they are in Markdown and in HTML, in tables and sentences, and open no tag."""
    pictures = dict.fromkeys(("uar-1.png", "confusion-1.png", "curves-1.png"), b"")

    def pages(name: str) -> list[Page]:
        report = renamed(folder, name)
        return [rendered(as_markdown(report, "p/")), Page(as_html(report, pictures))]

    for plain, found in zip(pages("neutral"), pages(text), strict=True):
        for expected, shown in zip([*plain.cells, plain.text], [*found.cells, found.text], strict=True):
            assert " ".join(shown.split()) == " ".join(expected.replace("neutral", text).split())
        assert found.tags == plain.tags


def test_dollars_are_no_formulas_in_pictures(folder: Path) -> None:
    """matplotlib cannot parse this one, and would raise."""
    formula = r"$\frac$"
    assert len(number_pictures(renamed(folder, formula))) == 3
    mistake = Mistake(key=formula, subject="", truth=formula, predicted=formula, probability=1.0, of_truth=0.0)
    assert mistakes_picture([(mistake, np.zeros((2, 8, 8, 3), np.uint8))])[:2] == b"\xff\xd8"
