"""Errors of the command line in the three parts of every fer_zoo error: given, accepted, what to do."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from fer_zoo.errors import OptionError


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises OptionError instead of exiting; its commands use this class too."""

    _given: Sequence[str] = ()
    _commands: argparse._SubParsersAction[Parser] | None = None

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # Suppressed: the option after the command must not reset the one before it to a default.
        self.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
        )

    def command(
        self,
        name: str,
        about: str,
        run: Callable[[argparse.Namespace], None] | None = None,
        *,
        writes_files: bool = False,
    ) -> Parser:
        """Add a command, with the function that runs it; without one, it has commands of its own."""
        if self._commands is None:
            self._commands = self.add_subparsers(title="commands", required=True, metavar="COMMAND")
        made = self._commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        made.set_defaults(run=run, writes_files=writes_files)
        return made

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse `args` and reject unknown ones here, where the options of the subcommand are known."""
        self._given = sys.argv[1:] if args is None else args
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self._reject(next((word for word in rest if word.startswith("-")), rest[0]))
        return found, rest

    def error(self, message: str) -> NoReturn:
        """Turn the one-line text of argparse into an OptionError.

        Raises:
            OptionError: always.
        """
        choice = re.match(r"argument COMMAND: invalid choice: (.+?) \(choose from", message)
        if choice and self._commands:
            command = choice[1].strip("'\"")
            raise self._error(f"{self._me} has no command {command!r}.", _nearest(command, self._commands.choices))
        if missing := re.match("the following arguments are required: (.+)", message):
            raise self._missing(missing[1])
        if argument := re.match(r"argument (.+?): (.+)", message):
            raise self._error(f"{argument[1]}: {argument[2]}.", self._form(argument[1]))
        raise self._error(f"{self._me}: {message}.", self._usage())

    def _reject(self, word: str) -> NoReturn:
        after_dashes = word in self._given[list(self._given).index("--") :] if "--" in self._given else False
        if after_dashes and word.startswith("-"):
            given = f"{self._me} got {word!r} after `--`, where everything is taken for an argument."
            raise self._error(given, self._usage(), "write options before `--`; ")
        if not word.startswith("-"):
            raise self._error(f"{self._me} got an unexpected argument {word!r}.", self._usage())
        if os.path.lexists(word):
            raise self._dashed(word)
        option = word.partition("=")[0]
        given = f"{self._me} has no option {option!r}."
        bare = option.lstrip("-").upper()
        if bare in (action.metavar for action in self._actions if not action.option_strings):
            raise self._error(given, f"{bare} without a name before it: {self._usage()}")
        known = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        raise self._error(given, _nearest(option, known))

    def _missing(self, names: str) -> OptionError:
        if self._commands:
            return self._error(f"{self._me} needs a command.", ", ".join(self._commands.choices))
        if files := [word for word in self._given if word.startswith("-") and os.path.lexists(word)]:
            return self._dashed(files[0])
        options = (action for action in self._actions if action.option_strings and action.nargs == "+")
        greedy = [name for action in options for name in action.option_strings if name in self._given]
        before = f"write {names} before {greedy[0]}, which takes everything after it; " if greedy else ""
        return self._error(f"{self._me} needs {names}.", self._usage(), before)

    def _dashed(self, file: str) -> OptionError:
        given = f"{self._me} takes the file name {file!r} for an option, because it starts with a dash."
        return self._error(given, f"./{file}", f"write ./{file}; ")

    def _error(self, given: str, accepted: str, do: str = "") -> OptionError:
        return OptionError(given, accepted, f"{do}see `{self.prog} --help`")

    @property
    def _me(self) -> str:
        return f"`{self.prog}`"

    def _usage(self) -> str:
        """How the command is written, without the names of options that may be left out."""
        text = " ".join(self.format_usage().split()).removeprefix("usage: ")
        start, *rest = re.split(r"(?: \[-(?:[^][]|\[[^]]*\])*\])+", text)
        return " [OPTIONS]".join([start, "".join(rest)]) if rest else start

    def _form(self, name: str) -> str:
        """Return how an argument is written, with its help."""
        action = next((a for a in self._actions if name in ("/".join(a.option_strings), a.metavar)), None)
        if action is None:
            return self._usage()
        words = [*action.option_strings[-1:], *([str(action.metavar)] if action.metavar else [])]
        text = (action.help or "") % {**vars(action), "prog": self.prog}
        return " ".join(words) + (f": {text}" if text else "")


def _nearest(word: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    return f"did you mean {close[0]!r}?" if close else ", ".join(known)
