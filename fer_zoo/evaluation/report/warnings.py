"""Warnings: what a reader of a report must know before any number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fer_zoo.evaluation.report.settings import Settings, changes, without
from fer_zoo.evaluation.results import Cell, first_of, spec_of
from fer_zoo.recipes import as_yaml
from fer_zoo.specs import Recipe

# Sections that follow from the data: other databases have other labels, splits and frame rates.
_DATA_SECTIONS = ("split", "protocol", "data.dataset", "data.any_fps", "model.labels")


def known_facts(cells: Sequence[Cell], fact: str) -> tuple[str, ...]:
    """What the run.json files of training runs record, e.g. their commits, each value once."""
    return tuple(sorted({cell.facts[fact] for cell in cells if fact in cell.facts}))


def warnings(cells: Sequence[Cell], settings: Settings) -> tuple[str, ...]:
    """All warnings, in the order in which a report shows them."""
    return (*_about_runs(cells), *_about_clips(settings), *_about_names(settings), *_about_curves(cells))


def _about_runs(cells: Sequence[Cell]) -> Iterator[str]:
    """Missing training runs, and code that is unknown or differs."""
    done = [cell for cell in cells if cell.state == "done"]
    commits = known_facts(done, "commit")
    if not done:
        yield f"None of the {len(cells)} training runs is done: run the same `fer-zoo ablate` command again."
    elif len(done) < len(cells):
        yield f"{len(cells) - len(done)} of {len(cells)} training runs are missing; the tables cover the others."
    if dirty := sum(cell.facts.get("commit", "").endswith("-dirty") for cell in done):
        yield f"{dirty} of {len(done)} training runs used code with uncommitted changes."
    if (count := len({commit.removesuffix("-dirty") for commit in commits})) > 1:
        yield f"The training runs used the code of {count} commits."
    if unknown := [cell for cell in done if "commit" not in cell.facts]:
        yield f"{len(unknown)} of {len(done)} training runs did not record their code version: {first_of(unknown)}."


def _about_clips(settings: Settings) -> Iterator[str]:
    """Clips that changed between two training runs: a store was prepared again, or the renderer changed."""
    for setting, recipes in settings.items():
        found: dict[str, set[str]] = {}
        for cell in (cell for cells in recipes.values() for cell in cells):
            if cell.state == "done" and cell.spec is not None and "clips" in cell.facts:
                data = cell.spec.data.model_dump(exclude={"stores"})
                form = f"{cell.spec.model.labels} {cell.spec.model.input} {data}"
                found.setdefault(form, set()).add(cell.facts["clips"])
        if any(len(fingerprints) > 1 for fingerprints in found.values()):
            yield f"{setting.title}: the training runs used clips with the same names but different content."


def _about_names(settings: Settings) -> Iterator[str]:
    """Recipes with the same name that are trained differently in two settings; within a setting that is an error."""
    first: dict[str, tuple[str, Recipe]] = {}
    for setting, recipes in settings.items():
        for name, spec in ((name, spec_of(cells)) for name, cells in recipes.items()):
            if spec is not None:
                title, other = first.setdefault(name, (setting.title, spec))
                if differ := without(changes(other, spec), _DATA_SECTIONS):
                    values = "; ".join(f"{key} is {as_yaml(a)} and {as_yaml(b)}" for key, a, b in differ)
                    yield f"{name} is not the same recipe in {title} and in {setting.title}: {values}."


def _about_curves(cells: Sequence[Cell]) -> Iterator[str]:
    """Finished training runs whose epochs cannot all be drawn."""
    for problem in dict.fromkeys(cell.log_problem for cell in cells if cell.log_problem):
        runs = first_of([cell for cell in cells if cell.log_problem == problem])
        yield f"Training curves are missing or incomplete because {problem}: {runs}."
