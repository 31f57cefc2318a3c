"""The weights that come with the package, by name."""

from __future__ import annotations

from pathlib import Path

from fer_zoo.errors import WeightsError
from fer_zoo.weights.files import CONFIG

ZOO = Path(__file__).parent.parent / "zoo"


def bundled() -> dict[str, Path]:
    """Names `<model>.<tag>` and folders of the weights that come with the package."""
    if not ZOO.is_dir():
        return {}
    return {folder.name: folder for folder in sorted(ZOO.iterdir()) if (folder / CONFIG).is_file()}


def find(model: str, tag: str | None = None) -> Path:
    """Return the folder of a model's weights: those of `tag`, or without one the only ones there are.

    Raises:
        WeightsError: the model has no weights, not of that tag, or several and no tag was given.
    """
    known = bundled()
    tags = [name.rpartition(".")[2] for name in known if name.rpartition(".")[0] == model]
    if tag is None and len(tags) == 1:
        tag = tags[0]
    if tag in tags:
        return known[f"{model}.{tag}"]
    available = ", ".join(known) or "none yet"
    if tags:
        given = f"{model!r} has weights {', '.join(tags)}" + (f", not {tag!r}." if tag else "; say which.")
        raise WeightsError(given, available, f'create_model("{model}.{tags[0]}")')
    raise WeightsError(
        f"There are no weights for {model!r}.",
        f"names with weights: {available}",
        "create it with pretrained=False and train it (`fer-zoo train RECIPE`), or choose a name that has weights",
    )
