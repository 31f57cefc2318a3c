"""`fer-zoo predict`: predict the expressions in a video."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo.cli.arguments import positive
from fer_zoo.paths import find_path, shown

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs
    from fer_zoo.inference import Timeline
    from fer_zoo.inference.predict import ProgressCallback
    from fer_zoo.model import FERModel

DEFAULT_MODEL = "incres3d_tiny_lstm_lm_in"
_MOST_SPANS = 24


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the command `predict`."""
    predict = verbs.add_parser(
        "predict",
        parents=[common],
        help="predict the expressions in a video: timeline.csv, timeline.png, annotated.mp4",
    )
    predict.add_argument("video", metavar="VIDEO", help="any video that FFmpeg can decode")
    predict.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="NAME",
        help="MODEL.TAG, hf-hub:OWNER/NAME, or a weights folder; default: %(default)s",
    )
    predict.add_argument("--out", metavar="DIR", help="output folder; default: NAME_expressions for NAME.mp4")
    predict.add_argument("--landmarker", metavar="NAME", help="landmark detector; default: that of the weights")
    predict.add_argument(
        "--hop",
        type=positive,
        default=2,
        metavar="N",
        help="step between windows, in sampled frames; default: %(default)s",
    )
    predict.add_argument("--device", metavar="DEVICE", help="cpu, cuda, ...; default: cpu")
    predict.add_argument(
        "--fps", type=float, metavar="N", help="frame rate, if the video's time stamps are wrong or missing"
    )
    predict.add_argument("--no-video", dest="with_video", action="store_false", help="do not write annotated.mp4")
    predict.set_defaults(verb=_predict, writes_files=True)


def _predict(arguments: argparse.Namespace) -> None:
    from fer_zoo.cli.output_folder import PICTURE, TABLE, VIDEO, check_folder, default_folder, results_folder
    from fer_zoo.inference import predict_video
    from fer_zoo.inference.annotate import annotate_video
    from fer_zoo.inference.plot import plot_timeline
    from fer_zoo.video.reader import open_video

    video = open_video(arguments.video, fps=arguments.fps)  # before the network is loaded: the likeliest mistake
    requested = Path(arguments.out) if arguments.out else None
    check_folder(requested or default_folder(video.path))
    model = _load(arguments.model)
    with _progress() as progress:
        timeline = predict_video(
            model,
            video.path,
            landmarker=arguments.landmarker,
            hop=arguments.hop,
            device=arguments.device,
            fps=arguments.fps,
            progress=progress,
        )
        # Only now: a video that gives no result leaves no folder behind.
        with results_folder(video.path, requested) as (out, replaced):
            files = [out / TABLE, out / PICTURE]
            plot_timeline(timeline, files[1])  # first: it records whose results the folder holds
            timeline.to_csv(files[0])
            if arguments.with_video:
                files.append(out / VIDEO)
                annotate_video(timeline, files[2], lambda done: progress("draw video", done, len(timeline)))
    _print_timeline(timeline)
    if replaced is not None:
        print(f"note: {out} held the results of {replaced}; they were replaced.", file=sys.stderr)
    for file in files:
        print(shown(file))


def _load(name: str) -> FERModel:
    from fer_zoo import create_model, weights

    if _is_folder(name):
        return weights.load_weights(Path(name).expanduser())
    return create_model(name, pretrained=True)


def _is_folder(name: str) -> bool:
    """Return whether --model is a folder; names of a family (timm/...) and of a Hub contain a slash too."""
    from fer_zoo.hub.names import is_address
    from fer_zoo.registry import BACKBONES

    if is_address(name):
        return False
    if "/" not in name and os.sep not in name:
        return name.startswith((".", "~")) or (find_path(name) / "config.json").is_file()
    return name.partition("/")[0] not in BACKBONES.families() or find_path(name).is_dir()


def _print_timeline(timeline: Timeline) -> None:
    seconds = timeline.rows[-1].time_s + float(1 / timeline.rate)
    faces = sum(row.face != "none" for row in timeline.rows)
    name = shown(timeline.video.name)
    print(f"{name}: {len(timeline)} frames, {seconds:.2f} s, face in {faces}; model {timeline.model}")
    spans = list(timeline.spans())
    for span in spans[:_MOST_SPANS]:
        count = span.last - span.first + 1
        label = span.label or "-"
        print(f"  {span.start_s:7.2f} - {span.end_s:6.2f} s  {label:<10} frames {span.first}-{span.last} ({count})")
    if len(spans) > _MOST_SPANS:
        print(f"  ... {len(spans) - _MOST_SPANS} more in timeline.csv")
    for note in timeline.notes:
        print(f"note: {note}")


@contextmanager
def _progress() -> Iterator[ProgressCallback]:
    """Show a progress bar per stage on stderr; they disappear at the end and never mix with the output."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield show
