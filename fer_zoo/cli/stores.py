"""`fer-zoo data split`, `verify`, `export` and `import`: what is done with a clip store besides training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo.cli.arguments import at_least_zero, positive
from fer_zoo.errors import InputError, writing
from fer_zoo.paths import find_path, shown

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs
    from fer_zoo.data.store import Store


def add(parts: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verbs `split`, `verify`, `export` and `import` below `data`."""
    split = parts.add_parser("split", parents=[common], help="write subject-independent splits of a store")
    split.add_argument("store", metavar="STORE", help="folder of the store, or its name in the stores folder")
    how = split.add_mutually_exclusive_group(required=True)
    how.add_argument("--folds", type=positive, metavar="N", help="cross-validation with N folds")
    how.add_argument("--leave-one-out", action="store_true", help="leave-one-subject-out: one split per subject")
    split.add_argument("--seed", type=at_least_zero, default=0, metavar="N", help="random seed; default: %(default)s")
    split.add_argument(
        "--validation-folds",
        type=positive,
        default=5,
        metavar="N",
        help="with --leave-one-out: one in N of the other subjects is the validation set; default: %(default)s",
    )
    split.add_argument("--labels", nargs="+", metavar="LABEL", help="use only clips of these labels; default: all")
    split.add_argument("--out", required=True, metavar="FILE", help="the file to write, e.g. splits.json")
    split.set_defaults(verb=_split, writes_files=True)
    verify = parts.add_parser("verify", parents=[common], help="verify all checksums of a store")
    verify.add_argument("store", metavar="STORE", help="folder of the store, or its name in the stores folder")
    verify.set_defaults(verb=_verify)
    export = parts.add_parser(
        "export", parents=[common], help="write a store as a folder that the Hugging Face library `datasets` opens"
    )
    export.add_argument("store", metavar="STORE", help="folder of the store, or its name in the stores folder")
    export.add_argument("--out", required=True, metavar="DIR", help="the folder to write, which must not exist")
    export.set_defaults(verb=_export, writes_files=True)
    back = parts.add_parser("import", parents=[common], help="make the store of such a folder again")
    back.add_argument("folder", metavar="DIR", help="a folder that `data export` wrote")
    back.add_argument("--out", required=True, metavar="STORE", help="the store to write, which must not exist")
    back.set_defaults(verb=_import, writes_files=True)


def _split(arguments: argparse.Namespace) -> None:
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
    out = Path(arguments.out)
    with writing(out):
        write_splits(out, splits, store=store.header.fingerprint, seed=arguments.seed)
    for split in splits:
        sizes = [f"{part} {len(getattr(split, part))}" for part in PARTS]
        print(shown(f"{split.name}: {', '.join(sizes)}"))
    print(shown(out))


def _verify(arguments: argparse.Namespace) -> None:
    store = _opened(arguments.store)
    store.verify()
    print(f"{len(store)} clips in {len(store.header.shards)} shards match their checksums")


def _export(arguments: argparse.Namespace) -> None:
    from fer_zoo.data.exchange import export_store

    store = _opened(arguments.store)
    out = export_store(store, arguments.out)
    print(f"{len(store)} clips; datasets.load_dataset({str(out)!r})")
    print(shown(out))


def _import(arguments: argparse.Namespace) -> None:
    from fer_zoo.data.exchange import import_store

    header = import_store(arguments.folder, arguments.out)
    print(f"{header.clips} clips; fingerprint {header.fingerprint}")
    print(shown(arguments.out))


def _opened(name: str) -> Store:
    from fer_zoo.data import stores_root
    from fer_zoo.data.store import open_store

    return open_store(folder if (folder := find_path(name)).is_dir() else stores_root() / name)
