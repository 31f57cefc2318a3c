"""All that a report says, as numbers: what report.json holds and the page is made of. Figures are shares of 1."""

from __future__ import annotations

from typing import Literal

from fer_zoo.evaluation.results import State
from fer_zoo.evaluation.statistics import Comparison, Estimate, Estimates, FoldSpread, Spread
from fer_zoo.specs.base import Spec

FORMAT: Literal[1] = 1


class Training(Spec):
    """One training that was asked for."""

    recipe: str
    split: str
    seed: int
    folder: str
    """Below the ablation folder."""
    state: State
    problem: str
    commit: str
    """Empty where it is not known."""
    hours: float


class Change(Spec):
    """A key in which a recipe differs from the baseline, and both values as YAML."""

    key: str
    baseline: str
    here: str


class RecipeFacts(Spec):
    """What a recipe is."""

    name: str
    description: str
    changes: tuple[Change, ...]
    parameters: int | None
    """None where its parts are not installed here."""
    baseline: str | None = None
    """The baseline of its setting, where the report's has no training; None where the changes are of the report's."""


class Judged(Spec):
    """Figures of a recipe's trainings."""

    estimates: Estimates
    over_folds: FoldSpread
    over_seeds: FoldSpread
    """Of the seeds that were trained on the same folds: on the most that any was trained on."""


class Classes(Spec):
    """Figures by class, in the order of the setting's labels, over the seeds that `over_seeds` counts."""

    recall: tuple[float | None, ...]
    f1: tuple[float | None, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Answers of all these trainings, confusion[true][said]."""
    calibration_error: float
    """Mean over the seeds."""


class Group(Spec):
    """Figures of a group of clips, mean over the seeds that `over_seeds` counts and whose clips have this group."""

    grouping: str
    group: str
    clips: int
    subjects: int
    war: float
    uar: float
    seeds: int | None = None
    """How many these are; None in reports that did not say it yet."""


class Curve(Spec):
    """How one training went, by epoch."""

    split: str
    seed: int
    loss: tuple[float, ...]
    validation_uar: tuple[float, ...]
    frames_loss: tuple[float, ...] = ()
    """Of the stage of single frames, which comes first; empty without one, and in reports that did not say it yet."""
    frames_validation_uar: tuple[float, ...] = ()


def has_epochs(curve: Curve) -> bool:
    """Whether there is anything to draw; a log may be lost or damaged."""
    return bool(curve.loss or curve.frames_loss)


class Row(Spec):
    """A recipe in a setting."""

    recipe: str
    asked: int
    """Trainings that were asked for."""
    trainings: int
    """Trainings that are done and counted."""
    seeds: tuple[int, ...]
    splits: tuple[str, ...]
    commits: tuple[str, ...]
    problem: str
    """Why there are no figures although trainings are done."""
    labels: tuple[str, ...]
    best: Judged | None
    """Of the epoch with the best validation UAR."""
    last: Judged | None
    """Of the last epoch."""
    noisy: Estimates | None
    """Of the best epoch, with rendered points made as inexact as a detector's."""
    by_video: Estimates | None
    """Of the best epoch; None where no video was cut into several clips."""
    classes: Classes | None
    groups: tuple[Group, ...]
    curves: tuple[Curve, ...]


class Delta(Spec):
    """A recipe less the baseline, of the best epochs."""

    recipe: str
    comparison: Comparison | None
    problem: str
    """Why there is no comparison."""
    war_holm: float | None
    """p, adjusted over the comparisons of the setting."""
    uar_holm: float | None
    pairs: int
    """Trainings of each of the two that were compared: those of the same fold and seed."""
    ahead: int
    """Pairs in which the recipe has the better UAR."""


class Mistake(Spec):
    """A clip that was answered wrongly; the probabilities are means over the seeds."""

    key: str
    subject: str
    truth: str
    said: str
    probability: float
    of_truth: float


class Setting(Spec):
    """What recipes were judged on: databases and protocol."""

    title: str
    protocol: str
    trained_on: tuple[str, ...]
    tested_on: str
    synthetic: bool
    """Whether all these databases are rendered: then nobody is shown."""
    baseline: str
    """The report's or, where that has no training here, the first recipe that has."""
    rows: tuple[Row, ...]
    deltas: tuple[Delta, ...]
    mistakes_of: str
    """The recipe whose mistakes these are."""
    mistakes: tuple[Mistake, ...]
    """The most confident ones."""
    faces: tuple[str, ...]
    """Keys of those that there is a picture of."""
    faces_note: str
    """Why others have none."""


class PublishedRow(Spec):
    """A figure that a paper printed, and ours."""

    recipe: str
    protocol: str
    source: str
    war: float | None
    """As printed, in per cent; None where the paper gives none."""
    std: float | None
    run: bool
    """Whether ours was run on the same data by the same protocol."""
    note: str
    ours: Estimate | None
    subjects: int
    seeds: tuple[int, ...]
    trainings: int
    commits: tuple[str, ...]
    over_folds: Spread | None = None
    """Our WAR over the folds, as the paper prints its own; None where there are not several."""


class Report(Spec):
    """A whole report."""

    format: Literal[1]
    name: str
    baseline: str
    warnings: tuple[str, ...]
    trainings: tuple[Training, ...]
    machines: tuple[str, ...]
    versions: tuple[str, ...]
    recipes: tuple[RecipeFacts, ...]
    published: tuple[PublishedRow, ...]
    settings: tuple[Setting, ...]
