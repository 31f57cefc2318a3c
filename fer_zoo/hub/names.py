"""Addresses of weights: `hf-hub:OWNER/NAME[@REVISION]` and `local-dir:PATH`. Nothing else is taken for one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fer_zoo.errors import OptionError

HUB, FOLDER = "hf-hub:", "local-dir:"

_LONGEST = 96
# Only what the Hub accepts: these words become parts of URLs and of paths in the cache, where "--" and "/" separate.
_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_REVISION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/+-]*[A-Za-z0-9])?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubName:
    """A repository on a Hub and what to take of it: a branch, a tag, a commit, or None for the newest."""

    repo: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{HUB}{self.repo}" + (f"@{self.revision}" if self.revision else "")

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit, whose content can never change."""
        return self.revision is not None and is_commit(self.revision)


def is_address(name: str) -> bool:
    """Whether a name is an address of weights rather than the name of a model."""
    return name.startswith((HUB, FOLDER))


def is_commit(revision: str) -> bool:
    """Whether a revision is the full id of a commit."""
    return _COMMIT.fullmatch(revision) is not None


def parse(name: str) -> HubName:
    """Read `hf-hub:OWNER/NAME[@REVISION]`.

    Raises:
        OptionError: it has another form, or characters that no repository or revision has.
    """
    rest = name.removeprefix(HUB)
    if rest == name:
        raise _wrong(name, f"it does not begin with {HUB}")
    repo, at, revision = rest.partition("@")
    if at and (why := _wrong_revision(revision)):
        raise _wrong(name, why)
    if why := _wrong_repo(repo):
        raise _wrong(name, why)
    return HubName(repo, revision or None)


def parse_repo(repo: str) -> str:
    """Check `OWNER/NAME`, the name of a repository; returns it.

    Raises:
        OptionError: it is of another form.
    """
    if why := _wrong_repo(repo):
        raise OptionError(f"The repository {repo!r}: {why}.", "OWNER/NAME", "e.g. me/happy-faces")
    return repo


def parse_revision(revision: str, what: str = "revision") -> str:
    """Check the name of a branch or tag; returns it.

    Raises:
        OptionError: no branch or tag can have this name.
    """
    if why := _wrong_revision(revision):
        raise OptionError(f"The {what} {revision!r}: {why}.", "letters, digits and . _ - / +", "e.g. main, or v1.0")
    return revision


def parse_folder(name: str) -> Path:
    """Read `local-dir:PATH`, a weights folder on this machine.

    Raises:
        OptionError: there is no path.
    """
    rest = name.removeprefix(FOLDER)
    if rest == name or not rest or "\0" in rest:
        raise OptionError(
            f"{name!r} names no folder.", f"{FOLDER}PATH", f"e.g. create_model('{FOLDER}runs/quickstart/weights')"
        )
    try:
        folder = Path(rest).expanduser()
        folder.exists()
    except (OSError, RuntimeError) as error:  # too long, or of a user that there is not
        raise OptionError(f"{name[:80]!r} names no folder: {error}", f"{FOLDER}PATH", "correct the path") from error
    return folder


def _wrong_repo(repo: str) -> str:
    owner, slash, name = repo.partition("/")
    if "://" in repo or ":" in repo:
        return "it is a URL"
    if "\\" in repo or repo.startswith("/"):
        return "it is a path"
    if not slash or "/" in name:
        return "it is not OWNER/NAME"
    if ".." in repo or "--" in repo:
        return "it holds '..' or '--'"
    if len(repo) > _LONGEST:
        return f"it is longer than {_LONGEST} characters"
    if not (_WORD.fullmatch(owner) and _WORD.fullmatch(name)):
        return "OWNER and NAME are letters and digits with . _ - between them"
    return "it ends in .git" if name.endswith(".git") else ""


def _wrong_revision(revision: str) -> str:
    if not revision:
        return "the revision is empty"
    if ".." in revision or "//" in revision or "/." in revision or revision.endswith(".lock"):
        return "no branch, tag or commit can have this name"
    if not _REVISION.fullmatch(revision) or len(revision) > _LONGEST:
        return f"a revision is at most {_LONGEST} letters and digits with . _ - / + between them"
    return ""


def _wrong(name: str, why: str) -> OptionError:
    return OptionError(
        f"{name!r} is not an address on a Hub: {why}.",
        f"{HUB}OWNER/NAME, or {HUB}OWNER/NAME@REVISION with a branch, tag or commit",
        f"e.g. create_model('{HUB}me/happy-faces@v1.0', pretrained=True)",
    )
