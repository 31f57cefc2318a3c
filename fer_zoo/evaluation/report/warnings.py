"""Warnings: what a reader of a report must know before any number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fer_zoo.evaluation.report.settings import SettingKey, as_yaml, changes
from fer_zoo.evaluation.results import Cell
from fer_zoo.specs import Recipe

# Keys that follow from the data: other databases have other labels, splits and frame rates.
_DATA_KEYS = ("split", "protocol", "data.dataset", "data.any_fps", "model.labels")
# Training runs that are named in one line.
_NAMED = 5


def known_facts(cells: Sequence[Cell], fact: str) -> tuple[str, ...]:
    """What the run.json files of training runs record, e.g. their commits, each value once."""
    return tuple(sorted({cell.facts[fact] for cell in cells if fact in cell.facts}))


def about_runs(cells: Sequence[Cell]) -> tuple[str, ...]:
    """Missing training runs, and code that is unknown or differs."""
    done = [cell for cell in cells if cell.state == "done"]
    commits, found = {commit.removesuffix("-dirty") for commit in known_facts(done, "commit")}, []
    dirty = [cell for cell in done if cell.facts.get("commit", "").endswith("-dirty")]
    unknown = [cell for cell in done if "commit" not in cell.facts]
    if len(done) < len(cells):
        found.append(
            f"{len(cells) - len(done)} of {len(cells)} training runs are missing; the tables cover the others."
        )
    if dirty:
        found.append(f"{len(dirty)} of {len(done)} training runs used code with uncommitted changes.")
    if len(commits) > 1:
        found.append(f"The training runs used the code of {len(commits)} commits.")
    if unknown:
        found.append(
            f"{len(unknown)} of {len(done)} training runs did not record their code version: {_named(unknown)}."
        )
    return tuple(found)


def about_clips(settings: Mapping[SettingKey, Mapping[str, Sequence[Cell]]]) -> Iterator[str]:
    """Clips that changed between two training runs: a store was prepared again, or the renderer changed."""
    for key, recipes in settings.items():
        found: dict[str, set[str]] = {}
        for cell in (cell for cells in recipes.values() for cell in cells):
            if cell.state == "done" and cell.spec is not None and "clips" in cell.facts:
                data = cell.spec.data.model_dump(exclude={"stores"})
                form = f"{cell.spec.model.labels} {cell.spec.model.input} {data}"
                found.setdefault(form, set()).add(cell.facts["clips"])
        if any(len(fingerprints) > 1 for fingerprints in found.values()):
            yield f"{key.title}: the training runs used clips with the same names but different content."


def about_names(settings: Mapping[SettingKey, Mapping[str, Sequence[Cell]]]) -> Iterator[str]:
    """Recipes with the same name that are trained differently in two settings; within a setting that is an error."""
    first: dict[str, tuple[str, Recipe]] = {}
    for key, recipes in settings.items():
        for name, cells in recipes.items():
            spec = next((cell.spec for cell in cells if cell.spec is not None), None)
            if spec is None:
                continue
            where, other = first.setdefault(name, (key.title, spec))
            differ = [
                change for change in changes(other, spec)
                if not any(f"{change[0]}.".startswith(f"{own}.") for own in _DATA_KEYS)
            ]  # fmt: skip
            if differ:
                values = "; ".join(f"{what} is {as_yaml(was)} and {as_yaml(now)}" for what, was, now in differ)
                yield f"{name} is not the same recipe in {where} and in {key.title}: {values}."


def about_curves(cells: Sequence[Cell]) -> Iterator[str]:
    """Finished training runs whose epochs cannot all be drawn."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.log_problem:
            found.setdefault(cell.log_problem, []).append(cell)
    for problem, runs in found.items():
        yield f"Training curves are missing or incomplete because {problem}: {_named(runs)}."


def _named(cells: Sequence[Cell]) -> str:
    more = f"; and {len(cells) - _NAMED} more" if len(cells) > _NAMED else ""
    return "; ".join(map(str, cells[:_NAMED])) + more
