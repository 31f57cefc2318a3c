"""The tables of a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fer_zoo.evaluation.report_numbers import Change, PublishedRow, RecipeFacts, Report, Row, Setting, Training
from fer_zoo.evaluation.report_text import Code, Strong, Table, Text
from fer_zoo.evaluation.statistics import Difference

SIGNIFICANT = 0.05
FOR_THESE = "significant for these networks"
_NONE = "–"


def verdict(found: Difference, adjusted: float | None) -> str:
    """What a difference's adjusted p-value says; where no seeds tell of the trainings' luck, of these networks only."""
    if adjusted is None:
        return "cannot be said"
    if adjusted >= SIGNIFICANT:
        return "not significant"
    return FOR_THESE if found.training_error is None else Strong("significant")


def short(commit: str) -> str:
    """A commit's first letters, of each where a training was resumed, and whether the code was changed since."""
    each = commit.removesuffix("-dirty").split(", then ")
    known = ", then ".join(one if one.startswith("release ") else one[:12] for one in each)
    return known + "-dirty" * commit.endswith("-dirty")


def training_table(trainings: Sequence[Training]) -> Table:
    """Trainings and how they ended."""
    rows = [(Code(t.recipe), t.split, str(t.seed), t.state, t.problem) for t in trainings]
    return Table(("recipe", "split", "seed", "state", "why"), tuple(rows), frozenset({1, 3, 4}))


def recipe_table(report: Report) -> Table:
    """What each recipe is, and how large its network."""
    rows = []
    for facts in report.recipes:
        size = _NONE if facts.parameters is None else f"{facts.parameters:,}"
        rows.append((Code(facts.name), facts.description, _changes(facts, report), size))
    others = any(facts.baseline for facts in report.recipes)
    header = (
        "recipe", "what it is", f"differs from {report.baseline}{', or the one named,' if others else ''} in",
        "parameters",
    )  # fmt: skip
    return Table(header, tuple(rows), frozenset({1, 2}))


def _changes(facts: RecipeFacts, report: Report) -> Text:
    if facts.name == report.baseline:
        return "the baseline"
    if facts.name == facts.baseline:
        titles = [setting.title for setting in report.settings if setting.baseline == facts.name]
        return f"the baseline of {' and of '.join(titles)}"
    told = [part for change in facts.changes for part in _change(change)][:-1]
    if facts.baseline is None:
        return tuple(told) or _NONE
    return ("from ", Code(facts.baseline), ": ", *(told or [_NONE]))


def _change(change: Change) -> Iterator[str]:
    yield Code(change.key)
    yield ": "
    yield Code(change.here)
    yield " in place of "
    yield Code(change.baseline)
    yield "; "


def figure_table(setting: Setting) -> Table:
    """WAR and UAR with their intervals."""
    noisy = any(row.noisy for row in setting.rows)
    video = any(row.by_video for row in setting.rows)
    header = ["recipe", "trainings", "best: WAR", "best: UAR", "last: WAR", "last: UAR"]
    header += ["best, points as a detector's: UAR"] * noisy + ["best, by video: UAR"] * video
    rows = []
    for row in setting.rows:
        figures = [
            e for of in (row.best, row.last) for e in ((of.estimates.war, of.estimates.uar) if of else (None,) * 2)
        ]
        figures += [row.noisy.uar if row.noisy else None] * noisy + [row.by_video.uar if row.by_video else None] * video
        cells = [_NONE if figure is None else str(figure) for figure in figures]
        rows.append((Code(row.recipe), _done(row), *cells))
    return Table(tuple(header), tuple(rows))


def _done(row: Row) -> str:
    return str(row.trainings) if row.trainings == row.asked else f"{row.trainings} of {row.asked}"


def spread_table(setting: Setting) -> Table | None:
    """Means and standard deviations over folds and over seeds; None where nothing has a deviation."""
    rows, known = [], False
    for row in setting.rows:
        if row.best and row.last:
            known = known or any(of.war.count > 1 for of in (row.best.over_folds, row.best.over_seeds))
            spreads = [of for judged in (row.best, row.last) for of in (judged.over_folds.uar, judged.over_seeds.uar)]
            folds, seeds = row.best.over_folds, row.best.over_seeds
            counts = f"{folds.war.count} / {seeds.war.count}"
            rows.append((Code(row.recipe), counts, str(folds.war), str(seeds.war), *map(str, spreads)))
    header = (
        "recipe", "folds / seeds", "best: WAR, folds", "best: WAR, seeds", "best: UAR, folds", "best: UAR, seeds",
        "last: UAR, folds", "last: UAR, seeds",
    )  # fmt: skip
    return Table(header, tuple(rows)) if known else None


def delta_table(setting: Setting) -> Table:
    """Differences from the baseline with p, adjusted, and what it says."""
    rows: list[tuple[Text, ...]] = []
    for delta in setting.deltas:
        if found := delta.comparison:
            uar, war = _difference(found.uar, delta.uar_holm), _difference(found.war, delta.war_holm)
            rows.append((Code(delta.recipe), *uar, *war, str(delta.pairs), str(delta.ahead)))
        else:
            rows.append((Code(delta.recipe), *[_NONE] * 8, str(delta.pairs), _NONE))
    header = (
        "recipe", "UAR", "p", "p, Holm", "", "WAR", "p", "p, Holm", "", "pairs of trainings", "ahead in UAR",
    )  # fmt: skip
    return Table(header, tuple(rows), frozenset({4, 8}))


def _difference(found: Difference, adjusted: float | None) -> tuple[Text, Text, Text, Text]:
    return str(found), chance(found.p), chance(adjusted), verdict(found, adjusted)


def chance(p: float | None) -> str:
    """A p-value."""
    if p is None:
        return _NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def class_tables(setting: Setting) -> Iterator[Table]:
    """Recalls with the calibration error, and F1; of recipes with the same labels."""
    for labels in dict.fromkeys(row.labels for row in setting.rows if row.classes):
        found = [(row.recipe, row.classes) for row in setting.rows if row.labels == labels and row.classes]
        recalls = [(Code(name), *map(percent, of.recall), percent(of.calibration_error)) for name, of in found]
        yield Table(("recall", *labels, "calibration error"), tuple(recalls))
        yield Table(("F1", *labels), tuple((Code(name), *map(percent, of.f1)) for name, of in found))


def percent(share: float | None) -> str:
    """A share of 1 as per cent."""
    return _NONE if share is None else f"{100 * share:.1f}"


def group_table(setting: Setting) -> Table | None:
    """Figures by group; None where the data name none."""
    rows = [
        (Code(row.recipe), of.grouping, of.group or "unknown", str(of.clips), str(of.subjects), str(of.seeds or _NONE),
         percent(of.war), percent(of.uar))
        for row in setting.rows for of in row.groups
    ]  # fmt: skip
    header = ("recipe", "grouping", "group", "clips", "subjects", "seeds", "WAR", "UAR")
    return Table(header, tuple(rows), frozenset({1, 2})) if rows else None


def mistake_table(setting: Setting) -> Table:
    """The most confident mistakes."""
    rows = [
        (Code(it.key), it.subject or "unknown", it.truth, it.said, percent(it.probability), percent(it.of_truth))
        for it in setting.mistakes
    ]
    header = ("clip", "subject", "truth", "said", "its probability", "that of the truth")
    return Table(header, tuple(rows), frozenset({1, 2, 3}))


def published_table(rows: Sequence[PublishedRow]) -> Table:
    """What was printed, and ours; over the folds too where one of ours has several."""
    folds = any(row.over_folds for row in rows)
    header = ["recipe", "printed as", "published", "ours", *["ours over folds"] * folds, "subjects", "trainings"]
    header += ["commit", "remarks"]
    told = []
    for row in rows:
        printed = _NONE if row.war is None else f"{row.war:.2f}" + ("" if row.std is None else f" ± {row.std:.2f}")
        ours = [""] * (4 + folds)
        if row.run:
            commits = ", ".join(map(short, row.commits)) or "unknown"
            trained = f"{row.trainings} (seeds {', '.join(map(str, row.seeds))})"
            ours = [str(row.ours), *[str(row.over_folds or _NONE)] * folds, str(row.subjects or "unknown")]
            ours += [trained, commits]
        told.append((Code(row.recipe), row.source, printed, *ours, row.note))
    words = frozenset(map(header.index, ("printed as", "trainings", "commit", "remarks")))
    return Table(tuple(header), tuple(told), words)
