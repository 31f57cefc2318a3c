"""Names and options to specs, specs to networks: what fits together, and why not."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import nn

from fer_zoo import backbones, fusion, temporal  # noqa: F401  (importing registers the components)
from fer_zoo.compatibility import conflict, fusions_for, suited
from fer_zoo.errors import IncompatibleComponentsError, OptionError, UnknownNameError
from fer_zoo.model import FERModel
from fer_zoo.registry import BACKBONES, FUSIONS, TEMPORALS, Entry, unknown_name
from fer_zoo.shapes import feature_shape
from fer_zoo.specs import Backbone, FusionSite, InputSpec, ModelSpec, Temporal, class_labels

_INPUT_OPTIONS = tuple(InputSpec.model_fields)
_MODEL_OPTIONS = ("pool", "head_norm", "dropout")


def model_names(family: str | None = None) -> list[str]:
    """All names that compose from registered parts and fit together, sorted; of one family if given."""
    names = []
    for backbone in BACKBONES.names(family):
        entry = BACKBONES.get(backbone)
        pairs = itertools.product(TEMPORALS.names(), fusions_for(entry))
        names += [_joined(backbone, *pair) for pair in pairs]
    return sorted(names)


def parse_name(name: str) -> tuple[Entry, Entry, Entry]:
    """Split a model name into the entries of its backbone, temporal head and fusion.

    Raises:
        UnknownNameError: the name is no combination of registered parts.
        OptionError: it is more than one.
    """
    found = []
    for temporal_name, fusion_name in itertools.product(TEMPORALS.names(), FUSIONS.names()):
        backbone = name.removesuffix(_joined("", temporal_name, fusion_name))
        if backbone != name and backbone in BACKBONES:
            found.append((BACKBONES.get(backbone), TEMPORALS.get(temporal_name), FUSIONS.get(fusion_name)))
    if len(found) > 1:  # a plug-in's name must not make a built-in model unusable
        found = [entries for entries in found if all(e.module.startswith("fer_zoo.") for e in entries)] or found
    if len(found) > 1:
        readings = [" + ".join(entry.name for entry in entries) for entries in found]
        raise OptionError(f"{name!r} can be read as {' or '.join(readings)}.", "one reading", "write a recipe instead")
    if found:
        return found[0]
    raise _unknown_model(name)


def model_spec(
    name: str, *, labels: Sequence[str] | None = None, num_classes: int | None = None, **options: Any
) -> ModelSpec:
    """Return the spec of a named model with options applied; the arguments are those of `create_model`."""
    entries = dict(zip(("backbone", "temporal", "fusion"), parse_name(name), strict=True))
    fields: dict[str, Any] = {kind: {"name": entry.name} for kind, entry in entries.items()} | {"input": {}}
    for path, value in suited(*entries.values()).items():
        _put(fields, path, value)
    given = options.pop("input", None)
    if given is not None:
        whole = given.model_dump() if isinstance(given, InputSpec) else given
        if not isinstance(whole, Mapping):
            raise OptionError(
                f"input={given!r}.", f"an InputSpec, or a dict of {', '.join(_INPUT_OPTIONS)}", "correct it"
            )
        fields["input"].update(whole)
    stated: dict[tuple[str, ...], str] = {}
    for key, value in options.items():
        path = _path(key, entries)
        if path in stated:
            raise OptionError(f"{stated[path]!r} and {key!r} are the same option.", "each once", "drop one of them")
        stated[path] = key
        _put(fields, path, value)
    if labels is not None or num_classes is not None:
        fields["labels"] = class_labels(labels, num_classes)
    fields["input"] = InputSpec.checked(fields["input"])
    return ModelSpec.checked(fields)


def _put(fields: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    target = fields if len(path) == 1 else fields[path[0]]
    target[path[-1]] = value


def build(spec: ModelSpec) -> FERModel:
    """Build the network of a spec with random weights.

    Raises:
        UnknownNameError, OptionError: a component or option does not exist.
        IncompatibleComponentsError: the backbone does not offer the fusion's site.
        InputError: the declared clip is too small for the backbone.
    """
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
    depth, _, height, width = feature_shape(backbone, spec.input, in_channels)
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


def _joined(backbone: str, temporal_name: str, fusion_name: str) -> str:
    parts = [backbone, temporal_name]
    return "_".join(parts if fusion_name == "none" else [*parts, fusion_name])


def _unknown_model(name: str) -> UnknownNameError:
    family, slash, rest = name.partition("/")
    if not slash or family not in BACKBONES.families():
        return unknown_name("model", name, model_names(), "fer_zoo.list_models() lists them")
    # A family's backbones are many and times all heads more: look for the backbone alone, by what precedes a head.
    heads = [f"_{temporal_name}" for temporal_name in TEMPORALS.names()]
    cut = min((at for head in heads if (at := rest.find(head)) > 0), default=len(rest))
    backbone = f"{family}/{rest[:cut]}"
    if backbone in BACKBONES:
        endings = [
            _joined("", *pair) for pair in itertools.product(TEMPORALS.names(), fusions_for(BACKBONES.get(backbone)))
        ]
        known = [backbone + ending for ending in endings]
        return unknown_name("model", name, known, f'fer_zoo.list_models("{backbone}_*", family="{family}") lists them')
    listed = f'fer_zoo.list_components("backbone", "{family}/*") lists them; a model adds _TEMPORAL[_FUSION]'
    return unknown_name("backbone", backbone, BACKBONES.names(family), listed)


def _path(key: str, entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """Where an option belongs in a ModelSpec: `hidden` in the one part that has it, `temporal.hidden` in that one."""
    places = [(kind, name) for kind, entry in entries.items() for name in entry.options]
    places += [("input", name) for name in _INPUT_OPTIONS] + [("model", name) for name in _MODEL_OPTIONS]
    fitting = [place for place in places if key in (place[1], ".".join(place))]
    if len(fitting) == 1:
        return fitting[0][1:] if fitting[0][0] == "model" else fitting[0]
    names = [".".join(place) for place in places]
    if fitting:
        parts = " and ".join(place[0] for place in fitting)
        raise OptionError(
            f"Option {key!r} is an option of {parts}.",
            ", ".join(".".join(place) for place in fitting),
            f'write **{{"{fitting[0][0]}.{key}": ...}}',
        )
    close = difflib.get_close_matches(key, [*names, *(name for _, name in places)], n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    raise OptionError(
        f"Option {key!r} is an option of none of the parts{hint}.",
        ", ".join([*names, "labels", "num_classes"]),
        "use one of these; without the part's name where only one part has it",
    )
