"""Arguments and value types that several commands share."""

from __future__ import annotations

import argparse
import math
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fer_zoo.documents import DocumentError, parse_yaml
from fer_zoo.errors import OptionError


def add_recipe(parser: ArgumentParser) -> None:
    """Add RECIPE and --set."""
    parser.add_argument("recipe", metavar="RECIPE", help="a YAML file, or the name of a packaged recipe")
    add_settings(parser, "--set", "override settings, e.g. train.lr=3e-4; write it after RECIPE")


def add_settings(parser: ArgumentParser, option: str, about: str) -> None:
    """Add an option that takes any number of KEY=VALUE."""
    parser.add_argument(option, nargs="+", action="extend", default=[], metavar="KEY=VALUE", help=about)


def add_shared(parser: ArgumentParser, *options: str) -> None:
    """Add options that mean the same to several commands."""
    for option in options:
        parser.add_argument(option, **_SHARED[option])


def picked(arguments: Namespace, *names: str) -> dict[str, Any]:
    """Return the values of these arguments, to pass them on by name."""
    return {name: getattr(arguments, name) for name in names}


def settings(texts: Sequence[str], option: str) -> dict[str, Any]:
    """Return the values of KEY=VALUE texts, each read as YAML.

    Raises:
        OptionError: one has another form; the error names `option`.
    """

    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        try:
            if not (key and equals):
                raise DocumentError("it has no key, or no value")
            found[key] = parse_yaml(value)
        except DocumentError as error:
            raise OptionError(f"{option} {text}", "KEY=VALUE", f"write e.g. {option} KEY=VALUE") from error
    return found


def path(text: str) -> Path | None:
    """Parse a path; an empty text is none, as if the option were not given."""
    return Path(text) if text else None


def positive(text: str) -> int:
    """Parse an integer >= 1."""
    return _integer(text, 1)


def at_least_zero(text: str) -> int:
    """Parse an integer >= 0."""
    return _integer(text, 0)


def _integer(text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer >= {least}")
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


def probability(text: str) -> float:
    """Parse a number from 0 to 1."""
    value = share(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a probability, 0 to 1")
    return value


def faces(text: str) -> str | int:
    """Parse which faces: all, largest, or how many."""
    if text in ("all", "largest"):
        return text
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither all, largest nor an integer >= 1")
    return int(text)


def baseline(text: str) -> str | float | None:
    """Parse the resting period: seconds, auto, or none."""
    if text in ("auto", "none"):
        return None if text == "none" else text
    with suppress(argparse.ArgumentTypeError):
        if seconds := share(text):
            return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is neither auto, none, nor a number of seconds above 0")


_SHARED: dict[str, dict[str, Any]] = {
    "--batch-size": {"type": positive, "default": 8, "metavar": "N", "help": "windows per batch; default: 8"},
    "--device": {"metavar": "DEVICE", "help": "cpu, cuda, ...; default: cuda if available"},
    "--engine": {
        "choices": ("processes", "ray"),
        "default": "processes",
        "metavar": "ENGINE",
        "help": "processes (default), or ray for a cluster",
    },
    "--faces": {
        "type": faces,
        "default": "largest",
        "metavar": "WHICH",
        "help": "all, largest, or how many; default: largest",
    },
    "--runtime": {
        "metavar": "NAME",
        "help": "torch, onnxruntime or openvino; default: torch, or that of an exported file",
    },
    "--stores": {
        "type": path,
        "metavar": "DIR",
        "help": "folder of prepared clip stores; default: $FER_ZOO_STORES or ~/.local/share/fer_zoo/stores",
    },
}
