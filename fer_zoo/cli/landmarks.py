"""`fer-zoo train-landmarks`: train the landmark network of `fz68` on rendered faces."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo.cli.arguments import positive

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the command `train-landmarks`."""
    train = verbs.add_parser("train-landmarks", parents=[common], help="train the landmark network on rendered faces")
    train.add_argument(
        "recipe", nargs="?", metavar="FILE", help="YAML file of settings; default: those of the packaged weights"
    )
    train.add_argument(
        "--out", required=True, metavar="DIR", help="output folder; an interrupted training run in it is resumed"
    )
    train.add_argument("--stills", metavar="DIR", help="folder for the rendered images; default: DIR/stills")
    train.add_argument(
        "--head", metavar="FILE", help="ICT-FaceKit checkout or packed file; default: $FER_ZOO_ICT_FACEKIT"
    )
    train.add_argument("--workers", type=positive, default=1, metavar="N", help="rendering processes; default: 1")
    train.set_defaults(verb=_train, writes_files=True)


def _train(arguments: argparse.Namespace) -> None:
    from fer_zoo.training.landmarks import RECIPE, read_recipe, train_landmarks

    out = Path(arguments.out)
    facts = train_landmarks(
        read_recipe(Path(arguments.recipe or RECIPE)),
        out,
        stills=Path(arguments.stills or out / "stills"),
        head=Path(arguments.head) if arguments.head else None,
        workers=arguments.workers,
    )
    for kind, row in facts["errors"].items():
        print(f"{kind}: {row}")
    print(out)
