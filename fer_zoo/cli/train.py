"""`fer-zoo train`: from a recipe to weights."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo.cli.arguments import add_recipe, positive

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs
    from fer_zoo.specs import Metrics


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the command `train`."""
    train = verbs.add_parser("train", parents=[common], help="train the network of a recipe")
    add_recipe(train)
    train.add_argument("--out", metavar="DIR", help="output folder; default: runs/RECIPE")
    train.add_argument(
        "--resume", action="store_true", help="resume the training run in DIR; start a new one if there is none"
    )
    train.add_argument(
        "--tag", default="local", metavar="TAG", help="tag of the weights, MODEL.TAG; default: %(default)s"
    )
    train.add_argument("--workers", type=positive, metavar="N", help="rendering processes; default: one per core")
    train.add_argument("--stores", metavar="DIR", help="folder of prepared clip stores; default: $FER_ZOO_STORES")
    train.add_argument("--max-steps", type=positive, metavar="N", help="stop after N steps, to try a recipe")
    train.add_argument("--device", metavar="DEVICE", help="cpu, cuda, ...; default: cuda if available")
    train.add_argument(
        "--log-with", action="append", default=[], metavar="TRACKER", help="tensorboard, wandb, trackio or mlflow"
    )
    train.add_argument(
        "--tensorboard", action="append_const", const="tensorboard", dest="log_with", help="--log-with tensorboard"
    )
    train.add_argument("--keep", type=positive, default=0, metavar="K", help="keep the weights of the K best epochs")
    train.set_defaults(verb=_train, writes_files=True)


def _train(arguments: argparse.Namespace) -> None:
    from fer_zoo.recipes import load_recipe
    from fer_zoo.training import begun, distributed, train

    recipe = load_recipe(arguments.recipe, arguments.set)
    out = Path(arguments.out or Path("runs") / Path(arguments.recipe).with_suffix("").name)
    if arguments.resume and not begun(out) and distributed.is_first():
        print(f"There is nothing to resume in {out}; starting a new training run.", file=sys.stderr)
    result = train(
        recipe,
        out,
        resume=arguments.resume,
        workers=arguments.workers,
        stores=Path(arguments.stores) if arguments.stores else None,
        max_steps=arguments.max_steps,
        tag=arguments.tag,
        device=arguments.device,
        log_with=arguments.log_with,
        keep=arguments.keep,
    )
    distributed.leave()
    if not distributed.is_first():
        return
    print(f"{result.epochs} epochs, {result.hours:.2f} hours")
    for part, metrics in (("validation", result.validation), ("test", result.test)):
        if metrics is not None:
            print(_line(part, metrics) + _missing(recipe.model.labels, metrics))
    if result.test is None:
        print("no subject was held out for a test: the validation figures chose the epoch, so they are optimistic")
    print(result.weights)


def _missing(labels: Sequence[str], metrics: Metrics) -> str:
    missing = [label for label, row in zip(labels, metrics.confusion, strict=True) if not sum(row)]
    return f"; no clip of {', '.join(missing)}: UAR is the mean of the others" if missing else ""


def _line(part: str, metrics: Metrics) -> str:
    return f"{part}: WAR {metrics.war:.1%}, UAR {metrics.uar:.1%} ({metrics.amount})"
