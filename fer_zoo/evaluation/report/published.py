"""Published figures next to ours, where both are on the same data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fer_zoo.data import databases
from fer_zoo.evaluation.report.numbers import PublishedRow, Row
from fer_zoo.evaluation.report.settings import SettingKey, as_yaml, changes
from fer_zoo.evaluation.results import Cell
from fer_zoo.recipes import list_recipes, load_recipe
from fer_zoo.specs import Recipe

PAPER = "paper/"


def published_rows(
    settings: Mapping[SettingKey, Mapping[str, Sequence[Cell]]], rows: Mapping[SettingKey, Sequence[Row]]
) -> tuple[PublishedRow, ...]:
    """A row for each recipe of the paper, and for each other recipe here that has a published figure."""
    known = {name: load_recipe(name) for name in list_recipes() if name.startswith(PAPER)}
    for recipes in settings.values():
        for name, cells in recipes.items():
            spec = next((cell.spec for cell in cells if cell.spec is not None), None)
            if spec is not None and spec.published is not None:
                known.setdefault(name, spec)
    ordered = sorted(known.items(), key=lambda item: item[1].protocol == "cross-database")
    return tuple(_row(name, recipe, list(_runs(name, settings, rows))) for name, recipe in ordered)


Run = tuple[SettingKey, Recipe, Row]


def _runs(
    name: str, settings: Mapping[SettingKey, Mapping[str, Sequence[Cell]]], rows: Mapping[SettingKey, Sequence[Row]]
) -> Iterator[Run]:
    for key, recipes in settings.items():
        spec = next((cell.spec for cell in recipes.get(name, ()) if cell.spec is not None), None)
        if spec is not None:
            yield key, spec, next(row for row in rows[key] if row.recipe == name)


def _row(name: str, recipe: Recipe, runs: Sequence[Run]) -> PublishedRow:
    printed = recipe.published
    shared = {
        "recipe": name,
        "protocol": recipe.protocol,
        "source": printed.source if printed else recipe.description,
        "war": printed.war if printed else None,
        "std": printed.std if printed else None,
    }
    nothing = {"run": False, "ours": None, "subjects": 0, "seeds": (), "trainings": 0, "commits": ()}
    same = [run for run in runs if _comparable(recipe, *run)]
    if not same:
        others = [key.title for key, _, _ in runs]
        elsewhere = f"run on other data ({'; '.join(others)}): not comparable" if others else "not run"
        return PublishedRow(**shared, **nothing, note=elsewhere)
    _, spec, row = same[0]
    if row.best is None:
        return PublishedRow(**shared, **nothing, note=row.problem or "no training run is done")
    notes = [f"{key}: {as_yaml(was)} became {as_yaml(now)}" for key, was, now in changes(recipe, spec)]
    notes += (
        [f"{row.asked - row.trainings} of {row.asked} training runs are missing"] if row.trainings < row.asked else []
    )
    found, folds = row.best.estimates, row.best.over_folds.war
    return PublishedRow(
        **shared, run=True, note="; ".join(notes), ours=found.war, subjects=found.basis.subjects, seeds=row.seeds,
        trainings=row.trainings, commits=row.commits, over_folds=None if folds.deviation is None else folds,
    )  # fmt: skip


def _comparable(recipe: Recipe, key: SettingKey, spec: Recipe, row: Row) -> bool:
    """Whether a run has the data and the protocol of the published figure."""
    same = (spec.protocol, databases(spec)) == (recipe.protocol, databases(recipe))
    return same and not key.synthetic
