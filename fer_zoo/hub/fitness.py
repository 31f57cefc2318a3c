"""Whether a weights folder may be shared: complete, consistent, from a clean tree, and under terms that allow it."""

from __future__ import annotations

from pathlib import Path

from fer_zoo.errors import HubError
from fer_zoo.hub.pulling import refuse_local
from fer_zoo.weights.checking import check_folder
from fer_zoo.weights.files import CARD, RECIPE
from fer_zoo.weights.folder import WeightsFolder, read_recipe
from fer_zoo.weights.local_paths import local_paths, portable


def fit_to_push(folder: str | Path, *, allow_dirty: bool = False, despite_terms: bool = False) -> WeightsFolder:
    """Check all that others have to rely on when they load a folder; returns it.

    Raises:
        WeightsError: labels, terms, metrics, recipe or a file are missing, the weights do not load strictly, or their
            logits differ from those that were stored with them.
        HubError: the terms forbid it, the working tree was changed when it was trained, or a file names local paths.
    """
    found = check_folder(folder)
    refuse_local(found.spec, f"config.json of {found.path}")
    named = list(local_paths(found))  # they reveal user names and folders
    if portable(recipe := read_recipe(found.path)) != recipe:
        named = named or [f"{RECIPE}: folders in data.stores or split.file"]
    if named:
        more = f"; and {len(named) - 5} more" if len(named) > 5 else ""
        raise HubError(
            f"{found.path} names paths of this machine: {'; '.join(named[:5])}{more}.",
            "files without absolute or home-relative paths",
            f"edit {CARD} if it is named; fer_zoo.weights.rewrite({str(found.path)!r}, NEW_FOLDER) writes the recipe "
            "with base names",
        )
    card = found.card
    if card.commit.endswith("-dirty") and not allow_dirty:
        raise HubError(
            f"{found.path} was trained from a changed tree ({card.commit}), which others cannot reproduce.",
            "weights of a clean commit",
            "commit and train again, or allow it with --allow-dirty",
        )
    if card.share_weights.startswith("no") and not despite_terms:
        raise HubError(
            f"The terms of the data do not allow the weights in {found.path} to be shared: {card.share_weights}. "
            f"Source: {card.terms_source}.",
            "weights that may be shared",
            "keep them, or, if the owner of the data gave you permission, use --despite-terms",
        )
    return found
