"""Settings: which training runs belong in one table (same databases, protocol and test clips)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fer_zoo import specs
from fer_zoo.data import databases, trained_on
from fer_zoo.errors import InputError
from fer_zoo.evaluation.report.numbers import SettingKey
from fer_zoo.evaluation.results import Cell
from fer_zoo.recipes import as_yaml, diff_recipes
from fer_zoo.registry import DATASETS
from fer_zoo.specs import Recipe

Settings = Mapping[SettingKey, Mapping[str, Sequence[Cell]]]
"""Training runs by setting and name of the recipe."""

# The training runs of a recipe differ in these; a published figure does not change what is trained.
_OWN = ("seed", "split.fold", "split.leave_out", "split.published", "split.name", "published")


def setting_of(recipe: Recipe) -> SettingKey:
    """The setting of a recipe; its folds and seeds share one.

    Raises:
        UnknownNameError: a dataset is not registered.
    """
    options = recipe.data.dataset.options
    tested = recipe.data.dataset.name + (f" ({as_yaml(options)[1:-1]})" if options else "")
    match recipe.split:
        case specs.SplitSpec(test=(first, end)):
            title = f"{tested}, subjects {first} to {end - 1} tested"
        case specs.FoldSplit(folds=folds, pooled_with=others):
            title = f"{' + '.join([tested, *others])}, {folds} folds"
        case specs.LeaveOneOutSplit():
            title = f"{tested}, one subject left out"
        case specs.PublishedSplit(published=name):
            title = f"{tested}, published split {re.sub('[0-9]+$', '*', name)}"  # set_1, set_2, ...: folds
        case specs.DisjointSplit(identity_disjoint=file, folds=folds, fold=fold):
            title = f"{tested}, groups of {Path(file).name}" + (f", {folds} folds" if fold is not None else "")
        case specs.FileSplit(file=file):
            title = f"{tested}, split of {Path(file).name}"
        case specs.DatabaseSplit(train_on=train_on):
            title = f"{' + '.join(train_on)} to {tested}"
    return SettingKey(
        title=title,
        protocol=recipe.protocol,
        trained_on=trained_on(recipe),
        tested_on=tested,
        synthetic=all(DATASETS.get(name).defaults["synthetic"] for name in databases(recipe)),
    )


def grouped(cells: Sequence[Cell]) -> dict[SettingKey, dict[str, list[Cell]]]:
    """Cells by setting and recipe, in the order of the grid.

    A cell that has not started has no recipe yet: it belongs to the setting of its split in its folder, if there is
    exactly one.

    Raises:
        InputError: a training run occurs twice, or the runs of a recipe differ in more than fold and seed.
    """
    known: dict[tuple[Path, str], set[SettingKey]] = {}
    for cell in cells:
        if cell.spec is not None:
            known.setdefault((cell.root, cell.split), set()).add(setting_of(cell.spec))
    found: dict[SettingKey, dict[str, list[Cell]]] = {}
    for cell in cells:
        likely = known.get((cell.root, cell.split), set()) if cell.spec is None else {setting_of(cell.spec)}
        if len(likely) == 1:
            (setting,) = likely
            found.setdefault(setting, {}).setdefault(cell.recipe, []).append(cell)
    for setting, recipes in found.items():
        for row in recipes.values():
            _check_row(setting, row)
    return found


def changes(one: Recipe, other: Recipe, *, stores: bool = False) -> list[tuple[str, Any, Any]]:
    """What two recipes differ in besides fold, seed and published figures.

    Args:
        stores: compare the paths of the stores too.
    """
    return without(diff_recipes(one, other), _OWN if stores else (*_OWN, "data.stores"))


def without(changed: Sequence[tuple[str, Any, Any]], sections: Sequence[str]) -> list[tuple[str, Any, Any]]:
    """Changes outside of some sections of the recipe."""
    return [it for it in changed if not any(f"{it[0]}.".startswith(f"{section}.") for section in sections)]


def _check_row(setting: SettingKey, row: Sequence[Cell]) -> None:
    seen: dict[tuple[str, int], Cell] = {}
    started = [cell for cell in row if cell.spec is not None]
    for cell in row:
        if (other := seen.setdefault((cell.split, cell.seed), cell)) is not cell:
            raise _mixed(f"{cell}, {setting.title}, occurs more than once: in {_place(other)} and {_place(cell)}.")
    for cell in started[1:]:
        for key, here, there in changes(started[0].spec, cell.spec, stores=True):  # type: ignore[arg-type]
            raise _mixed(
                f"Training runs of {cell.recipe!r} differ in {key}: {as_yaml(here)} in {_place(started[0])}, "
                f"{as_yaml(there)} in {_place(cell)}."
            )


def _place(cell: Cell) -> str:
    return f"{cell.root.name}/{cell.folder}"


def _mixed(problem: str) -> InputError:
    return InputError(
        problem,
        "each training run once, and runs of a recipe that differ in fold and seed only",
        "report the folders one by one, or give a changed recipe a name of its own",
    )
