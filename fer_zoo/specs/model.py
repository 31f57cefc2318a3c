"""What a network is: its parts, its input, its labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_serializer, model_validator

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

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        return {"name": self.name, **self.options}


class CropSpec(Spec):
    """Square crop round the face, by its landmarks: upright and in one place, or moving and turning with the face."""

    scale: Annotated[float, Field(gt=0.5, lt=4, strict=True)] = 1.3
    """Side of the crop, in sides of the landmarks' bounding square (`similarity`: of the mean face's)."""
    shift_up: Annotated[float, Field(gt=-0.5, lt=0.5, strict=True)] = 0.08
    """Fraction of the side by which it moves up, for the forehead: the 68 points end at the brows."""
    align: Literal["box", "similarity"] = "box"
    """`box`: one upright box for the clip; `similarity`: each frame turned, scaled and shifted onto a mean face."""


class LandmarkSpec(Spec):
    """Landmarks a model was trained for."""

    detector: ComponentSpec = ComponentSpec(name="dlib")
    """The landmarker, a registered component."""
    points: Literal[68] = 68
    """The iBUG points; every landmarker gives 68."""


class InputSpec(Spec):
    """What the network must be fed: `frames` RGB frames of `size` x `size` pixels, `fps` frames a second.

    A clip is normalised as `(pixel / 255 - mean) / std`. Time is in `fps`, not in a frame stride: a stride means
    another speed of motion on a camera of another rate.
    """

    frames: Positive = 10
    """Frames of a clip."""
    size: Positive = 299
    """Side of a frame in pixels."""
    fps: AboveZero = 25.0
    """Frames a second; a video of another rate is sampled at this one."""
    crop: CropSpec = CropSpec()
    """How the face is cut out."""
    mean: tuple[Number, Number, Number] = (0.5, 0.5, 0.5)
    """Subtracted from red, green, blue, which are between 0 and 1."""
    std: tuple[AboveZero, AboveZero, AboveZero] = (0.25, 0.25, 0.25)
    """What they are divided by after that."""
    landmarks: LandmarkSpec = LandmarkSpec()
    """Which points the crop and the fusion are made of."""


class ModelSpec(Spec):
    """A network: its parts, how the feature map is pooled for the temporal head, its labels in order, its input."""

    backbone: ComponentSpec
    """Frames to feature maps, a registered component."""
    temporal: ComponentSpec
    """Feature maps over time to one vector, a registered component."""
    fusion: ComponentSpec = ComponentSpec(name="none")
    """How landmarks come into the network, a registered component."""
    pool: Literal["flatten", "mean"] = "flatten"
    """The feature map of a time step as the temporal head gets it: every pixel, or their mean."""
    head_norm: Literal["none", "batch"] = "none"
    """Batch norm between backbone and temporal head; not in the paper, learns faster from scratch."""
    dropout: Fraction = 0.2
    """Share of the features that is dropped before the temporal head."""
    labels: tuple[str, ...] = SEVEN_LABELS
    """Class names in the order of the logits."""
    input: InputSpec = InputSpec()
    """What the network must be fed."""

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted(label for label, count in Counter(labels).items() if count > 1)
        if any(not label.strip() for label in labels):
            raise ValueError("a label is blank; each label names one class")
        if twice:
            raise ValueError(f"labels {twice} are duplicates; each label names one class")
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
                f"num_classes={num_classes!r}.", "an integer >= 2; 0 for embeddings", "correct it, or give labels"
            )
        return tuple(f"class_{i}" for i in range(num_classes))
    # A set has no order that lasts, and the order of the labels is that of the logits.
    if not isinstance(labels, list | tuple) or not all(isinstance(label, str) for label in labels):
        do = f"write labels=[{labels!r}, ...]" if isinstance(labels, str) else "write labels=[...]"
        raise OptionError(f"labels={labels!r}.", "a list or tuple of class names, in the order of the logits", do)
    return tuple(labels)
