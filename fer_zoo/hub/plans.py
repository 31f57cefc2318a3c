"""What a push would change: our files against those of the repository."""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fer_zoo.card import fill_card
from fer_zoo.errors import HubError
from fer_zoo.files import sha256
from fer_zoo.hub.client import Client
from fer_zoo.hub.pulling import LIMITS, MIB, git_id, is_ours
from fer_zoo.hub.refusals import hub_errors
from fer_zoo.specs import WeightsCard
from fer_zoo.weights.files import CARD
from fer_zoo.weights.folder import WeightsFolder, known_files

# What a Hub keeps apart from git, unless its .gitattributes say otherwise.
_LARGE_NAMES, _LARGE = (".safetensors",), 10 * MIB
# The end of a card that was pushed: by it, a card that was edited on the Hub is known, and kept.
_MARK = re.compile(
    r"\n<!-- Written by fer-zoo push for (?P<repo>[\w./-]+); the text above had the sha256 (?P<sha256>[0-9a-f]{64})"
    r" -->\n?\Z"
)


@dataclass(frozen=True)
class Sent:
    """One file of a push; `lfs` as the Hub decides unless the repository has rules of its own."""

    path: str
    size: int
    sha256: str
    lfs: bool
    unchanged: bool


@dataclass(frozen=True)
class There:
    """A repository as it is: its newest commit on the branch, and the files there by content id."""

    private: bool
    head: str
    has_branch: bool
    tags: dict[str, str]
    ids: dict[str, str]


@dataclass(frozen=True)
class Pushed:
    """What a push did, or, where `commit` is None, would do.

    Attributes:
        readme: the model card as it is sent.
        there: the repository before; None if it did not exist.
        files: all that the folder has for the repository; those `unchanged` were there already.
        removed: files of earlier weights, which these do not have.
    """

    folder: Path
    repo: str
    branch: str
    card: WeightsCard
    readme: bytes
    there: There | None
    files: tuple[Sent, ...]
    removed: tuple[str, ...]
    private: bool
    url: str
    commit: str | None = None

    @property
    def created(self) -> bool:
        """Whether the repository is new."""
        return self.there is None

    @property
    def unchanged(self) -> bool:
        """Whether all was there already, so that no commit was made."""
        return self.there is not None and not self.removed and all(file.unchanged for file in self.files)


def make_plan(client: Client, found: WeightsFolder, repo: str, branch: str, *, private: bool) -> Pushed:
    """Compare a folder with a repository; changes nothing.

    Raises:
        HubError: the Hub does not answer.
    """
    there = look_at(client, repo, branch)
    known = there.ids if there else {}
    readme = card_to_send((found.path / CARD).read_text(encoding="utf-8"), repo).encode()
    files = []
    # Never whatever else lies in the folder: logs, clips, secrets.
    for name in sorted(known_files(found)):
        path = found.path / name
        size, digest = (
            (len(readme), hashlib.sha256(readme).hexdigest()) if name == CARD else (path.stat().st_size, sha256(path))
        )
        ids = {digest}
        if size <= _LARGE:
            ids.add(git_id(readme if name == CARD else path.read_bytes()))
        large = path.suffix in _LARGE_NAMES or size > _LARGE
        files.append(Sent(name, size, digest, large, known.get(name) in ids))
    removed = sorted(path for path in known if is_ours(path) and path not in {file.path for file in files})
    return Pushed(
        found.path,
        repo,
        branch,
        found.card,
        readme,
        there,
        tuple(files),
        tuple(removed),
        private=there.private if there else private,
        url=f"{client.address}/{repo}",
    )


def look_at(client: Client, repo: str, branch: str) -> There | None:
    """The state of a repository, None if there is none that we may see.

    Raises:
        HubError: the Hub does not answer.
    """
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    with hub_errors(client.address, repo, branch):
        try:
            info = client.api.model_info(repo, files_metadata=True)
        except RepositoryNotFoundError:
            return None
        has_branch = True
        try:
            if branch != "main":
                info = client.api.model_info(repo, revision=branch, files_metadata=True)
        except RevisionNotFoundError:
            has_branch = False
        if info.sha is None:
            raise HubError(f"{client.address} did not say at which commit {repo} is.", "a Hub", "check HF_ENDPOINT")
        tags = {tag.name: tag.target_commit for tag in client.api.list_repo_refs(repo).tags}
    ids = {file.rfilename: file.lfs.sha256 if file.lfs else str(file.blob_id) for file in info.siblings or ()}
    return There(bool(info.private), info.sha, has_branch, tags, ids)


def card_is_ours_to_replace(client: Client, plan: Pushed) -> bool:
    """Whether the card in the repository is as some push left it, or there is none, or it stays as it is."""
    there = plan.there
    if there is None or CARD not in there.ids or any(file.unchanged for file in plan.files if file.path == CARD):
        return True
    if (client.look(plan.repo, CARD, there.head).size or 0) > LIMITS[CARD]:
        return False
    with tempfile.TemporaryDirectory() as apart:  # a card that is about to be replaced does not belong in the cache
        path = client.download(plan.repo, CARD, there.head, Path(apart))
        return is_as_sent(path.read_bytes().decode(errors="replace"))


def card_to_send(text: str, repo: str) -> str:
    """Return the card of a folder for a repository: its example loads from there, its end has its own sha256."""
    if mark := _MARK.search(text):  # pulled from a repository, perhaps another one
        old = re.compile(rf"(hf-hub:|huggingface\.co/){re.escape(mark['repo'])}(?![\w.-])")
        text = old.sub(lambda found: found[1] + repo, text[: mark.start()])
    text = fill_card(text, repo).rstrip("\n") + "\n"
    return f"{text}\n<!-- Written by fer-zoo push for {repo}; the text above had the sha256 {_digest(text)} -->\n"


def is_as_sent(text: str) -> bool:
    """Whether a card is one that `card_to_send` made, unchanged since."""
    mark = _MARK.search(text)
    return mark is not None and _digest(text[: mark.start()]) == mark["sha256"]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
