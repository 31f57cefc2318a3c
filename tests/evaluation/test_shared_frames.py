"""The stage of single frames is trained once for all recipes that differ only behind it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import toy_databases

from fer_zoo.evaluation.ablation import RunOptions, ablate
from fer_zoo.evaluation.attempt import TAKEN
from fer_zoo.evaluation.grid import CellPlan
from fer_zoo.evaluation.results import Cell, read_results
from fer_zoo.weights import load_weights

pytestmark = pytest.mark.slow  # four training runs, each in its own process

STAGE = {"epochs": 1, "batch_size": 4, "optimizer": "adamw"}


def cell(name: str, **model: object) -> CellPlan:
    fields = toy_databases.fields(split={"folds": 3, "fold": 1}, pretrain=STAGE)
    fields["model"] |= model
    return CellPlan(name, "fold-1-of-3", toy_databases.Recipe.model_validate(fields | {"description": name}))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Cell]]:
    """One cell with an LSTM; then another head, which shares its frames stage, and another fusion, which does not."""
    out = tmp_path_factory.mktemp("shared")
    toy_databases.database(out, "ckplus")
    how = RunOptions(arguments=("--stores", str(out)))
    cells = [cell("lstm"), cell("gru", temporal={"name": "gru", "hidden": 8}), cell("none", fusion="none")]
    outcome = ablate(cells, out / "grid", how)
    assert outcome.failed == []
    return out, {found.recipe: found for found in read_results([out / "grid"])}


def test_who_takes_over_and_who_does_not(trained: tuple[Path, dict[str, Cell]]) -> None:
    out, _ = trained
    first, second, third = (out / "grid" / name / "fold-1-of-3" / "seed-5" for name in ("lstm", "gru", "none"))
    assert (second / TAKEN).read_text() == f"{first}\n"
    for file in ("best.safetensors", "log.csv"):
        assert (first / "frames" / file).read_bytes() == (second / "frames" / file).read_bytes()
    assert not (first / TAKEN).exists()
    assert not (third / TAKEN).exists()


def test_what_is_taken_over_is_what_would_have_been_trained(trained: tuple[Path, dict[str, Cell]]) -> None:
    out, _ = trained
    alone = cell("gru", temporal={"name": "gru", "hidden": 8})
    assert ablate([alone], out / "alone", RunOptions(arguments=("--stores", str(out)))).failed == []
    shared, own = (load_weights(out / grid / alone.folder / "weights").state_dict() for grid in ("grid", "alone"))
    assert all((shared[key] == own[key]).all() for key in own)


def test_hours_are_counted_where_they_were_spent(trained: tuple[Path, dict[str, Cell]]) -> None:
    out, cells = trained
    for name, shared in (("lstm", False), ("gru", True)):
        run = json.loads((out / "grid" / name / "fold-1-of-3" / "seed-5" / "run.json").read_text())
        assert run["seconds"]["pretraining"] > 0
        spent = sum(run["seconds"].values()) - shared * run["seconds"]["pretraining"]
        assert cells[name].hours == pytest.approx(spent / 3600)


def test_the_weights_say_which_detector_found_the_points(trained: tuple[Path, dict[str, Cell]]) -> None:
    out, _ = trained
    folder = out / "grid" / "lstm" / "fold-1-of-3" / "seed-5"
    assert json.loads((folder / "run.json").read_text())["detector_version"] == "1"
    assert json.loads((folder / "weights" / "config.json").read_text())["detector_version"] == "1"
