"""What several verbs have in common."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fer_zoo.documents import DocumentError, parse_yaml
from fer_zoo.errors import OptionError

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


def common() -> argparse.ArgumentParser:
    """Options that stand before or after the verb."""
    parser = argparse.ArgumentParser(add_help=False)
    # Suppressed: the same option after the verb must not reset the one before it to a default.
    parser.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show a traceback with an error"
    )
    return parser


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Add RECIPE and --set."""
    parser.add_argument("recipe", metavar="RECIPE", help="a YAML file, or the name of a packaged recipe")
    parser.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="override, e.g. train.lr=3e-4; stands after RECIPE",
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --option, settings of a dataset."""
    parser.add_argument(
        "--option", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="options of the dataset"
    )


def settings(texts: Sequence[str], option: str) -> dict[str, Any]:
    """Values of KEY=VALUE, each read as YAML.

    Raises:
        OptionError: one is of another form, with the name of the `option` it stands behind.
    """
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        try:
            found[key] = parse_yaml(value)
        except DocumentError:
            equals = ""
        if not (key and equals):
            raise OptionError(f"{option} {text}", "KEY=VALUE", f"write e.g. {option} KEY=VALUE")
    return found


def positive(text: str) -> int:
    """Parse a whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)


def at_least_zero(text: str) -> int:
    """Parse a whole number of 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 0 or more")
    return int(text)


def share(text: str) -> float:
    """Parse a number of 0 or more, e.g. of GPUs, of which a half can be had."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 0 or more")
    return value


def engine(text: str) -> str:
    """Parse who works: processes of this machine, or a cluster."""
    if text not in ("processes", "ray"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither processes nor ray")
    return text


class Version(argparse.Action):
    """Print the version and leave."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and leave")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Called by argparse where the option stands."""
        from fer_zoo import __version__

        print(f"fer-zoo {__version__}")
        parser.exit()
