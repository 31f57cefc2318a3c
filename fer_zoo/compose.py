"""Model names and options to specs, and specs to networks."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import nn

from fer_zoo.entries import did_you_mean
from fer_zoo.errors import IncompatibleComponentsError, InputError, OptionError
from fer_zoo.model import FERModel
from fer_zoo.names import conflict, fusions_for, parse_name, suited
from fer_zoo.registry import BACKBONES, FUSIONS, TEMPORALS, Entry
from fer_zoo.specs import Backbone, ComponentSpec, FusionSite, InputSpec, ModelSpec, Temporal, class_labels

_INPUT_OPTIONS = tuple(InputSpec.model_fields)
_MODEL_OPTIONS = ("pool", "head_norm", "dropout")
# Shapes of features found so far: the forward pass that finds one takes three quarters of the time to build a network.
_shapes: dict[tuple[Any, ...], tuple[int, ...]] = {}
# Large enough for any backbone: if this fails, the size is not the problem.
_AMPLE_FRAMES, _AMPLE_SIZE = 64, 512
# Below these, a forward pass (0.05 s) is faster than the first use of the meta device, which imports torch's compiler
# (1.3 s).
_SMALL_NETWORK, _SMALL_CLIP = 4_000_000, 3 * 10 * 112 * 112


def model_spec(
    name: str, *, labels: Sequence[str] | None = None, num_classes: int | None = None, **options: Any
) -> ModelSpec:
    """Return the spec of a model from its name and options; the arguments are those of `create_model`."""
    entries = dict(zip(("backbone", "temporal", "fusion"), parse_name(name), strict=True))
    fields: dict[str, Any] = {kind: {"name": entry.name} for kind, entry in entries.items()} | {"input": {}}
    for path, value in suited(*entries.values()).items():
        _put(fields, path, value)
    given = options.pop("input", None)
    if given is not None:
        whole = given.model_dump() if isinstance(given, InputSpec) else given
        if not isinstance(whole, Mapping):
            raise OptionError(
                f"input={given!r}.", f"an InputSpec, or a dict with {', '.join(_INPUT_OPTIONS)}", "correct it"
            )
        fields["input"].update(whole)
    stated: dict[tuple[str, ...], str] = {}
    for key, value in options.items():
        path = _path(key, entries)
        if path in stated:
            raise OptionError(
                f"{stated[path]!r} and {key!r} are the same option.", "each option once", "remove one of them"
            )
        stated[path] = key
        _put(fields, path, value)
    if labels is not None or num_classes is not None:
        fields["labels"] = class_labels(labels, num_classes)
    fields["input"] = InputSpec.checked(fields["input"])
    return ModelSpec.checked(fields)


def _put(fields: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    target = fields if len(path) == 1 else fields[path[0]]
    target[path[-1]] = value


def resolved(spec: ModelSpec, *, weights: bool = False) -> ModelSpec:
    """Return a spec that builds the same network anywhere: the config of a Hub model in place of its name alone.

    Args:
        weights: the backbone's published weights will be loaded: also pin the commit that they come from.

    Raises:
        UnknownNameError, OptionError: the backbone or an option does not exist.
        HubError: the Hub model cannot be found.
    """
    name = spec.backbone.name
    options = BACKBONES.get(name).resolved(spec.backbone.options, weights=weights)
    if options == spec.backbone.options:
        return spec
    return spec.model_copy(update={"backbone": ComponentSpec(**{"name": name, **options})})


def build(spec: ModelSpec) -> FERModel:
    """Build the network of a spec, with random weights.

    Raises:
        UnknownNameError, OptionError: a component or option does not exist.
        IncompatibleComponentsError: the backbone does not have the fusion's site.
        InputError: the clip is too small for the backbone.
    """
    spec = resolved(spec)
    of_backbone, of_fusion = BACKBONES.get(spec.backbone.name), FUSIONS.get(spec.fusion.name)
    if reason := conflict(of_backbone, of_fusion):
        raise IncompatibleComponentsError(
            f"{spec.name} cannot be built: {reason}.",
            f"with {of_backbone.name!r}: {', '.join(fusions_for(of_backbone))}",
            "choose another backbone or fusion",
        )
    site: FusionSite = of_fusion.defaults["site"]
    fused: nn.Module | None = None
    if site in ("none", "input"):
        fused = of_fusion.build(options=spec.fusion.options)
    in_channels = 3 + (cast(int, fused.extra_channels) if fused is not None and site == "input" else 0)
    backbone = of_backbone.build(options=spec.backbone.options, in_channels=in_channels, input=spec.input)
    output = cast(Backbone, backbone).output
    factory = getattr(of_backbone.factory, "func", of_backbone.factory)  # a member of a family is a partial
    key = (factory, repr(spec.backbone), repr(spec.input), in_channels)
    if key not in _shapes:
        _shapes[key] = feature_shape(backbone, spec.input, in_channels)
    depth, _, height, width = _shapes[key]
    if site == "residual":
        fused = of_fusion.build(options=spec.fusion.options, sites=cast(Backbone, backbone).residual_sites)
    elif site == "features":
        fused = of_fusion.build(options=spec.fusion.options, features=output)
        depth = cast(int, fused.out_channels)
    cells = 1 if spec.pool == "mean" else height * width
    head = TEMPORALS.get(spec.temporal.name).build(options=spec.temporal.options, in_features=depth * cells)
    embedding = cast(Temporal, head).out_features
    if site == "embedding":
        fused = of_fusion.build(options=spec.fusion.options, in_features=embedding)
        embedding = cast(int, fused.out_features)
    assert fused is not None
    return FERModel(spec, backbone, fused, head, site=site, channels=depth, embedding=embedding, cells=cells)


def feature_shape(backbone: nn.Module, spec: InputSpec, in_channels: int = 3) -> tuple[int, ...]:
    """Return the shape (D, T', H', W') of the backbone's features.

    Raises:
        InputError: the clip is too small for the backbone.
    """

    def shape(frames: int, size: int) -> tuple[int, ...]:
        clip = (in_channels, frames, size, size)
        return _computed(backbone, clip) if _is_small(backbone, clip) else _on_meta(backbone, clip)

    try:
        return shape(spec.frames, spec.size)
    except RuntimeError as error:
        given = f"A clip of {spec.frames} frames of {spec.size} x {spec.size} does not fit this backbone"
        least_frames = _least(lambda frames: shape(frames, _AMPLE_SIZE), _AMPLE_FRAMES)
        least_size = _least(lambda size: shape(_AMPLE_FRAMES, size), _AMPLE_SIZE)
        if least_frames is None or least_size is None:
            raise InputError(
                f"{given}: {error}", "a clip of another shape", "change input.frames or input.size"
            ) from error
        accepted = f"at least {least_frames} frames of {least_size} x {least_size}"
        raise InputError(f"{given}.", accepted, "raise `frames` or `size` (input.frames, input.size)") from error


def _is_small(backbone: nn.Module, clip: tuple[int, ...]) -> bool:
    parameters = list(backbone.parameters())
    on_cpu = all(parameter.device.type == "cpu" for parameter in parameters)
    return on_cpu and sum(p.numel() for p in parameters) <= _SMALL_NETWORK and math.prod(clip) <= _SMALL_CLIP


@torch.no_grad()
def _computed(backbone: nn.Module, clip: tuple[int, ...]) -> tuple[int, ...]:
    mode = backbone.training
    backbone.eval()  # keep batch-norm statistics unchanged
    try:
        return tuple(backbone(torch.zeros(1, *clip)).shape[1:])
    finally:
        backbone.train(mode)


def _on_meta(backbone: nn.Module, clip: tuple[int, ...]) -> tuple[int, ...]:
    state = {**dict(backbone.named_parameters()), **dict(backbone.named_buffers())}
    on_meta = {name: torch.empty_like(tensor, device="meta") for name, tensor in state.items()}
    return tuple(torch.func.functional_call(backbone, on_meta, (torch.empty(2, *clip, device="meta"),)).shape[1:])


def _least(attempt: Callable[[int], object], ample: int) -> int | None:
    """Return the smallest number up to `ample` for which `attempt` raises no RuntimeError; None if there is none."""

    def works(number: int) -> bool:
        try:
            attempt(number)
        except RuntimeError:
            return False
        return True

    return 1 + bisect_left(range(1, ample), True, key=works) if works(ample) else None


def _path(key: str, entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """Return the place of an option in a ModelSpec; `temporal.hidden` names the part, `hidden` must be unique."""
    places = [(kind, name) for kind, entry in entries.items() for name in entry.options]
    places += [("input", name) for name in _INPUT_OPTIONS] + [("model", name) for name in _MODEL_OPTIONS]
    fitting = [place for place in places if key in (place[1], ".".join(place))]
    if len(fitting) == 1:
        return fitting[0][1:] if fitting[0][0] == "model" else fitting[0]
    names = [".".join(place) for place in places]
    if fitting:
        parts = " and ".join(place[0] for place in fitting)
        raise OptionError(
            f"Option {key!r} is ambiguous: {parts} have it.",
            ", ".join(".".join(place) for place in fitting),
            f'write **{{"{fitting[0][0]}.{key}": ...}}',
        )
    raise OptionError(
        f"No part has an option {key!r}{did_you_mean(key, [*names, *(name for _, name in places)])}.",
        ", ".join([*names, "labels", "num_classes"]),
        "use one of these; the name of the part may be omitted if only one part has the option",
    )
