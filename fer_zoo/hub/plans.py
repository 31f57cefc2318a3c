"""What a push would change: our files against those of the repository."""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fer_zoo.card import fill_card
from fer_zoo.errors import HubError
from fer_zoo.hub.client import Client
from fer_zoo.hub.pulling import LIMITS, MIB, git_id, is_ours
from fer_zoo.hub.refusals import hub_errors
from fer_zoo.weights.files import CARD, sha256
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
class PushPlan:
    """What is to be sent where; `there` is None if the repository does not exist yet."""

    folder: Path
    repo: str
    branch: str
    card: bytes
    there: There | None
    files: tuple[Sent, ...]
    removed: tuple[str, ...]

    @property
    def unchanged(self) -> bool:
        """Whether all of it is there already."""
        return self.there is not None and not self.removed and all(file.unchanged for file in self.files)

    def source(self, file: Sent) -> str | bytes:
        """The content of a file to send, or its path."""
        return self.card if file.path == CARD else str(self.folder / file.path)


def make_plan(client: Client, found: WeightsFolder, repo: str, branch: str) -> PushPlan:
    """Compare a folder with a repository; changes nothing.

    Raises:
        HubError: the Hub does not answer.
    """
    there = look_at(client, repo, branch)
    folder = found.path
    card = card_to_send((folder / CARD).read_text(encoding="utf-8"), repo).encode()
    # Never whatever else lies in the folder: logs, clips, secrets.
    paths = [folder / name for name in sorted(known_files(found))]
    known = there.ids if there else {}
    files = tuple(_compared(path, card if path.name == CARD else None, known) for path in paths)
    removed = sorted(path for path in known if is_ours(path) and path not in {file.path for file in files})
    return PushPlan(folder, repo, branch, card, there, files, tuple(removed))


def look_at(client: Client, repo: str, branch: str) -> There | None:
    """The state of a repository, None if there is none that we may see.

    Raises:
        HubError: the Hub does not answer.
    """
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    with hub_errors(client.address, repo, branch):
        try:
            info = client.api.model_info(repo)
        except RepositoryNotFoundError:
            return None
        head, has_branch = info.sha, True
        if branch != "main":
            try:
                head = client.api.model_info(repo, revision=branch).sha
            except RevisionNotFoundError:
                has_branch = False
        if head is None:
            raise HubError(f"{client.address} did not say at which commit {repo} is.", "a Hub", "check HF_ENDPOINT")
        tags = {tag.name: tag.target_commit for tag in client.api.list_repo_refs(repo).tags}
        ids = {}
        for entry in client.api.list_repo_tree(repo, revision=head):
            if (blob := getattr(entry, "blob_id", None)) is not None:
                large = getattr(entry, "lfs", None)
                ids[entry.path] = large.sha256 if large else blob
    return There(bool(info.private), head, has_branch, tags, ids)


def card_is_ours_to_replace(client: Client, plan: PushPlan) -> bool:
    """Whether the card in the repository is as some push left it, or there is none, or it stays as it is."""
    there = plan.there
    if there is None or CARD not in there.ids or any(file.unchanged for file in plan.files if file.path == CARD):
        return True
    if (client.look(plan.repo, CARD, there.head).size or 0) > LIMITS[CARD]:
        return False
    from huggingface_hub import hf_hub_download

    with (
        tempfile.TemporaryDirectory() as apart,  # a card that is about to be replaced does not belong in the cache
        hub_errors(client.address, plan.repo, there.head, CARD),
    ):
        token = client.settings.token
        path = hf_hub_download(
            plan.repo, CARD, revision=there.head, cache_dir=apart, token=token, endpoint=client.endpoint
        )
        return is_as_sent(Path(path).read_bytes().decode(errors="replace"))


def _compared(path: Path, content: bytes | None, known: dict[str, str]) -> Sent:
    size = path.stat().st_size if content is None else len(content)
    digest = sha256(path) if content is None else hashlib.sha256(content).hexdigest()
    ids = {digest}
    if size <= _LARGE:
        ids.add(git_id(path.read_bytes() if content is None else content))
    large = path.suffix in _LARGE_NAMES or size > _LARGE
    return Sent(path.name, size, digest, large, known.get(path.name) in ids)


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
