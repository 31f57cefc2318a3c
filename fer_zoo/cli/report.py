"""`fer-zoo report`: tables, pictures and a page of what an ablation found."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the command `report`."""
    report = verbs.add_parser("report", parents=[common], help="write a report of an ablation, with tables and plots")
    report.add_argument("out", nargs="+", metavar="OUT", help="output folders of `fer-zoo ablate`")
    report.add_argument("--baseline", metavar="RECIPE", help="the recipe to compare with; default: the first")
    report.add_argument("--name", metavar="TEXT", help="title of the report; default: the names of the folders")
    report.add_argument("--to", metavar="DIR", help="output folder; default: OUT/report")
    report.add_argument("--stores", metavar="DIR", help="folder of prepared clip stores; default: $FER_ZOO_STORES")
    report.add_argument(
        "--faces", action="store_true", help="show real faces of misclassified clips; rendered ones are always shown"
    )
    report.set_defaults(verb=_report, writes_files=True)


def _report(arguments: argparse.Namespace) -> None:
    from fer_zoo.evaluation.report import HTML, JSON, MARKDOWN, write_report

    stores = Path(arguments.stores) if arguments.stores else None
    folder, report = write_report(
        arguments.out, arguments.to, name=arguments.name, baseline=arguments.baseline, stores=stores,
        faces=arguments.faces,
    )  # fmt: skip
    for warning in report.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    for name in (MARKDOWN, HTML, JSON):
        print(folder / name)
