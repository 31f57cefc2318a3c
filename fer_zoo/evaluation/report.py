"""Reports: what an ablation found, as Markdown, as one HTML file, and as JSON with all numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from fer_zoo.documents import LARGEST_JSON, read_text
from fer_zoo.errors import FerZooError, InputError
from fer_zoo.evaluation.report_faces import strips
from fer_zoo.evaluation.report_numbers import Report, Setting, has_epochs
from fer_zoo.evaluation.report_page import is_picture_name, page, picture_name
from fer_zoo.evaluation.report_pictures import confusion_picture, curves_picture, mistakes_picture
from fer_zoo.evaluation.report_settings import setting_of
from fer_zoo.evaluation.report_summary import make_report
from fer_zoo.evaluation.report_text import as_html, as_markdown
from fer_zoo.evaluation.results import Cell, in_one_line, read_results
from fer_zoo.files import final_name, write_atomically, write_text

MARKDOWN, HTML, JSON, PICTURES = "report.md", "report.html", "report.json", "pictures"


def write_report(
    folders: Sequence[str | Path], to: str | Path | None = None, *, name: str | None = None,
    baseline: str | None = None, stores: Path | None = None, cache: Path | None = None, faces: bool = False,
) -> tuple[Path, Report]:  # fmt: skip
    """Read ablation folders and write report.md with `pictures/`, report.html and report.json; returns their folder.

    The same folders give the same bytes, as long as the clips of the mistakes that are shown can be reached. Other
    pictures of an earlier report in the same folder are removed: they may show faces that are not asked for any more.

    Args:
        to: folder that is written to; default `report` in the first ablation folder.
        name: what the report is on, its heading; default the names of the folders.
        baseline: the recipe that others are compared with; default the first that was asked for.
        stores: folder of prepared clip stores, to show the faces of mistakes; default as in training.
        cache: folder of rendered clips, for the same.
        faces: show faces of people too; without it only rendered ones are shown.

    Raises:
        InputError: no ablation folder, or trainings that do not fit each other, or nothing can be written.
    """
    cells = read_results(folders)
    report, pictures = drawn(make_report(cells, baseline, name=name), cells, stores=stores, cache=cache, faces=faces)
    out = Path(folders[0]) / "report" if to is None else Path(to)
    blocks = page(report)
    texts = {
        MARKDOWN: as_markdown(blocks, f"{PICTURES}/"),
        HTML: as_html(f"Report on {report.name}", blocks, pictures),
        JSON: as_json(report),
    }
    try:
        for file, picture in pictures.items():
            write_atomically(out / PICTURES / file, lambda stream, data=picture: stream.write(data))  # type: ignore[misc]
        for file, text in texts.items():
            write_text(out / file, text)
        _remove_earlier(out, pictures)
    except OSError as error:
        raise InputError(
            f"The report cannot be written to {out}: {error}", "a folder with room that one may write to",
            "name another folder with --to",
        ) from error  # fmt: skip
    return out, report


def _remove_earlier(out: Path, pictures: Collection[str]) -> None:
    """Remove what earlier reports left, whole or, where they were killed, in halves; never what they did not make."""
    folder = out / PICTURES
    old = [path for path in folder.glob("*") if is_picture_name(path.name) and path.name not in pictures]
    halves = [path for path in out.glob(".report.*.tmp.*") if re.fullmatch(r"report\.\w+", final_name(path.name))]
    for path in old + halves:
        if not path.is_dir():
            path.unlink(missing_ok=True)
    if old and not any(folder.iterdir()):
        folder.rmdir()


def as_json(report: Report) -> str:
    """All numbers of a report; `read_report` reads them again."""
    return report.model_dump_json(indent=1) + "\n"


def read_report(path: str | Path) -> Report:
    """Read a report.json.

    Raises:
        InputError: it is not there, damaged, or of another version.
    """
    try:
        return Report.model_validate_json(read_text(path, LARGEST_JSON))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as a report: {str(error).splitlines()[0]}", "a report.json that fer_zoo wrote",
            "run `fer-zoo report` again",
        ) from error  # fmt: skip


def drawn(
    report: Report, cells: Sequence[Cell], *, stores: Path | None, cache: Path | None, faces: bool
) -> tuple[Report, Mapping[str, bytes]]:
    """Draw all pictures; the report comes back with the faces that are shown, or why none are."""
    pictures: dict[str, bytes] = {}
    settings = []
    for number, setting in enumerate(report.settings, 1):
        if any(row.classes for row in setting.rows):
            pictures[picture_name("confusion", number)] = confusion_picture(setting)
        curves = [curve for row in setting.rows for curve in row.curves]
        if any(row.classes for row in setting.rows) and any(map(has_epochs, curves)):
            pictures[picture_name("curves", number)] = curves_picture(setting)
        picture, shown, note = _faces(setting, cells, stores, cache, faces)
        if picture is not None:
            pictures[picture_name("mistakes", number)] = picture
        settings.append(setting.model_copy(update={"faces": shown, "faces_note": note}))
    return report.model_copy(update={"settings": tuple(settings)}), pictures


def _faces(
    setting: Setting, cells: Sequence[Cell], stores: Path | None, cache: Path | None, faces: bool
) -> tuple[bytes | None, tuple[str, ...], str]:
    """A picture of the mistakes, the keys of those in it, and why there is none or not all."""
    if not setting.mistakes:
        return None, (), ""
    if not (setting.synthetic or faces):
        why = "No faces are shown: these are pictures of people, and the terms of their database say who may see them."
        return None, (), f"{why} --faces shows them."
    done = [cell for cell in cells if cell.recipe == setting.mistakes_of and cell.state == "done"]
    recipe = next(cell.spec for cell in done if cell.spec and setting_of(cell.spec).title == setting.title)
    try:
        found = strips(recipe, setting.mistakes, stores=stores, cache=cache)
    except FerZooError as error:
        return None, (), f"No faces are shown: {in_one_line(error.given)}"
    if not found:
        return None, (), "No faces are shown: these clips are not among those that can be reached here."
    missing = len(setting.mistakes) - len(found)
    note = f"{missing} of these clips are not among those that can be reached here." if missing else ""
    return mistakes_picture(found), tuple(mistake.key for mistake, _ in found), note
