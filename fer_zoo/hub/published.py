"""Models of other libraries on a Hub, which backbones start from: JSON, safetensors and the card of one commit."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_zoo.documents import read_json, read_text
from fer_zoo.errors import HubError, OptionError, WeightsError
from fer_zoo.hub.client import Client
from fer_zoo.hub.names import FOLDER, HUB, HubName, parse, parse_folder
from fer_zoo.hub.pulling import Snapshot, etag_of, forget, matches_etag, newest_commit
from fer_zoo.hub.refusals import MissingFileError, UnreachableError
from fer_zoo.weights.folder import front_matter

CONFIG, TENSORS, INDEX, CARD = "config.json", "model.safetensors", "model.safetensors.index.json", "README.md"
# Where the normalisation of pixels is written, in the order in which transformers looks for it.
PREPROCESSING = ("video_preprocessor_config.json", "preprocessor_config.json", "processor_config.json")
_LARGEST_JSON, _LARGEST_CARD = 2**26, 2**22


@dataclass(frozen=True)
class PublishedModel:
    """A model of another library on this machine. address: `hf-hub:OWNER/NAME@COMMIT`, or `local-dir:PATH`."""

    address: str
    folder: Path

    def read(self, name: str) -> dict[str, Any]:
        """Return a JSON file as a dict; an empty one where there is no such file.

        Raises:
            WeightsError: it is damaged.
        """
        try:
            found = read_json(self.folder / name, _LARGEST_JSON)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise WeightsError(f"{name} of {self.address} cannot be read: {error}", "JSON", "get it again") from error
        return found if isinstance(found, dict) else {}

    def licence(self) -> str:
        """Return the licence that its card states; "unknown" if it states none."""
        with suppress(OSError, ValueError):
            matter = front_matter(read_text(self.folder / CARD, _LARGEST_CARD))
            stated = matter.get("license")
            if stated == "other":
                stated = matter.get("license_name") or stated
            if isinstance(stated, str) and stated.isprintable():
                return stated[:100]
        return "unknown"


def address_of(hub: str) -> HubName | Path:
    """Read `OWNER/NAME[@REVISION]`, the same after `hf-hub:`, or `local-dir:PATH`.

    Raises:
        OptionError: it has none of these forms.
    """
    if hub.startswith(FOLDER):
        return parse_folder(hub)
    return parse(hub if hub.startswith(HUB) else HUB + hub)


def fetch_model(hub: str, *, tensors: bool) -> PublishedModel:
    """Download a model into the cache of the Hub's client, at one commit, with every etag checked; no code, no pickles.

    A commit that is in the cache makes no request. Without a network the cache is used.

    Args:
        hub: as `address_of`.
        tensors: download the tensors too.

    Raises:
        OptionError: `hub` is no address, or a folder without a model.
        HubError: the model cannot be downloaded, or has no safetensors.
    """
    address = address_of(hub)
    if isinstance(address, Path):
        missing = [name for name in (CONFIG, *[TENSORS] * tensors) if not (address / name).is_file()]
        if missing and not (missing == [TENSORS] and (address / INDEX).is_file()):
            raise OptionError(
                f"{hub} has no {' and no '.join(missing)}.",
                "a folder as transformers' save_pretrained writes it, with safetensors",
                "check the path, or save the model with save_pretrained",
            )
        return PublishedModel(hub, address)
    client = Client()
    try:
        commit, _ = newest_commit(client, address, CONFIG)
    except MissingFileError:
        commit = address.revision or "main"
    snapshot = Snapshot(client, address.repo, commit)
    if _get(snapshot, CONFIG) is None:
        raise _lacks(snapshot, CONFIG, "a model of transformers", "check the name")
    for name in (*PREPROCESSING, CARD):
        _get(snapshot, name, optional=True)
    if tensors:
        _get_tensors(snapshot)
    client.remember_commit(address, commit)
    return PublishedModel(f"{HUB}{address.repo}@{commit}", snapshot.folder)


def _get(snapshot: Snapshot, name: str, *, optional: bool = False) -> Path | None:
    """Bring a file into the cache and check it; None if the repository has none."""
    path = snapshot.folder / name
    try:
        if not path.is_file():
            path = snapshot.client.download(snapshot.repo, name, snapshot.commit)
    except MissingFileError:
        return None
    except UnreachableError:
        if optional:  # the config is there, so what is missing in the cache did not exist, or is not needed
            return None
        raise
    if matches_etag(path, etag_of(path)) is False:
        forget(path)
        raise HubError(
            f"{name} of {snapshot} is not what the Hub announced ({etag_of(path)}).",
            "the file as it was uploaded",
            "it is not kept, so try again",
        )
    return path


def _get_tensors(snapshot: Snapshot) -> None:
    if _get(snapshot, TENSORS) is not None:
        return
    if _get(snapshot, INDEX) is None:
        do = "convert it, or name a revision with safetensors: many models have a pull request, NAME@refs/pr/NUMBER"
        raise _lacks(snapshot, f"{TENSORS} (pickled weights are not read)", "a model with safetensors", do)
    places = PublishedModel(snapshot.repo, snapshot.folder).read(INDEX).get("weight_map")
    for shard in sorted(set(map(str, places.values()))) if isinstance(places, dict) else [str(places)]:
        if not re.fullmatch(r"[\w.-]+\.safetensors", shard) or _get(snapshot, shard) is None:
            raise _lacks(snapshot, shard, "all files that its index names", "tell its owner")


def _lacks(snapshot: Snapshot, what: str, accepted: str, do: str) -> HubError:
    return HubError(f"{snapshot} has no {what}.", accepted, do)
