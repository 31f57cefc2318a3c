"""`fer-zoo train`, `finetune`, `train-landmarks`: from a recipe, or from videos of your own, to weights."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo.cli.arguments import add_recipe, add_settings, add_shared, path, picked, positive
from fer_zoo.cli.usage import Parser

if TYPE_CHECKING:
    from fer_zoo.data.prepare import ShardProgress
    from fer_zoo.specs import Metrics


def add(top: Parser) -> None:
    """Add the commands `train`, `finetune` and `train-landmarks`."""
    train = top.command("train", "train the network of a recipe", _train, writes_files=True)
    add_recipe(train)
    option = train.add_argument
    option("--out", metavar="DIR", help="output folder; default: runs/RECIPE")
    option("--resume", action="store_true", help="resume the training run in DIR; start a new one if there is none")
    option("--tag", default="local", metavar="TAG", help="tag of the weights, MODEL.TAG; default: %(default)s")
    option("--workers", type=positive, metavar="N", help="rendering processes; default: one per core")
    add_shared(train, "--stores")
    option("--max-steps", type=positive, metavar="N", help="stop after N steps, to try a recipe")
    add_shared(train, "--device")
    trackers = "tensorboard, wandb, trackio or mlflow"
    option("--log-with", action="append", default=[], metavar="TRACKER", help=trackers)
    alias = "same as --log-with tensorboard"
    option("--tensorboard", action="append_const", const="tensorboard", dest="log_with", help=alias)
    option("--keep", type=positive, default=0, metavar="K", help="keep the weights of the K best epochs")

    about = "fine-tune trained weights on your own labelled videos"
    finetune = top.command("finetune", about, _finetune, writes_files=True)
    option = finetune.add_argument
    option(
        "name",
        metavar="NAME",
        help="weights to start from: a name from `fer-zoo models --pretrained`, a folder, or hf-hub:OWNER/NAME",
    )
    table = "table path,label,subject of the videos; or a prepared clip store"
    option("--data", required=True, metavar="CSV", help=table)
    option(
        "--out",
        metavar="DIR",
        help="output folder; an interrupted run in it is resumed; default: runs/NAME for NAME.csv",
    )
    recipes = "training settings, e.g. finetune/full or finetune/linear_probe; default: %(default)s"
    option("--recipe", default="finetune/upper_half", metavar="RECIPE", help=recipes)
    add_settings(finetune, "--set", "override settings of the recipe, e.g. train.epochs=5")
    option("--folds", type=positive, metavar="K", help="folds of cross-validation, 3 or more; default: up to 5")
    option("--tag", default="finetuned", metavar="TAG", help="tag of the weights, MODEL.TAG; default: %(default)s")
    option("--workers", type=positive, default=1, metavar="N", help="processes that prepare clips; default: 1")
    add_shared(finetune, "--device")

    about = "train the landmark network on rendered faces"
    landmarks = top.command("train-landmarks", about, _train_landmarks, writes_files=True)
    option = landmarks.add_argument
    settings = "YAML file of settings; default: those of the packaged weights"
    option("recipe", nargs="?", metavar="FILE", help=settings)
    out = "output folder; an interrupted training run in it is resumed"
    option("--out", required=True, type=Path, metavar="DIR", help=out)
    option("--stills", type=path, metavar="DIR", help="folder for the rendered images; default: DIR/stills")
    head = "ICT-FaceKit checkout or packed file; default: $FER_ZOO_ICT_FACEKIT"
    option("--head", type=path, metavar="FILE", help=head)
    option("--workers", type=positive, default=1, metavar="N", help="rendering processes; default: 1")


def _train(arguments: Namespace) -> None:
    from fer_zoo.recipes import load_recipe
    from fer_zoo.training import begun, distributed, train

    recipe = load_recipe(arguments.recipe, arguments.set)
    out = Path(arguments.out or Path("runs") / Path(arguments.recipe).with_suffix("").name)
    if arguments.resume and not begun(out) and distributed.is_first():
        print(f"There is nothing to resume in {out}; starting a new training run.", file=sys.stderr)
    options = picked(arguments, "resume", "workers", "stores", "max_steps", "tag", "device", "log_with", "keep")
    result = train(recipe, out, **options)
    distributed.leave()
    if not distributed.is_first():
        return
    print(f"{result.epochs} epochs, {result.hours:.2f} hours")
    for part, metrics in (("validation", result.validation), ("test", result.test)):
        if metrics is not None:
            figures = f"{part}: WAR {metrics.war:.1%}, UAR {metrics.uar:.1%} ({metrics.amount})"
            print(figures + _missing(recipe.model.labels, metrics))
    if result.test is None:
        print("no subject was held out for a test: the validation figures chose the epoch, so they are optimistic")
    print(result.weights)


def _missing(labels: Sequence[str], metrics: Metrics) -> str:
    missing = [label for label, row in zip(labels, metrics.confusion, strict=True) if not sum(row)]
    return f"; no clip of {', '.join(missing)}: UAR is the mean of the others" if missing else ""


def _finetune(arguments: Namespace) -> None:
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

        options = picked(arguments, "recipe", "folds", "workers", "device", "tag")
        done = finetune(arguments.name, arguments.data, out, overrides=arguments.set, progress=progress, **options)
    show(done.result)
    print(f"by chance: UAR {1 / len(done.result.predictions.labels):.1%}")
    if done.failures:
        print(f"{done.failures} rows or videos gave no clip or had other problems: see {out / STORE / 'failures.csv'}")
    print(f"\npredictions of all held-out subjects: {out / 'predictions.csv'}")
    print(f"weights, of the first of the {done.folds} networks: {done.weights}")
    print(f"try them: fer-zoo predict VIDEO --model {done.weights} --out results")
    settings = f"--stores {out} --set 'split={{leave_out: null, validation_folds: 3}}' --out {out}_final"
    print(f"for use, train on all subjects: fer-zoo train {out / 'recipe.yaml'} {settings}")


def _train_landmarks(arguments: Namespace) -> None:
    from fer_zoo.training.landmarks import RECIPE, read_recipe, train_landmarks

    recipe, stills = Path(arguments.recipe or RECIPE), arguments.stills or arguments.out / "stills"
    facts = train_landmarks(read_recipe(recipe), arguments.out, stills=stills, **picked(arguments, "head", "workers"))
    for kind, row in facts["errors"].items():
        print(f"{kind}: {row}")
    print(arguments.out)
