"""A grid becomes the right training runs, and all problems are reported before the first one starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import toy_databases
import yaml

from fer_zoo.errors import FerZooError, OptionError, RecipeError
from fer_zoo.evaluation.grid import Grid, plan, read_grid


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recipes, and stores of two databases."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("ckplus", "mmi"):
        toy_databases.database(folder / "stores", name)
    for name, lr in (("base", 0.01), ("other", 0.02)):
        fields = toy_databases.fields()
        fields["train"]["lr"] = lr
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(fields))
    return folder


def planned(desk: Path, *, overrides: tuple[str, ...] = (), **grid: Any) -> list[str]:
    grid = {"recipes": [str(desk / "base.yaml")], **grid}
    return [cell.folder for cell in plan(Grid.checked(grid), overrides, desk / "stores")]


def problems(desk: Path, *, overrides: tuple[str, ...] = (), **grid: Any) -> tuple[str, ...]:
    with pytest.raises(RecipeError, match="Nothing was started") as caught:
        planned(desk, overrides=overrides, **grid)
    return caught.value.problems


def test_recipes_folds_and_seeds_all_of_a_seed_first(desk: Path) -> None:
    both = [str(desk / "base.yaml"), str(desk / "other.yaml")]
    assert planned(desk, recipes=both, seeds=[2, 1]) == [
        f"{name}/fold-{fold}-of-3/seed-{seed}" for seed in (2, 1) for name in ("base", "other") for fold in (1, 2, 3)
    ]
    assert planned(desk)[0] == "base/fold-1-of-3/seed-5", "the recipe's own seed"


def test_every_combination_of_the_settings_and_only_what_varies_is_in_the_name(desk: Path) -> None:
    settings = {"train.lr": [0.1, 0.2], "train.epochs": [3], "model.pool": ["mean", "flatten"]}
    cells = plan(Grid(recipes=(str(desk / "base.yaml"),), set=settings), ["split.fold=2"], desk / "stores")  # type: ignore[arg-type]
    assert [cell.name for cell in cells] == [
        f"base, train.lr={lr}, model.pool={pool}" for lr in (0.1, 0.2) for pool in ("mean", "flatten")
    ]
    assert cells[0].folder == "base__train.lr=0.1__model.pool=mean/fold-2-of-3/seed-5"
    assert [(cell.recipe.train.lr, cell.recipe.train.epochs, cell.recipe.model.pool) for cell in cells] == [
        (0.1, 3, "mean"), (0.1, 3, "flatten"), (0.2, 3, "mean"), (0.2, 3, "flatten"),
    ]  # fmt: skip
    assert cells[0].entry() == {
        "recipe": "base, train.lr=0.1, model.pool=mean",
        "split": "fold-2-of-3",
        "seed": 5,
        "folder": cells[0].folder,
    }


def test_packaged_recipes_by_their_names_on_databases_of_the_protocol(tmp_path: Path) -> None:
    for name in ("ckplus", "mmi"):
        toy_databases.database(tmp_path, name, detector="exact")
    grid = Grid.checked({"recipes": ["ablations/base"], "protocol": {"cross": ["ckplus", "mmi"]}})
    small = [
        "train.batch_size=2",
        "pretrain.batch_size=2",
        "model.input.frames=8",
        "model.input.size=32",
        f"model.labels=[{', '.join(toy_databases.LABELS)}]",
    ]
    cells = plan(grid, small, tmp_path)
    assert [cell.folder for cell in cells] == [
        "ablations__base/mmi-to-ckplus/seed-1", "ablations__base/ckplus-to-mmi/seed-1",
    ]  # fmt: skip


def test_impossible_batches_are_reported_before_the_first_run(desk: Path) -> None:
    (found,) = problems(desk, overrides=("train.batch_size=500",))
    assert "training clips for batches of 500" in found
    (found,) = problems(desk, overrides=("train.batch_size=1",))
    assert "train.batch_size 1, and the network has batch norm" in found


def test_long_lists_of_accepted_names_are_shortened(desk: Path) -> None:
    (found,) = problems(desk, recipes=["nope"])
    assert "Accepted: ablations/" in found
    assert " .... What to do" in found
    assert len(found) < 500


def test_clips_made_on_demand_are_not_made_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer_zoo.evaluation.grid.load", lambda *_, **__: pytest.fail("clips were made"))
    (cell,) = plan(Grid(recipes=("ablations/base",)))
    assert cell.folder == "ablations__base/ranges/seed-1"


def test_all_problems_are_reported_together(desk: Path, tmp_path: Path) -> None:
    """A recipe that is not there, one with a wrong key, a store that is missing, one that does not fit."""
    toy_databases.database(tmp_path / "stores", "mmi", fps=30.0)
    wrong = toy_databases.fields()
    wrong["train"]["epoch"] = 3
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(toy_databases.fields()))
    (tmp_path / "misfit.yaml").write_text(yaml.safe_dump(toy_databases.fields(data={"dataset": "mmi"})))
    recipes = ["ablations/bass", *(str(tmp_path / f"{name}.yaml") for name in ("wrong", "base", "misfit"))]
    found = problems(tmp_path, recipes=recipes)
    assert len(found) == 4
    message = "\n".join(found)
    assert "ablations/bass" in message
    assert "train.epoch" in message
    assert (
        "base, fold-1-of-3, seed 5; base, fold-2-of-3, seed 5; base, fold-3-of-3, seed 5: Clips of 'ckplus'" in message
    )
    assert "fps: the store has 30" in message


def test_a_shared_problem_is_reported_once(desk: Path) -> None:
    (found,) = problems(desk, overrides=("data.dataset=fera",), seeds=[1, 2])
    assert "; and 3 more: Clips of 'fera'" in found
    (found,) = problems(desk, overrides=("split.folds=7",))
    assert "7 folds of 6 subjects" in found


def test_a_fold_without_a_label_is_reported_first(desk: Path) -> None:
    labels = "model.labels=[anger, fear, happiness, contempt]"
    assert all("contempt" in text for text in problems(desk, overrides=(labels,)))


@pytest.mark.parametrize("twice", [{"seeds": [1, 1]}, {"recipes": 2 * ["base.yaml"]}, {"set": {"train.lr": [1, 1]}}])
def test_duplicates_in_a_grid_are_errors(desk: Path, twice: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)
    (found,) = problems(desk, **twice)
    assert "more than once" in found


def test_long_names_stay_apart(desk: Path) -> None:
    labels = [["anger", "fear", "happiness"], ["fear", "happiness", "anger"]]
    many = {"model.labels": labels, "model.dropout": [0.1, 0.2], "data.any_fps": [True, False], "train.lr": [0.1, 0.3]}
    found = planned(desk, set=many)
    assert len(found) == len(set(found)) == 2**4 * 3
    assert max(len(part) for folder in found for part in folder.split("/")) < 140


def test_a_grid_file_of_one_recipe_and_seed_needs_no_lists(desk: Path, tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(f"recipes: {desk / 'base.yaml'}\nseeds: 1\n")
    assert read_grid(path) == Grid(recipes=(str(desk / "base.yaml"),), seeds=(1,))


def test_a_grid_file(desk: Path, tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(
        f"recipes: [{desk / 'base.yaml'}]\nset: {{train.lr: [1e-3, 1e-2], train.epochs: 2}}\n"
        "protocol: {cross: [ckplus, mmi]}\nseeds: [1, 2]\n"
    )
    grid = read_grid(path)
    assert grid.set == {"train.lr": (1e-3, 1e-2), "train.epochs": (2,)}
    cells = plan(grid, (), desk / "stores")
    assert len(cells) == 8
    assert {cell.recipe.train.epochs for cell in cells} == {2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recipes: []", "recipes"),
        ("recipes: a\nset: {train.lr: []}", "train.lr"),
        ("", "a YAML mapping of recipes, set, protocol and seeds"),
        ("recipe: [a]", "recipe"),
        ("recipes: [a]\nprotocol: {folds: 5, cross: [a, b]}", "one protocol at a time"),
        ("recipes: [a]\nseeds: [-1]", "seeds"),
        ("recipes: [a]\nrecipes: [b]", "duplicate"),
        ("- a", "mapping"),
    ],
)
def test_a_wrong_grid_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    with pytest.raises(FerZooError, match=message):
        read_grid(path)


def test_no_grid_file(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"none\.yaml cannot be read"):
        read_grid(tmp_path / "none.yaml")


def test_a_split_without_a_test_set_cannot_be_compared(desk: Path) -> None:
    (problem,) = problems(desk, overrides=("split={leave_out: null, validation_folds: 2}",))
    assert "The split has no test set" in problem
