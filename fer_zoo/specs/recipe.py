"""The schema of a recipe: network, data, split, protocol, training, and published figures."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from fer_zoo.specs.base import AboveZero, Fraction, Positive, Share, Spec
from fer_zoo.specs.model import ComponentSpec, ModelSpec


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

    @model_validator(mode="after")
    def _among_them(self) -> FoldSplit:
        if self.fold is not None and self.fold > self.folds:
            raise ValueError(f"fold must be at most {self.folds}, the number of folds; it is {self.fold}")
        return self


class LeaveOneOutSplit(Spec):
    """Leave-one-subject-out: one subject is the test set, the others are training and validation set."""

    leave_out: str
    """The test subject, as named in the store."""
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

    return max(SPLITS, key=similarity)


_SPLIT_TEXT = (
    "Input should be ranges of subjects (train, validation, test), folds, leave_out, published, databases "
    "(train_on, test_on), or a file"
)

SplitSetting = Annotated[
    Annotated[SplitSpec, Tag("SplitSpec")]
    | Annotated[FoldSplit, Tag("FoldSplit")]
    | Annotated[LeaveOneOutSplit, Tag("LeaveOneOutSplit")]
    | Annotated[PublishedSplit, Tag("PublishedSplit")]
    | Annotated[DatabaseSplit, Tag("DatabaseSplit")]
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


class AugmentSpec(Spec):
    """Random augmentation of training clips; frames and landmarks are transformed together, the same in a whole clip.

    If stored clips are longer than the network's, a random window of each is used, whatever these settings are.
    """

    flip: Share = 0.5
    """Fraction of clips that are flipped horizontally."""
    rotate_deg: Annotated[float, Field(ge=0, le=90, strict=True)] = 10.0
    """Maximum rotation in degrees."""
    scale: Fraction = 0.1
    """Maximum change of the crop size, as a fraction."""
    shift: Fraction = 0.05
    """Maximum shift of the crop, as a fraction of its side."""
    warp: Annotated[float, Field(ge=0, le=0.1, strict=True)] = 0.0
    """Maximum displacement of brows, eyes, nose, mouth and chin, in crop sides: other subjects' features."""
    brightness: Fraction = 0.25
    """Maximum change of brightness, as a fraction."""
    contrast: Fraction = 0.25
    """Maximum change of contrast, as a fraction."""
    colour: Fraction = 0.15
    """Maximum change of each colour channel, as a fraction."""
    gamma: Fraction = 0.3
    """Maximum change of gamma."""
    grey: Share = 0.15
    """Fraction of clips converted to grey."""
    noise: Fraction = 0.03
    """Maximum standard deviation of the noise; white is 1."""
    noise_share: Share = 0.5
    """Fraction of clips with added noise."""
    blur: Share = 0.3
    """Fraction of clips that are blurred."""
    lowres: Share = 0.2
    """Fraction of clips that are downsampled and upsampled, like a small face."""
    compress: Share = 0.2
    """Fraction of clips with 8 x 8 cosine block artifacts, like those of a video codec."""
    jpeg: Share = 0.0
    """Fraction of clips compressed as JPEG at a quality between 20 and 90."""
    erase: Share = 0.2
    """Fraction of clips in which a rectangle is erased."""
    detector_noise: Annotated[bool, Field(strict=True)] = True
    """Add the errors of a landmark detector to exact landmarks first."""
    lose_landmarks: Fraction = 0.02
    """Fraction of frames whose landmarks are dropped, as when a detector misses a face."""
    stride: Positive = 1
    """Maximum step between frames: clips are played up to this many times as fast; needs longer stored clips."""
    frame_jitter: Share = 0.0
    """Fraction of frames replaced by the previous or next stored frame, in order: an unsteady frame rate."""
    reverse: Share = 0.0
    """Fraction of clips played backwards: an onset becomes an offset."""


# Keys of TrainSpec that are shortcuts for an option of a component, and the key of that component.
SHORT_KEYS = {
    "momentum": "optimizer",
    "weight_decay": "optimizer",
    "warmup": "schedule",
    "decay": "schedule",
    "decay_every": "schedule",
    "label_smoothing": "loss",
    "class_weights": "loss",
}


class TrainSpec(Spec):
    """How to train; the defaults are the paper's (section 4: SGD 0.01, momentum 0.9, weight decay 1e-4)."""

    epochs: Positive = 30
    """Passes over the training clips."""
    batch_size: Positive = 16
    """Clips per step, over all devices."""
    micro_batch: Positive | None = None
    """Maximum clips per device at once; gradients of larger batches are accumulated over several passes."""
    sampling: Literal["uniform", "balanced"] = "uniform"
    """`uniform`: every clip once per epoch; `balanced`: every class equally often, clips repeated or left out."""
    optimizer: ComponentSpec = ComponentSpec(name="sgd")
    """A registered optimizer."""
    lr: Annotated[float, Field(gt=0, le=3.4e38, strict=True)] = 0.01
    """Maximum learning rate."""
    layer_decay: Annotated[float, Field(gt=0, le=1, strict=True)] = 1.0
    """Factor of the learning rate from each stage of the network to the one before it; the classifier has `lr`."""
    stage_lr: dict[str, AboveZero] = Field(default={})
    """Learning rates of stages by name or pattern, e.g. `{backbone: 1e-5}`; they replace `lr` and `layer_decay`."""
    schedule: ComponentSpec = ComponentSpec(name="constant")
    """A registered learning rate schedule."""
    loss: ComponentSpec = ComponentSpec(name="cross_entropy")
    """A registered loss."""
    momentum: Fraction | None = Field(default=None, exclude=True)
    """Shortcut for the optimizer's option `momentum` (`beta1` of `adam` and `adamw`)."""
    weight_decay: Annotated[float, Field(ge=0, strict=True)] | None = Field(default=None, exclude=True)
    """Shortcut for the optimizer's option `weight_decay`."""
    warmup: Fraction | None = Field(default=None, exclude=True)
    """Shortcut for the schedule's option `warmup`: the fraction of steps with a rising rate at the start."""
    decay: Annotated[float, Field(gt=0, lt=1, strict=True)] | None = Field(default=None, exclude=True)
    """Shortcut for the option `decay` of the schedule `step`; ignored by other schedules."""
    decay_every: Annotated[float, Field(gt=0, le=1, strict=True)] | None = Field(default=None, exclude=True)
    """Shortcut for the option `decay_every` of the schedule `step`; ignored by other schedules."""
    label_smoothing: Fraction | None = Field(default=None, exclude=True)
    """Shortcut for the loss's option `label_smoothing`."""
    class_weights: Literal["none", "balanced"] | None = Field(default=None, exclude=True)
    """Shortcut for the loss's option `class_weights`."""
    neutral_below: Annotated[float, Field(gt=0, le=1, strict=True)] | None = None
    """Intensity below which a part of the target is neutral: at half of it, half. For clips of rendered faces."""
    mixup: Annotated[float, Field(ge=0, strict=True)] = 0.0
    """Alpha of mixup (Zhang et al. 2018); a mixed pair has the landmarks of the clip with the larger weight. 0: off."""
    clip_grad: Annotated[float, Field(gt=0, strict=True)] | None = None
    """Maximum gradient norm; larger gradients are scaled down."""
    ema: Fraction | None = None
    """Decay of the exponential moving average of the weights, which is evaluated and saved instead of the last ones."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """`bf16`, `fp16`: autocast of the forward pass; the weights stay float32. `fp16` needs a GPU."""
    channels_last: Annotated[bool, Field(strict=True)] = True
    """Use the channels-last memory format, in which convolutions are faster."""
    compile: Annotated[bool, Field(strict=True)] = False
    """Compile the network with `torch.compile`: minutes at the start, then faster steps on a GPU."""
    deterministic: Annotated[bool, Field(strict=True)] = False
    """Use deterministic algorithms on a GPU; slower. Runs on a CPU are always deterministic."""
    augment: AugmentSpec = AugmentSpec()
    """Random augmentation of training clips."""

    @field_validator("optimizer", "schedule", "loss", mode="before")
    @classmethod
    def _named(cls, component: Any, info: ValidationInfo) -> Any:
        """Options without a name are those of the default component."""
        if isinstance(component, Mapping) and "name" not in component:
            return {"name": cls.model_fields[str(info.field_name)].default.name, **component}
        return component

    @model_validator(mode="after")
    def _as_options(self) -> TrainSpec:
        """Store shortcut keys as options of their components, so that equal settings have one form."""
        for key, kind in SHORT_KEYS.items():
            value, component = getattr(self, key), getattr(self, kind)
            if value is None:
                continue
            object.__setattr__(self, key, None)
            if key in ("decay", "decay_every") and component.name in ("constant", "cosine", "onecycle"):
                continue  # recipes of earlier versions have it with every schedule
            option = "beta1" if key == "momentum" and component.name in ("adam", "adamw") else key
            if (other := component.options.get(option, value)) != value:
                raise ValueError(f"{key} is {value!r}, and the {kind}'s option {option} is {other!r}; keep one of them")
            object.__setattr__(self, kind, ComponentSpec(**{**component.model_dump(), option: value}))
        return self


class Published(Spec):
    """Published figures of the network that a recipe reproduces."""

    war: Annotated[float, Field(gt=1, le=100, strict=True)]
    """Accuracy (weighted average recall) in percent."""
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
    protocol: Literal["subject-independent", "published", "cross-database"]
    """`subject-independent` for ranges, folds, `leave_out` and `file`; otherwise the name of the split."""
    seed: Annotated[int, Field(ge=0, strict=True)]
    """Random seed of the training run."""
    backbone_weights: Literal["random", "pretrained"] = "random"
    """Initial weights of the backbone: random, or its published weights."""
    init: Annotated[str, Field(min_length=1)] | None = None
    """Weights to start from: `NAME[.TAG]`, a weights folder or `hf-hub:OWNER/NAME`; new labels get a new classifier."""
    freeze: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Stages that are not trained, by name or pattern: `[backbone]`, or `["*", "!classifier"]` for all but one."""
    pretrain: TrainSpec | None = None
    """Train the 2D twin of the backbone on single frames first, and inflate it: far cheaper than whole clips."""
    train: TrainSpec = TrainSpec()
    """Training on clips."""

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
    def _has_neutral(cls, train: TrainSpec | None, info: ValidationInfo) -> TrainSpec | None:
        model = info.data.get("model")
        if train is not None and train.neutral_below and model is not None and "neutral" not in model.labels:
            raise ValueError("neutral_below needs the label neutral in model.labels")
        return train

    @field_validator("init", "pretrain")
    @classmethod
    def _one_start(cls, start: str | TrainSpec | None, info: ValidationInfo) -> str | TrainSpec | None:
        if start is not None and info.data.get("backbone_weights") == "pretrained":
            raise ValueError(f"backbone_weights is 'pretrained'; use either these or `{info.field_name}`")
        if start is not None and info.data.get("init") is not None:
            raise ValueError("the network starts from `init`; use either this or `pretrain`")
        return start
