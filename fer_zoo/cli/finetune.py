"""`fer-zoo finetune`: from trained weights and a table of labelled videos to weights of your own."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo.cli.arguments import positive

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs
    from fer_zoo.data.prepare import ShardProgress


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the command `finetune`."""
    finetune = verbs.add_parser(
        "finetune", parents=[common], help="train a network with weights further on your own labelled videos"
    )
    option = finetune.add_argument
    option("name", metavar="NAME", help="weights to start from: MODEL[.TAG], a weights folder, or hf-hub:OWNER/NAME")
    option(
        "--data", required=True, metavar="CSV", help="table path,label,subject of the videos; or a prepared clip store"
    )
    option("--out", metavar="DIR", help="output folder; an interrupted run in it is resumed; default: runs/CSV")
    option(
        "--recipe",
        default="finetune/upper_half",
        metavar="RECIPE",
        help="training settings, e.g. finetune/full or finetune/linear_probe; default: %(default)s",
    )
    overrides = "override settings of the recipe, e.g. train.epochs=5"
    option("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help=overrides)
    option("--folds", type=positive, metavar="K", help="networks for cross-validation, 3 or more; default: up to 5")
    option("--tag", default="finetuned", metavar="TAG", help="tag of the weights, MODEL.TAG; default: %(default)s")
    option("--workers", type=positive, default=1, metavar="N", help="processes that prepare clips; default: 1")
    option("--device", metavar="DEVICE", help="cpu, cuda, ...; default: cuda if available")
    finetune.set_defaults(verb=_finetune, writes_files=True)


def _finetune(arguments: argparse.Namespace) -> None:
    from fer_zoo.cli.evaluation import show
    from fer_zoo.cli.prepare import show_progress
    from fer_zoo.evaluation.finetune import STORE, finetune

    out = Path(arguments.out or Path("runs") / Path(arguments.data).stem)
    with ExitStack() as held:
        report, _ = held.enter_context(show_progress(f"preparing {arguments.data}"))

        def progress(prepared: ShardProgress) -> None:
            report(prepared)
            if prepared.done == prepared.shards:  # training shows a bar of its own
                held.close()

        done = finetune(
            arguments.name,
            arguments.data,
            out,
            recipe=arguments.recipe,
            overrides=arguments.set,
            folds=arguments.folds,
            workers=arguments.workers,
            device=arguments.device,
            tag=arguments.tag,
            progress=progress,
        )
    show(done.result)
    print(f"by chance: UAR {1 / len(done.result.predictions.labels):.1%}")
    if done.failures:
        print(f"{done.failures} rows or videos gave no clip or had other problems: see {out / STORE / 'failures.csv'}")
    print(f"\npredictions of all held-out subjects: {out / 'predictions.csv'}")
    print(f"weights, of the first of the {done.folds} networks: {done.weights}")
    print(f"next: fer-zoo predict VIDEO --model {done.weights} --out results")
