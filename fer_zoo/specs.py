"""What a model, a recipe and a set of weights are, as frozen validated records. Knows no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_serializer, model_validator

if TYPE_CHECKING:
    from torch import Tensor

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]

SEVEN_LABELS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")


class Spec(BaseModel):
    """Frozen record that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


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
class ResidualSite:
    """A residual unit whose shortcut a fusion may change.

    `channels` of the shortcut; its time step t is centred on input frame `first_frame + t`.
    """

    channels: int
    first_frame: int


Shortcut = Callable[[str, "Tensor"], "Tensor"]
"""Called by a backbone at each residual site: (site name, shortcut (B, C, T', H', W')) -> changed shortcut."""


class Backbone(Protocol):
    """`(clip (B, 3, T, H, W), shortcut hook or None) -> features (B, out_channels, T', H', W')`."""

    out_channels: int
    residual_sites: Mapping[str, ResidualSite]

    def __call__(self, clip: Tensor, shortcut: Shortcut | None = None) -> Tensor:
        """Return features of one batch of clips."""


class Temporal(Protocol):
    """`(sequence (B, T', D)) -> embedding (B, out_features)`; the composer injects D."""

    out_features: int

    def __call__(self, sequence: Tensor) -> Tensor:
        """Summarise each sequence in one vector."""


class Fusion(Protocol):
    """Brings landmarks into the network at its `site`; the composer injects the backbone's residual sites."""

    site: Literal["none", "residual"]

    def __call__(self, site: str, shortcut: Tensor, landmarks: Tensor, clip_size: tuple[int, int]) -> Tensor:
        """Change the shortcut (B, C, T', H', W') of one residual site by landmarks (B, T, L, 2) in clip pixels."""
