"""What a model, a recipe and a set of weights are, as frozen validated records. Knows no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from fer_zoo.errors import OptionError

if TYPE_CHECKING:
    from torch import Tensor

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]

SEVEN_LABELS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")


class Spec(BaseModel):
    """Frozen record that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def checked(cls, fields: Mapping[str, Any]) -> Self:
        """Make a record of values from a caller.

        Raises:
            OptionError: a value is wrong; the text names each.
        """
        try:
            return cls.model_validate(dict(fields))
        except ValidationError as error:
            problems = [_told(dict(problem)) for problem in error.errors()]
            accepted = f"{cls.__name__}: {', '.join(cls.model_fields)}"
            raise OptionError("; ".join(problems), accepted, "correct the values named above") from error


def _told(problem: Mapping[str, Any]) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    key = ".".join(map(str, problem["loc"]))
    return f"{key}: {problem['input']!r} is wrong: {message}" if key else message


class ComponentSpec(BaseModel):
    """A registered component and its options, written `{name: lstm, hidden: 200}` or just `lstm`."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> Mapping[str, Any]:
        """The options, without the name."""
        return dict(self.model_extra or {})

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        return {"name": self.name, **self.options}


class CropSpec(Spec):
    """Square crop round the face: the bounding square of all landmarks, `scale` times its side, one box per clip."""

    scale: Annotated[float, Field(gt=0.5, lt=4)] = 1.3
    # The 68 points end at the brows; moving the centre up (fraction of the side) brings in the forehead.
    shift_up: Annotated[float, Field(gt=-0.5, lt=0.5)] = 0.08


class LandmarkSpec(Spec):
    """Landmarks a model was trained for: the registered landmarker, which gives the 68 iBUG points."""

    detector: ComponentSpec = ComponentSpec(name="dlib")
    points: Literal[68] = 68


class InputSpec(Spec):
    """What the network must be fed: `frames` RGB frames of `size` x `size` pixels, `fps` frames a second.

    A clip is normalised as `(pixel / 255 - mean) / std`. Time is in `fps`, not in a frame stride: a stride means
    another speed of motion on a camera of another rate.
    """

    frames: Positive = 10
    size: Positive = 299
    fps: Annotated[float, Field(gt=0)] = 25.0
    crop: CropSpec = CropSpec()
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)
    landmarks: LandmarkSpec = LandmarkSpec()


class ModelSpec(Spec):
    """A network: its parts, how the feature map is pooled for the temporal head, its labels in order, its input."""

    backbone: ComponentSpec
    temporal: ComponentSpec
    fusion: ComponentSpec = ComponentSpec(name="none")
    pool: Literal["flatten", "mean"] = "flatten"
    # Batch norm between backbone and temporal head; not in the paper, learns faster from scratch.
    head_norm: Literal["none", "batch"] = "none"
    dropout: Fraction = 0.2
    labels: tuple[str, ...] = SEVEN_LABELS
    input: InputSpec = InputSpec()

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"labels {twice} stand twice; each label names one class")
        if len(labels) < 2:
            raise ValueError(f"{len(labels)} label(s) given; a classifier needs two or more")
        return labels

    @property
    def name(self) -> str:
        """`<backbone>_<temporal>[_<fusion>]`; no suffix when there is no fusion."""
        parts = [self.backbone.name, self.temporal.name]
        return "_".join(parts if self.fusion.name == "none" else [*parts, self.fusion.name])


def class_labels(labels: Sequence[str] | None, num_classes: int | None) -> tuple[str, ...]:
    """Return the labels given, or "class_0", "class_1", ... for a number of classes.

    Raises:
        OptionError: both are given, or none, or `labels` is one string.
    """
    if (labels is None) == (num_classes is None):
        which = "Neither labels nor num_classes" if labels is None else "Both labels and num_classes"
        raise OptionError(
            f"{which} were given.", "one of them", "give labels, the class names in the order of the logits"
        )
    if isinstance(labels, str):
        given = f"labels={labels!r} is one string."
        raise OptionError(given, "a list of class names", f"write labels=[{labels!r}, ...]")
    return tuple(labels) if labels is not None else tuple(f"class_{i}" for i in range(num_classes or 0))


class SplitSpec(Spec):
    """Subjects of each part as half-open ranges of subject numbers; no subject may be on two sides."""

    train: tuple[int, int]
    validation: tuple[int, int]
    test: tuple[int, int]

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


class DataSpec(Spec):
    """Where clips come from: a registered dataset and its options."""

    dataset: ComponentSpec = ComponentSpec(name="synthmh")
    takes: Positive = 1
    # Side in pixels of the stored frames, from which the crop is cut.
    canvas: Positive = 128


class AugmentSpec(Spec):
    """Random changes of training clips; frames and landmarks move together, the same way in a whole clip.

    `flip`, `grey`, `blur`, `lowres`, `compress`, `noise_share` and `erase` are the share of clips that it happens to.
    """

    flip: Annotated[float, Field(ge=0, le=1)] = 0.5
    rotate_deg: Annotated[float, Field(ge=0, le=90)] = 10.0
    scale: Fraction = 0.1
    # Fraction of the box's side.
    shift: Fraction = 0.05
    brightness: Fraction = 0.25
    contrast: Fraction = 0.25
    colour: Fraction = 0.15
    gamma: Fraction = 0.3
    grey: Annotated[float, Field(ge=0, le=1)] = 0.15
    # Standard deviation, as a fraction of white, of the noisiest clip.
    noise: Fraction = 0.03
    noise_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    blur: Annotated[float, Field(ge=0, le=1)] = 0.3
    # Shrunk and enlarged again, as a small face is.
    lowres: Annotated[float, Field(ge=0, le=1)] = 0.2
    # Coarse 8 x 8 cosine blocks, as a video codec leaves.
    compress: Annotated[float, Field(ge=0, le=1)] = 0.2
    erase: Annotated[float, Field(ge=0, le=1)] = 0.2
    detector_noise: bool = True
    # Share of frames that lose their landmarks, as when a detector misses a face.
    lose_landmarks: Fraction = 0.02


class TrainSpec(Spec):
    """How to train; the defaults are the paper's (section 4: SGD 0.01, momentum 0.9, weight decay 1e-4)."""

    epochs: Positive = 30
    batch_size: Positive = 16
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: Annotated[float, Field(gt=0)] = 0.01
    momentum: Fraction = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    schedule: Literal["constant", "onecycle"] = "constant"
    warmup: Annotated[float, Field(gt=0, lt=1)] = 0.2
    label_smoothing: Fraction = 0.0
    clip_grad: Annotated[float, Field(gt=0)] | None = None
    ema: Fraction | None = None
    # bf16: autocast of the forward pass; the weights stay float32.
    precision: Literal["fp32", "bf16"] = "fp32"
    augment: AugmentSpec = AugmentSpec()


class Recipe(Spec):
    """Everything needed to train and judge one network. Seed, split and protocol have no default on purpose."""

    description: str = ""
    model: ModelSpec
    data: DataSpec = DataSpec()
    split: SplitSpec
    protocol: Literal["subject-independent"]
    seed: Annotated[int, Field(ge=0)]
    # Trains the backbone's 2D twin on single frames first and inflates it: far cheaper than whole clips.
    pretrain: TrainSpec | None = None
    train: TrainSpec = TrainSpec()


class Metrics(Spec):
    """Figures on one set of clips: WAR = accuracy, UAR = mean recall over classes, confusion[true][predicted]."""

    clips: Positive
    subjects: Positive
    war: float
    uar: float
    confusion: tuple[tuple[int, ...], ...]

    @field_validator("war", "uar")
    @classmethod
    def _finite(cls, value: float) -> float:
        if not math.isfinite(value):
            raise ValueError("is not a finite number")
        return value


class WeightsCard(Spec):
    """What came out of a training: provenance, terms and measured figures of one weights file."""

    name: str
    sha256: str
    labels: tuple[str, ...]
    licence: str
    terms: str
    training_data: str
    protocol: str
    metrics: Mapping[str, Metrics]
    commit: str
    hardware: str
    hours: float
    synthetic: bool


@dataclass(frozen=True)
class Site:
    """A feature map (B, channels, T', H', W') in or behind a backbone, and where its time steps lie in the clip.

    Step t is centred on input frame `first_frame + t * frame_stride`.
    """

    channels: int
    first_frame: float = 0
    frame_stride: int = 1

    def centres(self, steps: int) -> list[float]:
        """Input frames on which the first `steps` time steps are centred."""
        return [self.first_frame + step * self.frame_stride for step in range(steps)]


FusionSite = Literal["none", "input", "residual", "features", "embedding"]
"""Where a fusion works: on the clip, on residual shortcuts, on the features, or on what the temporal head gives."""

Shortcut = Callable[[str, "Tensor"], "Tensor"]
"""Called by a backbone at each residual site: (site name, shortcut (B, C, T', H', W')) -> changed shortcut."""


class Backbone(Protocol):
    """`(clip (B, C, T, H, W), shortcut hook or None) -> features (B, output.channels, T', H', W')`.

    The composer injects `in_channels` (3, or more for a fusion at the input) and `input`, the InputSpec.
    `residual_sites` are the units whose shortcut a fusion may change; empty if there are none. `stages` name groups of
    parameters from input to output, each by prefixes of their names; together they hold every parameter once. A
    backbone with published weights has a method `load_pretrained()` that fetches and loads them.
    """

    output: Site
    residual_sites: Mapping[str, Site]
    stages: Mapping[str, Sequence[str]]

    def __call__(self, clip: Tensor, shortcut: Shortcut | None = None) -> Tensor:
        """Return features of one batch of clips."""


class Temporal(Protocol):
    """`(sequence (B, T', D), mask (B, T') or None) -> embedding (B, out_features)`; the composer injects in_features.

    Steps where the boolean mask is False are padding at the end and must not change the result; step 0 is always real.
    """

    out_features: int

    def __call__(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """Summarise each sequence in one vector."""


class Fusion(Protocol):
    """Brings landmarks (B, T, 68, 2), in clip pixels, NaN where there is no face, into the network at one site.

    | site, stated when it is registered | injected | call | declares |
    |---|---|---|---|
    | none | | is never called | |
    | input | | (clip (B, 3, T, H, W), landmarks, clip_size) -> clip with more channels | `extra_channels` |
    | residual | `sites` | (shortcut (B, C, T', H', W'), landmarks, clip_size, site name) -> shortcut | |
    | features | `features: Site` | (features (B, D, T', H', W'), landmarks, clip_size) -> features | `out_channels` |
    | embedding | `in_features` | (embedding (B, E), landmarks, clip_size) -> embedding | `out_features` |

    `clip_size` is (height, width) in pixels.
    """

    def __call__(self, x: Tensor, landmarks: Tensor, clip_size: tuple[int, int], site: str = "") -> Tensor:
        """Return x changed by the landmarks."""
