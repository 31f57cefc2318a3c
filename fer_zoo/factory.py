"""create_model, and the lists of what there is to create."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, TypeAlias

from fer_zoo import optim  # noqa: F401  (importing registers optimizers, schedules and losses)
from fer_zoo.compose import build, model_names, model_spec, parse_name
from fer_zoo.errors import OptionError, UnknownNameError
from fer_zoo.hub.names import FOLDER, HUB, is_address, parse_folder
from fer_zoo.model import FERModel
from fer_zoo.pretrained import load_backbone_weights
from fer_zoo.registry import BACKBONES, REGISTRIES, Registry, unknown_name

Patterns: TypeAlias = str | Sequence[str]
Kind: TypeAlias = Literal["backbone", "temporal", "fusion", "landmarker", "dataset", "optimizer", "schedule", "loss"]


def create_model(
    name: str | None = None,
    pretrained: bool | str = False,
    *,
    backbone_weights: bool = False,
    recipe: str | Path | None = None,
    labels: Sequence[str] | None = None,
    num_classes: int | None = None,
    **options: Any,
) -> FERModel:
    """Create a model by name, `<backbone>_<temporal>[_<fusion>]`, e.g. "incres3d_lstm_lm" (the paper's network).

    Args:
        name: model name, or `model.tag` for given weights: those of the package, or published ones, which are pulled.
            `hf-hub:OWNER/NAME[@REVISION]` pulls weights from the Hugging Face Hub, `local-dir:PATH` takes a folder's.
        pretrained: False for random weights; True or a tag loads them strictly, sha256 checked, or raises. A tag or an
            address in the name loads them in any case.
        backbone_weights: start the backbone from the weights published for it (ImageNet, Kinetics) and the rest from
            random ones; fetched by the library that publishes them, or from its cache.
        recipe: in place of a name: build the network of a recipe, by its name or file, with random weights.
        labels: class names in the order of the logits; default the seven of `specs.SEVEN_LABELS`.
        num_classes: shorthand for labels "class_0", "class_1", ...
        options: component options, e.g. `width=0.5`, `hidden=128`, `pool="mean"`; `size` and `frames` of the input;
            write `**{"backbone.width": 0.5}` where two components have an option of the same name.

    Raises:
        UnknownNameError: no such model. OptionError: no such option, or a wrong value.
        IncompatibleComponentsError: the parts exist but do not fit together.
        WeightsError: no such weights, weights that do not fit, or published ones that cannot be fetched.
        HubError: weights on a Hub that cannot be had, or are not what was promised.
    """
    changed = bool(options) or backbone_weights or labels is not None or num_classes is not None
    if (name is None) == (recipe is None):
        both = f"The model {name!r} and the recipe {str(recipe)!r} were both given."
        given = both if name is not None else "Neither a model name nor a recipe was given."
        raise OptionError(given, "one of them", 'e.g. create_model("incres3d_lstm_lm")')
    if recipe is not None and not isinstance(recipe, str | Path):
        raise OptionError(f"recipe={recipe!r}.", "the name of a recipe, or a path", 'e.g. recipe="quickstart"')
    if recipe is not None:
        return _of_recipe(recipe, pretrained=pretrained, changed=changed)
    architecture, wanted = _asked(name, pretrained)
    if wanted is False:
        model = build(model_spec(architecture, labels=labels, num_classes=num_classes, **options))
        if backbone_weights:
            load_backbone_weights(model)
        return model
    if backbone_weights:
        raise OptionError(
            f"{name!r} was asked for with trained weights and with backbone_weights.",
            "one of them: trained weights include the backbone's",
            "leave backbone_weights out, or pretrained and the tag",
        )
    if changed:
        raise OptionError(
            f"Options {sorted(options) or 'labels'} were given for pretrained {name!r}.",
            "no options: pretrained weights fix labels, input and architecture",
            "leave them out (`model.reset_classifier(labels=...)` changes the classes of the loaded model), or create "
            "the model with pretrained=False and train it",
        )
    return _load(architecture, None if wanted is True else wanted)


def list_models(
    pattern: Patterns = "*", *, exclude: Patterns = (), pretrained: bool = False, family: str | None = None
) -> list[str]:
    """List model names that match a wildcard pattern or one of several, without those that match `exclude`.

    With `pretrained`, list `model.tag` of all that have weights. Only names whose parts fit together are listed. Names
    of a family such as "timm", which are many, are listed only with `family="timm"`, or by patterns that begin with it,
    e.g. "timm/resnet18_*".

    Raises:
        UnknownNameError: there is no such family.
        OptionError: a pattern is no string.
    """
    patterns, excluded = _patterns(pattern), _patterns(exclude)
    if family is not None and family not in BACKBONES.families():
        raise unknown_name("family of backbones", family, BACKBONES.families(), "use one of these")
    if pretrained:
        from fer_zoo import weights
        from fer_zoo.hub.published import published

        # By the whole, or by the model alone: a tag has no dot, while timm's names may.
        found = [(name, name.rpartition(".")[0]) for name in sorted({*weights.bundled(), *published()})]
        found = [(name, model) for name, model in found if family is None or name.startswith(f"{family}/")]
        return [n for n, model in found if _matches(patterns, n, model) and not _matches(excluded, n, model)]
    families = [family] if family else _families_asked(BACKBONES, patterns)
    names = [name for asked in families for name in model_names(asked)]
    if family is None:
        names += model_names()
    return sorted(name for name in names if _matches(patterns, name) and not _matches(excluded, name))


def list_weights(model: str = "*") -> list[str]:
    """List the weights there are as `model.tag`, of one model or of all that match a wildcard pattern.

    They come with the package or are published on the Hub; nobody is asked.
    """
    return list_models(model, pretrained=True)


def list_components(kind: Kind, pattern: Patterns = "*", *, exclude: Patterns = ()) -> list[str]:
    """List the registered names of a kind.

    Kinds are "backbone", "temporal", "fusion", "landmarker", "dataset", "optimizer", "schedule" and "loss".

    A family of names is listed as one, e.g. "timm/NAME"; its members are listed by a pattern that names the family,
    e.g. "timm/resnet*".

    Raises:
        UnknownNameError: there is no such kind. OptionError: a pattern is no string.
    """
    if kind not in REGISTRIES:
        raise unknown_name("kind of component", kind, REGISTRIES, "use one of these")
    registry, patterns, excluded = REGISTRIES[kind], _patterns(pattern), _patterns(exclude)
    names = registry.names()
    for family in registry.families():
        names += registry.names(family) if family in _families_asked(registry, patterns) else [f"{family}/NAME"]
    return [name for name in names if _matches(patterns, name) and not _matches(excluded, name)]


def split_tag(name: str) -> tuple[str, str]:
    """Split `model.tag`; a name that is a model as it stands (timm's names have dots of their own) has no tag."""
    architecture, _, tag = name.rpartition(".")
    if not (architecture and tag):
        return name, ""
    try:
        parse_name(name)
    except UnknownNameError:
        return architecture, tag
    return name, ""


def _asked(name: str | None, pretrained: bool | str) -> tuple[str, bool | str]:
    """The model's name without a tag, and the weights asked for: False, True or a tag."""
    if not isinstance(name, str) or not (isinstance(pretrained, bool) or (isinstance(pretrained, str) and pretrained)):
        raise OptionError(
            f"name={name!r} with pretrained={pretrained!r}.",
            "a model name; for pretrained False, True or a tag",
            'e.g. create_model("incres3d_tiny_lstm_lm", pretrained=True)',
        )
    if is_address(name):
        if isinstance(pretrained, str):
            raise OptionError(f"{name!r} with pretrained={pretrained!r}.", "no tag", "put a revision behind an @")
        return name, True
    architecture, tag = split_tag(name)
    if tag and isinstance(pretrained, str) and pretrained != tag:
        raise OptionError(f"{name!r} with pretrained={pretrained!r}.", "one tag", "drop one of them")
    return architecture, tag or pretrained


def _load(name: str, tag: str | None) -> FERModel:
    """The one way to trained weights, wherever they lie: find their folder, then load it."""
    from fer_zoo import weights
    from fer_zoo.hub.published import find

    if name.startswith(HUB):
        from fer_zoo.hub.pulling import pull

        return weights.load_weights(pull(name))
    if name.startswith(FOLDER):
        return weights.load_weights(parse_folder(name))
    parse_name(name)
    return weights.load_weights(find(name, tag))


def _of_recipe(recipe: str | Path, *, pretrained: bool | str, changed: bool) -> FERModel:
    from fer_zoo.recipes import load_recipe

    if pretrained or changed:
        raise OptionError(
            f"A recipe ({str(recipe)!r}) was given with other options.",
            "a recipe alone: it fixes network, labels and input, and has no weights",
            "leave them out, or change it: fer_zoo.compose.build(fer_zoo.recipes.load_recipe(NAME, "
            '["model.pool=mean"]).model)',
        )
    return build(load_recipe(recipe).model)


def _patterns(given: Patterns) -> list[str]:
    patterns = [given] if isinstance(given, str) else given
    if not isinstance(patterns, Sequence) or not all(isinstance(pattern, str) for pattern in patterns):
        raise OptionError(f"The pattern {given!r}.", "a string with * and ?, or several", 'e.g. "*lstm*"')
    return list(patterns)


def _families_asked(registry: Registry, patterns: Sequence[str]) -> list[str]:
    return [family for family in registry.families() if any(p.startswith(f"{family}/") for p in patterns)]


def _matches(patterns: Sequence[str], *names: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)
