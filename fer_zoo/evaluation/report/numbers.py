"""The typed numbers of a report: what report.json holds and the page is made from. Metrics are shares of 1."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, Field

from fer_zoo.evaluation.results import State
from fer_zoo.evaluation.statistics import Comparison, Estimate, Estimates, FoldSpread, Spread
from fer_zoo.specs.base import Spec

FORMAT: Literal[1] = 1
# What the names of the paper's recipes begin with.
PAPER = "paper/"


class Training(Spec):
    """One requested training run."""

    recipe: str
    split: str
    seed: int
    folder: str
    """Relative to the ablation folder."""
    state: State
    problem: str
    commit: str
    """Empty if unknown."""
    hours: float


class Change(Spec):
    """A key in which a recipe differs from the baseline, with both values as YAML."""

    key: str
    baseline: str
    here: str


class RecipeFacts(Spec):
    """What a recipe is."""

    name: str
    description: str
    changes: tuple[Change, ...]
    parameters: int | None
    """None if a component is not installed."""
    baseline: str | None = None
    """The baseline of its setting if that is not the report's; None if the changes are relative to the report's."""


class RecipeMetrics(Spec):
    """Metrics over a recipe's training runs."""

    estimates: Estimates
    over_folds: FoldSpread
    over_seeds: FoldSpread
    """Over the seeds trained on the same folds: the largest set of folds that any seed has."""


class Classes(Spec):
    """Metrics per class, in the order of the row's labels, over the seeds that `over_seeds` counts."""

    recall: tuple[float | None, ...]
    f1: tuple[float | None, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Clips over all these training runs, confusion[true][predicted]."""
    calibration_error: float
    """Mean over the seeds."""


class Group(Spec):
    """Metrics of a group of clips, mean over the seeds that `over_seeds` counts and whose clips have this group."""

    grouping: str
    group: str
    clips: int
    subjects: int
    war: float
    uar: float
    seeds: int | None = None
    """Number of these seeds; None in reports of earlier versions."""


class Curve(Spec):
    """One training run, per epoch."""

    split: str
    seed: int
    loss: tuple[float, ...]
    validation_uar: tuple[float, ...]
    frames_loss: tuple[float, ...] = ()
    """Of the stage on single frames, which comes first; empty without one, and in reports of earlier versions."""
    frames_validation_uar: tuple[float, ...] = ()

    @property
    def has_epochs(self) -> bool:
        """Whether there is anything to draw; a log may be missing or damaged."""
        return bool(self.loss or self.frames_loss)


class Row(Spec):
    """A recipe in a setting."""

    recipe: str
    asked: int
    """Number of requested training runs."""
    trainings: int
    """Number of finished ones."""
    seeds: tuple[int, ...]
    splits: tuple[str, ...]
    commits: tuple[str, ...]
    problem: str = ""
    """Why there are no metrics although training runs are done."""
    labels: tuple[str, ...]
    best: RecipeMetrics | None = None
    """At the epoch with the best validation UAR."""
    last: RecipeMetrics | None = None
    """At the last epoch."""
    noisy: Estimates | None = None
    """At the best epoch, with rendered landmarks made as inexact as a detector's."""
    by_video: Estimates | None = None
    """At the best epoch; None if no video was cut into several clips."""
    classes: Classes | None = None
    groups: tuple[Group, ...] = ()
    curves: tuple[Curve, ...]


class Delta(Spec):
    """A recipe minus the baseline, at the best epochs."""

    recipe: str
    comparison: Comparison | None = None
    problem: str = ""
    """Why there is no comparison."""
    war_holm: float | None = None
    """p-value, adjusted over the comparisons of the setting."""
    uar_holm: float | None = None
    pairs: int = 0
    """Compared pairs of training runs with the same fold and seed."""
    ahead: int = 0
    """Pairs in which the recipe has the better UAR."""


class Mistake(Spec):
    """A clip that was predicted wrongly; the probabilities are means over the seeds."""

    key: str
    subject: str
    truth: str
    # Earlier versions wrote it under another name.
    predicted: str = Field(validation_alias=AliasChoices("predicted", "said"))
    probability: float
    of_truth: float


class SettingKey(Spec):
    """What recipes are evaluated on: databases and protocol."""

    title: str
    protocol: str
    trained_on: tuple[str, ...]
    tested_on: str
    synthetic: bool
    """Whether all these databases are rendered: pictures of them show no real face."""


class Setting(SettingKey):
    """A setting with the results of its recipes."""

    baseline: str
    """The report's or, if that has no training run here, the first recipe that has one."""
    rows: tuple[Row, ...]
    deltas: tuple[Delta, ...]
    mistakes_of: str
    """The recipe whose mistakes these are."""
    mistakes: tuple[Mistake, ...]
    """The most confident ones."""
    faces: tuple[str, ...] = ()
    """Keys of the mistakes that have a picture."""
    faces_note: str = ""
    """Why the others have none."""


class PublishedRow(Spec):
    """A published figure and ours."""

    recipe: str
    protocol: str
    source: str
    war: float | None
    """As printed, in per cent; None if the paper gives none."""
    std: float | None
    uar: float | None = None
    """As printed, in per cent, if it is."""
    run: bool = False
    """Whether ours was run on the same data with the same protocol."""
    note: str
    ours: Estimate | None = None
    subjects: int = 0
    seeds: tuple[int, ...] = ()
    trainings: int = 0
    commits: tuple[str, ...] = ()
    over_folds: Spread | None = None
    """Our WAR over the folds, as the paper prints its own; None with fewer than two folds."""


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
