"""How a stage of a recipe is trained: optimizer, schedule, loss, augmentation, adapters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from fer_zoo.specs.base import AboveZero, Fraction, Positive, Share, Spec
from fer_zoo.specs.model import ComponentSpec


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
    still: Share = 0.0
    """Fraction of clips in which one frame is repeated, as when a picture is predicted."""


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


class LoraSpec(Spec):
    """Low-rank adapters in the linear layers of the backbone, whose own weights are frozen (extra `peft`)."""

    targets: Annotated[tuple[str, ...], Field(min_length=1)]
    """Ends of the names of layers, e.g. [query, value]; an unknown one is an error that lists them."""
    rank: Positive = 8
    """Rank of the adapters."""
    alpha: AboveZero | Positive = 16
    """Scale of the adapters; they are multiplied by alpha / rank."""
    dropout: Fraction = 0.0
    """Dropout before the adapters."""


class TrainSpec(Spec):
    """How to train; the defaults are the paper's (section 4: SGD 0.01, momentum 0.9, weight decay 1e-4)."""

    epochs: Positive = 30
    """Passes over the training clips."""
    patience: Positive | None = None
    """Early stopping: end after this many epochs in a row without a better validation UAR."""
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
    lora: LoraSpec | None = None
    """Train low-rank adapters in place of the backbone's weights; saved weights are merged and need no peft."""
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
