"""Wrong arguments are told as every other error of fer_zoo is: what was given, what is accepted, what to do."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from fer_zoo.errors import OptionError


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises OptionError in place of leaving; the parsers of its verbs are of this class too."""

    _given: Sequence[str] = ()

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse `args` and refuse what is left over: the parser of a verb knows its options, the one above does not."""
        self._given = sys.argv[1:] if args is None else args
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self._refuse(next((word for word in rest if word.startswith("-")), rest[0]))
        return found, rest

    def error(self, message: str) -> NoReturn:
        """Called by argparse with its own one-line text.

        Raises:
            OptionError: always.
        """
        if choice := re.match(r"argument .*: invalid choice: (.+?) \(choose from", message):
            verb = choice[1].strip("'\"")
            raise self._error(f"{self._me} has no verb {verb!r}.", _nearest(verb, self._verbs()))
        if missing := re.match("the following arguments are required: (.+)", message):
            raise self._missing(missing[1])
        if argument := re.match(r"argument (.+?): (.+)", message):
            raise self._error(f"{argument[1]}: {argument[2]}.", self._form(argument[1]))
        raise self._error(f"{self._me}: {message}.", self._usage())

    def _refuse(self, word: str) -> NoReturn:
        if not word.startswith("-"):
            raise self._error(f"{self._me} takes no further argument {word!r}.", self._usage())
        option = word.partition("=")[0]
        given = f"{self._me} has no option {option!r}."
        bare = option.lstrip("-").upper()
        if bare in (action.metavar for action in self._actions if not action.option_strings):
            raise self._error(given, f"{bare} by itself: {self._usage()}")
        known = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        raise self._error(given, _nearest(option, known))

    def _missing(self, names: str) -> OptionError:
        verbs = self._verbs()
        if verbs:
            return self._error(f"{self._me} needs a verb.", ", ".join(verbs))
        options = (action for action in self._actions if action.option_strings and action.nargs == "+")
        greedy = [name for action in options for name in action.option_strings if name in self._given]
        before = f"write {names} before {greedy[0]}, which takes all that follows; " if greedy else ""
        return self._error(f"{self._me} needs {names}.", self._usage(), before)

    def _error(self, given: str, accepted: str, do: str = "") -> OptionError:
        return OptionError(given, accepted, f"{do}`{self.prog} --help` explains")

    @property
    def _me(self) -> str:
        return f"`{self.prog}`"

    def _usage(self) -> str:
        return " ".join(self.format_usage().split()).removeprefix("usage: ")

    def _form(self, name: str) -> str:
        """How an argument is written, with its help."""
        action = next((a for a in self._actions if name in ("/".join(a.option_strings), a.metavar)), None)
        if action is None:
            return self._usage()
        words = [*action.option_strings[-1:], *([str(action.metavar)] if action.metavar else [])]
        said = (action.help or "") % {**vars(action), "prog": self.prog}
        return " ".join(words) + (f": {said}" if said else "")

    def _verbs(self) -> list[str]:
        groups = (action for action in self._actions if isinstance(action, argparse._SubParsersAction))
        return [verb for group in groups for verb in group.choices]


def _nearest(word: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    return f"did you mean {close[0]!r}?" if close else ", ".join(known)
