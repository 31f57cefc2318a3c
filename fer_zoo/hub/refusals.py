"""What the Hub's client raises, as HubError: what happened, and what to do about it."""

from __future__ import annotations

import errno
import logging
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_zoo.errors import FerZooError, HubError, hide_secrets

_LOGGERS = ("huggingface_hub", "httpx", "httpx2", "httpcore", "urllib3", "requests")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_IN_WORDS = re.compile(
    r"(?i)no space left on device|disk quota exceeded|not enough space on the disk|os error (28|122)\b"
)
_LOG_IN = "log in with `hf auth login`, or set HF_TOKEN to a token that may"


class UnreachableError(HubError):
    """A Hub that does not answer, or not usably; what is in the cache can still be used."""


class MissingFileError(HubError):
    """A file that a repository does not have at a commit."""


def _without_secrets(record: logging.LogRecord) -> bool:
    record.msg, record.args = hide_secrets(record.getMessage()), ()
    return True


def hide_secrets_in_logs() -> None:
    """Keep passwords of URLs out of what the client and its HTTP library log."""
    import huggingface_hub.file_download  # noqa: F401  so that its loggers exist

    for name in list(logging.root.manager.loggerDict):
        # The filters of a logger do not apply to those below it.
        if name.partition(".")[0] in _LOGGERS:
            logging.getLogger(name).addFilter(_without_secrets)


@contextmanager
def hub_errors(
    endpoint: str, repo: str, revision: str | None = None, file: str | None = None, *, cache: Path | None = None
) -> Iterator[None]:
    """Turn what the client raises inside the `with` into HubError.

    Args:
        endpoint: without its password. cache: where files are written to.

    Raises:
        HubError: the client raised; the text says what to do.
    """
    from huggingface_hub import errors

    # The base class of network errors depends on the client's HTTP library: requests, httpx or httpx2.
    network: type[Exception] = errors.HfHubHTTPError.__bases__[0]
    try:
        yield
    except FerZooError:
        raise
    except (network, OSError, ValueError, RuntimeError, errors.EntryNotFoundError) as error:
        ours = _full_disk(error, cache) or _translated(error, endpoint, repo, revision, file)
        whole = "".join(traceback.format_exception(error))
        # A traceback would print the cause, and with it the password of a URL.
        raise ours from (error if hide_secrets(whole) == whole else None)


def _full_disk(error: BaseException | None, cache: Path | None) -> HubError | None:
    """Return the error of a full disk, which Xet reports only as text; None for another error."""
    from huggingface_hub import errors

    while error is not None and not isinstance(error, errors.HfHubHTTPError):  # which may be about the Hub's own disk
        number = error.errno if isinstance(error, OSError) else None
        if number in _FULL or _FULL_IN_WORDS.search(str(error)):
            place = getattr(error, "filename", None) or cache or "of the cache (HF_HOME)"
            do = "free some, or set HF_HOME to another disk"
            ours = HubError(f"The disk is full: {place}.", "free space for the weights", do)
            ours.errno = number or errno.ENOSPC  # by which the command line knows a fault of the environment
            return ours
        error = error.__cause__ or error.__context__
    return None


def _translated(error: Exception, endpoint: str, repo: str, revision: str | None, file: str | None) -> HubError:
    from huggingface_hub import errors

    at, message = f"{repo} at {revision}" if revision else repo, _message(error)
    status = getattr(getattr(error, "response", None), "status_code", 0)
    match error:
        case errors.GatedRepoError():
            return HubError(
                f"{repo} is gated: its owner grants access on request.",
                "a token of an account with access",
                f"ask on {endpoint}/{repo}, then {_LOG_IN} read it",
            )
        case errors.RepositoryNotFoundError():
            return HubError(
                f"{endpoint} has no repository {repo}, or it is private and you have no access.",
                "the name of a repository that you may read",
                f"check the name; if it is private, {_LOG_IN} read it",
            )
        case errors.RevisionNotFoundError():
            do = f"look at {endpoint}/{repo}/tree/main"
            return HubError(f"{repo} has no revision {revision}.", "a branch, a tag or a full commit id", do)
        case errors.OfflineModeIsEnabled():
            return UnreachableError(
                f"HF_HUB_OFFLINE is set, and {file or 'the answer'} of {at} is not in the cache.",
                "weights that were downloaded before",
                "unset HF_HUB_OFFLINE, or run `fer-zoo download NAME` where there is a network",
            )
        case errors.EntryNotFoundError() if not isinstance(error, errors.LocalEntryNotFoundError):
            return MissingFileError(
                f"{at} has no file {file}.",
                "a repository that `fer-zoo push` wrote",
                "check name and revision, or ask its owner to push it again",
            )
        case errors.HfHubHTTPError() if status == 401:
            return HubError(
                f"{endpoint} does not accept your token.",
                "a token that is valid, or none for what is public",
                "log in again with `hf auth login`; a token in HF_TOKEN is used instead of the login",
            )
        case errors.HfHubHTTPError() if status == 403:
            return HubError(
                f"You may not do this with {repo}: {message}",
                f"a token that may write to {repo}",
                f"{_LOG_IN} write there, push to a name of your own, or offer it with --pull-request",
            )
        case errors.HfHubHTTPError() if status == 412:
            return HubError(
                f"{repo} was changed by someone else during the push.",
                "a repository that does not change during the push",
                "push again, after a look at what changed",
            )
        case errors.HfHubHTTPError() if 0 < status < 500 and status != 429:
            return HubError(f"{endpoint} refuses {at}: {message}", "", "see what it says")
        case OSError(errno=errno.EACCES | errno.EROFS | errno.ENOTDIR | errno.EPERM):
            given = f"The cache cannot be written: {error.strerror}: {error.filename}."
            return HubError(given, "a writable folder", "set HF_HOME to another folder")
        case OSError() if "Consistency check failed" in str(error):
            given = f"{file} of {at} has a different size than {endpoint} announced."
            return HubError(given, "the whole file", "try again: nothing of it was kept")
        case ValueError() | RuntimeError() if not isinstance(error, OSError):
            return HubError(f"{at}: {message}", "what a Hub takes", "see what it says, then try again")
        case _:
            local = isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__
            return UnreachableError(
                f"{endpoint} could not be used: {_message(local or error)}",
                "a Hub that answers, or weights that were downloaded before",
                "check the network and HF_ENDPOINT, then try again",
            )


def _message(error: BaseException) -> str:
    """Return the error's own message on one line, or its type."""
    text = " ".join(str(getattr(error, "server_message", None) or error).split())
    return f"{text[:300]}{'' if text.endswith('.') else '.'}" if text else f"{type(error).__name__}."
