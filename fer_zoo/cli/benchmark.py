"""`fer-zoo benchmark`: how fast networks predict, for each runtime and batch size."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo.cli.arguments import positive
from fer_zoo.cli.text import print_table
from fer_zoo.paths import shown

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the command `benchmark`."""
    benchmark = verbs.add_parser("benchmark", parents=[common], help="measure the speed of networks, for each runtime")
    benchmark.add_argument(
        "models", nargs="+", metavar="NAME", help="MODEL.TAG, hf-hub:OWNER/NAME, or a weights folder"
    )
    benchmark.add_argument(
        "--against", action="append", default=[], metavar="NAME", help="a network to compare with, torchvision:r3d_18"
    )
    benchmark.add_argument(
        "--variant",
        action="append",
        metavar="NAME",
        help="torch, onnxruntime, openvino, ...; default: all that can run",
    )
    benchmark.add_argument(
        "--batch-size", action="append", type=positive, metavar="N", help="clips at once; default: 1 and 8"
    )
    benchmark.add_argument("--rounds", type=positive, default=10, metavar="N", help="default: %(default)s")
    benchmark.add_argument("--threads", type=positive, metavar="N", help="CPU threads; default: PyTorch's")
    benchmark.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu or cuda; default: %(default)s")
    benchmark.add_argument(
        "--clock", default="wall", metavar="NAME", help="wall, or processor for a busy machine (with --threads 1)"
    )
    benchmark.add_argument("--out", metavar="FILE", help="CSV file with all results, machine, versions and commit")
    benchmark.set_defaults(verb=_benchmark, writes_files=True)


def _benchmark(arguments: argparse.Namespace) -> None:
    from fer_zoo.benchmark import benchmark, table, write_csv

    found = benchmark(
        arguments.models,
        against=arguments.against,
        variants=arguments.variant,
        batches=arguments.batch_size or (1, 8),
        rounds=arguments.rounds,
        threads=arguments.threads,
        device=arguments.device,
        clock=arguments.clock,
        progress=lambda text: print(text, file=sys.stderr),
    )
    print_table(table(found))
    if arguments.out:
        write_csv(found, Path(arguments.out))
        print(shown(arguments.out))
