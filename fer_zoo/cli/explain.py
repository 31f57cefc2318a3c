"""`fer-zoo explain`: which parts of the face and which moments a prediction rests on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo.cli.arguments import positive, share
from fer_zoo.cli.predict import DEFAULT_MODEL, add_network, frame_progress, load
from fer_zoo.errors import writing
from fer_zoo.paths import shown

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the command `explain`."""
    explain = verbs.add_parser(
        "explain", parents=[common], help="show what a prediction rests on: explain.png, explain.mp4, explain.csv"
    )
    explain.add_argument("source", metavar="SOURCE", help="as for predict: a video, a folder of frames, a URL, ...")
    explain.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="NAME",
        help="as for predict, but no exported file; default: %(default)s",
    )
    explain.add_argument("--label", metavar="LABEL", help="explain this label; default: the most probable one")
    explain.add_argument(
        "--at", type=share, metavar="SECONDS", help="examine this moment; default: the strongest expression"
    )
    explain.add_argument(
        "--method",
        default="integrated_gradients",
        metavar="NAME",
        help="integrated_gradients, or saliency, which is faster; default: %(default)s",
    )
    explain.add_argument(
        "--steps", type=positive, default=16, metavar="N", help="of the integral; default: %(default)s"
    )
    explain.add_argument("--out", metavar="DIR", help="output folder; default: NAME_explained for NAME.mp4")
    explain.add_argument("--no-video", dest="with_video", action="store_false", help="do not write explain.mp4")
    add_network(explain, hop="that of windows which do not overlap")
    explain.add_argument("--batch-size", type=positive, default=8, metavar="N", help="windows at once; default: 8")
    explain.set_defaults(verb=_explain, writes_files=True)


def _explain(arguments: argparse.Namespace) -> None:
    from fer_zoo.errors import VideoError
    from fer_zoo.inference.explain import explain
    from fer_zoo.video.sources import open_source

    source = open_source(arguments.source, fps=arguments.fps)
    out = Path(arguments.out or f"{source.path.stem}_explained")
    names = ("label", "method", "steps", "hop", "landmarker", "batch_size", "device", "precision", "threads", "fps")
    with frame_progress() as progress:
        found = explain(
            load(arguments.model, None), source, time_s=arguments.at, progress=progress,
            **{name: getattr(arguments, name) for name in names},
        )  # fmt: skip
        with writing(out, VideoError):
            out.mkdir(parents=True, exist_ok=True)
        files = [out / "explain.png", out / "explain.csv"]
        found.plot(files[0])
        found.write_table(files[1])
        if arguments.with_video:
            files.append(out / "explain.mp4")
            count = len(found.timeline)
            found.write_video(files[-1], lambda done: progress("draw video", done, count))
    print(found.describe())
    for file in files:
        print(shown(file))
