"""`fer-zoo data`: databases on disk, who may use them, and stores that were made of them."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fer_zoo.cli import stores
from fer_zoo.cli.arguments import add_options, settings
from fer_zoo.errors import InputError, OptionError
from fer_zoo.paths import find_path, shown

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs
    from fer_zoo.data.sources import Source


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the command `data`."""
    data = verbs.add_parser("data", parents=[common], help="inspect databases and stores, and their terms of use")
    parts = data.add_subparsers(title="verbs", required=True, metavar="VERB")
    check = parts.add_parser(
        "check",
        parents=[common],
        help="find problems of a database on disk, and compare its counts with the published ones; exit code 2 if any",
    )
    check.add_argument("dataset", metavar="DATASET", help="`fer-zoo components dataset` lists them")
    check.add_argument("--root", required=True, metavar="DIR", help="folder of the database")
    add_options(check)
    check.set_defaults(verb=_check)
    terms = parts.add_parser("terms", parents=[common], help="show licences, and whether trained weights may be shared")
    terms.add_argument("dataset", nargs="?", metavar="DATASET", help="default: all")
    terms.set_defaults(verb=_terms)
    template = parts.add_parser(
        "template", parents=[common], help="print the empty table of labels that a dataset needs"
    )
    template.add_argument("dataset", metavar="DATASET", help="csv or fera")
    template.set_defaults(verb=_template)
    stores.add(parts, common)


def _check(arguments: argparse.Namespace) -> None:
    from fer_zoo.data.reading import open_database

    database = open_database(arguments.dataset, find_path(arguments.root), settings(arguments.option, "--option"))
    sources = list(database.sources())
    differences, problems = database.check(sources), getattr(database, "problems", ())
    lines = [f"{len(sources)} labelled sources in {arguments.root}", *_figures(sources)]
    for difference in differences:
        lines.append(f"differs: {difference.what}: {difference.found}, expected {difference.expected}")
    lines += [f"problem: {problem}" for problem in problems]
    print("\n".join(map(shown, lines)))
    if differences or problems:
        differ = f"{len(differences)} counts differ from the published ones of {arguments.dataset}; " * bool(
            differences
        )
        raise InputError(
            f"{differ}{len(problems)} problem{'s' * (len(problems) != 1)}.",
            "the database as published" if differences else f"what the reader {arguments.dataset} can use",
            "see the lines above; what a problem concerns is left out, all else can be prepared",
        )
    # The user's own table or folder has no counts to compare with.
    known = bool(getattr(database, "expected", None))
    print("all counts match the expected ones" if known else "no problems found; the clips above can be prepared")


def _figures(sources: Sequence[Source]) -> Iterator[str]:
    """Lines that count the subjects, the classes and the parts of published splits."""
    subjects = {source.subject for source in sources if source.subject is not None}
    yield f"  {'subjects':<24} {len(subjects) or 'unknown'}"
    for label, count in sorted(Counter(source.label for source in sources).items()):
        yield f"  {label:<24} {count}"
    parts = Counter(f"{split} {part}" for source in sources for split, part in source.split.items())
    yield from (f"  {f'published {part}':<24} {count}" for part, count in sorted(parts.items()))


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
            print(f"  {title}: {facts[key]}")


def _template(arguments: argparse.Namespace) -> None:
    from fer_zoo.registry import DATASETS

    template = DATASETS.get(arguments.dataset).defaults.get("template")
    if template is None:
        raise OptionError(
            f"Dataset {arguments.dataset!r} has no table to fill in.",
            ", ".join(name for name in DATASETS.names() if "template" in DATASETS.get(name).defaults),
            "its files already contain the labels: skip this step",
        )
    print(template, end="")
