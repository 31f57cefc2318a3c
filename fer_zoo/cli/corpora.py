"""`fer-zoo prepare` and `fer-zoo data`: databases on disk, and the clip stores made of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from fer_zoo.cli.arguments import positive
from fer_zoo.errors import InputError, OptionError

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verbs `prepare` and `data`."""
    prepare = verbs.add_parser("prepare", parents=[common], help="make the clip store of a database")
    _add_database(prepare)
    prepare.add_argument("--out", required=True, metavar="STORE", help="folder of the store; goes on with a begun one")
    prepare.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="how clips are cut, e.g. frames=16"
    )
    prepare.add_argument("--jpeg", action="store_true", help="store frames as JPEG: a tenth of the space, not lossless")
    prepare.add_argument("--workers", type=positive, default=1, metavar="N", help="processes; default %(default)s")
    prepare.set_defaults(verb=_prepare)

    data = verbs.add_parser("data", parents=[common], help="databases: what is there, who may use them")
    parts = data.add_subparsers(title="verbs", required=True, metavar="VERB")
    check = parts.add_parser("check", parents=[common], help="compare a database on disk with what is known of it")
    _add_database(check)
    check.set_defaults(verb=_check)
    terms = parts.add_parser("terms", parents=[common], help="licence of each database, and what it says of weights")
    terms.add_argument("dataset", nargs="?", metavar="DATASET", help="default all")
    terms.set_defaults(verb=_terms)


def _add_database(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="`fer-zoo components dataset` lists them")
    parser.add_argument("--root", required=True, metavar="DIR", help="folder of the database")
    parser.add_argument(
        "--option", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="options of the reader"
    )


def _prepare(arguments: argparse.Namespace) -> None:
    import sys

    from fer_zoo.data.cut import CutSpec
    from fer_zoo.data.prepare import prepare
    from fer_zoo.registry import DATASETS
    from fer_zoo.specs import ComponentSpec

    def progress(done: int, shards: int) -> None:
        print(f"shard {done} of {shards}", file=sys.stderr)

    # At another rate than its own a database's short sequences would have too few frames.
    own = {"fps": DATASETS.get(arguments.dataset).defaults.get("fps", 25.0)}
    header = prepare(
        ComponentSpec(name=arguments.dataset, **_settings(arguments.option, "--option")),
        arguments.root,
        arguments.out,
        CutSpec.checked({**own, **_settings(arguments.set, "--set")}),
        encoding="jpeg" if arguments.jpeg else "raw",
        workers=arguments.workers,
        progress=progress,
    )
    print(f"{header.clips} clips of {header.subjects} subjects in {len(header.shards)} shards")
    for label, count in header.labels.items():
        print(f"  {label:<14} {count}")
    print(arguments.out)
    if header.failures:
        raise InputError(
            f"{header.failures} sources gave no clip, or had a problem; the store holds the others.",
            "sources that can be read, with a face and frames enough",
            f"see {Path(arguments.out) / 'failures.csv'} for the reason of each",
        )


def _check(arguments: argparse.Namespace) -> None:
    from fer_zoo.data.prepare import open_database

    database = open_database(arguments.dataset, Path(arguments.root), _settings(arguments.option, "--option"))
    count = sum(1 for _ in database.sources())
    differences = database.check()
    print(f"{count} labelled sources below {arguments.root}")
    for difference in differences:
        expected = "" if difference.expected is None else f", expected {difference.expected}"
        print(f"  {difference.what}: {difference.found}{expected}")
    for problem in getattr(database, "problems", ()):
        print(f"  problem: {problem}")
    if not differences:
        print("nothing differs from what is known of it")


def _terms(arguments: argparse.Namespace) -> None:
    from fer_zoo.registry import DATASETS

    for name in [arguments.dataset] if arguments.dataset else DATASETS.names():
        facts = DATASETS.get(name).defaults
        print(name)
        for key, title in (
            ("licence", "licence"),
            ("may_use", "who may use it"),
            ("terms", "terms"),
            ("share_weights", "weights trained on it may be shared"),
            ("terms_source", "source"),
        ):
            print(f"  {title}: {facts.get(key, 'unknown')}")


def _settings(texts: Sequence[str], option: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            equals = ""
        if not (key and equals):
            raise OptionError(f"{option} {text}", "KEY=VALUE", f"write e.g. {option} KEY=VALUE")
    return found
