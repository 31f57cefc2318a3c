"""Every exception of fer_zoo: one base class, each also a natural builtin.

A message has three parts: what was given, what would be accepted, what to do next.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_LONGEST = 20_000
# Control characters, line separators, marks that reverse the order of text, and bytes that are not UTF-8.
_UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str, keep: str = "\n\t") -> str:
    """Escape what would change a terminal or cannot be written as UTF-8, except the characters in `keep`."""

    def escaped(found: re.Match[str]) -> str:
        character = found[0]
        if "\udc80" <= character <= "\udcff":  # how Python holds a byte of a file name that is not UTF-8
            return f"\\x{ord(character) - 0xDC00:02x}"
        return character if character in keep else repr(character)[1:-1]

    return _UNPRINTABLE.sub(escaped, text)


def _shown(text: str) -> str:
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}... and {len(text) - _LONGEST} more characters"
    return printable(text)


class FerZooError(Exception):
    """Base of all errors raised on purpose; its text is fit to be shown to a user without a traceback."""

    def __init__(self, given: str, accepted: str = "", do: str = "") -> None:
        # Names and texts of strangers may be long, or hold what changes a terminal.
        given, accepted, do = map(_shown, map(hide_secrets, (given, accepted, do)))
        self.given, self.accepted, self.do = given, accepted, do
        parts = [given, f"Accepted: {accepted}" if accepted else "", f"What to do: {do}" if do else ""]
        super().__init__("\n  ".join(part for part in parts if part))

    def __reduce__(self) -> tuple[type[FerZooError], tuple[str, str, str]]:
        # The default would rebuild from the joined text; worker processes send errors home by pickle.
        return type(self), (self.given, self.accepted, self.do)

    def __str__(self) -> str:  # KeyError-like builtins would show the repr
        return str(self.args[0]) if self.args else ""


class UnknownNameError(FerZooError, LookupError):
    """A name that no registry entry, recipe or weights table has."""


class DuplicateNameError(FerZooError, ValueError):
    """A name that is already registered."""


class OptionError(FerZooError, ValueError):
    """A component option that is unknown, ambiguous or of the wrong type or value."""

    @classmethod
    def for_heads(cls, part: str, option: str, width: int, heads: int) -> OptionError:
        """Build the error of a `part` whose `option`, a width, cannot be divided among attention heads."""
        fewer = max(divisor for divisor in range(1, heads + 1) if width % divisor == 0)
        return cls(
            f"{part} was given {option}={width} for heads={heads}.",
            f"{option}: a multiple of heads, as each head sees an equal share",
            f"write {option}={width + -width % heads} or heads={fewer}",
        )


class RecipeError(FerZooError, ValueError):
    """One or more problems of a recipe file; all of them are in the text."""

    def __init__(self, given: str, accepted: str = "", do: str = "", problems: Sequence[str] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__("\n    - ".join((given, *self.problems)), accepted, do)


class IncompatibleComponentsError(FerZooError, ValueError):
    """Two components that cannot work together."""


class InputError(FerZooError, ValueError):
    """A clip, landmark array or label list that does not fit what the model declares."""


class WeightsError(FerZooError, ValueError):
    """Weights that are missing, damaged, or made for another network."""


class HubError(FerZooError, OSError):
    """A Hub that does not give or take weights: not there, not allowed, not reached, or not what was promised."""


class VideoError(FerZooError, OSError):
    """A file that cannot be read or written as video."""


class NoFaceError(FerZooError, ValueError):
    """A video in which no face was found, where one is needed."""


class TrainingError(FerZooError, RuntimeError):
    """Training that cannot go on: diverged, or resumed with another recipe."""


def install_command(extra: str) -> str:
    """Return the command that installs an extra; fer_zoo is on no package registry, so it needs a checkout."""
    return f'in a checkout of fer_zoo: pip install ".[{extra}]"'


class MissingExtraError(FerZooError, ImportError):
    """An optional package that is not installed."""

    @classmethod
    def for_extra(cls, package: str, extra: str) -> MissingExtraError:
        """Build the error that names the `pip install` line for an optional dependency."""
        return cls(
            f"The Python package {package!r} is needed here and is not installed.",
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
