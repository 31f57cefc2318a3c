"""`fer-zoo export`, `benchmark`: a network as a file for another runtime, and how fast each runtime is."""

from __future__ import annotations

import sys
from argparse import Namespace

from fer_zoo.cli.arguments import path, picked, positive
from fer_zoo.cli.text import print_table
from fer_zoo.cli.usage import Parser
from fer_zoo.paths import shown


def add(top: Parser) -> None:
    """Add the commands `export` and `benchmark`."""
    about = "export a network to ONNX, OpenVINO or torch.export"
    option = top.command("export", about, _export, writes_files=True).add_argument
    option("model", metavar="NAME", help="MODEL or MODEL.TAG, hf-hub:OWNER/NAME, or a weights folder")
    option("--to", metavar="TARGET", help="onnx, openvino or torch-export; default: by the suffix of --out")
    option("--out", metavar="FILE", help="file to write; default: NAME.onnx, .xml or .pt2")
    option("--int8", metavar="STORE", help="int8 convolutions, calibrated and evaluated on this clip store")

    about = "measure the speed of networks, for each runtime"
    option = top.command("benchmark", about, _benchmark, writes_files=True).add_argument
    option("models", nargs="+", metavar="NAME", help="MODEL or MODEL.TAG, hf-hub:OWNER/NAME, or a weights folder")
    against = "also measure this network, e.g. torchvision:r3d_18"
    option("--against", action="append", default=[], metavar="NAME", help=against)
    variants = "torch, onnxruntime, openvino, ...; default: all that can run"
    option("--variant", dest="variants", action="append", metavar="NAME", help=variants)
    batches = "clips at once; default: 1 and 8"
    option("--batch-size", dest="batches", action="append", type=positive, metavar="N", help=batches)
    option("--rounds", type=positive, default=10, metavar="N", help="measurements of each; default: %(default)s")
    option("--threads", type=positive, metavar="N", help="CPU threads; default: PyTorch's")
    option("--device", default="cpu", metavar="DEVICE", help="cpu or cuda; default: %(default)s")
    clock = "wall, or processor for a busy machine (with --threads 1)"
    option("--clock", default="wall", metavar="NAME", help=clock)
    option("--out", type=path, metavar="FILE", help="CSV file with all results, machine, versions and commit")


def _export(arguments: Namespace) -> None:
    from fer_zoo.exporting import TOLERANCE, export

    result = export(arguments.model, arguments.out, arguments.to, int8=arguments.int8)
    print(shown(result.path))
    if result.int8 is not None:
        print(result.int8)
    else:
        print(f"largest difference of a logit from PyTorch: {result.difference:.1e} (at most {TOLERANCE:g})")
    if result.bf16 is not None:
        print(f"with --precision bf16 on this machine: {result.bf16:.1e} (not checked)")


def _benchmark(arguments: Namespace) -> None:
    from fer_zoo.benchmark import benchmark, table, write_csv

    found = benchmark(
        arguments.models,
        batches=arguments.batches or (1, 8),
        progress=lambda text: print(text, file=sys.stderr),
        **picked(arguments, "against", "variants", "rounds", "threads", "device", "clock"),
    )
    print_table(table(found))
    if arguments.out:
        write_csv(found, arguments.out)
        print(shown(arguments.out))
