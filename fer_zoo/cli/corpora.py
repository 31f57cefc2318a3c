"""`fer-zoo data`: databases on disk, who may use them, and clip stores that were made of them."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo.cli.arguments import add_settings, at_least_zero, positive, settings
from fer_zoo.cli.usage import Parser
from fer_zoo.errors import InputError, OptionError, writing
from fer_zoo.paths import find_path, shown

if TYPE_CHECKING:
    from fer_zoo.data.sources import Source
    from fer_zoo.data.store import Store


def add(top: Parser) -> None:
    """Add the command `data` with commands of its own."""
    data = top.command("data", "inspect databases and stores, and their terms of use")
    about = "find problems of a database on disk, and compare its counts with the published ones; exit code 2 if any"
    check = data.command("check", about, _check)
    check.add_argument("dataset", metavar="DATASET", help="`fer-zoo components dataset` lists them")
    check.add_argument("--root", required=True, metavar="DIR", help="folder of the database")
    add_settings(check, "--option", "options of the dataset, e.g. file=labels.csv")
    terms = data.command("terms", "show licences, and whether trained weights may be shared", _terms)
    terms.add_argument("dataset", nargs="?", metavar="DATASET", help="default: all")
    template = data.command("template", "print the empty table of labels that a dataset needs", _template)
    template.add_argument("dataset", metavar="DATASET", help="csv or fera")

    split = data.command("split", "write subject-independent splits of a store", _split, writes_files=True)
    verify = data.command("verify", "verify all checksums of a store", _verify)
    about = "write a store as a folder that the Hugging Face library `datasets` opens"
    export = data.command("export", about, _export, writes_files=True)
    back = data.command("import", "make the store of such a folder again", _import, writes_files=True)
    for command in (split, verify, export):
        command.add_argument("store", metavar="STORE", help="folder of the store, or its name in the stores folder")
    how = split.add_mutually_exclusive_group(required=True)
    how.add_argument("--folds", type=positive, metavar="N", help="cross-validation with N folds")
    how.add_argument("--leave-one-out", action="store_true", help="leave-one-subject-out: one split per subject")
    option = split.add_argument
    option("--seed", type=at_least_zero, default=0, metavar="N", help="random seed; default: %(default)s")
    validation = "with --leave-one-out: one in N of the other subjects is the validation set; default: %(default)s"
    option("--validation-folds", type=positive, default=5, metavar="N", help=validation)
    option("--labels", nargs="+", metavar="LABEL", help="use only clips of these labels; default: all")
    option("--out", required=True, type=Path, metavar="FILE", help="the file to write, e.g. splits.json")
    export.add_argument("--out", required=True, metavar="DIR", help="the folder to write, which must not exist")
    back.add_argument("folder", metavar="DIR", help="a folder that `data export` wrote")
    back.add_argument("--out", required=True, metavar="STORE", help="the store to write, which must not exist")


def _check(arguments: Namespace) -> None:
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


def _terms(arguments: Namespace) -> None:
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


def _template(arguments: Namespace) -> None:
    from fer_zoo.registry import DATASETS

    template = DATASETS.get(arguments.dataset).defaults.get("template")
    if template is None:
        raise OptionError(
            f"Dataset {arguments.dataset!r} has no table to fill in.",
            ", ".join(name for name in DATASETS.names() if "template" in DATASETS.get(name).defaults),
            "its files already contain the labels: skip this step",
        )
    print(template, end="")


def _split(arguments: Namespace) -> None:
    from fer_zoo.data.load import labelled
    from fer_zoo.data.split_files import write_splits
    from fer_zoo.data.splits import PARTS, k_fold, leave_each_out

    store = _opened(arguments.store)
    labels = arguments.labels or store.labels()
    if unknown := sorted(set(labels) - set(store.labels())):
        raise InputError(
            f"{store.folder} has no clip of {', '.join(unknown)}.", ", ".join(store.labels()), "correct --labels"
        )
    clips = labelled(store, labels)
    if arguments.leave_one_out:
        splits = leave_each_out(clips, arguments.seed, validation_folds=arguments.validation_folds)
    else:
        splits = k_fold(clips, arguments.folds, arguments.seed)
    with writing(arguments.out):
        write_splits(arguments.out, splits, store=store.header.fingerprint, seed=arguments.seed)
    for split in splits:
        sizes = [f"{part} {len(getattr(split, part))}" for part in PARTS]
        print(shown(f"{split.name}: {', '.join(sizes)}"))
    print(shown(arguments.out))


def _verify(arguments: Namespace) -> None:
    store = _opened(arguments.store)
    store.verify()
    print(f"{len(store)} clips in {len(store.header.shards)} shards match their checksums")


def _export(arguments: Namespace) -> None:
    from fer_zoo.data.exchange import export_store

    store = _opened(arguments.store)
    out = export_store(store, arguments.out)
    print(f"{len(store)} clips; datasets.load_dataset({str(out)!r})")
    print(shown(out))


def _import(arguments: Namespace) -> None:
    from fer_zoo.data.exchange import import_store

    header = import_store(arguments.folder, arguments.out)
    print(f"{header.clips} clips; fingerprint {header.fingerprint}")
    print(shown(arguments.out))


def _opened(name: str) -> Store:
    from fer_zoo.data.load import find_store
    from fer_zoo.data.store import open_store

    return open_store(find_store(name))
