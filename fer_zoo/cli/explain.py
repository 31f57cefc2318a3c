"""`fer-zoo explain`: which parts of the face and which moments a prediction rests on."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from fer_zoo.cli.arguments import add_shared, picked, positive, share
from fer_zoo.cli.predict import DEFAULT_MODEL, NETWORK, add_network, frame_progress, load
from fer_zoo.cli.usage import Parser
from fer_zoo.errors import VideoError, writing
from fer_zoo.paths import shown


def add(top: Parser) -> None:
    """Add the command `explain`."""
    about = "show which parts of a face and a clip a prediction depends on: explain.png, explain.mp4, explain.csv"
    explain = top.command("explain", about, _explain, writes_files=True)
    option = explain.add_argument
    option("source", metavar="SOURCE", help="as for predict: a video, a folder of frames, a URL, ...")
    models = "as for predict, but no exported file; default: %(default)s"
    option("--model", default=DEFAULT_MODEL, metavar="NAME", help=models)
    option("--label", metavar="LABEL", help="explain this label; default: the most probable one")
    moment = "examine this moment; default: the strongest expression"
    option("--at", dest="time_s", type=share, metavar="SECONDS", help=moment)
    methods = "integrated_gradients, or saliency, which is faster; default: %(default)s"
    option("--method", default="integrated_gradients", metavar="NAME", help=methods)
    steps = "steps of integrated gradients; default: %(default)s"
    option("--steps", type=positive, default=16, metavar="N", help=steps)
    option("--out", metavar="DIR", help="output folder; default: NAME_explained for NAME.mp4")
    option("--no-video", dest="with_video", action="store_false", help="do not write explain.mp4")
    add_network(explain, hop="the window length (no overlap)")
    add_shared(explain, "--batch-size")


def _explain(arguments: Namespace) -> None:
    from fer_zoo.inference.explain import explain
    from fer_zoo.video.sources import open_source

    source = open_source(arguments.source, fps=arguments.fps)
    out = Path(arguments.out or f"{source.path.stem}_explained")
    options = picked(arguments, "label", "time_s", "method", "steps", "batch_size", *NETWORK)
    with frame_progress() as progress:
        found = explain(load(arguments.model), source, progress=progress, **options)
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
