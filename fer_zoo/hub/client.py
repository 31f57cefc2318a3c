"""A Hub and a cache: what huggingface_hub does for downloads, in our name and with our errors."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo._version import __version__
from fer_zoo.errors import HubError, hide_secrets
from fer_zoo.files import write_text
from fer_zoo.hub.names import HubName, is_commit
from fer_zoo.hub.refusals import hide_secrets_in_logs, hub_errors

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata

LIBRARY = "fer-zoo"
_log = logging.getLogger(__name__)


class Client:
    """A Hub and a cache; every failure is raised as HubError.

    What is None is left to huggingface_hub: HF_TOKEN, HF_ENDPOINT, HF_HOME and the login.
    """

    def __init__(
        self, token: str | bool | None = None, endpoint: str | None = None, cache_dir: str | Path | None = None
    ) -> None:
        # Here, not above: it takes a while, and reads its environment when it is imported.
        from huggingface_hub import HfApi, constants

        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        # For messages, logs and records: an endpoint may hold a password.
        self.address = hide_secrets(self.endpoint)
        if self.address != self.endpoint:
            hide_secrets_in_logs()
        self.cache = Path(cache_dir or constants.HF_HUB_CACHE).expanduser()
        self.api = HfApi(endpoint=self.endpoint, token=token, library_name=LIBRARY, library_version=__version__)

    def look(self, repo: str, file: str, revision: str) -> HfFileMetadata:
        """Ask for size, etag and commit of a file; nothing is downloaded.

        Raises:
            HubError: it is missing, not accessible, or the answer is not a Hub's.
        """
        from huggingface_hub import hf_hub_url

        with hub_errors(self.address, repo, revision, file):
            url = hf_hub_url(repo, file, revision=revision, endpoint=self.endpoint)
            found = self.api.get_hf_file_metadata(url=url)
        if not is_commit(found.commit_hash or ""):
            raise HubError(
                f"{self.address} did not say which commit {repo} ({revision}) is.",
                "a Hugging Face Hub, or a mirror that passes on its headers",
                "check HF_ENDPOINT",
            )
        return found

    def download(self, repo: str, file: str, commit: str, cache: Path | None = None) -> Path:
        """Bring a file of a commit into the cache.

        Raises:
            HubError: it cannot be downloaded.
        """
        cache = cache or self.cache
        with hub_errors(self.address, repo, commit, file, cache=cache):
            return Path(self.api.hf_hub_download(repo, file, revision=commit, cache_dir=cache))

    def folder(self, repo: str) -> Path:
        """Where the cache keeps a repository."""
        return self.cache / f"models--{repo.replace('/', '--')}"

    def cached_commit(self, repo: str, revision: str) -> str | None:
        """The commit that a branch or tag was when it was last downloaded, if it ever was."""
        try:
            commit = (self.folder(repo) / "refs" / revision).read_text().strip()
        except (OSError, UnicodeDecodeError):
            return None
        return commit if is_commit(commit) else None

    def remember_commit(self, address: HubName, commit: str) -> None:
        """Note which commit a branch or tag is, once its files are checked; huggingface_hub does so before."""
        repo, revision = address.repo, address.revision or "main"
        if address.is_pinned or self.cached_commit(repo, revision) == commit:
            return
        try:
            write_text(self.folder(repo) / "refs" / revision, commit)
        except OSError as error:  # weights in a read-only cache can still be used
            _log.warning("Which commit %s (%s) is could not be noted in the cache: %s", repo, revision, error)
