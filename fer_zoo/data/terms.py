"""Terms of several datasets at once: what a weights card says of the data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fer_zoo.errors import OptionError
from fer_zoo.registry import DATASETS
from fer_zoo.specs import TERMS


def provenance(datasets: Sequence[str], weights: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, object]:
    """Join the terms of datasets, and of weights that were fine-tuned on them; the result has the keys `TERMS`.

    One dataset gives its facts as they are. Of several each text follows its dataset's name in brackets, or is given
    once where it is the same for all; `synthetic` is true if all are. `share_weights` is the strictest: "no" if one
    says so, else "unknown" if one does, with the names of those.

    Args:
        datasets: names of registered datasets.
        weights: terms of weights by name, from their cards.

    Raises:
        OptionError: no dataset is named.
        UnknownNameError: one is not registered.
    """
    facts = {name: DATASETS.get(name).defaults for name in datasets}
    if not facts:
        raise OptionError("No dataset is named.", "those that the weights were trained on", "name at least one")
    facts |= {name: dict(terms) for name, terms in (weights or {}).items()}
    stated_terms = {term: {name: own[term] for name, own in facts.items()} for term in TERMS}
    permissions, synthetic = stated_terms.pop("share_weights"), stated_terms.pop("synthetic")
    return {
        **{term: _joined(texts) for term, texts in stated_terms.items()},
        "share_weights": _strictest(permissions) if len(permissions) > 1 else _joined(permissions),
        "synthetic": all(synthetic.values()),
    }


def with_start_weights(terms: Mapping[str, object], address: str, licence: str) -> dict[str, object]:
    """Add to the terms of a card that a network started from published weights, and what their licence restricts."""
    note = f"The backbone started from the weights {address} (licence: {licence})"
    if not re.search(r"(?i)(?<![a-z])nc(?![a-z])|non-?commercial", licence):
        return {**terms, "terms": f"{terms['terms']} {note}."}
    note += ", which may not be used commercially; this also holds for weights trained from them."
    return {
        **terms,
        "terms": f"{terms['terms']} {note}",
        "licence": f"{licence} (start weights), {terms['licence']} (data)",
    }


def _joined(texts: Mapping[str, str]) -> str:
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    joined = " ".join(f"[{name}] {text}" for name, text in texts.items())
    # A card's fields begin with this word where nothing is known.
    return f"unknown: {joined}" if all(re.match(r"unknown\b", text) for text in texts.values()) else joined


def _strictest(permissions: Mapping[str, str]) -> str:
    for verdict in ("no", "unknown", "yes"):
        # "no", or "no: because ...", or "no, because ..."
        matching = {name: text for name, text in permissions.items() if re.match(rf"{verdict}\b", text)}
        if matching:
            break
    reasons = {name: text.removeprefix(verdict).lstrip(" ,:;") for name, text in matching.items()}
    return f"{verdict}: " + "; ".join(f"{name} ({reason})" if reason else name for name, reason in reasons.items())
