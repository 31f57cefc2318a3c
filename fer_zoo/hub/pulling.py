"""Weights from a Hub: config before tensors, everything at one commit, nothing believed that was not hashed."""

from __future__ import annotations

import logging
from pathlib import Path

from fer_zoo.hub.client import Client, Seen, Settings
from fer_zoo.hub.contents import CONFIG
from fer_zoo.hub.names import HubName, parse
from fer_zoo.hub.refusals import UnreachableError
from fer_zoo.hub.snapshot import Snapshot

_log = logging.getLogger(__name__)


def pull(
    name: HubName | str,
    *,
    sha256: str | None = None,
    token: str | bool | None = None,
    endpoint: str | None = None,
    cache_dir: str | Path | None = None,
) -> Path:
    """Bring weights into the cache and check them; returns their folder, for `weights.load_weights`.

    A commit that is in the cache makes no request; a branch or tag makes one. Without a network the cache answers.

    Args:
        name: `hf-hub:OWNER/NAME[@REVISION]`; without a revision the newest of main.
        sha256: of model.safetensors, where it is known from elsewhere than the repository.
        token: of the Hub; else HF_TOKEN or the login; False for none.
        endpoint: of the Hub; else HF_ENDPOINT.
        cache_dir: else that of HF_HOME.

    Raises:
        OptionError: the name is none. HubError: the weights cannot be had, or are not what was promised.
        WeightsError: this version of fer_zoo cannot read them.
    """
    wanted = parse(name) if isinstance(name, str) else name
    client = Client(Settings(token, endpoint, cache_dir))
    revision = wanted.revision or "main"
    if wanted.is_pinned:
        snapshot, seen = Snapshot(client, wanted.repo, revision), None
    else:
        commit, seen = _resolve(client, wanted.repo, revision)
        snapshot = Snapshot(client, wanted.repo, commit)
    snapshot.fetch(seen)
    snapshot.verify(sha256)
    if not wanted.is_pinned:
        client.remember_commit(wanted.repo, revision, snapshot.commit)
    return snapshot.folder


def _resolve(client: Client, repo: str, revision: str) -> tuple[str, Seen | None]:
    """Which commit a branch or tag is now, or was when a Hub last said so."""
    try:
        seen = client.look(repo, CONFIG, revision)
    except UnreachableError:
        commit = client.cached_commit(repo, revision)
        if commit is None:
            raise
        silent = "%s is not asked, or does not answer: %s (%s) is what it last was, %s."
        _log.warning(silent, client.address, repo, revision, commit)
        return commit, None
    return seen.commit, seen
