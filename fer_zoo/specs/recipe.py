"""The schema of a recipe: network, data, split, protocol, training, and published figures."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from fer_zoo.specs.base import Positive, Spec
from fer_zoo.specs.model import ComponentSpec, ModelSpec
from fer_zoo.specs.train import TrainSpec


class SplitSpec(Spec):
    """Subjects of the training, validation and test set, as half-open ranges of subject numbers that do not overlap."""

    train: tuple[int, int]
    """First subject number of the training set, and one past the last."""
    validation: tuple[int, int]
    """The same for the validation set, which chooses the best epoch."""
    test: tuple[int, int]
    """The same for the test set, which is evaluated once, at the end."""

    @model_validator(mode="after")
    def _disjoint(self) -> SplitSpec:
        ranges = {"train": self.train, "validation": self.validation, "test": self.test}
        for part, (first, end) in ranges.items():
            if first < 0 or end <= first:
                raise ValueError(f"{part}: [{first}, {end}] is empty; write [first, one past the last]")
        parts = sorted(ranges, key=lambda part: ranges[part])
        for one, other in pairwise(parts):
            if ranges[one][1] > ranges[other][0]:
                raise ValueError(f"{one} {ranges[one]} and {other} {ranges[other]} share subjects")
        return self


ValidationFolds = Annotated[int, Field(ge=2, strict=True)]


def _fold_exists(split: Any) -> Any:
    if split.fold is not None and split.fold > split.folds:
        raise ValueError(f"fold must be at most {split.folds}, the number of folds; it is {split.fold}")
    return split


class FoldSplit(Spec):
    """Subject-independent k-fold cross-validation: every subject is in the test set of exactly one fold."""

    folds: Annotated[int, Field(ge=3, strict=True)]
    """Number of folds; classes are balanced over folds as evenly as subjects allow."""
    fold: Positive | None = None
    """The test fold, from 1; the next fold is the validation set. One training run uses one fold."""
    seed: Annotated[int, Field(ge=0, strict=True)] = 0
    """Seed of the assignment to folds; separate from the training seed, so that all seeds share the same folds."""
    pooled_with: tuple[str, ...] = ()
    """More registered datasets, whose subjects are pooled with those of `data.dataset`."""
    _among_them = model_validator(mode="after")(_fold_exists)


class LeaveOneOutSplit(Spec):
    """Leave-one-subject-out: one subject is the test set, the others are training and validation set."""

    leave_out: str | None
    """The test subject, as named in the store; null for none: all subjects train or validate, and none is tested."""
    validation_folds: ValidationFolds = 5
    """One of this many remaining subjects is in the validation set."""


class PublishedSplit(Spec):
    """The official split of a database, in which subjects may be shared between parts, or unknown.

    Where no validation set is published, it is held out of the training subjects that are not in the test set; of
    training videos if subjects are unknown.
    """

    published: str
    """Name of the split in the dataset, e.g. `set_1`."""
    validation_folds: ValidationFolds = 5
    """One of this many training subjects is in the validation set, if none is published."""


class DatabaseSplit(Spec):
    """Cross-database: test on one whole database, train on others."""

    train_on: Annotated[tuple[str, ...], Field(min_length=1)]
    """Registered datasets to train on."""
    test_on: str
    """The registered dataset to test on, the same as `data.dataset`; not in `train_on`."""
    validation_folds: ValidationFolds = 5
    """One of this many training subjects is in the validation set."""

    @model_validator(mode="after")
    def _apart(self) -> DatabaseSplit:
        if self.test_on in self.train_on:
            raise ValueError(f"test_on {self.test_on!r} is also in train_on; use different databases")
        twice = sorted({name for name in self.train_on if self.train_on.count(name) > 1})
        if twice:
            raise ValueError(f"train_on has duplicates: {twice}")
        return self


class DisjointSplit(Spec):
    """Groups that no two sets share, from a CSV file: e.g. who is in each video of a database that names no subjects.

    Its columns are `video` (as in the store), `group`, and optionally `part` (train, validation or test); without it
    the groups are assigned to folds.
    """

    identity_disjoint: Annotated[str, Field(min_length=1)]
    """Path of the file, relative to the working directory."""
    folds: Annotated[int, Field(ge=3, strict=True)] = 5
    """Number of folds; if the file has parts, but no `validation`, one in this many training groups becomes it."""
    fold: Positive | None = None
    """The test fold, from 1, if the file has no parts; the next fold is the validation set."""
    seed: Annotated[int, Field(ge=0, strict=True)] = 0
    """Seed of the assignment to folds."""
    _among_them = model_validator(mode="after")(_fold_exists)


class FileSplit(Spec):
    """A split file: from `fer-zoo data split`, or split.json of a training run. Checked against the store."""

    file: Annotated[str, Field(min_length=1)]
    """Path of the file, relative to the working directory."""
    name: str | None = None
    """Name of the split in the file, e.g. `fold 2 of 5`; required if it has several."""


# The protocol of each form of split.
PROTOCOLS: dict[type[Spec], str] = {
    SplitSpec: "subject-independent",
    FoldSplit: "subject-independent",
    LeaveOneOutSplit: "subject-independent",
    PublishedSplit: "published",
    DatabaseSplit: "cross-database",
    DisjointSplit: "group-disjoint",
    FileSplit: "subject-independent",
}
SPLITS = {split.__name__: split for split in PROTOCOLS}


def split_form(value: Any) -> str | None:
    """Name of the class in SPLITS whose keys are most similar to those of a split; None if it is not a mapping."""
    if isinstance(value, Spec):
        return type(value).__name__
    if not isinstance(value, Mapping):
        return None

    def similarity(form: str) -> float:
        fields = SPLITS[form].model_fields
        matcher = difflib.SequenceMatcher
        return sum(max(matcher(None, str(key), field).ratio() for field in fields) for key in value)

    keys = set(map(str, value))
    fitting = (form for form, split in SPLITS.items() if keys <= split.model_fields.keys())
    return next(fitting, None) or max(SPLITS, key=similarity)


_SPLIT_TEXT = (
    "Input should be ranges of subjects (train, validation, test), folds, leave_out, published, databases "
    "(train_on, test_on), identity_disjoint, or a file"
)

SplitSetting = Annotated[
    Annotated[SplitSpec, Tag("SplitSpec")]
    | Annotated[FoldSplit, Tag("FoldSplit")]
    | Annotated[LeaveOneOutSplit, Tag("LeaveOneOutSplit")]
    | Annotated[PublishedSplit, Tag("PublishedSplit")]
    | Annotated[DatabaseSplit, Tag("DatabaseSplit")]
    | Annotated[DisjointSplit, Tag("DisjointSplit")]
    | Annotated[FileSplit, Tag("FileSplit")],
    Discriminator(split_form, custom_error_type="split", custom_error_message=_SPLIT_TEXT),
]


class DataSpec(Spec):
    """Where clips come from."""

    dataset: ComponentSpec = ComponentSpec(name="synthmh")
    """A registered dataset; in a cross-database recipe, the test database."""
    takes: Positive = 1
    """Clips per subject and label, for datasets that are rendered."""
    canvas: Positive = 128
    """Side of the stored frames in pixels; crops are cut from them."""
    stores: dict[str, str] = Field(default={})
    """Clip store of each dataset: a path, or a name in the stores folder; default: the name of the dataset."""
    any_fps: Annotated[bool, Field(strict=True)] = False
    """Accept clips at a different frame rate from the network's (papers mix databases of 20 to 30 frames/s)."""


class ViewsSpec(Spec):
    """Views of a clip in the final evaluation; their probabilities are averaged. Epochs are compared by one view."""

    clips: Positive = 1
    """Clips of other frames of a stored clip, evenly spaced; needs stored clips longer than the network's."""
    flip: Annotated[bool, Field(strict=True)] = False
    """Evaluate each clip flipped horizontally too."""


class Published(Spec):
    """Published figures of the network that a recipe reproduces."""

    war: Annotated[float, Field(gt=1, le=100, strict=True)]
    """Accuracy (weighted average recall) in percent."""
    uar: Annotated[float, Field(gt=1, le=100, strict=True)] | None = None
    """Unweighted average recall in percent, if published."""
    std: Annotated[float, Field(ge=0, strict=True)] | None = None
    """Standard deviation over folds, in percentage points, if published."""
    source: str
    """Paper and table."""


class Recipe(Spec):
    """Everything needed to train and evaluate one network. Seed, split and protocol have no default on purpose."""

    description: str = ""
    """One line about the recipe."""
    published: Published | None = None
    """Published figures for exactly this recipe; not inherited by recipes that extend it."""
    model: ModelSpec
    """The network."""
    data: DataSpec = DataSpec()
    """Where clips come from."""
    split: SplitSetting
    """Training, validation and test set: by ranges, folds, a subject, a published split, databases or a file."""
    protocol: Literal["subject-independent", "published", "cross-database", "group-disjoint"]
    """`subject-independent` for ranges, folds, `leave_out` and `file`, `group-disjoint` for `identity_disjoint`;
    otherwise the name of the split."""
    seed: Annotated[int, Field(ge=0, strict=True)]
    """Random seed of the training run."""
    backbone_weights: Literal["random", "pretrained"] = "random"
    """Initial weights of the backbone: random, or its published weights."""
    init: Annotated[str, Field(min_length=1)] | None = None
    """Weights to start from: `NAME[.TAG]`, a weights folder or `hf-hub:OWNER/NAME`; new labels get a new classifier."""
    freeze: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Stages that are not trained, by name or pattern: `[backbone]`, `[lower_half]` (of the backbone), or
    `["*", "!classifier"]` for all but one."""
    pretrain: TrainSpec | None = None
    """Train the 2D twin of the backbone on single frames first, and inflate it: far cheaper than whole clips."""
    train: TrainSpec = TrainSpec()
    """Training on clips."""
    views: ViewsSpec = ViewsSpec()
    """Views of a clip in the final evaluation."""

    @field_validator("split")
    @classmethod
    def _names_its_data(cls, split: SplitSetting, info: ValidationInfo) -> SplitSetting:
        data = info.data.get("data")
        if isinstance(split, DatabaseSplit) and data is not None and data.dataset.name != split.test_on:
            raise ValueError(f"data.dataset is {data.dataset.name!r}; it must be test_on, {split.test_on!r}")
        return split

    @field_validator("protocol")
    @classmethod
    def _fits_the_split(cls, protocol: str, info: ValidationInfo) -> str:
        split = info.data.get("split")
        if split is not None and protocol != (wanted := PROTOCOLS[type(split)]):
            needed = (key for key, field in type(split).model_fields.items() if field.is_required())
            raise ValueError(f"a split with {', '.join(needed)} needs the protocol {wanted!r}")
        return protocol

    @field_validator("pretrain", "train")
    @classmethod
    def _suits_the_network(cls, train: TrainSpec | None, info: ValidationInfo) -> TrainSpec | None:
        model = info.data.get("model")
        if train is not None and train.neutral_below and model is not None and "neutral" not in model.labels:
            raise ValueError("neutral_below needs the label neutral in model.labels")
        if train is not None and train.lora is not None and info.data.get("pretrain") is not None:
            raise ValueError("lora adapts published weights; leave `pretrain` out")
        return train

    @field_validator("init", "pretrain")
    @classmethod
    def _one_start(cls, start: str | TrainSpec | None, info: ValidationInfo) -> str | TrainSpec | None:
        if start is not None and info.data.get("backbone_weights") == "pretrained":
            raise ValueError(f"backbone_weights is 'pretrained'; use either these or `{info.field_name}`")
        if start is not None and info.data.get("init") is not None:
            raise ValueError("the network starts from `init`; use either this or `pretrain`")
        if isinstance(start, TrainSpec) and start.lora is not None:
            raise ValueError("lora does not apply to `pretrain`")
        return start
