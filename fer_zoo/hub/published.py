"""The zoo's table of published weights: which commit of which repository, and the sha256 it must have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from fer_zoo.documents import read_json
from fer_zoo.files import write_text
from fer_zoo.hub.names import HubName, parse_repo
from fer_zoo.hub.pulling import pull
from fer_zoo.specs.base import Spec

TABLE = Path(__file__).parent.parent / "zoo" / "published.json"


class Published(Spec):
    """Where weights of the zoo lie on the Hub."""

    repo: str
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of model.safetensors."""

    @property
    def name(self) -> HubName:
        """Its address, pinned to the commit."""
        return HubName(parse_repo(self.repo), self.commit)


def published(path: Path | None = None) -> dict[str, Published]:
    """The table, by `<model>.<tag>`; it is in the package, so nobody is asked."""
    return TypeAdapter(dict[str, Published]).validate_python(read_json(path or TABLE))


def write_table(table: Mapping[str, Published], path: Path) -> None:
    """Write the table, sorted."""
    entries = {name: table[name].model_dump() for name in sorted(table)}
    write_text(path, json.dumps(entries, indent=1) + "\n")


def find(model: str, tag: str | None = None) -> Path:
    """Return the folder of a model's weights, from the package or, pulled if need be, from the Hub.

    Raises:
        WeightsError: the model has no weights, not of that tag, or several and no tag was given.
        HubError: they are on the Hub and cannot be had.
    """
    from fer_zoo import weights
    from fer_zoo.errors import WeightsError

    table, bundled = published(), weights.bundled()
    wanted = f"{model}.{tag}" if tag is not None else None
    known = [name for name in dict.fromkeys((*bundled, *table)) if name.rpartition(".")[0] == model]
    # What comes with the package goes first.
    inside = [name for name in known if name in bundled]
    if wanted in bundled or (tag is None and inside) or not known:
        return weights.find(model, tag)
    if wanted is None and len(known) == 1:
        wanted = known[0]
    if wanted not in table:
        raise WeightsError(
            f"{model!r} has weights {', '.join(name.rpartition('.')[2] for name in known)}"
            + (f", not {tag!r}." if tag else "; say which."),
            ", ".join(sorted({*bundled, *table})),
            f'create_model("{known[0]}")',
        )
    return pull(table[wanted].name, sha256=table[wanted].sha256)
