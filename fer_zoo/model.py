"""FERModel: backbone, pooling, temporal head and classifier, with a fusion at its site."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_zoo import stages
from fer_zoo.errors import InputError
from fer_zoo.folding import to_channels_last
from fer_zoo.sharing import Sharing
from fer_zoo.specs import Backbone, Fusion, FusionSite, InputSpec, ModelSpec, Temporal, WeightsCard, class_labels

_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class Network(nn.Module):
    """What predicts from clips: a `FERModel`, or one exported to a file. It has labels, an input spec and a card.

    Attributes:
        card: terms and metrics of the weights; None unless exactly these weights were loaded.
        started_from: name of the weights that were loaded before the classifier was replaced or training started; None
            if there were none.
        weights_folder: folder that the weights were loaded from; None if they were not.
    """

    def __init__(self, spec: ModelSpec, card: WeightsCard | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.card = card
        self.started_from: str | None = None
        self.weights_folder: Path | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the logits; empty where the network returns embeddings."""
        return self.spec.labels

    @property
    def input_spec(self) -> InputSpec:
        """Required input: frames, size, frame rate, crop, normalisation, landmarks."""
        return self.spec.input

    @property
    def needs_landmarks(self) -> bool:
        """Whether `forward` needs landmarks."""
        raise NotImplementedError

    @property
    def classifier_is_untrained(self) -> bool:
        """Whether the classifier has random weights."""
        raise NotImplementedError

    if TYPE_CHECKING:  # nn.Module's takes and returns Any

        def __call__(self, clip: Tensor, landmarks: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
            """Call `forward`."""

    @property
    def _reference(self) -> Tensor:
        """A parameter that has the device and number type of the network."""
        return next(self.parameters())

    def _points(self, landmarks: Tensor | None, lengths: Tensor | None, beside: Tensor) -> Tensor:
        """Check the landmarks, and set those of padded frames to NaN."""
        expected = (beside.shape[0], self.input_spec.frames, self.input_spec.landmarks.points, 2)
        if not isinstance(landmarks, Tensor) or tuple(landmarks.shape) != expected:
            given = "no landmarks" if landmarks is None else f"landmarks {_described(landmarks)}"
            raise InputError(
                f"{self.spec.name} was given {given}.",
                f"{expected}: batch, frame, landmark, (x, y) in clip pixels; NaN where no face was found",
                "pass `model(clip, landmarks)`, or use a model without landmark fusion"
                if landmarks is None
                else "give landmarks of that shape, for every frame of the clip",
            )
        if landmarks.dtype not in (torch.float32, torch.float64) or landmarks.device != beside.device:
            raise InputError(
                f"{self.spec.name} was given landmarks of {landmarks.dtype} on {landmarks.device}.",
                f"float32 (half precision would move landmarks by pixels) on {beside.device}, like the clip",
                f'pass landmarks.float().to("{beside.device}")',
            )
        if lengths is None:
            return landmarks
        real = torch.arange(expected[1], device=landmarks.device) < lengths.to(landmarks.device)[:, None]
        return landmarks.masked_fill(~real[..., None, None], torch.nan)

    def _check_clip(self, clip: Tensor) -> None:
        expected = (3, self.input_spec.frames, self.input_spec.size, self.input_spec.size)
        if not isinstance(clip, Tensor) or clip.ndim != 5 or tuple(clip.shape[1:]) != expected:
            raise InputError(
                f"A clip {_described(clip)} was given.",
                f"(batch, {', '.join(map(str, expected))}): batch, channel, frame, height, width",
                "crop and resize as in `model.input_spec`, or create the model with other `frames` and `size`",
            )
        weight = self._reference
        fits = clip.device == weight.device
        if fits and clip.dtype != weight.dtype:
            fits = clip.is_floating_point() and torch.is_autocast_enabled(clip.device.type)
        if not fits:
            raise InputError(
                f"A clip of {clip.dtype} on {clip.device} was given.",
                f"{weight.dtype} on {weight.device}, like the weights, normalised as in `model.input_spec`",
                "use `fer_zoo.video.crop.normalise` for uint8 frames, and `.to(...)` for the clip or the model",
            )


class FERModel(Sharing, Network):
    """A network for facial expressions in clips, built from registered parts, with its labels and input spec.

    `model(clip (B, 3, T, H, W), landmarks (B, T, 68, 2) in clip pixels) -> logits (B, len(labels))`.

    Attributes:
        num_features: size E of the embedding that the classifier reads.
        initial: what run.json says about the weights that a training run starts from; empty if there are none.
    """

    def __init__(
        self,
        spec: ModelSpec,
        backbone: nn.Module,
        fusion: nn.Module,
        temporal: nn.Module,
        *,
        site: FusionSite = "none",
        channels: int | None = None,
        embedding: int | None = None,
        cells: int = 1,
        card: WeightsCard | None = None,
    ) -> None:
        super().__init__(spec, card)
        self.site = site
        self.backbone = backbone
        self.fusion = fusion
        # The paper averages 3 x 3 neighbours with stride 1, which keeps the grid (figure 1).
        self.pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self._channels = channels or cast(Backbone, backbone).output.channels
        self.head_norm: nn.Module = nn.Identity()
        if spec.head_norm == "batch":
            self.head_norm = nn.BatchNorm2d(self._channels)
            # The head reads `cells` features per channel of a flattened map. With a weight of 1, the first step of Adam
            # would move every unit of the head by several standard deviations; this makes it equal to pooled features.
            nn.init.constant_(self.head_norm.weight, 1 / cells)
        self.dropout = nn.Dropout(spec.dropout)
        self.temporal = temporal
        self.num_features = embedding or cast(Temporal, temporal).out_features
        self.classifier: nn.Module = nn.Linear(self.num_features, len(spec.labels)) if spec.labels else nn.Identity()
        self.initial: dict[str, Any] = {}
        self._drawn: Tensor | None = None
        self._frozen: frozenset[str] = frozenset()

    @property
    def classifier_is_untrained(self) -> bool:
        """Whether `reset_classifier` drew the classifier at random and no step of an optimizer has changed it since."""
        if self._drawn is None or not isinstance(self.classifier, nn.Linear):
            return False
        weight = self.classifier.weight.detach()
        return torch.equal(weight, self._drawn.to(weight))

    @property
    def needs_landmarks(self) -> bool:
        """Whether `forward` needs landmarks."""
        return self.site != "none"

    def forward(self, clip: Tensor, landmarks: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        """Return logits (B, classes) of clips (B, 3, T, H, W) and their landmarks (B, T, 68, 2) in clip pixels.

        After `reset_classifier(num_classes=0)` return embeddings (B, num_features).

        `lengths` (B,), integers from 1 to T, is the number of real frames of each clip in a batch of clips padded at
        the end: time steps centred on padding are ignored. A backbone whose kernels span several frames still reads
        padding next to the last real frames, so pad by repeating the last frame. In training, padding also enters the
        statistics of batch norms, so it must never be NaN.

        Raises:
            InputError: clip, landmarks or lengths do not have the declared shape, or landmarks are missing.
        """
        return self.forward_head(self.forward_features(clip, landmarks, lengths), landmarks, lengths)

    def forward_features(self, clip: Tensor, landmarks: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        """Return features (B, D, T', H', W') of clips; landmarks are used by fusions at the sites up to the features.

        Raises:
            InputError: as `forward`.
        """
        self._check_clip(clip)
        self._check_lengths(lengths, clip)
        backbone, fusion, size = cast(Backbone, self.backbone), cast(Fusion, self.fusion), self._clip_size
        if self.input_spec.local_contrast:
            clip = local_contrast(clip)
        if self.site == "none":
            return backbone(clip)
        points = self._points(landmarks, lengths, clip)
        if self.site == "input":
            return backbone(fusion(clip, points, size))
        if self.site == "residual":
            return backbone(clip, lambda site, shortcut: fusion(shortcut, points, size, site))
        return fusion(backbone(clip), points, size) if self.site == "features" else backbone(clip)

    def forward_head(self, features: Tensor, landmarks: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        """Return logits (B, classes) of features (B, D, T', H', W'); landmarks are used by fusions of the embedding.

        Raises:
            InputError: landmarks are missing, or landmarks or lengths do not have the declared shape.
        """
        logits: Tensor = self.classifier(self._embedding(features, landmarks, lengths))
        return logits

    def embed(self, clip: Tensor, landmarks: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        """Return what the classifier reads: embeddings (B, num_features) of clips; arguments as `forward`.

        Raises:
            InputError: as `forward`.
        """
        return self._embedding(self.forward_features(clip, landmarks, lengths), landmarks, lengths)

    def _embedding(self, features: Tensor, landmarks: Tensor | None, lengths: Tensor | None) -> Tensor:
        self._check_features(features)
        self._check_lengths(lengths, features)
        frames = features.transpose(1, 2)
        pooled = self.head_norm(self.pool(frames.flatten(0, 1))).unflatten(0, frames.shape[:2])
        sequence = self.dropout(pool_grid(pooled, self.spec.pool))
        mask = None if lengths is None else self._mask(lengths, sequence.shape[1])
        embedding: Tensor = self.temporal(sequence, mask)
        if self.site == "embedding":
            points = self._points(landmarks, lengths, features)
            embedding = cast(Fusion, self.fusion)(embedding, points, self._clip_size)
        return embedding

    def reset_classifier(self, labels: Sequence[str] | None = None, num_classes: int | None = None) -> None:
        """Replace the classifier with a randomly initialised one for other labels; the other weights are kept.

        With `num_classes=0` there is no classifier, and `forward` returns embeddings (B, num_features).

        Raises:
            OptionError: both or none of labels and num_classes, fewer than two labels, or a duplicate label.
        """
        if labels is None and type(num_classes) is int and num_classes == 0:
            self.spec = self.spec.model_copy(update={"labels": ()})  # ModelSpec.checked requires two labels
            classifier: nn.Module = nn.Identity()
            self._drawn = None
        else:
            self.spec = ModelSpec.checked({**self.spec.model_dump(), "labels": class_labels(labels, num_classes)})
            like = self._reference
            classifier = nn.Linear(self.num_features, len(self.labels), device=like.device, dtype=like.dtype)
            self._drawn = classifier.weight.detach().clone()
        self.classifier = classifier
        self._frozen -= {"classifier"}
        if self.card is not None:
            self.started_from = self.card.name
        self.card = None  # its metrics are those of the old classifier

    def extra_repr(self) -> str:
        """The first line of `repr(model)`: name, weights, and whether the classifier is untrained."""
        facts = [self.spec.name]
        if self.card is not None:
            facts.append(f"weights {self.card.name}")
        elif self.started_from is not None:
            facts.append(f"started from {self.started_from}")
        if not self.labels:
            facts.append("embeddings")
        elif self.classifier_is_untrained:
            facts.append("classifier untrained")
        return ", ".join(facts)

    def channels_last(self) -> Self:
        """Convert the weights to channels-last layout, which is faster for convolutions; clips may have either layout.

        Unlike `.to(memory_format=torch.channels_last_3d)` it works for networks with both 2D and 3D convolutions.
        """
        return to_channels_last(self)

    def stages(self) -> dict[str, tuple[str, ...]]:
        """Return the parameter names of each stage, from input to output: the backbone's, then fusion, temporal, ..."""
        return stages.stage_parameters(self)

    def freeze(self, *names: str) -> None:
        """Freeze stages (all, if none is named), including their batch-norm statistics and dropout.

        Names may be patterns ("unit_*"); "backbone" means all stages of the backbone, "lower_half" the first half.

        Raises:
            UnknownNameError: there is no such stage.
        """
        chosen = stages.chosen(self, names)
        self._frozen |= chosen
        stages.set_trained(self, chosen, trained=False)

    def unfreeze(self, *names: str) -> None:
        """Unfreeze stages (all, if none is named).

        Raises:
            UnknownNameError: there is no such stage.
        """
        chosen = stages.chosen(self, names)
        self._frozen -= chosen
        stages.set_trained(self, chosen, trained=True)

    def train(self, mode: bool = True) -> Self:
        """Switch to training or evaluation mode; frozen stages stay in evaluation mode."""
        super().train(mode)
        stages.keep_frozen(self, self._frozen)
        return self

    @property
    def _reference(self) -> Tensor:
        """A parameter that has the device and number type of the network."""
        return self.classifier.weight if isinstance(self.classifier, nn.Linear) else next(self.parameters())

    @property
    def _clip_size(self) -> tuple[int, int]:
        return (self.input_spec.size, self.input_spec.size)

    def _check_lengths(self, lengths: Tensor | None, beside: Tensor) -> None:
        if lengths is None:
            return
        frames, batch = self.input_spec.frames, beside.shape[0]
        fits = isinstance(lengths, Tensor) and lengths.dtype in _INTEGERS and lengths.shape == (batch,)
        # Values are not checked while a graph is traced, because it cannot depend on them.
        if fits and not torch.compiler.is_compiling():
            fits = bool(((lengths >= 1) & (lengths <= frames)).all()) and lengths.device == beside.device
        if not fits:
            raise InputError(
                f"The lengths {_described(lengths, values=True)} were given.",
                f"{batch} integers on {beside.device}, each from 1 to {frames}: the number of real frames of each clip",
                "omit `lengths` if no clip is padded",
            )

    def _mask(self, lengths: Tensor, steps: int) -> Tensor:
        """Return which time steps (B, T') are centred on a real frame; step 0 always counts as one."""
        centres = torch.tensor(cast(Backbone, self.backbone).output.centres(steps), device=lengths.device)
        centres[0] = 0
        return centres < lengths[:, None]

    def _check_features(self, features: Tensor) -> None:
        if not isinstance(features, Tensor) or features.ndim != 5 or features.shape[1] != self._channels:
            raise InputError(
                f"Features {_described(features)} were given.",
                f"(batch, {self._channels}, T', H', W'), as returned by forward_features",
                "pass the result of `model.forward_features(clip, ...)`",
            )


def local_contrast(clip: Tensor) -> Tensor:
    """Return grey minus its mean nearby, divided by its deviation nearby; (B, 3, T, H, W), all channels alike.

    Nearby is a triangular window as wide as two fifths of the picture (Jarrett et al., ICCV 2009, without their
    learned filters).
    """
    batch, _, frames, height, width = clip.shape
    grey = clip.float().mean(1).reshape(batch * frames, 1, height, width)
    reach = height // 10, width // 10

    def nearby(values: Tensor) -> Tensor:
        for _ in range(2):
            padded = F.pad(values, (reach[1], reach[1], reach[0], reach[0]), mode="reflect")
            values = F.avg_pool2d(F.avg_pool2d(padded, (2 * reach[0] + 1, 1), 1), (1, 2 * reach[1] + 1), 1)
        return values

    centred = grey - nearby(grey)
    # Flat parts have no contrast, only noise.
    contrast = (centred / (nearby(centred.square()).sqrt() + 0.15)).clamp(-3, 3)
    return contrast.reshape(batch, 1, frames, height, width).expand(-1, 3, -1, -1, -1).to(clip.dtype)


def _described(given: object, *, values: bool = False) -> str:
    """Describe an invalid tensor argument in an error."""
    if not isinstance(given, Tensor):
        return f"of type {type(given).__name__}"
    return str(given.tolist()) if values and given.numel() <= 32 else f"of shape {tuple(given.shape)}"


def pool_grid(features: Tensor, pool: str) -> Tensor:
    """Turn features (B, T, D, H, W) into a sequence (B, T, D) by mean, or (B, T, D * H * W) by flattening."""
    return features.mean((3, 4)) if pool == "mean" else features.flatten(2)
