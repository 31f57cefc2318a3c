"""The exceptions of fer_zoo: one base class; each is also a builtin exception.

A message has three parts: what was given, what is accepted, what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_LONGEST = 20_000
# Control characters, line separators, marks that reverse the order of text, and bytes that are not UTF-8.
_UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str, keep: str = "\n\t") -> str:
    """Escape characters that control a terminal or are not valid UTF-8, except those in `keep`."""

    def escaped(found: re.Match[str]) -> str:
        character = found[0]
        if "\udc80" <= character <= "\udcff":  # Python's representation of a byte that is not UTF-8 in a file name
            return f"\\x{ord(character) - 0xDC00:02x}"
        return character if character in keep else repr(character)[1:-1]

    return _UNPRINTABLE.sub(escaped, text)


def _shown(text: str) -> str:
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}... and {len(text) - _LONGEST} more characters"
    return printable(text)


class FerZooError(Exception):
    """Base class of all errors of fer_zoo; the message can be shown to a user without a traceback."""

    def __init__(self, given: str, accepted: str = "", do: str = "") -> None:
        # Text from outside may be long or contain control characters.
        given, accepted, do = map(_shown, map(hide_secrets, (given, accepted, do)))
        self.given, self.accepted, self.do = given, accepted, do
        parts = [given, f"Accepted: {accepted}" if accepted else "", f"What to do: {do}" if do else ""]
        super().__init__("\n  ".join(part for part in parts if part))

    def __reduce__(self) -> tuple[type[FerZooError], tuple[str, str, str]]:
        # The default would call the class with the joined text; worker processes pickle errors.
        return type(self), (self.given, self.accepted, self.do)

    def __str__(self) -> str:  # KeyError and its like would return the repr
        return str(self.args[0]) if self.args else ""


class UnknownNameError(FerZooError, LookupError):
    """A name that is not a registered component, recipe or set of weights."""


class DuplicateNameError(FerZooError, ValueError):
    """A name that is already registered."""


class OptionError(FerZooError, ValueError):
    """A component option that is unknown, ambiguous or of the wrong type or value."""

    @classmethod
    def for_heads(cls, part: str, option: str, width: int, heads: int) -> OptionError:
        """Return the error for a width that is not divisible by the number of attention heads."""
        fewer = max(divisor for divisor in range(1, heads + 1) if width % divisor == 0)
        return cls(
            f"{part} was given {option}={width} for heads={heads}.",
            f"{option}: a multiple of heads",
            f"write {option}={width + -width % heads} or heads={fewer}",
        )


class RecipeError(FerZooError, ValueError):
    """One or more problems in a recipe; the message lists all of them."""

    def __init__(self, given: str, accepted: str = "", do: str = "", problems: Sequence[str] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__("\n    - ".join((given, *self.problems)), accepted, do)


class IncompatibleComponentsError(FerZooError, ValueError):
    """Components that are not compatible."""


class InputError(FerZooError, ValueError):
    """A clip, landmark array or label list that does not match the model."""


class WeightsError(FerZooError, ValueError):
    """Weights that are missing, damaged, or for a different network."""


class HubError(FerZooError, OSError):
    """A download from or upload to the Hub that failed: not found, no permission, no connection, or wrong content."""


class ExportError(FerZooError, RuntimeError):
    """A network that cannot be exported, or a file that cannot be written or would compute something else."""


class VideoError(FerZooError, OSError):
    """A file that cannot be read or written as video."""


class NoFaceError(FerZooError, ValueError):
    """A video in which no face was found."""


class TrainingError(FerZooError, RuntimeError):
    """Training that cannot continue: it diverged, or was resumed with a different recipe."""


@contextmanager
def writing(
    path: Path,
    kind: type[FerZooError] = InputError,
    do: str = "free some space, or choose another folder",
) -> Iterator[None]:
    """Turn an OSError of the block into the error of class `kind` that `path` cannot be written to."""
    try:
        yield
    except FerZooError:
        raise
    except OSError as error:
        raise kind(f"{path} cannot be written to: {error}.", "a writable folder with free space", do) from error


def install_command(extra: str) -> str:
    """Return the command that installs an extra from a checkout; fer_zoo is not on a package registry."""
    return f'in a checkout of fer_zoo: pip install ".[{extra}]"'


class MissingExtraError(FerZooError, ImportError):
    """An optional package that is not installed."""

    @classmethod
    def for_extra(cls, package: str, extra: str) -> MissingExtraError:
        """Return the error for a missing optional dependency, with its `pip install` command."""
        return cls(
            f"The Python package {package!r} is required but not installed.",
            f"the extra {extra!r} of fer-zoo",
            install_command(extra),
        )


_USER = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/?#'\"<>]*@")
_SECRET = re.compile(
    r"(?i)([?&;][\w.-]*(?:token|key|secret|passw|pwd|auth|signature|credential)[\w.-]*=)[^\s&;#'\"<>]+"
)


def hide_secrets(text: str) -> str:
    """Return a text without the user names, passwords and tokens of the URLs in it; all that shows a URL uses this."""
    return _SECRET.sub(r"\1***", _USER.sub(r"\1", text))
