"""Published figures next to ours, where both are on the same data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fer_zoo.data import databases
from fer_zoo.evaluation.report.numbers import PublishedRow, Row, SettingKey
from fer_zoo.evaluation.report.settings import Settings, as_yaml, changes
from fer_zoo.evaluation.results import spec_of
from fer_zoo.recipes import list_recipes, load_recipe
from fer_zoo.specs import Recipe

PAPER = "paper/"

Run = tuple[SettingKey, Recipe, Row]


def published_rows(settings: Settings, rows: Mapping[SettingKey, Sequence[Row]]) -> tuple[PublishedRow, ...]:
    """A row for each recipe of the paper, and for each other recipe here that has a published figure."""
    runs: dict[str, list[Run]] = {}
    known = {name: load_recipe(name) for name in list_recipes() if name.startswith(PAPER)}
    for setting, recipes in settings.items():
        for row in rows[setting]:
            if (spec := spec_of(recipes[row.recipe])) is not None:
                runs.setdefault(row.recipe, []).append((setting, spec, row))
                if spec.published is not None:
                    known.setdefault(row.recipe, spec)
    ordered = sorted(known.items(), key=lambda item: item[1].protocol == "cross-database")
    return tuple(_row(name, recipe, runs.get(name, [])) for name, recipe in ordered)


def _row(name: str, recipe: Recipe, runs: Sequence[Run]) -> PublishedRow:
    printed = recipe.published
    shared = {
        "recipe": name,
        "protocol": recipe.protocol,
        "source": printed.source if printed else recipe.description,
        "war": printed.war if printed else None,
        "std": printed.std if printed else None,
        "uar": printed.uar if printed else None,
    }
    # Comparable: the same data and protocol.
    same = [
        (spec, row) for setting, spec, row in runs
        if not setting.synthetic and (spec.protocol, databases(spec)) == (recipe.protocol, databases(recipe))
    ]  # fmt: skip
    if not same:
        others = "; ".join(setting.title for setting, _, _ in runs)
        return PublishedRow(**shared, note=f"run on other data ({others}): not comparable" if others else "not run")
    spec, row = same[0]
    if row.best is None:
        return PublishedRow(**shared, note=row.problem or "no training run is done")
    notes = [f"{key}: {as_yaml(was)} became {as_yaml(now)}" for key, was, now in changes(recipe, spec)]
    if row.trainings < row.asked:
        notes.append(f"{row.asked - row.trainings} of {row.asked} training runs are missing")
    found, folds = row.best.estimates, row.best.over_folds.war
    return PublishedRow(
        **shared, run=True, note="; ".join(notes), ours=found.war, subjects=found.basis.subjects, seeds=row.seeds,
        trainings=row.trainings, commits=row.commits, over_folds=None if folds.deviation is None else folds,
    )  # fmt: skip
