"""What a recipe says: network, data, split, protocol, training, and what a paper printed for it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from fer_zoo.specs.base import Fraction, Positive, Share, Spec
from fer_zoo.specs.model import ComponentSpec, ModelSpec


class SplitSpec(Spec):
    """Subjects of each part as half-open ranges of subject numbers; no subject may be on two sides."""

    train: tuple[int, int]
    """First subject number to train on, and one past the last."""
    validation: tuple[int, int]
    """The same for the subjects that choose the best epoch."""
    test: tuple[int, int]
    """The same for the subjects that are evaluated on once, at the end."""

    @model_validator(mode="after")
    def _disjoint(self) -> SplitSpec:
        ranges = {"train": self.train, "validation": self.validation, "test": self.test}
        for part, (first, end) in ranges.items():
            if first < 0 or end <= first:
                raise ValueError(f"{part}: [{first}, {end}] holds no subject; write [first, one past the last]")
        parts = sorted(ranges, key=lambda part: ranges[part])
        for one, other in pairwise(parts):
            if ranges[one][1] > ranges[other][0]:
                raise ValueError(f"{one} {ranges[one]} and {other} {ranges[other]} share subjects")
        return self


ValidationFolds = Annotated[int, Field(ge=2, strict=True)]


class FoldSplit(Spec):
    """Subject-independent k-fold cross-validation: every subject is tested on once, by a network that never saw it."""

    folds: Annotated[int, Field(ge=3, strict=True)]
    """Number of folds; the classes are dealt to them as evenly as subjects allow."""
    fold: Positive | None = None
    """The fold that is tested on, from 1; the next one validates. One training takes one fold."""
    seed: Annotated[int, Field(ge=0, strict=True)] = 0
    """Deals the subjects; not the training's seed, so that trainings of all seeds are tested on the same folds."""
    pooled_with: tuple[str, ...] = ()
    """Further registered datasets, whose subjects are dealt together with those of the dataset under `data`."""

    @model_validator(mode="after")
    def _among_them(self) -> FoldSplit:
        if self.fold is not None and self.fold > self.folds:
            raise ValueError(f"there is no fold {self.fold} among {self.folds}")
        return self


class LeaveOneOutSplit(Spec):
    """Leave one subject out: all of the others train and validate."""

    leave_out: str
    """The subject that is tested on, as the store names it."""
    validation_folds: ValidationFolds = 5
    """One in so many of the other subjects validates."""


class PublishedSplit(Spec):
    """The split that comes with a database, in which subjects may be on both sides or unknown.

    Validation that is not published is held out of training subjects that are not tested on; of videos where no subject
    is known.
    """

    published: str
    """Its name, as the dataset's clips carry it, e.g. `set_1`."""
    validation_folds: ValidationFolds = 5
    """One in so many training subjects validates, where the database publishes no part for that."""


class DatabaseSplit(Spec):
    """Cross-database: test on one whole database, train on others."""

    train_on: Annotated[tuple[str, ...], Field(min_length=1)]
    """Registered datasets to train on."""
    test_on: str
    """The registered dataset to test on, also named under `data`; never one of `train_on`."""
    validation_folds: ValidationFolds = 5
    """One in so many training subjects validates."""

    @model_validator(mode="after")
    def _apart(self) -> DatabaseSplit:
        if self.test_on in self.train_on:
            raise ValueError(f"test_on {self.test_on!r} is also in train_on; a database is on one side")
        duplicates = sorted({name for name in self.train_on if self.train_on.count(name) > 1})
        if duplicates:
            raise ValueError(f"train_on names {duplicates} twice")
        return self


class FileSplit(Spec):
    """A split kept in a file: of `fer-zoo data split`, or another training's split.json. It is checked by the store."""

    file: Annotated[str, Field(min_length=1)]
    """The file, as seen from where the command is run."""
    name: str | None = None
    """Which of its splits, e.g. `fold 2 of 5`, where it holds several."""


# Each form of split with the protocol that it is.
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
    """Name of the class in SPLITS that a split is meant to be, by the likeness of its keys; None for no mapping."""
    if isinstance(value, Spec):
        return type(value).__name__
    if not isinstance(value, Mapping):
        return None

    def likeness(form: str) -> float:
        fields = SPLITS[form].model_fields
        matcher = difflib.SequenceMatcher
        return sum(max(matcher(None, str(key), field).ratio() for field in fields) for key in value)

    return max(SPLITS, key=likeness)


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
    """A registered dataset; in a cross-database recipe the one that is tested on."""
    takes: Positive = 1
    """Clips of each subject and label, for datasets that render any number of them."""
    canvas: Positive = 128
    """Side in pixels of the stored frames, from which the crop is cut."""
    stores: dict[str, str] = Field(default={})
    """Clip stores by dataset: a path, or a name in the stores folder; without one the dataset's own name there."""
    any_fps: Annotated[bool, Field(strict=True)] = False
    """Whether clips of another rate than the network's are taken as they are; papers mix databases of 20 to 30."""


class AugmentSpec(Spec):
    """Random changes of training clips; frames and landmarks move together, the same way in a whole clip.

    A stored clip that is longer than the network's gives a random window of it, whatever stands here.
    """

    flip: Share = 0.5
    """Share of clips that are mirrored."""
    rotate_deg: Annotated[float, Field(ge=0, le=90, strict=True)] = 10.0
    """Largest turn, in degrees."""
    scale: Fraction = 0.1
    """Largest change of the crop's side, as a fraction of it."""
    shift: Fraction = 0.05
    """Largest shift of the crop, as a fraction of its side."""
    warp: Annotated[float, Field(ge=0, le=0.1, strict=True)] = 0.0
    """Farthest that brows, eyes, nose, mouth and chin are moved, as in other faces; a fraction of the crop's side."""
    brightness: Fraction = 0.25
    """Largest change of brightness, as a fraction."""
    contrast: Fraction = 0.25
    """Largest change of contrast, as a fraction."""
    colour: Fraction = 0.15
    """Largest change of each colour channel, as a fraction."""
    gamma: Fraction = 0.3
    """Largest change of gamma."""
    grey: Share = 0.15
    """Share of clips that lose their colour."""
    noise: Fraction = 0.03
    """Standard deviation, as a fraction of white, of the noisiest clip."""
    noise_share: Share = 0.5
    """Share of clips that get noise."""
    blur: Share = 0.3
    """Share of clips that are blurred."""
    lowres: Share = 0.2
    """Share of clips that are shrunk and enlarged again, as a small face is."""
    compress: Share = 0.2
    """Share of clips that get coarse 8 x 8 cosine blocks, as a video codec leaves."""
    jpeg: Share = 0.0
    """Share of clips whose frames are written as JPEG, of a quality between 20 and 90, and read again."""
    erase: Share = 0.2
    """Share of clips in which a rectangle is erased."""
    detector_noise: Annotated[bool, Field(strict=True)] = True
    """Whether exact landmarks are first made as inexact as a detector's."""
    lose_landmarks: Fraction = 0.02
    """Share of frames that lose their landmarks, as when a detector misses a face."""
    stride: Positive = 1
    """Largest step from frame to frame: a clip is played up to so many times as fast; needs longer stored clips."""
    frame_jitter: Share = 0.0
    """Share of frames that show the stored frame before or after theirs, as of an unsteady camera; order stays."""
    reverse: Share = 0.0
    """Share of clips that are played backwards: of an expression that comes, one that goes."""


# Keys of TrainSpec that are short for an option of a component, and the key of that component.
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
    """Clips of a step, of all devices together."""
    micro_batch: Positive | None = None
    """Most clips that a device takes at once; a larger share of a batch is taken in pieces, their gradients added."""
    sampling: Literal["uniform", "balanced"] = "uniform"
    """`uniform`: every clip once an epoch; `balanced`: every class equally often, its clips repeated or left out."""
    optimizer: ComponentSpec = ComponentSpec(name="sgd")
    """The update rule, a registered component."""
    lr: Annotated[float, Field(gt=0, le=3.4e38, strict=True)] = 0.01
    """Highest learning rate; with the schedule `constant` the only one."""
    schedule: ComponentSpec = ComponentSpec(name="constant")
    """The learning rate over time, a registered component."""
    loss: ComponentSpec = ComponentSpec(name="cross_entropy")
    """What is minimised, a registered component."""
    momentum: Fraction | None = Field(default=None, exclude=True)
    """Short for the optimizer's option `momentum` (`beta1` of `adam` and `adamw`)."""
    weight_decay: Annotated[float, Field(ge=0, strict=True)] | None = Field(default=None, exclude=True)
    """Short for the optimizer's option `weight_decay`."""
    warmup: Fraction | None = Field(default=None, exclude=True)
    """Short for the schedule's option `warmup`: the share of the steps in which the rate rises at the start."""
    decay: Annotated[float, Field(gt=0, lt=1, strict=True)] | None = Field(default=None, exclude=True)
    """Short for the option `decay` of the schedule `step`; other schedules do not use it."""
    decay_every: Annotated[float, Field(gt=0, le=1, strict=True)] | None = Field(default=None, exclude=True)
    """Short for the option `decay_every` of the schedule `step`; other schedules do not use it."""
    label_smoothing: Fraction | None = Field(default=None, exclude=True)
    """Short for the loss's option `label_smoothing`."""
    class_weights: Literal["none", "balanced"] | None = Field(default=None, exclude=True)
    """Short for the loss's option `class_weights`."""
    mixup: Annotated[float, Field(ge=0, strict=True)] = 0.0
    """Alpha of mixup (Zhang et al. 2018): clips are mixed in pairs, with the landmarks of the stronger; 0 is none."""
    clip_grad: Annotated[float, Field(gt=0, strict=True)] | None = None
    """Largest norm of the gradient; longer ones are scaled down."""
    ema: Fraction | None = None
    """Decay of the running average of the weights that is evaluated and kept instead of the last ones."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """`bf16`, `fp16`: autocast of the forward pass; the weights stay float32. `fp16` needs a GPU."""
    channels_last: Annotated[bool, Field(strict=True)] = True
    """Whether weights and clips lie in memory with the channels last, which convolutions are faster on."""
    compile: Annotated[bool, Field(strict=True)] = False
    """Whether `torch.compile` makes kernels for the network; minutes at the start, faster steps on a GPU."""
    deterministic: Annotated[bool, Field(strict=True)] = False
    """Whether a GPU too must give the same bits in every run; slower. A CPU always does."""
    augment: AugmentSpec = AugmentSpec()
    """Random changes of training clips."""

    @field_validator("optimizer", "schedule", "loss", mode="before")
    @classmethod
    def _named(cls, component: Any, info: ValidationInfo) -> Any:
        """Options without a name are those of the default component."""
        if isinstance(component, Mapping) and "name" not in component:
            return {"name": cls.model_fields[str(info.field_name)].default.name, **component}
        return component

    @model_validator(mode="after")
    def _as_options(self) -> TrainSpec:
        """Keep the short keys as options of their components, so that a training has one form."""
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
    """What a paper printed for the network that a recipe reproduces."""

    war: Annotated[float, Field(gt=1, le=100, strict=True)]
    """Recognition rate (accuracy), in per cent."""
    std: Annotated[float, Field(ge=0, strict=True)] | None = None
    """Standard deviation over the folds, in points of per cent, where it was printed."""
    source: str
    """Where it was printed."""


class Recipe(Spec):
    """Everything needed to train and evaluate one network. Seed, split and protocol have no default on purpose."""

    description: str = ""
    """What the recipe is, in one line."""
    published: Published | None = None
    """The paper's figures for exactly this recipe; a recipe that extends this one does not inherit them."""
    model: ModelSpec
    """The network."""
    data: DataSpec = DataSpec()
    """Where clips come from."""
    split: SplitSetting
    """Which clips are trained and tested on: by ranges, folds, a subject, a published split, databases or a file."""
    protocol: Literal["subject-independent", "published", "cross-database"]
    """`subject-independent` goes with ranges, folds, `leave_out`, `file`; the others with the split of their name."""
    seed: Annotated[int, Field(ge=0, strict=True)]
    """Of everything that is random."""
    backbone_weights: Literal["random", "pretrained"] = "random"
    """What the backbone starts from; `pretrained` are its published weights."""
    pretrain: TrainSpec | None = None
    """Trains the backbone's 2D twin on single frames first and inflates it: far cheaper than whole clips."""
    train: TrainSpec = TrainSpec()
    """How to train on whole clips."""

    @field_validator("split")
    @classmethod
    def _names_its_data(cls, split: SplitSetting, info: ValidationInfo) -> SplitSetting:
        data = info.data.get("data")
        if isinstance(split, DatabaseSplit) and data is not None and data.dataset.name != split.test_on:
            raise ValueError(f"data.dataset is {data.dataset.name!r}; it must be the one tested on, {split.test_on!r}")
        return split

    @field_validator("protocol")
    @classmethod
    def _fits_the_split(cls, protocol: str, info: ValidationInfo) -> str:
        split = info.data.get("split")
        if split is not None and protocol != (needed := PROTOCOLS[type(split)]):
            keys = (key for key, field in type(split).model_fields.items() if field.is_required())
            raise ValueError(f"a split by {', '.join(keys)} is {needed!r}")
        return protocol

    @field_validator("pretrain")
    @classmethod
    def _one_start(cls, pretrain: TrainSpec | None, info: ValidationInfo) -> TrainSpec | None:
        if pretrain is not None and info.data.get("backbone_weights") == "pretrained":
            raise ValueError("backbone_weights is 'pretrained'; the backbone starts from these or from `pretrain`")
        return pretrain
