"""What a reader of a report must know before any figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fer_zoo.evaluation.report.settings import SettingKey, as_yaml, changes
from fer_zoo.evaluation.results import Cell
from fer_zoo.specs import Recipe

# What is of the data: other databases have other labels, and are split and played in other ways.
_OF_DATA = ("split", "protocol", "data.dataset", "data.any_fps", "model.labels")
# Trainings that are named in a line.
_NAMED = 5


def said_of(cells: Sequence[Cell], fact: str) -> tuple[str, ...]:
    """What the trainings say of themselves, e.g. of their commit, each value once."""
    return tuple(sorted({cell.facts[fact] for cell in cells if fact in cell.facts}))


def of_trainings(cells: Sequence[Cell]) -> tuple[str, ...]:
    """Trainings that are missing, and code that is not known or not the same."""
    done = [cell for cell in cells if cell.state == "done"]
    commits, found = {commit.removesuffix("-dirty") for commit in said_of(done, "commit")}, []
    dirty = [cell for cell in done if cell.facts.get("commit", "").endswith("-dirty")]
    unknown = [cell for cell in done if "commit" not in cell.facts]
    if len(done) < len(cells):
        found.append(f"{len(cells) - len(done)} of {len(cells)} trainings are missing; the tables are of the others.")
    if dirty:
        found.append(f"{len(dirty)} of {len(done)} trainings ran code that was changed since its commit.")
    if len(commits) > 1:
        found.append(f"The trainings ran the code of {len(commits)} commits.")
    if unknown:
        found.append(f"{len(unknown)} of {len(done)} trainings do not say what code they ran: {_named(unknown)}.")
    return tuple(found)


def of_clips(settings: Mapping[SettingKey, Mapping[str, Sequence[Cell]]]) -> Iterator[str]:
    """Stores that were prepared anew, or a renderer that was changed, between two trainings on clips of one form."""
    for key, recipes in settings.items():
        found: dict[str, set[str]] = {}
        for cell in (cell for cells in recipes.values() for cell in cells):
            if cell.state == "done" and cell.spec is not None and "clips" in cell.facts:
                data = cell.spec.data.model_dump(exclude={"stores"})
                form = f"{cell.spec.model.labels} {cell.spec.model.input} {data}"
                found.setdefault(form, set()).add(cell.facts["clips"])
        if any(len(fingerprints) > 1 for fingerprints in found.values()):
            yield f"{key.title}: the clips have not the same content in all trainings, though their names are the same."


def of_names(settings: Mapping[SettingKey, Mapping[str, Sequence[Cell]]]) -> Iterator[str]:
    """Recipes of one name that are trained in another way in another setting; a setting has no two ways of one name."""
    first: dict[str, tuple[str, Recipe]] = {}
    for key, recipes in settings.items():
        for name, cells in recipes.items():
            spec = next((cell.spec for cell in cells if cell.spec is not None), None)
            if spec is None:
                continue
            where, its = first.setdefault(name, (key.title, spec))
            differ = [it for it in changes(its, spec) if not _is_of_data(it[0])]
            if differ:
                how = "; ".join(f"{what} is {as_yaml(was)} and {as_yaml(now)}" for what, was, now in differ)
                yield f"{name} is not the same recipe in {where} and in {key.title}: {how}."


def _is_of_data(key: str) -> bool:
    return any(f"{key}.".startswith(f"{own}.") for own in _OF_DATA)


def of_curves(cells: Sequence[Cell]) -> Iterator[str]:
    """Trainings that are done, but whose epochs cannot be drawn, or not all of them."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.log_problem:
            found.setdefault(cell.log_problem, []).append(cell)
    for problem, of in found.items():
        yield f"Curves are not drawn, or not whole, as {problem}: {_named(of)}."


def _named(cells: Sequence[Cell]) -> str:
    more = f"; and {len(cells) - _NAMED} more" if len(cells) > _NAMED else ""
    return "; ".join(map(str, cells[:_NAMED])) + more
