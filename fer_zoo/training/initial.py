"""Starting from trained weights and training only parts: what is loaded, what is not, and what stays frozen."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fer_zoo.errors import RecipeError, UnknownNameError, WeightsError
from fer_zoo.factory import find_folder
from fer_zoo.hub.names import HUB, parse
from fer_zoo.model import FERModel
from fer_zoo.recipes import diff_recipes
from fer_zoo.specs import TERMS, Recipe
from fer_zoo.weights.folder import WeightsFolder, read_folder
from fer_zoo.weights.loading import load_weights

# What may differ between the weights and the network that starts from them: the classifier and what has no tensors.
_FREE = ("model.labels", "model.dropout")


def load_initial(model: FERModel, recipe: Recipe) -> None:
    """Load the weights that a recipe starts from: strictly all, except the classifier where the labels differ.

    `model.initial` then holds the facts for run.json: name, sha256, terms, and the tensors loaded, not loaded and new.

    Raises:
        RecipeError: there are no such weights. HubError: they cannot be downloaded.
        WeightsError: they are damaged, or those of a different network or input.
    """
    found = find_weights(str(recipe.init))
    _check_network(found, recipe)
    source = load_weights(found.path)
    tensors, own = source.state_dict(), model.state_dict()
    not_loaded = [] if source.labels == model.labels else [key for key in own if key.startswith("classifier.")]
    model.load_state_dict({**tensors, **{key: own[key] for key in not_loaded}})
    model.started_from = found.card.name
    repo = parse(str(recipe.init)).repo if str(recipe.init).startswith(HUB) else ""
    card = found.card.model_dump(mode="json", include={"name", "sha256", *TERMS})
    model.initial = {
        "started_from": {"name": card.pop("name"), "sha256": card.pop("sha256"), **({"repo": repo} if repo else {})},
        "labels": list(source.labels),
        "loaded": dict(Counter(key.split(".")[0] for key in tensors if key not in not_loaded)),
        "not_loaded": not_loaded,
        "terms": card,
    }


def find_weights(init: str) -> WeightsFolder:
    """Return the weights folder of `init`: a name with or without tag, a folder, or an address of the Hub.

    Raises:
        RecipeError: there are no such weights.
        WeightsError: the folder is damaged, or the model has no weights. HubError: they cannot be downloaded.
    """
    try:
        return read_folder(find_folder(init))
    except UnknownNameError as error:
        raise RecipeError(
            f"init: {init!r} is neither a folder nor the name of weights.",
            "MODEL or MODEL.TAG with weights (`fer-zoo models --pretrained`), a weights folder, hf-hub:OWNER/NAME",
            "correct the name or the path; the weights of a training run are in RUN/weights",
        ) from error


def freeze(model: FERModel, recipe: Recipe) -> None:
    """Freeze the stages that the recipe names, with their batch-norm statistics; a pattern after "!" unfreezes.

    Raises:
        RecipeError: a pattern matches no stage, all stages, or a classifier that has random weights.
    """
    try:
        for pattern in recipe.freeze:
            change = model.unfreeze if pattern.startswith("!") else model.freeze
            change(pattern.removeprefix("!"))
    except UnknownNameError as error:
        raise RecipeError(f"freeze: {error.given}", error.accepted, error.do) from error
    stages = ", ".join(model.stages())
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise RecipeError(
            f"freeze: {list(recipe.freeze)} matches every stage, so nothing would be trained.",
            f"patterns that leave at least one of {stages}",
            'freeze fewer stages; ["*", "!classifier"] leaves the classifier, as for a linear probe',
        )
    if model.initial.get("not_loaded") and not any(p.requires_grad for p in model.classifier.parameters()):
        raise RecipeError(
            f"freeze: {list(recipe.freeze)} freezes the classifier, which is new: {recipe.init} has the labels "
            f"{', '.join(model.initial['labels'])}, the recipe {', '.join(model.labels)}.",
            "a classifier that is trained, or the labels of the weights in their order",
            "leave the classifier out of freeze, or correct model.labels",
        )


def summary(model: FERModel) -> list[str]:
    """Lines that say what was loaded and what is trained; none where a network starts from random weights."""
    lines, facts = [], model.initial
    if facts:
        parts = ", ".join(f"{part} {count}" for part, count in facts["loaded"].items())
        started = facts["started_from"]
        lines.append(f"starting from {started['name']} (sha256 {started['sha256'][:12]})")
        lines.append(f"  loaded, number of tensors: {parts}")
        labels = f"the weights have the labels {', '.join(facts['labels'])}"
        lines.append(
            f"  not loaded: {', '.join(facts['not_loaded'])}: {labels}"
            if facts["not_loaded"]
            else "  everything was loaded"
        )
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    if trained < (whole := sum(parameter.numel() for parameter in model.parameters())):
        lines.append(f"  frozen: {', '.join(frozen_stages(model))}; {trained:,} of {whole:,} parameters are trained")
    return lines


def frozen_stages(model: FERModel) -> list[str]:
    """Stages that are not trained."""
    return [s for s, names in model.stages().items() if not any(model.get_parameter(n).requires_grad for n in names)]


def facts(model: FERModel) -> dict[str, Any]:
    """What run.json says about the start: `init` and `frozen`, where they are used."""
    frozen = frozen_stages(model)
    return {**({"init": dict(model.initial)} if model.initial else {}), **({"frozen": frozen} if frozen else {})}


def _check_network(found: WeightsFolder, recipe: Recipe) -> None:
    """Raise WeightsError unless the weights are those of the recipe's network, classifier aside."""
    other = recipe.model_copy(update={"model": found.spec})
    differ = [
        f"{key} is {theirs!r} in the weights, {own!r} in the recipe"
        for key, theirs, own in diff_recipes(other, recipe)
        if key not in _FREE
    ]
    if differ:
        raise WeightsError(
            f"init: the weights {found.card.name} do not match the recipe's network: {'; '.join(differ)}.",
            "weights of the same backbone, temporal head, fusion and input; only labels and dropout may differ",
            f"use the model section of {found.path / 'recipe.yaml'} with your labels, or choose other weights",
        )
