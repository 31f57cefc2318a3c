"""`fer-zoo export`: a network as a file for another runtime."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fer_zoo.paths import shown

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the command `export`."""
    export = verbs.add_parser("export", parents=[common], help="export a network to ONNX, OpenVINO or torch.export")
    export.add_argument("model", metavar="NAME", help="MODEL.TAG, hf-hub:OWNER/NAME, or a weights folder")
    export.add_argument(
        "--to", metavar="TARGET", help="onnx, openvino or torch-export; default: by the suffix of --out"
    )
    export.add_argument("--out", metavar="FILE", help="file to write; default: NAME.onnx, .xml or .pt2")
    export.add_argument(
        "--int8",
        metavar="STORE",
        help="int8 convolutions, calibrated and evaluated on this clip store",
    )
    export.set_defaults(verb=_export, writes_files=True)


def _export(arguments: argparse.Namespace) -> None:
    from fer_zoo.exporting import TOLERANCE, export

    result = export(arguments.model, arguments.out, arguments.to, int8=arguments.int8)
    print(shown(result.path))
    if result.int8 is not None:
        print(result.int8)
    else:
        print(f"largest difference of a logit from PyTorch: {result.difference:.1e} (at most {TOLERANCE:g})")
    if result.bf16 is not None:
        print(f"with --precision bf16 on this machine: {result.bf16:.1e} (not checked)")
