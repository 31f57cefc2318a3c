"""Names to models: create_model, list_models. Nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, cast

from pydantic import ValidationError

from fer_zoo import backbones, fusion, temporal  # noqa: F401  (importing registers the components)
from fer_zoo.errors import IncompatibleComponentsError, OptionError
from fer_zoo.model import FERModel, feature_shape
from fer_zoo.registry import BACKBONES, FUSIONS, REGISTRIES, TEMPORALS, Entry, unknown_name
from fer_zoo.specs import Backbone, ComponentSpec, Fusion, InputSpec, ModelSpec

_INPUT_DEFAULTS = ("size", "frames")
_MODEL_OPTIONS = ("pool", "head_norm", "dropout", "input")


def create_model(
    name: str,
    pretrained: bool | str = False,
    *,
    labels: Sequence[str] | None = None,
    num_classes: int | None = None,
    **options: Any,
) -> FERModel:
    """Create a model by name, `<backbone>_<temporal>[_<fusion>]`, e.g. "incres3d_lstm_lm" (the paper's network).

    Args:
        name: model name, or `model.tag` for given weights.
        pretrained: False for random weights; True or a tag loads them strictly, sha256 checked, or raises.
        labels: class names in the order of the logits; default the seven of `specs.SEVEN_LABELS`.
        num_classes: shorthand for labels "class_0", "class_1", ...
        options: component options, e.g. `width=0.5`, `hidden=128`, `pool="mean"`; `size` and `frames` of the input;
            write `**{"backbone.width": 0.5}` where two components have an option of the same name.

    Raises:
        UnknownNameError: no such model. OptionError: no such option, or a wrong value.
        WeightsError: no such weights, or weights that do not fit.
    """
    architecture, _, tag = name.partition(".")
    if tag and isinstance(pretrained, str) and pretrained != tag:
        raise OptionError(f"{name!r} with pretrained={pretrained!r}.", "one tag", "drop one of them")
    wanted: bool | str = tag or pretrained
    if wanted is False:
        return build(model_spec(architecture, labels=labels, num_classes=num_classes, **options))
    if options or labels is not None or num_classes is not None:
        raise OptionError(
            f"Options {sorted(options) or 'labels'} were given for pretrained {name!r}.",
            "no options: pretrained weights fix labels, input and architecture",
            "leave them out, or create the model with pretrained=False and train it",
        )
    parse_name(architecture)
    from fer_zoo import weights

    return weights.load_weights(weights.find(architecture, None if wanted is True else wanted))


def list_models(pattern: str = "*", *, pretrained: bool = False) -> list[str]:
    """List model names that match a wildcard pattern; with `pretrained`, `model.tag` of all that have weights."""
    if pretrained:
        from fer_zoo import weights

        names = sorted(weights.bundled())
        return [name for name in names if fnmatchcase(name, pattern) or fnmatchcase(name.partition(".")[0], pattern)]
    parts = itertools.product(BACKBONES.names(), TEMPORALS.names(), FUSIONS.names())
    names = sorted("_".join(part for part in combination if part != "none") for combination in parts)
    return [name for name in names if fnmatchcase(name, pattern)]


def list_components(kind: str) -> list[str]:
    """List the registered names of a kind: "backbone", "temporal", "fusion", "landmarker" or "dataset".

    Raises:
        UnknownNameError: there is no such kind.
    """
    if kind not in REGISTRIES:
        raise unknown_name("kind of component", kind, REGISTRIES, "use one of these")
    return REGISTRIES[kind].names()


def parse_name(name: str) -> tuple[Entry, Entry, Entry]:
    """Split a model name into the entries of its backbone, temporal head and fusion.

    Raises:
        UnknownNameError: the name is no combination of registered parts.
    """
    for backbone in BACKBONES.names():
        for temporal_name in TEMPORALS.names():
            for fusion_name in FUSIONS.names():
                suffix = "" if fusion_name == "none" else f"_{fusion_name}"
                if name == f"{backbone}_{temporal_name}{suffix}":
                    return BACKBONES.get(backbone), TEMPORALS.get(temporal_name), FUSIONS.get(fusion_name)
    raise unknown_name("model", name, list_models(), "fer_zoo.list_models() lists them")


def model_spec(
    name: str, *, labels: Sequence[str] | None = None, num_classes: int | None = None, **options: Any
) -> ModelSpec:
    """Return the spec of a named model with options applied; the arguments are those of `create_model`."""
    entries = dict(zip(("backbone", "temporal", "fusion"), parse_name(name), strict=True))
    parts: dict[str, dict[str, Any]] = {kind: {} for kind in entries}
    size_and_frames: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    known = {*_MODEL_OPTIONS, *_INPUT_DEFAULTS, *(option for entry in entries.values() for option in entry.options)}
    # What suits a backbone (a small one wants a small head and window), as far as the other parts have such options.
    suited = {key: value for key, value in entries["backbone"].defaults.items() if key in known}
    for key, value in {**suited, **options}.items():
        if key in _MODEL_OPTIONS:
            fields[key] = value
        elif key in _INPUT_DEFAULTS:
            size_and_frames[key] = value
        else:
            kind, option = _owner(key, entries)
            parts[kind][option] = value
    if num_classes is not None:
        if labels is not None:
            raise OptionError("Both labels and num_classes were given.", "one of them", "drop num_classes")
        labels = [f"class_{i}" for i in range(num_classes)]
    if labels is not None:
        fields["labels"] = tuple(labels)
    try:
        fields.setdefault("input", InputSpec(**size_and_frames))
        components = {kind: ComponentSpec(name=entry.name, **parts[kind]) for kind, entry in entries.items()}
        return ModelSpec(**components, **fields)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise OptionError(f"{name}: {problems}", "see fer_zoo.specs.ModelSpec", "correct the named option") from error


def build(spec: ModelSpec) -> FERModel:
    """Build the network of a spec with random weights.

    Raises:
        UnknownNameError, OptionError: a component or option does not exist.
        IncompatibleComponentsError: the backbone does not offer the fusion's site.
        InputError: the declared clip is too small for the backbone.
    """
    backbone = BACKBONES.get(spec.backbone.name).build(options=spec.backbone.options)
    sites = cast(Backbone, backbone).residual_sites
    fused = FUSIONS.get(spec.fusion.name).build(sites, options=spec.fusion.options)
    if cast(Fusion, fused).site == "residual" and not sites:
        raise IncompatibleComponentsError(
            f"Fusion {spec.fusion.name!r} works on residual shortcuts; backbone {spec.backbone.name!r} has none.",
            "a backbone with residual sites, or a fusion of another site",
            "choose another backbone or fusion",
        )
    depth, _, height, width = feature_shape(backbone, spec.input)
    features = depth if spec.pool == "mean" else depth * height * width
    head = TEMPORALS.get(spec.temporal.name).build(features, options=spec.temporal.options)
    return FERModel(spec, backbone, fused, head)


def _owner(key: str, entries: Mapping[str, Entry]) -> tuple[str, str]:
    kind, dot, option = key.partition(".")
    if dot and kind in entries:
        return kind, option
    owners = [kind for kind, entry in entries.items() if key in entry.options]
    if len(owners) == 1:
        return owners[0], key
    known = [f"{kind}.{name}" for kind, entry in entries.items() for name in entry.options]
    problem = f"is an option of {' and '.join(owners)}" if owners else "is an option of none of the parts"
    raise OptionError(
        f"Option {key!r} {problem}.",
        ", ".join([*known, *_MODEL_OPTIONS, *_INPUT_DEFAULTS, "labels", "num_classes"]),
        f'write **{{"{owners[0]}.{key}": ...}}' if owners else "use one of these",
    )
