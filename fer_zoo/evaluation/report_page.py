"""A report's numbers as a page: what stands where, and in which words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from fer_zoo.evaluation.report_numbers import Delta, PublishedRow, Report, Row, Setting, has_epochs
from fer_zoo.evaluation.report_published import PAPER
from fer_zoo.evaluation.report_tables import (
    FOR_THESE,
    SIGNIFICANT,
    class_tables,
    delta_table,
    figure_table,
    group_table,
    mistake_table,
    published_table,
    recipe_table,
    short,
    spread_table,
    training_table,
    verdict,
)
from fer_zoo.evaluation.report_text import Block, Heading, Paragraph, Picture, Strong, Table, Warnings
from fer_zoo.evaluation.statistics import Basis
from fer_zoo.files import final_name

# Names that are written out in a line.
_LISTED = 12
_PAPER_TABLES = {
    "subject-independent": "Table 1 of the paper: subject-independent",
    "cross-database": "Table 2 of the paper: cross-database",
}


_METHODS = {
    "t": "Interval and p are of one t-test, paired by subject, which covers other seeds where there are several. ",
    "bootstrap": "Interval and p were made by an earlier method, a bootstrap and a sign-flip test over subjects; with "
    'several seeds both were far too careful, so "not significant" says little here. ',
}


def page(report: Report) -> tuple[Block, ...]:
    """All blocks of the page."""
    blocks: list[Block] = [Heading(1, f"Report on {report.name}")]
    if report.warnings:
        blocks.append(Warnings(report.warnings))
    blocks += _run(report)
    blocks += _recipes(report)
    for number, setting in enumerate(report.settings, 1):
        blocks += _setting(setting, number, report.baseline)
    blocks += _published(report)
    return tuple(blocks)


def picture_name(kind: Literal["confusion", "curves", "mistakes"], number: int) -> str:
    """File of a setting's picture; settings are numbered from 1."""
    return f"{kind}-{number}.{'jpg' if kind == 'mistakes' else 'png'}"


def is_picture_name(file: str) -> bool:
    """Whether a file of this name is a picture of some report, or the half of one, of a report that was killed."""
    return bool(re.fullmatch(r"(confusion|curves|mistakes)-\d+\.(png|jpg)", final_name(file)))


def _run(report: Report) -> Iterator[Block]:
    done = [training for training in report.trainings if training.state == "done"]
    hours = sum(training.hours for training in report.trainings)
    rows: list[tuple[str, str]] = [
        ("recipes", str(len(report.recipes))),
        ("protocols", ", ".join(dict.fromkeys(setting.protocol for setting in report.settings)) or "none"),
        ("seeds", ", ".join(map(str, sorted({training.seed for training in report.trainings})))),
        ("splits", _listed([training.split for training in report.trainings])),
        ("tested on", "; ".join(f"{setting.title}: {_size(setting)}" for setting in report.settings) or "nothing yet"),
        ("trainings done", f"{len(done)} of {len(report.trainings)}"),
        ("hours", f"{hours:.2f} in total, from making or opening the clips to judging"),
        ("machines", "; ".join(report.machines) or "unknown"),
        ("commits", ", ".join(short(commit) for commit in sorted({t.commit for t in done if t.commit})) or "unknown"),
        ("versions", ", ".join(report.versions) or "unknown"),
    ]
    yield Heading(2, "What was run")
    yield Table(("", ""), tuple(rows), frozenset({1}))
    if len(done) < len(report.trainings):
        yield Heading(3, "Not done")
        yield training_table([training for training in report.trainings if training.state != "done"])


def _listed(names: Sequence[str]) -> str:
    """Names, each once; of many, e.g. of all subjects left out, only some."""
    once = list(dict.fromkeys(names))
    return ", ".join(once) if len(once) <= _LISTED else f"{len(once)}: {', '.join(once[: _LISTED - 2])}, ..."


def _recipes(report: Report) -> Iterator[Block]:
    yield Heading(2, "Recipes")
    others = any(facts.baseline for facts in report.recipes)
    where = "; where that has no training, of the first recipe that has, which is named" if others else ""
    yield Paragraph(f"What each changes of the baseline, {report.baseline}{where}.")
    yield recipe_table(report)


def _setting(setting: Setting, number: int, baseline: str) -> Iterator[Block]:
    yield Heading(2, f"{setting.protocol.capitalize()}: {setting.title}")
    yield Paragraph(_what(setting))
    if any(row.best for row in setting.rows):
        yield Paragraph(
            "WAR (share of clips that are right) and UAR (mean recall of the classes) on the test clips, in per cent, "
            "with 95 % intervals over subjects, and over seeds where there are several; weights of the epoch with the "
            "best UAR on the validation subjects, and of the last epoch."
        )
        yield figure_table(setting)
        if all(_ends_best(row) for row in setting.rows if row.best):
            yield Paragraph("Best and last have the same figures: the last epoch of each training is its best one too.")
        for note in _notes([(row.recipe, row.best.estimates.basis) for row in setting.rows if row.best]):
            yield Paragraph(note)
    for row in setting.rows:
        if row.problem:
            yield Paragraph((Strong(row.recipe), f" has no figures: {row.problem}"))
    if not any(row.best for row in setting.rows):
        yield Paragraph("No training is done.")
        return
    yield from _spreads(setting)
    yield from _differences(setting, baseline)
    yield Heading(3, f"Classes ({setting.title})")
    yield Paragraph("Recall and F1 by class in per cent, and the calibration error, over the seeds; best epoch.")
    yield from class_tables(setting)
    yield Picture(picture_name("confusion", number), f"Confusion matrices, {setting.title}")
    if table := group_table(setting):
        yield Heading(3, f"Groups ({setting.title})")
        yield table
    yield from _curves(setting, number)
    yield from _mistakes(setting, number)


def _ends_best(row: Row) -> bool:
    """Whether the last epoch of each training is the one that was taken as the best: the first of equal ones."""
    known = [curve.validation_uar for curve in row.curves if curve.validation_uar]
    return row.best == row.last and all(uars.index(max(uars)) == len(uars) - 1 for uars in known)


def _what(setting: Setting) -> str:
    made = "synthetic faces: not comparable with figures on people" if setting.synthetic else "people"
    return f"Trained on {' + '.join(setting.trained_on)}, tested on {setting.tested_on} ({made}): {_size(setting)}."


def _size(setting: Setting) -> str:
    """Clips and subjects that were tested on; several numbers where trainings are missing."""
    bases = [row.best.estimates.basis for row in setting.rows if row.best]
    sizes = sorted({(basis.clips, basis.subjects) for basis in bases}, reverse=True)
    return (
        " or ".join(f"{clips} clips of {subjects or 'unknown'} subjects" for clips, subjects in sizes) or "nothing yet"
    )


def _notes(rows: Sequence[tuple[str, Basis]]) -> Iterator[str]:
    """What must be known of the intervals, once for all rows, by their recipes, that it holds for."""
    notes: dict[str, list[str]] = {}
    for recipe, basis in rows:
        for note in basis.notes:
            notes.setdefault(note, []).append(recipe)
    for note, names in notes.items():
        yield note if len(names) == len(rows) else f"{', '.join(names)}: {note}"


def _spreads(setting: Setting) -> Iterator[Block]:
    table = spread_table(setting)
    if table is None:
        return
    yield Paragraph(
        "Mean ± standard deviation: over the folds it says how much folds differ, over the seeds how much trainings "
        "differ; neither is an interval for the mean. One fold or one seed has no deviation."
    )
    yield table
    for row in setting.rows:
        if row.best and (counted := row.best.over_seeds.war.count) < len(row.seeds):
            yield Paragraph(
                (Strong(row.recipe), f" counts {counted} of {len(row.seeds)} seeds here, by class and by group: the "
                 "others were not trained on the same folds.")
            )  # fmt: skip


def _differences(setting: Setting, baseline: str) -> Iterator[Block]:
    if not setting.deltas:
        return
    why = "" if setting.baseline == baseline else f" {baseline} has no training here."
    yield Heading(3, f"Differences ({setting.title})")
    compared = [(delta, delta.comparison) for delta in setting.deltas if delta.comparison]
    methods = "".join(_METHODS[method] for method in sorted({found.basis.method for _, found in compared}))
    yield Paragraph(
        f"Each recipe less {setting.baseline}, in points, on the same clips, folds and seeds; best epoch. {methods}"
        f"The second p is adjusted over the comparisons of this table (Holm).{why}"
    )
    yield delta_table(setting)
    for note in _notes([(delta.recipe, found.basis) for delta, found in compared]):
        yield Paragraph(note)
    said = {
        verdict(*judged)
        for delta, of in compared for judged in ((of.uar, delta.uar_holm), (of.war, delta.war_holm))
    }  # fmt: skip
    if FOR_THESE in said:
        yield Paragraph(
            f"{FOR_THESE.capitalize()}: the difference holds for other subjects, but may be due to the seeds of these "
            "training runs; train with several seeds to find out."
        )
    open_ones = [delta.recipe for delta, _ in compared if delta.uar_holm is not None and delta.uar_holm >= SIGNIFICANT]
    if open_ones:
        yield Paragraph(
            (Strong("Not significant"), f" in UAR at {SIGNIFICANT}: {', '.join(open_ones)}. This does not show "
             "that the recipes are equal: the interval shows how large the difference may be.")
        )  # fmt: skip
    for delta in setting.deltas:
        yield from _about(delta)


def _about(delta: Delta) -> Iterator[Block]:
    if delta.comparison is None:
        yield Paragraph((Strong(delta.recipe), f" is not compared: {delta.problem}"))


def _curves(setting: Setting, number: int) -> Iterator[Block]:
    curves = [curve for row in setting.rows for curve in row.curves]
    if not any(map(has_epochs, curves)):
        return
    yield Heading(3, f"Training curves ({setting.title})")
    yield Picture(picture_name("curves", number), f"Loss and validation UAR by epoch, {setting.title}")
    if any(curve.frames_loss for curve in curves):
        yield Paragraph("Dotted: the epochs on single frames; those on clips come after them.")


def _mistakes(setting: Setting, number: int) -> Iterator[Block]:
    yield Heading(3, f"Mistakes ({setting.title})")
    if not setting.mistakes:
        yield Paragraph(f"{setting.mistakes_of} made none.")
        return
    yield Paragraph(f"The most confident ones of {setting.mistakes_of}; probabilities are means over the seeds.")
    yield mistake_table(setting)
    if setting.faces:
        yield Picture(picture_name("mistakes", number), f"Frames of the most confident mistakes, {setting.title}")
    if setting.faces_note:
        yield Paragraph(setting.faces_note)


def _published(report: Report) -> Iterator[Block]:
    yield Heading(2, "Beside published figures")
    yield Paragraph(
        "WAR in per cent. Ours stand beside a published figure only where they are of the same data by the same "
        "protocol; figures on synthetic faces never do. Brackets are 95 % intervals, ± is the standard deviation over "
        "the folds."
    )
    sources = {row.source for row in report.published if row.recipe.startswith(PAPER)}
    tables: dict[str, list[PublishedRow]] = {title: [] for title in _PAPER_TABLES.values()}
    for row in report.published:
        title = _PAPER_TABLES.get(row.protocol) if row.source in sources else None
        other = "published splits" if row.protocol == "published" else row.protocol
        tables.setdefault(title or f"Other published figures: {other}", []).append(row)
    for title, rows in tables.items():
        if rows:
            yield Heading(3, title)
            yield published_table(rows)
