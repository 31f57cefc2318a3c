"""`fer-zoo app`: a page in the browser on which a video is dropped and read."""

from __future__ import annotations

from argparse import Namespace

from fer_zoo.cli.arguments import at_least_zero, picked, share
from fer_zoo.cli.predict import DEFAULT_MODEL
from fer_zoo.cli.usage import Parser


def add(top: Parser) -> None:
    """Add the command `app`."""
    app = top.command("app", "open a web app that labels videos in the browser", _app)
    option = app.add_argument
    option("models", nargs="*", metavar="NAME", help="weights to choose from; default: those in the package")
    host = "address to listen on; 0.0.0.0: other computers too; default: %(default)s"
    option("--host", default="127.0.0.1", metavar="ADDRESS", help=host)
    option("--port", type=at_least_zero, metavar="N", help="port; default: the first free one from 7860")
    option("--max-mb", type=share, default=200.0, metavar="MB", help="largest upload; default: 200")
    option("--max-seconds", type=share, default=120.0, metavar="S", help="longest video; default: 120")
    option("--no-open", dest="inbrowser", action="store_false", help="print the address, open no browser")


def _app(arguments: Namespace) -> None:
    from fer_zoo.app import build_app, launch_app
    from fer_zoo.factory import find_model
    from fer_zoo.listing import list_weights

    for name in arguments.models:
        find_model(name)  # before the page says that it has them
    models = arguments.models or sorted(list_weights(), key=lambda name: not name.startswith(f"{DEFAULT_MODEL}."))
    page = build_app(models, max_seconds=arguments.max_seconds)
    launch_app(page, **picked(arguments, "host", "port", "max_mb", "inbrowser"))
