"""Whether a weights folder is fit to be passed on: all there, true to its card, and saying what it said."""

from __future__ import annotations

import ctypes
import math
from contextlib import suppress
from pathlib import Path

from fer_zoo.errors import WeightsError
from fer_zoo.model import FERModel
from fer_zoo.specs import Metrics
from fer_zoo.weights.building import build_to_fill
from fer_zoo.weights.config import FORMAT
from fer_zoo.weights.files import CARD, CHECK, CONFIG, PICTURE, RECIPE, damaged, other_file, sha256
from fer_zoo.weights.folder import WeightsFolder, read_folder, read_recipe
from fer_zoo.weights.loading import read_facts, read_features, read_head
from fer_zoo.weights.proof import check_proof


def check_folder(folder: str | Path) -> WeightsFolder:
    """Check a weights folder as a whole.

    All its files are there (the picture of the confusion matrix may be missing), the card has labels, terms and
    figures that add up, the recipe is the one that its tensors were made by, every sha256 is right, the network loads
    strictly and says of the face in check.safetensors what it said when it was written.

    Raises:
        WeightsError: something is not so; the text says what.
    """
    found = read_folder(folder)
    if found.format != FORMAT:
        raise WeightsError(
            f"{found.path} has format {found.format}, which loads but does not show that it is sound.",
            f"format {FORMAT}",
            f"write it anew: fer_zoo.weights.rewrite({str(found.path)!r}, NEW_FOLDER)",
        )
    if not (found.path / CHECK).is_file():
        raise WeightsError(f"{found.path} lacks {CHECK}.", "a whole weights folder", "get the folder again")
    _check_card(found)
    _check_beside(found)
    _check_recipe(found)
    # In two goes: the activations of a large clip and the weights of a large head need not be there together.
    model = build_to_fill(found.spec)
    read_features(model, found)
    check_proof(found.path / CHECK, model, before_head=lambda: _on_to_head(model, found))
    return found


def _on_to_head(model: FERModel, found: WeightsFolder) -> None:
    """Let go of the backbone, which has done its part, then read the rest and check every sha256."""
    model.backbone.to("meta")
    # glibc keeps what was freed of the activations.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    read_head(model, found)


def _check_card(found: WeightsFolder) -> None:
    card, path = found.card, found.path / CARD
    problems = [] if card.metrics else ["it has no figures"]
    problems += [f"{field} is empty" for field in ("name", "protocol", "commit") if not getattr(card, field).strip()]
    for part, metrics in card.metrics.items():
        problems += [f"{part}: {problem}" for problem in _figures_problems(metrics, len(card.labels))]
    if problems:
        raise WeightsError(
            f"{path} is no complete card: {'; '.join(problems)}.",
            "labels, terms and figures that add up",
            "correct the front matter of the card, or write the weights anew",
        )


def _figures_problems(metrics: Metrics, classes: int) -> list[str]:
    rows = metrics.confusion
    if len(rows) != classes or any(len(row) != classes for row in rows):
        return [f"the confusion matrix is not {classes} x {classes}"]
    if (total := sum(map(sum, rows))) != metrics.clips:
        return [f"the confusion matrix has {total} clips, not {metrics.clips}"]
    right = sum(row[label] for label, row in enumerate(rows))
    if not math.isclose(metrics.war, right / total, abs_tol=1e-6):
        return [f"WAR is {metrics.war:.4f}; the confusion matrix says {right / total:.4f}"]
    recalls = [row[label] / sum(row) for label, row in enumerate(rows) if sum(row)]
    if not math.isclose(metrics.uar, uar := sum(recalls) / len(recalls), abs_tol=1e-6):
        return [f"UAR is {metrics.uar:.4f}; the confusion matrix says {uar:.4f}"]
    return []


def _check_beside(found: WeightsFolder) -> None:
    told = found.card.beside
    if lacking := {CONFIG, CHECK, RECIPE} - told.keys():
        raise damaged(found.path / CARD, f"it says no sha256 of {', '.join(sorted(lacking))}")
    for name, wanted in told.items():
        path = found.path / name
        if (path.is_file() or name != PICTURE) and (digest := sha256(path)) != wanted:
            raise other_file(path, digest, wanted)


def _check_recipe(found: WeightsFolder) -> None:
    path = found.path / RECIPE
    facts, _ = read_facts(found)
    if (digest := sha256(path)) != facts.get("recipe_sha256"):
        raise WeightsError(
            f"{path} is not the recipe that the tensors name: sha256 {digest[:12]}....",
            "the recipe as it was written",
            "get the folder again",
        )
    recipe = read_recipe(found.path)
    if recipe.protocol != found.card.protocol:
        raise WeightsError(
            f"The card says the protocol {found.card.protocol!r}; the recipe {recipe.protocol!r}.",
            "the same protocol",
            "correct the card, or write the weights anew",
        )
