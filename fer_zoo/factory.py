"""create_model: from a name, a recipe or an address of weights to a network."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fer_zoo.compose import build, model_spec, resolved
from fer_zoo.errors import InputError, OptionError, UnknownNameError, WeightsError
from fer_zoo.hub.names import FOLDER, HUB, is_address, parse_folder
from fer_zoo.model import FERModel
from fer_zoo.names import normalisation_conflict, parse_name, split_tag
from fer_zoo.registry import BACKBONES, broken_plugins
from fer_zoo.specs import class_labels
from fer_zoo.weights.loading import load_weights
from fer_zoo.weights_table import bundled, find, published


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
        name: model name, or `model.tag` for its weights: those of the package, or published ones, which are downloaded.
            `hf-hub:OWNER/NAME[@REVISION]` downloads weights from the Hugging Face Hub, `local-dir:PATH` is a folder.
        pretrained: False for random weights; True or a tag loads them strictly, sha256 checked, or raises. A tag or an
            address in the name loads them in any case.
        backbone_weights: start the backbone from the weights published for it (ImageNet, Kinetics) and the rest from
            random ones; fetched by the library that publishes them, or from its cache.
        recipe: in place of a name: build the network of a recipe, by its name or file, with random weights.
        labels: class names in the order of the logits; default those of the weights, or the seven of
            `specs.SEVEN_LABELS`. Other labels than those of the weights get a new, untrained classifier: see
            `FERModel.classifier_is_untrained`.
        num_classes: shorthand for labels "class_0", "class_1", ...; 0 for embeddings in place of logits.
        options: component options, e.g. `width=0.5`, `hidden=128`, `pool="mean"`; `size` and `frames` of the input;
            write `**{"backbone.width": 0.5}` where two components have an option of the same name.

    Raises:
        UnknownNameError: no such model. OptionError: no such option, or a wrong value.
        IncompatibleComponentsError: the parts exist but do not fit together.
        WeightsError: no such weights, weights that do not fit, or published ones that cannot be fetched.
        HubError: weights on a Hub that cannot be downloaded, or are not what their card says.
    """
    if (name is None) == (recipe is None):
        both = f"The model {name!r} and the recipe {str(recipe)!r} were both given."
        given = both if name is not None else "Neither a model name nor a recipe was given."
        raise OptionError(given, "one of them", 'e.g. create_model("incres3d_lstm_lm")')
    if recipe is not None:
        changed = bool(options) or backbone_weights or labels is not None or num_classes is not None
        return _of_recipe(recipe, pretrained=pretrained, changed=changed)
    architecture, weights = _requested(name, pretrained)
    if weights is not False:
        _refuse_changes(name, options, backbone_weights=backbone_weights)
    embeddings = labels is None and type(num_classes) is int and num_classes == 0
    # Labels that are not valid are refused before anything is downloaded.
    if not embeddings and (labels is not None or num_classes is not None):
        labels = class_labels(labels, num_classes)
    if weights is False:
        model = build(resolved(model_spec(architecture, labels=labels, **options), weights=backbone_weights))
        if backbone_weights:
            load_backbone_weights(model)
    else:
        model = load_weights(_folder(architecture, None if weights is True else weights))
    if embeddings:
        model.reset_classifier(num_classes=0)
    elif labels is not None and labels != model.labels:
        model.reset_classifier(labels)
    return model


def load_backbone_weights(model: FERModel) -> None:
    """Load the published weights of the model's backbone; the other parts are not changed.

    The library that publishes the weights downloads and caches them.

    Raises:
        WeightsError: the backbone has no published weights, they cannot be downloaded or do not match, or they were
            trained with a different clip normalisation.
    """
    name = model.spec.backbone.name
    load = getattr(model.backbone, "load_pretrained", None)
    if load is None:
        raise WeightsError(
            f"Backbone {name!r} has no published weights.",
            "backbones with published weights, e.g. 'r3d_18', 'incres3d_v2' and timm's models ('timm/resnet18')",
            "choose one of them, or start from random weights",
        )
    if reason := normalisation_conflict(BACKBONES.get(name), model.input_spec):
        raise WeightsError(
            f"The clip normalisation of {model.spec.name} does not match its backbone weights: {reason}.",
            "the mean and std of the published weights (size, frames and fps may differ)",
            "omit mean and std to use those of the backbone",
        )
    load()


def _refuse_changes(name: str | None, options: Mapping[str, Any], *, backbone_weights: bool) -> None:
    """Refuse what trained weights do not allow."""
    if backbone_weights:
        raise OptionError(
            f"{name!r} was given with trained weights and with backbone_weights.",
            "one of them: trained weights include the backbone's",
            "leave backbone_weights out, or pretrained and the tag",
        )
    if options:
        raise OptionError(
            f"Options {sorted(options)} were given for pretrained {name!r}.",
            "no options but labels and num_classes: pretrained weights fix input and architecture",
            "leave them out, or create the model with pretrained=False and train it",
        )


def _requested(name: str | None, pretrained: bool | str) -> tuple[str, bool | str]:
    """Return the model's name without a tag, and the requested weights: False, True or a tag."""
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


def find_model(model: FERModel | str | Path) -> FERModel:
    """Return a model with labels, from itself, a name with weights, or a weights folder.

    Raises:
        InputError: another type. UnknownNameError, WeightsError, HubError: no such weights.
        OptionError: the model has no classifier.
    """
    if isinstance(model, str | Path):
        model = load_weights(find_folder(model))
    if not (hasattr(model, "input_spec") and hasattr(model, "labels")):
        raise InputError(
            f"The model is of type {type(model).__name__}.",
            "a FERModel, the name of a model with weights, or a weights folder",
            'pass e.g. "incres3d_tiny_lstm_lm_in"; fer_zoo.list_models() lists the names',
        )
    if not model.labels:
        raise OptionError(
            "The model has no classifier (num_classes=0), so it predicts no label.",
            "a model with labels",
            "call model.reset_classifier(labels=[...]) and train it, or load the weights with their own labels",
        )
    return model


def find_folder(given: str | Path) -> Path:
    """Return the folder of weights from a name, with or without a tag, an address, or the folder itself.

    Raises:
        UnknownNameError, WeightsError, HubError: no such weights.
    """
    if isinstance(given, Path) or os.path.isfile(Path(given) / "config.json"):
        return Path(os.path.expanduser(given))
    name, tag = _requested(given, True)
    try:
        return _folder(name, None if isinstance(tag, bool) else tag)
    except UnknownNameError as error:
        if os.path.isdir(folder := Path(os.path.expanduser(given))):
            return folder  # what reads it says which files are missing
        raise UnknownNameError(
            " ".join([f"No weights are named {given!r}, and there is no such folder.", *map(str, broken_plugins())]),
            f"{', '.join(sorted({*bundled(), *published()}))}, a weights folder, or hf-hub:OWNER/NAME",
            "`fer-zoo models --pretrained` lists the names",
        ) from error


def _folder(name: str, tag: str | None) -> Path:
    if name.startswith(HUB):
        from fer_zoo.hub.pulling import pull

        return pull(name)
    if name.startswith(FOLDER):
        return parse_folder(name)
    parse_name(name)
    return find(name, tag)


def _of_recipe(recipe: str | Path, *, pretrained: bool | str, changed: bool) -> FERModel:
    from fer_zoo.recipes import load_recipe

    if not isinstance(recipe, str | Path):
        raise OptionError(f"recipe={recipe!r}.", "the name of a recipe, or a path", 'e.g. recipe="quickstart"')
    if pretrained or changed:
        raise OptionError(
            f"A recipe ({str(recipe)!r}) was given with other options.",
            "a recipe alone: it fixes network, labels and input, and has no weights",
            "leave them out, or change it: fer_zoo.compose.build(fer_zoo.recipes.load_recipe(NAME, "
            '["model.pool=mean"]).model)',
        )
    return build(load_recipe(recipe).model)
