"""Summary of a model: parameters, multiply-accumulates, input, labels, weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from fer_zoo.compose import build, model_spec
from fer_zoo.errors import OptionError
from fer_zoo.listing import list_weights
from fer_zoo.model import FERModel
from fer_zoo.names import split_tag
from fer_zoo.specs import InputSpec, ModelSpec, WeightsCard
from fer_zoo.weights.folder import read_folder
from fer_zoo.weights_table import bundled, find


@dataclass(frozen=True)
class ModelInfo:
    """Summary of a model; `gmac` counts 10^9 multiply-accumulates of convolutions and matrix products per clip."""

    name: str
    parameters: int
    parameters_of: Mapping[str, int]
    gmac: float
    features: tuple[int, ...]
    input: InputSpec
    labels: tuple[str, ...]
    needs_landmarks: bool
    cards: Mapping[str, WeightsCard]
    other_weights: tuple[str, ...] = ()
    """Names of weights of the same components with other options, such as another width or number of frames."""

    def __str__(self) -> str:
        clip = f"{self.input.frames} x {self.input.size} x {self.input.size} at {self.input.fps:g} frames/s"
        lines = [
            self.name,
            f"  parameters  {self.parameters / 1e6:.2f} M "
            f"({', '.join(f'{part} {count / 1e6:.2f}' for part, count in self.parameters_of.items())})",
            f"  GMAC        {self.gmac:.2f} per clip",
            f"  clip        {clip}; features {' x '.join(map(str, self.features))}",
            f"  landmarks   {'needed' if self.needs_landmarks else 'not used'}",
            f"  labels      {', '.join(self.labels)}",
        ]
        others = (f"{name} (with other options: see `fer-zoo info {name}`)" for name in self.other_weights)
        lines.append(f"  weights     {', '.join([*self.cards, *others]) or 'none'}")
        return "\n".join(lines)


def model_info(model: str | ModelSpec | FERModel, **options: Any) -> ModelInfo:
    """Return the summary of a model: a name with options, `model.tag`, a spec, or a model.

    The network is built on device "meta": no weights are allocated.

    Raises:
        UnknownNameError, OptionError, IncompatibleComponentsError, WeightsError: as `create_model`.
    """
    spec = _spec(model, options)
    with torch.device("meta"):  # the paper's network with a flattened map has 69 M parameters
        network = build(spec).eval()
    gmac, features = _measure(network)
    cards, others = _cards(spec)
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}
    return ModelInfo(
        name=spec.name,
        parameters=sum(parts.values()),
        parameters_of={name: count for name, count in parts.items() if count},
        gmac=gmac,
        features=features,
        input=spec.input,
        labels=spec.labels,
        needs_landmarks=network.needs_landmarks,
        cards=cards,
        other_weights=others,
    )


def _spec(model: str | ModelSpec | FERModel, options: Mapping[str, Any]) -> ModelSpec:
    if isinstance(model, str):
        architecture, tag = split_tag(model)
        if not tag:
            return model_spec(model, **options)
        found = read_folder(find(architecture, tag)).spec
    else:
        found = model if isinstance(model, ModelSpec) else model.spec
    if options:
        raise OptionError(
            f"The options {sorted(options)} cannot be applied to an existing model.",
            "options together with a model name only",
            "omit them, or pass the name of the model",
        )
    return found


def _measure(network: FERModel) -> tuple[float, tuple[int, ...]]:
    spec = network.input_spec
    clip = torch.empty(1, 3, spec.frames, spec.size, spec.size, device="meta")
    landmarks = torch.empty(1, spec.frames, spec.landmarks.points, 2, device="meta")
    # With gradients: without them torch's transformer uses a fused kernel that the counter does not know.
    with FlopCounterMode(display=False) as counter:
        features = network.forward_features(clip, landmarks)
        network.forward_head(features, landmarks)
    return counter.get_total_flops() / 2e9, tuple(features.shape[1:])


def _cards(spec: ModelSpec) -> tuple[dict[str, WeightsCard], tuple[str, ...]]:
    """Return the cards of the model's weights, and the names of those that have other options."""
    # Cards of weights on the Hub are not fetched.
    there = bundled()
    found = {name: read_folder(there[name]) for name in list_weights(spec.name) if name in there}
    # The landmarker is no part of the network: newer weights of a model can come with another.
    network = {"input": {"landmarks": {"detector"}}}
    wanted = spec.model_dump(exclude=network)
    cards = {name: folder.card for name, folder in found.items() if folder.spec.model_dump(exclude=network) == wanted}
    return cards, tuple(name for name in found if name not in cards)
