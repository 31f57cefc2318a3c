"""Missing or damaged files of a training run are named, and the report is made of the others."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from ablation_folders import COMMIT, Ablation, fold_predictions, predictions_of, recipe

from fer_zoo.evaluation.report.collect import make_report
from fer_zoo.evaluation.report.format import as_markdown
from fer_zoo.evaluation.report.numbers import Report
from fer_zoo.evaluation.results import Cell, read_results
from fer_zoo.training.run_folder import write_log

FILES = (
    "cell.yaml", "recipe.yaml", "run.json", "log.csv", "frames/log.csv", "predictions/best/test.csv",
    "predictions/last/test.csv", "predictions/best/test_noisy.csv",
)  # fmt: skip


def lost(file: Path) -> None:
    file.unlink()


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def first_line_alone(file: Path) -> None:
    file.write_text(file.read_text().splitlines()[0] + "\n")


def half(file: Path) -> None:
    text = file.read_text()
    file.write_text(text[: len(text) // 2])


def last_letters_lost(file: Path) -> None:
    file.write_text(file.read_text()[:-5])


def without_a_column(file: Path) -> None:
    """The last one of a table is gone, or the line of the commit or of the protocol, which are required."""
    lines = file.read_text().splitlines()
    removed = ("protocol:", ' "commit"')
    kept = [
        line.rpartition(",")[0] if file.suffix == ".csv" else line for line in lines if not line.startswith(removed)
    ]
    file.write_text("\n".join(kept) + "\n")


def holding(data: bytes) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        file.write_bytes(data)

    return write


DAMAGES = {
    "lost": lost,
    "a folder": a_folder,
    "empty": holding(b""),
    "a list": holding(b"[]\n"),
    "nothing": holding(b"null\n"),
    "wrong keys": holding(b'{"data": 3, "seconds": []}\n'),
    "no text": holding(b"\xff\x00\x80\x1f"),
    "zeros": holding(bytes(64)),
    "the first line alone": first_line_alone,
    "half": half,
    "the last letters lost": last_letters_lost,
    "without a column": without_a_column,
}
CASES = list(enumerate(itertools.product(FILES, DAMAGES), 2))
# What the other files say as well: of the two recipes one is enough; and only the code is not known without run.json.
HARMLESS = {("cell.yaml", "lost"), ("recipe.yaml", "lost"), ("cell.yaml", "a folder"), ("recipe.yaml", "a folder")}
UNKNOWN_CODE = {("run.json", "lost"), ("run.json", "without a column")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Cell], Report, str]:
    """Seed 1 of a recipe is whole, each other one is damaged in its way; cells, report and page."""
    ablation = Ablation(tmp_path_factory.mktemp("runs") / "x")
    facts = {"commit": COMMIT, "data": {"test": {"fingerprint": "a"}}, "seconds": {"training": 3600.0}}
    for seed, case in [(1, None), *CASES]:
        spec, predictions = (
            recipe(seed=seed, pretrain={"epochs": 2, "batch_size": 4}),
            predictions_of(fold_predictions(1)),
        )
        folder = ablation.finish("a", "fold-1-of-3", spec, predictions, noisy=predictions)
        predictions.write(folder / "predictions" / "last" / "test_noisy.csv")
        (folder / "run.json").write_text(json.dumps(facts, indent=1))
        rows = [{"epoch": n, "loss": 2 / n, "validation_uar": 0.1 * n, "seconds": 9.0 * n} for n in (1, 2)]
        write_log(folder / "frames" / "log.csv", rows)
        if case is not None:
            file, damage = case
            if file.endswith(".yaml"):
                (folder / "recipe.yaml").write_text((folder / "cell.yaml").read_text())
            DAMAGES[damage](folder / file)
    cells = read_results([ablation.root])
    report = make_report(cells)
    return cells, report, as_markdown(report, "pictures/")


@pytest.mark.parametrize(("seed", "case"), CASES, ids=[f"{file}, {damage}" for _, (file, damage) in CASES])
def test_a_damaged_training_is_named(seed: int, case: tuple[str, str], made: tuple[list[Cell], Report, str]) -> None:
    cells, report, text = made
    (cell,) = (cell for cell in cells if cell.seed == seed)
    file, _ = case
    if case in HARMLESS or case in UNKNOWN_CODE:
        assert (cell.state, cell.problem, cell.log_problem) == ("done", "", "")
        assert any(named(cell, warning) and "their code version" in warning for warning in report.warnings) == (
            case in UNKNOWN_CODE
        )
    elif file.endswith("log.csv"):
        assert cell.state == "done"
        assert (cell.log, cell.frames)[file == "frames/log.csv"] == ()
        assert cell.log_problem.startswith(f"{file} ")
        assert any(named(cell, warning) for warning in report.warnings if f"because {cell.log_problem}: " in warning)
    else:
        assert cell.state in ("unreadable", "unfinished")
        assert re.search(rf"\| `a` \| fold-1-of-3 \| {seed} \| {cell.state} \| .+ \|", text)
        assert file in cell.problem
        assert not re.search(r"\w+Error", cell.problem)


def named(cell: Cell, warning: str) -> bool:
    """Whether a line names a training run, or only the number of further ones."""
    return bool(re.search(rf"{cell}(?!\d)|; and \d+ more", warning))


def test_the_whole_ones_are_reported(made: tuple[list[Cell], Report, str]) -> None:
    cells, report, _ = made
    (row,) = report.settings[0].rows
    assert row.best is not None
    assert 1 in row.seeds
    assert (row.asked, row.trainings) == (len(cells), sum(cell.state == "done" for cell in cells))
    assert any(
        f"{len(UNKNOWN_CODE)} of {row.trainings} training runs did not record" in warning for warning in report.warnings
    )
