"""`fer-zoo app`: a page in the browser on which a video is dropped and read."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fer_zoo.cli.arguments import at_least_zero, share
from fer_zoo.cli.predict import DEFAULT_MODEL

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the command `app`."""
    app = verbs.add_parser("app", parents=[common], help="a page in the browser: drop a video, see its expressions")
    app.add_argument("models", nargs="*", metavar="NAME", help="weights to choose from; default: those in the package")
    app.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="0.0.0.0: for others too; default: %(default)s"
    )
    app.add_argument("--port", type=at_least_zero, metavar="N", help="port; default: the first free one from 7860")
    app.add_argument("--max-mb", type=share, default=200.0, metavar="MB", help="largest upload; default: 200")
    app.add_argument("--max-seconds", type=share, default=120.0, metavar="S", help="longest video; default: 120")
    app.add_argument("--no-open", action="store_true", help="print the address, open no browser")
    app.set_defaults(verb=_app)


def _app(arguments: argparse.Namespace) -> None:
    from fer_zoo.app import build_app, launch_app
    from fer_zoo.factory import find_model
    from fer_zoo.listing import list_weights

    for name in arguments.models:
        find_model(name)  # before the page says that it has them
    models = arguments.models or sorted(list_weights(), key=lambda name: not name.startswith(f"{DEFAULT_MODEL}."))
    launch_app(
        build_app(models, max_seconds=arguments.max_seconds), host=arguments.host, port=arguments.port,
        max_mb=arguments.max_mb, inbrowser=not arguments.no_open,
    )  # fmt: skip
