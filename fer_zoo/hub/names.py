"""Addresses of weights: `hf-hub:OWNER/NAME[@REVISION]` and `local-dir:PATH`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fer_zoo.errors import OptionError

HUB, FOLDER = "hf-hub:", "local-dir:"

# Only what the Hub accepts: names become parts of URLs and of paths in the cache, where "--" and "/" separate.
_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_REPO = re.compile(rf"(?!.*(?:\.\.|--|\.git\Z))(?=.{{1,96}}\Z){_WORD}/{_WORD}")
_REVISION = re.compile(r"(?!.*(?:\.\.|//|/\.|\.lock\Z))(?=.{1,96}\Z)[A-Za-z0-9](?:[A-Za-z0-9._/+-]*[A-Za-z0-9])?")
_REPO_RULE = "OWNER/NAME, at most 96 letters and digits with single . _ - between them"
_REVISION_RULE = "a branch, tag or commit: at most 96 letters and digits with . _ - / + between them"


@dataclass(frozen=True)
class HubName:
    """A repository on a Hub and a branch, tag or commit of it; None for the newest commit of main."""

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
    return re.fullmatch(r"[0-9a-f]{40}", revision) is not None


def parse(name: str) -> HubName:
    """Read `hf-hub:OWNER/NAME[@REVISION]`.

    Raises:
        OptionError: it does not have this form, or has characters that no repository or revision has.
    """
    if not name.startswith(HUB):
        example = f"e.g. create_model('{HUB}me/happy-faces@v1.0', pretrained=True)"
        raise OptionError(f"{name!r} does not begin with {HUB}", f"{HUB}OWNER/NAME[@REVISION]", example)
    repo, at, revision = name.removeprefix(HUB).partition("@")
    return HubName(parse_repo(repo), parse_revision(revision) if at else None)


def parse_repo(repo: str) -> str:
    """Check `OWNER/NAME`, the name of a repository; returns it.

    Raises:
        OptionError: it does not have this form.
    """
    if not _REPO.fullmatch(repo):
        raise OptionError(f"The repository {repo!r} cannot exist on a Hub.", _REPO_RULE, "e.g. me/happy-faces")
    return repo


def parse_revision(revision: str, what: str = "revision") -> str:
    """Check the name of a branch or tag; returns it.

    Raises:
        OptionError: no branch or tag can have this name.
    """
    if not _REVISION.fullmatch(revision):
        raise OptionError(f"The {what} {revision!r} cannot exist on a Hub.", _REVISION_RULE, "e.g. main, or v1.0")
    return revision


def parse_folder(name: str) -> Path:
    """Read `local-dir:PATH`, a weights folder on this machine.

    Raises:
        OptionError: there is no path.
    """
    path = name.removeprefix(FOLDER) if name.startswith(FOLDER) else ""
    try:
        folder = Path(path).expanduser()
        folder.exists()
    except (OSError, RuntimeError, ValueError):  # too long, of an unknown user, or with a null character
        path = ""
    if not path or "\0" in path:
        example = f"e.g. create_model('{FOLDER}runs/quickstart/weights')"
        raise OptionError(f"{name[:80]!r} names no folder.", f"{FOLDER}PATH", example)
    return folder
