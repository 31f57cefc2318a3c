"""Arguments and value types that several commands share."""

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
    """Return a parser with the options that every command has, before or after its name."""
    parser = argparse.ArgumentParser(add_help=False)
    # Suppressed: the option after the command must not reset the one before it to a default.
    parser.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
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
        help="override settings, e.g. train.lr=3e-4; write it after RECIPE",
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --option, the options of a dataset."""
    parser.add_argument(
        "--option",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="options of the dataset, e.g. file=labels.csv",
    )


def add_runtime(parser: argparse.ArgumentParser) -> None:
    """Add --runtime."""
    parser.add_argument(
        "--runtime", metavar="NAME", help="torch, onnxruntime or openvino; default: torch, or that of an exported file"
    )


def settings(texts: Sequence[str], option: str) -> dict[str, Any]:
    """Return the values of KEY=VALUE texts, each read as YAML.

    Raises:
        OptionError: one has another form; the error names `option`.
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
    """Parse an integer >= 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer >= 1")
    return int(text)


def at_least_zero(text: str) -> int:
    """Parse an integer >= 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer >= 0")
    return int(text)


def share(text: str) -> float:
    """Parse a number >= 0, e.g. of GPUs, which jobs can share."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number >= 0")
    return value


def engine(text: str) -> str:
    """Parse what runs the jobs: processes of this machine, or a Ray cluster."""
    if text not in ("processes", "ray"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither processes nor ray")
    return text


def faces(text: str) -> str | int:
    """Parse which faces: all, largest, or how many."""
    if text in ("all", "largest"):
        return text
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither all, largest nor an integer >= 1")
    return int(text)


def baseline(text: str) -> str | float:
    """Parse a stretch of a resting face: seconds, or auto."""
    try:
        value = 0.0 if text == "auto" else float(text)
    except ValueError:
        value = -1.0
    if text != "auto" and not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is neither auto nor a number of seconds above 0")
    return "auto" if text == "auto" else value
