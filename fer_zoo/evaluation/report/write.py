"""Read ablation folders and write a report's files; read a report.json again."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from fer_zoo.data import ClipSet, cache_root, keys_name_databases, open_stores
from fer_zoo.data.clips import Frames
from fer_zoo.data.load import made_clips
from fer_zoo.data.playback import central_frames
from fer_zoo.documents import LARGEST_JSON, read_text
from fer_zoo.errors import FerZooError, InputError, writing
from fer_zoo.evaluation.report.collect import make_report
from fer_zoo.evaluation.report.format import as_html, as_markdown, picture_name
from fer_zoo.evaluation.report.numbers import Mistake, Report, Setting
from fer_zoo.evaluation.report.pictures import mistakes_picture, number_pictures
from fer_zoo.evaluation.report.settings import setting_of
from fer_zoo.evaluation.results import Cell, in_one_line, read_results
from fer_zoo.files import final_name, write_atomically, write_text
from fer_zoo.specs import Recipe
from fer_zoo.training.evaluate import crop_clips

MARKDOWN, HTML, JSON, PICTURES = "report.md", "report.html", "report.json", "pictures"
# Of each mistake that is shown.
FRAMES, PIXELS = 6, 96


def write_report(
    folders: Sequence[str | Path],
    to: str | Path | None = None,
    *,
    name: str | None = None,
    baseline: str | None = None,
    stores: Path | None = None,
    cache: Path | None = None,
    faces: bool = False,
) -> tuple[Path, Report]:
    """Read ablation folders and write report.md with `pictures/`, report.html and report.json; returns their folder.

    The same folders give the same bytes, as long as the clips of the shown mistakes can be read. Pictures of an earlier
    report in the same folder are removed: they may show faces that are not wanted any more.

    Args:
        to: output folder; default `report` in the first ablation folder.
        name: title of the report; default the names of the folders.
        baseline: the recipe that others are compared with; default the first in the grid.
        stores: folder of prepared clip stores, to show the faces of mistakes; default as in training.
        cache: folder of rendered clips, for the same.
        faces: show real faces too; without it only rendered ones are shown.

    Raises:
        InputError: no ablation folder, or training runs that do not belong together, or nothing can be written.
    """
    cells = read_results(folders)
    report = make_report(cells, baseline, name=name)
    pictures, settings = number_pictures(report), []
    for number, setting in enumerate(report.settings, 1):
        picture, shown, note = _faces(setting, cells, stores, cache, faces)
        if picture is not None:
            pictures[picture_name("mistakes", number)] = picture
        settings.append(setting.model_copy(update={"faces": shown, "faces_note": note}))
    report = report.model_copy(update={"settings": tuple(settings)})
    out = Path(folders[0]) / "report" if to is None else Path(to)
    texts = {
        MARKDOWN: as_markdown(report, f"{PICTURES}/"),
        HTML: as_html(report, pictures),
        JSON: as_json(report),
    }
    with writing(out):
        for file, picture in pictures.items():
            write_atomically(out / PICTURES / file, lambda stream, data=picture: stream.write(data))  # type: ignore[misc]
        for file, text in texts.items():
            write_text(out / file, text)
        _remove_earlier(out, pictures)
    return out, report


def _remove_earlier(out: Path, pictures: Collection[str]) -> None:
    """Remove leftover files of earlier reports, whole or half-written by a killed one; never files of others."""
    ours = r"(uar|confusion|curves|mistakes)-\d+\.(png|jpg)"
    old = [
        path
        for path in (out / PICTURES).glob("*")
        if re.fullmatch(ours, final_name(path.name)) and path.name not in pictures
    ]
    halves = [path for path in out.glob(".report.*.tmp.*") if re.fullmatch(r"report\.\w+", final_name(path.name))]
    for path in old + halves:
        if not path.is_dir():
            path.unlink(missing_ok=True)
    if old and not any((out / PICTURES).iterdir()):
        (out / PICTURES).rmdir()


def as_json(report: Report) -> str:
    """All numbers of a report; `read_report` reads them again."""
    return report.model_dump_json(indent=1) + "\n"


def read_report(path: str | Path) -> Report:
    """Read a report.json.

    Raises:
        InputError: it is missing, damaged, or of another version.
    """
    try:
        return Report.model_validate_json(read_text(path, LARGEST_JSON))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as a report: {str(error).splitlines()[0]}",
            "a report.json that fer_zoo wrote",
            "run `fer-zoo report` again",
        ) from error


def _faces(
    setting: Setting, cells: Sequence[Cell], stores: Path | None, cache: Path | None, faces: bool
) -> tuple[bytes | None, tuple[str, ...], str]:
    """A picture of the mistakes, the keys of the clips in it, and why some or all are missing."""
    if not setting.mistakes:
        return None, (), ""
    if not (setting.synthetic or faces):
        why = "No faces are shown: these are pictures of people, and the terms of their database restrict who may see"
        return None, (), f"{why} them. --faces shows them."
    done = [cell for cell in cells if cell.recipe == setting.mistakes_of and cell.state == "done"]
    recipe = next(cell.spec for cell in done if cell.spec and setting_of(cell.spec).title == setting.title)
    try:
        found = strips(recipe, setting.mistakes, stores=stores, cache=cache)
    except FerZooError as error:
        return None, (), f"No faces are shown: {in_one_line(error.given)}"
    if not found:
        return None, (), "No faces are shown: these clips were not found here."
    missing = len(setting.mistakes) - len(found)
    note = f"{missing} of these clips were not found here." if missing else ""
    return mistakes_picture(found), tuple(mistake.key for mistake, _ in found), note


def strips(
    recipe: Recipe, mistakes: Sequence[Mistake], *, stores: Path | None = None, cache: Path | None = None
) -> list[tuple[Mistake, Frames]]:
    """Some frames (n, S, S, 3) of each clip, cropped as the network sees them; missing clips are left out.

    Args:
        stores: folder of the clip stores; default as in training.
        cache: folder of rendered clips; default as in training.

    Raises:
        FerZooError: the clips cannot be read, e.g. no store, or one that does not match.
    """
    opened = open_stores(recipe, stores)
    if not opened:
        return [(it, shown) for it in mistakes if (shown := _rendered(recipe, it, cache or cache_root())) is not None]
    strips = []
    for name, store in opened.items():
        prefix = f"{name}:" if keys_name_databases(recipe) else ""
        place = {f"{prefix}{facts.key}": number for number, facts in enumerate(store.facts)}
        found = [it for it in mistakes if it.key in place]
        clips = store.as_clip_set(recipe.model.labels, np.array([place[it.key] for it in found], np.int64))
        strips += [(it, _cropped(recipe, clips.take(np.array([row])))) for row, it in enumerate(found)]
    return sorted(strips, key=lambda strip: mistakes.index(strip[0]))


def _rendered(recipe: Recipe, mistake: Mistake, cache: Path) -> Frames | None:
    """A clip of a dataset that renders its clips; only this subject's are rendered, and most likely they are cached."""
    if not mistake.subject.isdecimal():
        return None
    clips = made_clips(recipe, (int(mistake.subject), int(mistake.subject) + 1), cache)
    row = next((row for row in range(len(clips)) if clips.key(row) == mistake.key), None)
    return None if row is None else _cropped(recipe, clips.take(np.array([row])))


def _cropped(recipe: Recipe, clip: ClipSet) -> Frames:
    spec = recipe.model.input
    cropped = crop_clips(central_frames(clip, spec), spec.model_copy(update={"size": PIXELS}))
    (frames,) = cropped.read(np.array([0]))
    count = min(FRAMES, len(frames))
    kept: Frames = frames[[int((part + 0.5) * len(frames) / count) for part in range(count)]]
    return kept
