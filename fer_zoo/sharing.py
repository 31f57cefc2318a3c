"""The names that users of the Hugging Face Hub expect on a model: from_pretrained, save_pretrained, push_to_hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from fer_zoo.specs import Recipe


class Sharing:
    """Methods of a model that load, write and send weights."""

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        labels: Sequence[str] | None = None,
        num_classes: int | None = None,
    ) -> Self:
        """Load weights: `create_model(..., pretrained=True)` under the name that users of the Hub know.

        Args:
            name: OWNER/NAME on the Hugging Face Hub, a weights folder, or a name that `create_model` takes.
            revision: branch, tag or commit on the Hub.
            labels, num_classes: as `create_model`.

        Raises:
            As `create_model`; OptionError: a revision of something that is not on a Hub.
        """
        loaded: Self = _sharing().from_pretrained(name, revision, labels, num_classes)
        return loaded

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        recipe: Recipe | str | Path | None = None,
        card: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Write a weights folder, of which everything is checked: see `fer_zoo.weights.write_weights`.

        Args:
            recipe: how it was trained; default: that of the weights that were loaded, if they have not changed.
            card: fields of `WeightsCard`: terms and metrics; default: as for `recipe`.
            overwrite: replace an existing folder.

        Raises:
            WeightsError: recipe and card are unknown, or as `write_weights`. OptionError: one without the other.
        """
        written: Path = _sharing().save_pretrained(self, folder, recipe, card, overwrite)
        return written

    def push_to_hub(
        self,
        repo: str,
        *,
        recipe: Recipe | str | Path | None = None,
        card: Mapping[str, Any] | None = None,
        commit_message: str | None = None,
        create_pr: bool = False,
        **options: Any,
    ) -> Any:
        """Send the weights to OWNER/NAME on the Hugging Face Hub, with all the checks of `fer_zoo.hub.push`.

        Args:
            recipe, card: as `save_pretrained`.
            commit_message, create_pr, options: as `fer_zoo.hub.push`, where they are `message` and `pull_request`;
                the repository is private unless `private=False`.

        Raises:
            As `save_pretrained` and `fer_zoo.hub.push`.
        """
        return _sharing().push_to_hub(self, repo, recipe, card, commit_message, create_pr, options)


def _sharing() -> Any:
    """Return the module that loads, writes and sends models: named, not imported above, as it imports the model."""
    return import_module("fer_zoo.hub.models")
