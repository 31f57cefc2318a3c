"""Compute the numbers of a report from the training runs of ablation folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from fer_zoo.compose import build
from fer_zoo.data import databases
from fer_zoo.errors import FerZooError, InputError
from fer_zoo.evaluation.report.numbers import (
    FORMAT,
    PAPER,
    Change,
    Classes,
    Curve,
    Delta,
    Group,
    Mistake,
    PublishedRow,
    RecipeFacts,
    RecipeMetrics,
    Report,
    Row,
    Setting,
    SettingKey,
    Training,
)
from fer_zoo.evaluation.report.settings import Settings, changes, grouped
from fer_zoo.evaluation.report.warnings import known_facts, warnings
from fer_zoo.evaluation.results import BEST, LAST, NOISY, Cell, spec_of
from fer_zoo.evaluation.statistics import FoldSpread, compare, estimate, holm, over_folds, spread
from fer_zoo.evaluation.variance import by_fold
from fer_zoo.recipes import as_yaml, list_recipes, load_recipe
from fer_zoo.specs import Recipe
from fer_zoo.training.metrics import Figures, class_metrics, figures, group_figures
from fer_zoo.training.predictions import Predictions

MISTAKES = 6

Recipes = Mapping[str, Sequence[Cell]]


def make_report(cells: Sequence[Cell], baseline: str | None = None, *, name: str | None = None) -> Report:
    """Compute all numbers of a report.

    Args:
        baseline: name of the recipe that others are compared with; default the first in the grid.
        name: title of the report; default the names of the folders.

    Raises:
        InputError: no training run of that recipe was requested, or training runs do not belong together.
    """
    names = list(dict.fromkeys(cell.recipe for cell in cells))
    base = names[0] if baseline is None else baseline
    if base not in names:
        raise InputError(
            f"No training run of the recipe {base!r}.", ", ".join(names), "name one of these as the baseline"
        )
    settings = grouped(cells)
    rows = {key: [_row(name, found) for name, found in recipes.items()] for key, recipes in settings.items()}
    return Report(
        format=FORMAT,
        name=name or " + ".join(dict.fromkeys(cell.root.name for cell in cells)),
        baseline=base,
        warnings=warnings(cells, settings),
        trainings=tuple(_training(cell) for cell in cells),
        machines=known_facts(cells, "hardware"),
        versions=tuple(f"{name} {it}" for name in ("fer_zoo", "torch", "python") for it in known_facts(cells, name)),
        recipes=tuple(_facts(name, base, list(settings.values())) for name in names),
        published=_published(settings, rows),
        settings=tuple(
            _setting(key, recipes, rows[key], _baseline(recipes, base)) for key, recipes in settings.items()
        ),
    )


def _training(cell: Cell) -> Training:
    shared = ("recipe", "split", "seed", "folder", "state", "problem", "hours")
    return Training(**{name: getattr(cell, name) for name in shared}, commit=cell.facts.get("commit", ""))


def _baseline(recipes: Recipes, base: str) -> str:
    """The baseline of a setting: the report's or, if that is not in it, the first recipe."""
    return base if base in recipes else next(iter(recipes))


def _facts(name: str, base: str, settings: Sequence[Recipes]) -> RecipeFacts:
    """What a recipe is, and what it changes in the baseline of a setting that has both."""
    places = sorted(
        ((_baseline(found, base), found) for found in settings if name in found), key=lambda place: place[0] != base
    )
    specs = [(of, spec_of(found[of]), spec_of(found[name])) for of, found in places]
    spec = next((own for *_, own in specs if own), None)
    of, differ = next(((of, changes(theirs, own)) for of, theirs, own in specs if theirs and own), (base, []))
    return RecipeFacts(
        name=name,
        description=spec.description if spec else "",
        changes=tuple(Change(key=key, baseline=as_yaml(a), here=as_yaml(b)) for key, a, b in differ),
        parameters=_parameters(spec) if spec else None,
        baseline=None if of == base else of,
    )


def _parameters(recipe: Recipe) -> int | None:
    try:
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in build(recipe.model).parameters())
    except FerZooError:
        return None


def _row(name: str, cells: Sequence[Cell]) -> Row:
    done = [cell for cell in cells if cell.state == "done"]
    row = {
        "recipe": name,
        "asked": len(cells),
        "trainings": len(done),
        "seeds": tuple(sorted({cell.seed for cell in done})),
        "splits": tuple(dict.fromkeys(cell.split for cell in done)),
        "commits": known_facts(done, "commit"),
        "labels": done[0].predictions[BEST].labels if done else (),
        "curves": tuple(map(_curve, done)),
    }
    try:
        return Row(**row, **(_metrics(done) if done else {}))
    except InputError as error:
        return Row(**row, problem=error.given)


def _metrics(done: Sequence[Cell]) -> dict[str, Any]:
    best = [cell.predictions[BEST] for cell in done]
    noisy = [cell.predictions[NOISY] for cell in done if NOISY in cell.predictions]
    cut = any((run.videos != run.keys).any() for run in best)
    seeds = _by_seed(done, BEST)
    return {
        "best": _recipe_metrics(done, BEST),
        "last": _recipe_metrics(done, LAST),
        "noisy": estimate(noisy) if len(noisy) == len(done) else None,
        "by_video": estimate([run.by_video() for run in best]) if cut else None,
        "classes": _classes(seeds),
        "groups": _groups(seeds),
    }


def _recipe_metrics(done: Sequence[Cell], kind: str) -> RecipeMetrics:
    runs = [cell.predictions[kind] for cell in done]
    whole = [figures(run) for run in _by_seed(done, kind)]
    war, uar = (spread([getattr(of, name) for of in whole]) for name in ("war", "uar"))
    return RecipeMetrics(estimates=estimate(runs), over_folds=over_folds(runs), over_seeds=FoldSpread(war=war, uar=uar))


def _by_seed(done: Sequence[Cell], kind: str) -> list[Predictions]:
    """Predictions of each seed on the largest set of folds that any seed has; seeds with other folds are left out.

    Seeds that were tested on other subjects would differ by these subjects. Of two equally large sets the one that more
    seeds have counts, then that of the first seed.
    """
    of_seed: dict[int, list[Cell]] = {}
    for cell in sorted(done, key=lambda cell: cell.seed):
        of_seed.setdefault(cell.seed, []).append(cell)
    folds = [frozenset(cell.split for cell in cells) for cells in of_seed.values()]
    most = max(folds, key=lambda held: (len(held), folds.count(held)))
    whole = [cells for cells, held in zip(of_seed.values(), folds, strict=True) if held == most]
    return [Predictions.concat([cell.predictions[kind] for cell in cells]) for cells in whole]


def _classes(seeds: Sequence[Predictions]) -> Classes:
    of = [figures(run) for run in seeds]
    confusion = np.sum([np.array(one.confusion) for one in of], axis=0)
    recall, _, f1 = class_metrics(confusion)
    return Classes(
        recall=recall,
        f1=f1,
        confusion=tuple(map(tuple, confusion.tolist())),
        calibration_error=float(np.mean([one.calibration_error for one in of])),
    )


def _groups(seeds: Sequence[Predictions]) -> tuple[Group, ...]:
    # A store that was prepared again between two seeds may have other groups.
    found: dict[str, dict[str, list[Figures]]] = {}
    for run in seeds:
        for grouping, groups in group_figures(run).items():
            for group, of in groups.items():
                found.setdefault(grouping, {}).setdefault(group, []).append(of)
    return tuple(
        Group(
            grouping=grouping,
            group=group,
            clips=of[0].clips,
            subjects=of[0].subjects,
            seeds=len(of),
            war=float(np.mean([one.war for one in of])),
            uar=float(np.mean([one.uar for one in of])),
        )
        for grouping, groups in found.items()
        for group, of in sorted(groups.items())
    )


def _curve(cell: Cell) -> Curve:
    curves = {
        f"{stage}{name}": tuple(row[name] for row in rows)
        for stage, rows in (("", cell.log), ("frames_", cell.frames))
        for name in ("loss", "validation_uar")
    }
    return Curve(split=cell.split, seed=cell.seed, **curves)


def _setting(key: SettingKey, recipes: Recipes, rows: Sequence[Row], base: str) -> Setting:
    shown = next((row.recipe for row in sorted(rows, key=lambda row: row.recipe != base) if row.best), "")
    return Setting(
        **dict(key),
        baseline=base,
        rows=tuple(rows),
        deltas=_deltas(recipes, rows, base),
        mistakes_of=shown,
        mistakes=_mistakes(recipes[shown]) if shown else (),
    )


def _deltas(recipes: Recipes, rows: Sequence[Row], base: str) -> tuple[Delta, ...]:
    others = [row.recipe for row in rows if row.recipe != base and row.trainings]
    deltas = [_delta(name, recipes[name], recipes[base]) for name in others]
    war, uar = (
        holm([getattr(delta.comparison, name).p if delta.comparison else None for delta in deltas])
        for name in ("war", "uar")
    )
    return tuple(delta.model_copy(update={"war_holm": war[n], "uar_holm": uar[n]}) for n, delta in enumerate(deltas))


def _delta(name: str, one: Sequence[Cell], other: Sequence[Cell]) -> Delta:
    """Compare the training runs that both have, by fold and seed."""
    sides = [{(cell.split, cell.seed): cell for cell in cells if cell.state == "done"} for cells in (one, other)]
    common = [place for place in sides[0] if place in sides[1]]
    if not common:
        return Delta(recipe=name, problem="the baseline has no finished training run of the same fold and seed")
    runs = [[side[place].predictions[BEST] for place in common] for side in sides]
    try:
        found = compare(*runs)
    except InputError as error:
        return Delta(recipe=name, problem=error.given, pairs=len(common))
    ahead = sum(figures(mine).uar > figures(its).uar for mine, its in zip(*runs, strict=True))
    return Delta(recipe=name, comparison=found, pairs=len(common), ahead=ahead)


def _mistakes(cells: Sequence[Cell]) -> tuple[Mistake, ...]:
    found = []
    for fold in by_fold([cell.predictions[BEST] for cell in cells if cell.state == "done"]):
        clips, shares = fold[0], np.mean([run.probabilities for run in fold], axis=0)
        predicted = shares.argmax(axis=1)
        found += [
            Mistake(
                key=str(clips.keys[clip]),
                subject=str(clips.subjects[clip]),
                truth=clips.labels[clips.truth[clip]],
                predicted=clips.labels[predicted[clip]],
                probability=float(shares[clip, predicted[clip]]),
                of_truth=float(shares[clip, clips.truth[clip]]),
            )
            for clip in np.flatnonzero(predicted != clips.truth)
        ]
    return tuple(sorted(found, key=lambda mistake: (-mistake.probability, mistake.key))[:MISTAKES])


def _published(settings: Settings, rows: Mapping[SettingKey, Sequence[Row]]) -> tuple[PublishedRow, ...]:
    """A row for each recipe of the paper, and for each other recipe here that has a published figure."""
    runs: dict[str, list[tuple[SettingKey, Recipe, Row]]] = {}
    known = {name: load_recipe(name) for name in list_recipes() if name.startswith(PAPER)}
    for setting, recipes in settings.items():
        for row in rows[setting]:
            if (spec := spec_of(recipes[row.recipe])) is not None:
                runs.setdefault(row.recipe, []).append((setting, spec, row))
                if spec.published is not None:
                    known.setdefault(row.recipe, spec)
    ordered = sorted(known.items(), key=lambda item: item[1].protocol == "cross-database")
    return tuple(_published_row(name, recipe, runs.get(name, [])) for name, recipe in ordered)


def _published_row(name: str, recipe: Recipe, runs: Sequence[tuple[SettingKey, Recipe, Row]]) -> PublishedRow:
    printed = recipe.published
    shared = {
        "recipe": name,
        "protocol": recipe.protocol,
        **(printed.model_dump() if printed else {"source": recipe.description, "war": None, "std": None}),
    }
    # Comparable: the same data and protocol.
    same = [
        (spec, row)
        for setting, spec, row in runs
        if not setting.synthetic and (spec.protocol, databases(spec)) == (recipe.protocol, databases(recipe))
    ]
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
        **shared,
        run=True,
        note="; ".join(notes),
        ours=found.war,
        subjects=found.basis.subjects,
        seeds=row.seeds,
        trainings=row.trainings,
        commits=row.commits,
        over_folds=None if folds.deviation is None else folds,
    )
