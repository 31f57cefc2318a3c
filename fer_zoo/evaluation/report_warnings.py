"""What a reader of a report must know before any figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fer_zoo.evaluation.report_settings import SettingKey
from fer_zoo.evaluation.results import Cell


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
        found.append(f"{len(unknown)} of {len(done)} trainings do not say what code they ran.")
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
