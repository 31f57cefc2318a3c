"""The only module that calls huggingface_hub to download: the Hub, the cache, and requests in our name."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo.errors import HubError, hide_secrets
from fer_zoo.files import write_text
from fer_zoo.hub.names import is_commit
from fer_zoo.hub.refusals import hide_secrets_in_logs, hub_errors

if TYPE_CHECKING:
    from huggingface_hub import HfApi

LIBRARY = "fer-zoo"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """What a Hub says about a file before it sends it; size and etag are None where it does not say."""

    commit: str
    size: int | None
    etag: str | None


@dataclass(frozen=True)
class Settings:
    """How to reach a Hub; None leaves it to huggingface_hub: HF_TOKEN, HF_ENDPOINT, HF_HOME and the login."""

    token: str | bool | None = None
    endpoint: str | None = None
    cache_dir: str | Path | None = None


class Client:
    """A Hub and a cache; every failure is raised as HubError."""

    def __init__(self, settings: Settings) -> None:
        # Here, not above: it takes a while, and reads its environment when it is imported.
        from huggingface_hub import constants

        self.settings = settings
        self.endpoint = (settings.endpoint or constants.ENDPOINT).rstrip("/")
        # For messages, logs and records: an endpoint may hold a password.
        self.address = hide_secrets(self.endpoint)
        if self.address != self.endpoint:
            hide_secrets_in_logs()
        self.cache = Path(settings.cache_dir or constants.HF_HUB_CACHE).expanduser()

    @cached_property
    def api(self) -> HfApi:
        """The client's own methods, with our name in their user agent."""
        from huggingface_hub import HfApi

        from fer_zoo._version import __version__

        return HfApi(
            endpoint=self.endpoint, token=self.settings.token, library_name=LIBRARY, library_version=__version__
        )

    def look(self, repo: str, file: str, revision: str) -> Seen:
        """Ask for size and commit of a file; nothing is downloaded.

        Raises:
            HubError: it is missing, not accessible, or the answer is not a Hub's.
        """
        from huggingface_hub import hf_hub_url

        with hub_errors(self.address, repo, revision, file):
            url = hf_hub_url(repo, file, revision=revision, endpoint=self.endpoint)
            found = self.api.get_hf_file_metadata(url=url)
        if found.commit_hash is None or not is_commit(found.commit_hash):
            raise HubError(
                f"{self.address} did not say which commit {repo} ({revision}) is.",
                "a Hugging Face Hub, or a mirror that passes on its headers",
                "check HF_ENDPOINT",
            )
        return Seen(found.commit_hash, found.size, found.etag)

    def download(self, repo: str, file: str, commit: str) -> Path:
        """Bring a file of a commit into the cache.

        Raises:
            HubError: it cannot be downloaded.
        """
        from huggingface_hub import hf_hub_download

        from fer_zoo._version import __version__

        with hub_errors(self.address, repo, commit, file, cache=self.cache):
            path = hf_hub_download(
                repo,
                file,
                revision=commit,
                library_name=LIBRARY,
                library_version=__version__,
                cache_dir=self.cache,
                token=self.settings.token,
                endpoint=self.endpoint,
            )
        return Path(path)

    def cached(self, repo: str, file: str, commit: str) -> Path | None:
        """A file of a commit, if it is in the cache; makes no request."""
        path = self.folder(repo) / "snapshots" / commit / file
        return path if path.is_file() else None

    def folder(self, repo: str) -> Path:
        """Where the cache keeps a repository."""
        return self.cache / f"models--{repo.replace('/', '--')}"

    def cached_commit(self, repo: str, revision: str) -> str | None:
        """The commit that a branch or tag was when it was last pulled, if it ever was."""
        try:
            commit = (self.folder(repo) / "refs" / revision).read_text().strip()
        except (OSError, UnicodeDecodeError):
            return None
        return commit if is_commit(commit) else None

    def remember_commit(self, repo: str, revision: str, commit: str) -> None:
        """Note which commit a branch or tag is, as huggingface_hub does when it is asked for one by such a name.

        We ask by commit, and only what was found right is noted.
        """
        if self.cached_commit(repo, revision) == commit:
            return
        try:
            write_text(self.folder(repo) / "refs" / revision, commit)
        except OSError as error:  # weights in a read-only cache can still be used
            _log.warning("Which commit %s (%s) is could not be noted in the cache: %s", repo, revision, error)
