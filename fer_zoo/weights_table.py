"""Which weights there are, by name: those in the package, and the table of published ones. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from fer_zoo.documents import read_json
from fer_zoo.errors import WeightsError
from fer_zoo.files import write_text
from fer_zoo.hub.names import HubName, parse_repo
from fer_zoo.specs.base import Spec

ZOO = Path(__file__).parent / "zoo"
TABLE = ZOO / "published.json"


class Published(Spec):
    """Where weights of the zoo are on the Hub."""

    repo: str
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of model.safetensors."""

    @property
    def name(self) -> HubName:
        """Its address, pinned to the commit."""
        return HubName(parse_repo(self.repo), self.commit)


def bundled() -> dict[str, Path]:
    """Names `<model>.<tag>` and folders of the weights that come with the package."""
    if not ZOO.is_dir():
        return {}
    return {folder.name: folder for folder in sorted(ZOO.iterdir()) if (folder / "config.json").is_file()}


def published(path: Path | None = None) -> dict[str, Published]:
    """Return the table of published weights by `<model>.<tag>`; it is part of the package, so no request is made."""
    return TypeAdapter(dict[str, Published]).validate_python(read_json(path or TABLE))


def write_table(table: Mapping[str, Published], path: Path) -> None:
    """Write the table, sorted."""
    entries = {name: table[name].model_dump() for name in sorted(table)}
    write_text(path, json.dumps(entries, indent=1) + "\n")


def has_weights(name: str) -> bool:
    """Whether a model, or `<model>.<tag>`, has weights in the package or the table of published ones."""
    return any(name in (known, known.rpartition(".")[0]) for known in (*bundled(), *published()))


def find_name(model: str, tag: str | None = None) -> str:
    """Return `<model>.<tag>` of a model's weights; without a tag, the newest in the package, else the ones on the Hub.

    Tags are a word and a number, e.g. `synth7`: the highest number is the newest.

    Raises:
        WeightsError: the model has no weights, none with that tag, or several only on the Hub and no tag was given.
    """
    inside, table = bundled(), published()
    found = [name for name in {**inside, **table} if name.rpartition(".")[0] == model]
    own = [name for name in found if name in inside]
    if tag is None and (own or len(found) == 1):
        return max(own or found, key=_version)
    if tag is not None and f"{model}.{tag}" in found:
        return f"{model}.{tag}"
    available = ", ".join(sorted({*inside, *table})) or "none yet"
    if found:
        tags = [name.rpartition(".")[2] for name in found]
        given = f"{model!r} has weights {', '.join(tags)}" + (f", not {tag!r}." if tag else "; say which.")
        raise WeightsError(given, available, f'create_model("{model}.{tags[0]}")')
    raise WeightsError(
        f"There are no weights for {model!r}.",
        f"names with weights: {available}",
        "create it with pretrained=False and train it (`fer-zoo train RECIPE`), or choose a name that has weights",
    )


def _version(name: str) -> int:
    return int(name[len(name.rstrip("0123456789")) :] or 0)


def find(model: str, tag: str | None = None) -> Path:
    """Return the folder of a model's weights: in the package, or in the cache after a download from the Hub.

    Raises:
        WeightsError: as `find_name`. HubError: they are on the Hub and cannot be downloaded.
    """
    name = find_name(model, tag)
    if (folder := bundled().get(name)) is not None:
        return folder
    from fer_zoo.hub.pulling import pull

    entry = published()[name]
    return pull(entry.name, sha256=entry.sha256)
