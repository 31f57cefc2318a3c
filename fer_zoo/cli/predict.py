"""`fer-zoo predict`: watch a video."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo.cli.arguments import positive
from fer_zoo.errors import VideoError
from fer_zoo.hub.names import is_address
from fer_zoo.registry import BACKBONES

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs
    from fer_zoo.inference import Timeline
    from fer_zoo.inference.predict import Progress
    from fer_zoo.model import FERModel

DEFAULT_MODEL = "incres3d_tiny_lstm_lm_in"
_MOST_SPANS = 24


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb `predict`."""
    predict = verbs.add_parser(
        "predict", parents=[common], help="watch a video: timeline.csv, timeline.png, annotated.mp4"
    )
    predict.add_argument("video", metavar="VIDEO")
    predict.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="NAME",
        help="or hf-hub:OWNER/NAME, or a weights folder; default %(default)s",
    )
    predict.add_argument("--out", metavar="DIR", help="default VIDEO's name with _expressions")
    predict.add_argument("--landmarker", metavar="NAME", help="default: the one the weights were trained with")
    predict.add_argument(
        "--hop", type=positive, default=2, metavar="N", help="sampled frames between windows; default 2"
    )
    predict.add_argument("--device", metavar="DEVICE", help="cpu, cuda, ...; default cpu")
    predict.add_argument(
        "--fps", type=float, metavar="N", help="frames per second, where the video's own times are wrong or missing"
    )
    predict.add_argument("--no-video", dest="with_video", action="store_false", help="leave out annotated.mp4")
    predict.set_defaults(verb=_predict)


def _predict(arguments: argparse.Namespace) -> None:
    from fer_zoo.inference import predict_video
    from fer_zoo.inference.annotate import annotate_video
    from fer_zoo.inference.plot import plot_timeline
    from fer_zoo.video.reader import open_video

    video = open_video(
        arguments.video, fps=arguments.fps
    )  # before the network is loaded: the likeliest thing to be wrong
    out = Path(arguments.out or f"{video.path.stem}_expressions")
    _check_folder(out)
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
        # Only now: where nothing could be done, nothing is left behind.
        _make_folder(out)
        files = [out / "timeline.csv", out / "timeline.png"]
        timeline.to_csv(files[0])
        plot_timeline(timeline, files[1])
        if arguments.with_video:
            files.append(out / "annotated.mp4")
            annotate_video(timeline, files[2], lambda done: progress("draw video", done, len(timeline)))
    _print_timeline(timeline)
    for file in files:
        print(file)


def _check_folder(out: Path) -> None:
    try:
        existing = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    except OSError as error:  # a name that is too long, a folder one may not look into
        raise _no_folder(out, str(error.strerror)) from error
    if not existing.is_dir():
        raise _no_folder(out, f"{existing} is a file")
    if not os.access(existing, os.W_OK):
        raise _no_folder(out, f"one may not write to {existing}")


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _no_folder(out, str(error.strerror)) from error


def _no_folder(out: Path, why: str) -> VideoError:
    given = f"The folder {out} cannot be written: {why}."
    return VideoError(given, "a folder one may write to", "choose another --out")


def _load(name: str) -> FERModel:
    from fer_zoo import create_model, weights

    if _is_folder(name):
        return weights.load_weights(Path(name).expanduser())
    return create_model(name, pretrained=True)


def _is_folder(name: str) -> bool:
    """Whether --model means a folder; names of a family (timm/...) and of a Hub hold a slash too."""
    if is_address(name):
        return False
    if "/" not in name and os.sep not in name:
        return name.startswith((".", "~")) or Path(name, "config.json").is_file()
    return name.partition("/")[0] not in BACKBONES.families() or Path(name).is_dir()


def _print_timeline(timeline: Timeline) -> None:
    seconds = timeline.rows[-1].time_s + float(1 / timeline.rate)
    faces = sum(row.face != "none" for row in timeline.rows)
    print(f"{timeline.video.name}: {len(timeline)} frames, {seconds:.2f} s, face in {faces}; model {timeline.model}")
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
def _progress() -> Iterator[Progress]:
    """Progress bars on stderr, one a stage; they vanish when all is done, and never mix with the output."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield tell
