"""FERModel: fusion inside the backbone's residual sites, pool, temporal head, classifier."""

from __future__ import annotations

from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from fer_zoo.errors import InputError
from fer_zoo.specs import Backbone, Fusion, InputSpec, ModelSpec, Temporal, WeightsCard


class FERModel(nn.Module):
    """A network for facial expressions in clips, composed of registered parts; carries its labels and input spec.

    `model(clip (B, 3, T, H, W), landmarks (B, T, 68, 2) in clip pixels) -> logits (B, len(labels))`.
    """

    def __init__(
        self,
        spec: ModelSpec,
        backbone: nn.Module,
        fusion: nn.Module,
        temporal: nn.Module,
        card: WeightsCard | None = None,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.card = card
        self.backbone = backbone
        self.fusion = fusion
        # The paper averages 3 x 3 neighbours at stride 1, so the grid stays (figure 1).
        self.pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        batch = spec.head_norm == "batch"
        self.head_norm = nn.BatchNorm2d(cast(Backbone, backbone).out_channels) if batch else nn.Identity()
        self.dropout = nn.Dropout(spec.dropout)
        self.temporal = temporal
        self.classifier = nn.Linear(cast(Temporal, temporal).out_features, len(spec.labels))

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""
        return self.spec.labels

    @property
    def input_spec(self) -> InputSpec:
        """What a clip must be: frames, size, rate, crop, normalisation, landmarks."""
        return self.spec.input

    @property
    def needs_landmarks(self) -> bool:
        """Whether `forward` must be given landmarks."""
        return cast(Fusion, self.fusion).site != "none"

    def forward(self, clip: Tensor, landmarks: Tensor | None = None) -> Tensor:
        """Return logits (B, classes) of clips (B, 3, T, H, W) and their landmarks (B, T, 68, 2) in clip pixels.

        Raises:
            InputError: the clip or the landmarks do not have the declared shape, or are missing.
        """
        return self.forward_head(self.forward_features(clip, landmarks))

    def forward_features(self, clip: Tensor, landmarks: Tensor | None = None) -> Tensor:
        """Return the backbone's features (B, D, T', H', W'), landmarks fused in.

        Raises:
            InputError: the clip or the landmarks do not have the declared shape, or are missing.
        """
        self._check(clip, landmarks)
        backbone = cast(Backbone, self.backbone)
        if not self.needs_landmarks:
            return backbone(clip)
        size = (self.input_spec.size, self.input_spec.size)
        return backbone(clip, partial(self.fusion, landmarks=landmarks, clip_size=size))

    def forward_head(self, features: Tensor) -> Tensor:
        """Return logits (B, classes) of features (B, D, T', H', W')."""
        frames = features.transpose(1, 2)
        pooled = self.head_norm(self.pool(frames.flatten(0, 1))).unflatten(0, frames.shape[:2])
        embedding = self.temporal(self.dropout(pool_grid(pooled, self.spec.pool)))
        logits: Tensor = self.classifier(embedding)
        return logits

    def _check(self, clip: Tensor, landmarks: Tensor | None) -> None:
        wanted = (3, self.input_spec.frames, self.input_spec.size, self.input_spec.size)
        if clip.ndim != 5 or tuple(clip.shape[1:]) != wanted:
            raise InputError(
                f"A clip of shape {tuple(clip.shape)} was given.",
                f"(batch, {', '.join(map(str, wanted))}): batch, channel, frame, height, width",
                "cut and resize by `model.input_spec`, or create the model with other `frames` and `size`",
            )
        if not self.needs_landmarks:
            return
        points = (clip.shape[0], clip.shape[2], self.input_spec.landmarks.points, 2)
        if landmarks is None or tuple(landmarks.shape) != points:
            given = "no landmarks" if landmarks is None else f"landmarks of shape {tuple(landmarks.shape)}"
            raise InputError(
                f"{self.spec.name} was given {given}.",
                f"{points}: batch, frame, point, (x, y) in clip pixels; NaN where no face was found",
                "pass `model(clip, landmarks)`, or use a model without landmark fusion",
            )


def pool_grid(features: Tensor, pool: str) -> Tensor:
    """Turn features (B, T, D, H, W) into a sequence (B, T, D) by mean, or (B, T, D * H * W) by flattening."""
    return features.mean((3, 4)) if pool == "mean" else features.flatten(2)


def feature_shape(backbone: nn.Module, spec: InputSpec) -> tuple[int, ...]:
    """Return the shape (D, T', H', W') of the backbone's features, found without computing them.

    Raises:
        InputError: the declared clip is too small for the backbone.
    """
    state = {**dict(backbone.named_parameters()), **dict(backbone.named_buffers())}
    on_meta = {name: torch.empty_like(tensor, device="meta") for name, tensor in state.items()}
    clip = torch.empty(2, 3, spec.frames, spec.size, spec.size, device="meta")
    try:
        features = torch.func.functional_call(backbone, on_meta, (clip,))
    except RuntimeError as error:
        raise InputError(
            f"A clip of {spec.frames} frames of {spec.size} x {spec.size} is too small for this backbone: {error}",
            "more frames or larger frames",
            "raise input.frames or input.size",
        ) from error
    return tuple(features.shape[1:])
