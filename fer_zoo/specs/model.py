"""The specification of a network: components, input, labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fer_zoo.errors import OptionError
from fer_zoo.specs.base import AboveZero, Fraction, Number, Positive, Spec

SEVEN_LABELS = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")


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


class CropSpec(Spec):
    """Square crop around the face, from its landmarks: one fixed upright box, or aligned frame by frame."""

    scale: Annotated[float, Field(gt=0.5, lt=4, strict=True)] = 1.3
    """Side of the crop relative to the bounding square of the landmarks (`similarity`: of the mean face)."""
    shift_up: Annotated[float, Field(gt=-0.5, lt=0.5, strict=True)] = 0.08
    """Upward shift as a fraction of the side, to include the forehead: the 68 landmarks end at the brows."""
    align: Literal["box", "similarity"] = "box"
    """`box`: one box for the clip, upright unless the head is tilted by more than 12 degrees; `similarity`: each frame
    is rotated, scaled and shifted to a mean face."""


class LandmarkSpec(Spec):
    """The landmarks that a model was trained on."""

    detector: ComponentSpec = ComponentSpec(name="fz68")
    """A registered landmark detector."""
    points: Literal[68] = 68
    """Number of landmarks (iBUG 68); every detector gives 68."""


class InputSpec(Spec):
    """Input of the network: `frames` RGB frames of `size` x `size` pixels at `fps` frames per second.

    A clip is normalised as `(pixel / 255 - mean) / std`. Time is given as `fps`, not as a frame stride, because a
    stride changes the speed of motion with the frame rate of the camera.
    """

    frames: Positive = 10
    """Frames per clip."""
    size: Positive = 299
    """Side of a frame in pixels."""
    fps: AboveZero = 25.0
    """Frames per second; videos at other rates are resampled."""
    sampling: Literal["dense", "uniform", "segments"] = "dense"
    """`dense`: windows of consecutive frames at `fps`. `uniform`: one clip per video, of frames spread evenly over it;
    then `fps` is only for live sources. `segments`: the same, with a random frame of each part in training."""
    crop: CropSpec = CropSpec()
    """How the face is cropped."""
    mean: tuple[Number, Number, Number] = (0.5, 0.5, 0.5)
    """Mean of red, green, blue, subtracted from values in 0 to 1."""
    std: tuple[AboveZero, AboveZero, AboveZero] = (0.25, 0.25, 0.25)
    """Standard deviation, by which they are divided."""
    local_contrast: Annotated[bool, Field(strict=True)] = False
    """The network sees grey relative to its mean and deviation nearby, in all three channels, instead of colours: skin,
    light and cameras differ less."""
    landmarks: LandmarkSpec = LandmarkSpec()
    """The landmarks for the crop and the fusion."""


class ModelSpec(Spec):
    """A network: its components, pooling before the temporal head, labels in order, and input."""

    backbone: ComponentSpec
    """A registered backbone: frames to feature maps."""
    temporal: ComponentSpec
    """A registered temporal head: feature maps over time to one vector."""
    fusion: ComponentSpec = ComponentSpec(name="none")
    """A registered landmark fusion."""
    pool: Literal["flatten", "mean"] = "flatten"
    """Features of a time step for the temporal head: the flattened feature map, or its mean."""
    head_norm: Literal["none", "batch"] = "none"
    """Batch norm between backbone and temporal head; not in the paper, faster to train from scratch."""
    dropout: Fraction = 0.2
    """Dropout before the temporal head."""
    labels: tuple[str, ...] = SEVEN_LABELS
    """Class names in the order of the logits."""
    input: InputSpec = InputSpec()
    """Input of the network."""

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        duplicates = sorted(label for label, count in Counter(labels).items() if count > 1)
        if any(not label.strip() for label in labels):
            raise ValueError("a label is blank; each label names one class")
        if duplicates:
            raise ValueError(f"labels {duplicates} are duplicates; each label names one class")
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
        OptionError: both are given, or none; labels are not a list of names; num_classes is not an integer >= 2.
    """
    if (labels is None) == (num_classes is None):
        which = "Neither labels nor num_classes" if labels is None else "Both labels and num_classes"
        raise OptionError(
            f"{which} were given.", "one of them", "give labels, the class names in the order of the logits"
        )
    if labels is None:
        if type(num_classes) is not int or num_classes < 2:
            raise OptionError(
                f"num_classes={num_classes!r} is not a number of classes.",
                "an integer >= 2; 0 for embeddings",
                "correct it, or give labels",
            )
        return tuple(f"class_{i}" for i in range(num_classes))
    # A set has no fixed order, and the order of the labels is that of the logits.
    if not isinstance(labels, list | tuple) or not all(isinstance(label, str) for label in labels):
        do = f"write labels=[{labels!r}, ...]" if isinstance(labels, str) else "write labels=[...]"
        raise OptionError(
            f"labels={labels!r} is not a list of names.",
            "a list or tuple of class names, in the order of the logits",
            do,
        )
    return tuple(labels)
