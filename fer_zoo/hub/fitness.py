"""Whether a weights folder may be passed on: whole, true, from a clean tree, and under terms that let it."""

from __future__ import annotations

from pathlib import Path

from fer_zoo.errors import HubError
from fer_zoo.hub.refusals import refuse_local
from fer_zoo.weights import WeightsFolder, check_folder


def fit_to_push(folder: str | Path, *, allow_dirty: bool = False, despite_terms: bool = False) -> WeightsFolder:
    """Check a folder as a stranger would who is to trust it; returns it read.

    Raises:
        WeightsError: labels, terms, metrics, recipe or a file are missing, or the weights do not load strictly, or do
            not say what they said.
        HubError: the terms forbid it, or the tree that trained it was changed.
    """
    found = check_folder(folder)
    refuse_local(found.spec, f"config.json of {found.path}")
    card = found.card
    if card.commit.endswith("-dirty") and not allow_dirty:
        raise HubError(
            f"{found.path} was trained from a changed tree ({card.commit}): nobody can train it again.",
            "weights of a commit that others can have",
            "commit and train anew, or say that it is meant: --allow-dirty",
        )
    if card.share_weights.startswith("no") and not despite_terms:
        raise HubError(
            f"The terms of its data do not let the weights in {found.path} be shared: {card.share_weights}. "
            f"Source: {card.terms_source}.",
            "weights that may be shared",
            "keep them, or, if the owner of the data gave you leave, say so: --despite-terms",
        )
    return found
