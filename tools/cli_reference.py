"""Write docs/cli-reference.md, every command with its options, from the parser: python tools/cli_reference.py."""

from __future__ import annotations

import argparse
import html
from collections.abc import Iterator
from pathlib import Path

from fer_zoo.cli import parser
from fer_zoo.cli.usage import Parser

PAGE = Path(__file__).parent.parent / "docs" / "cli-reference.md"

HEAD = """\
# Command line reference

<!-- Written by `python tools/cli_reference.py` from the parser; do not edit. -->

All commands of `fer-zoo` and their options, as `fer-zoo COMMAND --help` prints them. `--debug`, after any command,
shows the traceback of an error. The exit codes are on the page of [`fer-zoo predict`](predict.md#exit-codes)."""


def page() -> str:
    """Return the text of the page."""
    return "\n".join([HEAD, *_commands(parser())]).rstrip() + "\n"


def _commands(of: Parser) -> Iterator[str]:
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from [*_command(command), *_commands(command)]


def _command(command: Parser) -> Iterator[str]:
    arguments = [one for one in command._actions if _documented(one)]
    yield from ("", f"## {command.prog}", "", str(command.description), "")
    if not arguments:
        return
    yield from ("| argument | meaning |", "|---|---|")
    for one in arguments:
        meaning = (one.help or "") % {**vars(one), "prog": command.prog}
        yield f"| {_written(one)} | {' '.join(meaning.split()).replace('|', '&#124;')} |"


def _documented(action: argparse.Action) -> bool:
    common = {"-h", "--debug"}.intersection(action.option_strings)
    return not (common or isinstance(action, argparse._SubParsersAction) or action.help == argparse.SUPPRESS)


def _written(action: argparse.Action) -> str:
    values = "" if action.nargs == 0 else argparse.HelpFormatter("")._format_args(action, action.dest.upper())
    names = ", ".join(f"{name} {values}".strip() for name in action.option_strings) or values
    # A bar would end the cell, also between backticks on some sites.
    return f"<code>{html.escape(names).replace('|', '&#124;')}</code>" if "|" in names else f"`{names}`"


if __name__ == "__main__":
    PAGE.write_text(page())
