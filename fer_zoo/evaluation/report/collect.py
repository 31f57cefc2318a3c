"""Compute the numbers of a report from the training runs of ablation folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from fer_zoo.compose import build
from fer_zoo.errors import FerZooError, InputError
from fer_zoo.evaluation.outcomes import by_fold
from fer_zoo.evaluation.report.numbers import (
    FORMAT,
    Change,
    Classes,
    Curve,
    Delta,
    Group,
    Mistake,
    RecipeFacts,
    RecipeMetrics,
    Report,
    Row,
    Setting,
    Training,
)
from fer_zoo.evaluation.report.published import published_rows
from fer_zoo.evaluation.report.settings import SettingKey, as_yaml, changes, grouped
from fer_zoo.evaluation.report.warnings import about_clips, about_curves, about_names, about_runs, known_facts
from fer_zoo.evaluation.results import BEST, LAST, NOISY, Cell
from fer_zoo.evaluation.statistics import Comparison, FoldSpread, compare, estimate, holm, over_folds, spread
from fer_zoo.specs import Recipe
from fer_zoo.training.metrics import Figures, figures, group_figures
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
        warnings=(*about_runs(cells), *about_clips(settings), *about_names(settings), *about_curves(cells)),
        trainings=tuple(_training(cell) for cell in cells),
        machines=known_facts(cells, "hardware"),
        versions=tuple(f"{name} {it}" for name in ("fer_zoo", "torch", "python") for it in known_facts(cells, name)),
        recipes=tuple(_facts(name, base, list(settings.values())) for name in names),
        published=published_rows(settings, rows),
        settings=tuple(
            _setting(key, recipes, rows[key], _baseline(recipes, base)) for key, recipes in settings.items()
        ),
    )


def _training(cell: Cell) -> Training:
    names = ("recipe", "split", "seed", "state", "problem", "hours")
    values = {name: getattr(cell, name) for name in names}
    return Training(**values, folder=cell.place, commit=cell.facts.get("commit", ""))


def _baseline(recipes: Recipes, base: str) -> str:
    """The baseline of a setting: the report's or, if that is not in it, the first recipe."""
    return base if base in recipes else next(iter(recipes))


def _facts(name: str, base: str, settings: Sequence[Recipes]) -> RecipeFacts:
    """What a recipe is, and what it changes in the baseline of a setting that has both."""
    places = sorted(
        ((_baseline(found, base), found) for found in settings if name in found), key=lambda place: place[0] != base
    )
    specs = [(of, _spec(found[of]), _spec(found[name])) for of, found in places]
    spec = next((own for *_, own in specs if own), None)
    of, differ = next(((of, changes(theirs, own)) for of, theirs, own in specs if theirs and own), (base, []))
    return RecipeFacts(
        name=name,
        description=spec.description if spec else "",
        changes=tuple(Change(key=key, baseline=as_yaml(a), here=as_yaml(b)) for key, a, b in differ),
        parameters=_parameters(spec) if spec else None,
        baseline=None if of == base else of,
    )


def _spec(cells: Sequence[Cell]) -> Recipe | None:
    return next((cell.spec for cell in cells if cell.spec is not None), None)


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
    nothing = dict.fromkeys(("best", "last", "noisy", "by_video", "classes"))
    if not done:
        return Row(**row, **nothing, problem="", groups=())
    try:
        return Row(**row, **_metrics(done), problem="")
    except InputError as error:
        return Row(**row, **nothing, problem=error.given, groups=())


def _metrics(done: Sequence[Cell]) -> dict[str, object]:
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
    return RecipeMetrics(
        estimates=estimate(runs), over_folds=over_folds(runs), over_seeds=FoldSpread(war=war, uar=uar)
    )  # fmt: skip


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
    right, occurs, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    present = [bool(count) for count in occurs]
    recall, f1 = right / np.maximum(occurs, 1), 2 * right / np.maximum(occurs + predicted, 1)
    return Classes(
        recall=tuple(float(value) if there else None for value, there in zip(recall, present, strict=True)),
        f1=tuple(float(value) if there else None for value, there in zip(f1, present, strict=True)),
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
            grouping=grouping, group=group, clips=of[0].clips, subjects=of[0].subjects, seeds=len(of),
            war=float(np.mean([one.war for one in of])), uar=float(np.mean([one.uar for one in of])),
        )
        for grouping, groups in found.items() for group, of in sorted(groups.items())
    )  # fmt: skip


def _curve(cell: Cell) -> Curve:
    curves = {
        f"{stage}{name}": tuple(row[name] for row in rows)
        for stage, rows in (("", cell.log), ("frames_", cell.frames)) for name in ("loss", "validation_uar")
    }  # fmt: skip
    return Curve(split=cell.split, seed=cell.seed, **curves)


def _setting(key: SettingKey, recipes: Recipes, rows: Sequence[Row], base: str) -> Setting:
    shown = next((row.recipe for row in sorted(rows, key=lambda row: row.recipe != base) if row.best), "")
    return Setting(
        title=key.title, protocol=key.protocol, trained_on=key.trained_on, tested_on=key.tested_on,
        synthetic=key.synthetic, baseline=base, rows=tuple(rows), deltas=_deltas(recipes, rows, base),
        mistakes_of=shown, mistakes=_mistakes(recipes[shown]) if shown else (), faces=(), faces_note="",
    )  # fmt: skip


def _deltas(recipes: Recipes, rows: Sequence[Row], base: str) -> tuple[Delta, ...]:
    others = [row.recipe for row in rows if row.recipe != base and row.trainings]
    compared = [_compared(recipes[name], recipes.get(base, ())) for name in others]
    adjusted = {
        figure: holm([None if found is None else getattr(found, figure).p for found, *_ in compared])
        for figure in ("war", "uar")
    }
    return tuple(
        Delta(recipe=name, comparison=found, pairs=pairs, ahead=ahead, problem=problem, war_holm=war, uar_holm=uar)
        for name, (found, pairs, ahead, problem), war, uar in zip(
            others, compared, adjusted["war"], adjusted["uar"], strict=True
        )
    )


def _compared(one: Sequence[Cell], other: Sequence[Cell]) -> tuple[Comparison | None, int, int, str]:
    """Compare the training runs that both have, by fold and seed: how many, and in how many `one` is ahead."""
    sides = [{(cell.split, cell.seed): cell for cell in cells if cell.state == "done"} for cells in (one, other)]
    common = [place for place in sides[0] if place in sides[1]]
    if not common:
        return None, 0, 0, "the baseline has no finished training run of the same fold and seed"
    runs = [[side[place].predictions[BEST] for place in common] for side in sides]
    try:
        found = compare(*runs)
    except InputError as error:
        return None, len(common), 0, error.given
    ahead = sum(figures(mine).uar > figures(its).uar for mine, its in zip(*runs, strict=True))
    return found, len(common), ahead, ""


def _mistakes(cells: Sequence[Cell]) -> tuple[Mistake, ...]:
    found = []
    for fold in by_fold([cell.predictions[BEST] for cell in cells if cell.state == "done"]):
        clips, shares = fold[0], np.mean([run.probabilities for run in fold], axis=0)
        predicted = shares.argmax(axis=1)
        found += [
            Mistake(
                key=str(clips.keys[clip]), subject=str(clips.subjects[clip]), truth=clips.labels[clips.truth[clip]],
                predicted=clips.labels[predicted[clip]], probability=float(shares[clip, predicted[clip]]),
                of_truth=float(shares[clip, clips.truth[clip]]),
            )
            for clip in np.flatnonzero(predicted != clips.truth)
        ]  # fmt: skip
    return tuple(sorted(found, key=lambda mistake: (-mistake.probability, mistake.key))[:MISTAKES])
