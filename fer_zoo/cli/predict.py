"""`fer-zoo predict`: predict the expressions in a video."""

from __future__ import annotations

import errno
import itertools
import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_zoo._version import __version__
from fer_zoo.cli.arguments import add_shared, baseline, path, picked, positive, probability, share
from fer_zoo.cli.text import disk_error
from fer_zoo.cli.usage import Parser
from fer_zoo.errors import FerZooError, MissingExtraError, OptionError, VideoError, writing
from fer_zoo.paths import find_path, shown

if TYPE_CHECKING:
    from fer_zoo.inference.network import ProgressCallback
    from fer_zoo.model import Network

Failed = list[tuple[str, FerZooError]]
DEFAULT_MODEL = "incres2d_tiny_mean_lm_in"
# The options of `add_network`.
NETWORK = ("landmarker", "hop", "device", "threads", "precision", "fps")
# Those of `predict` that change its results.
RESULTS = (
    *("model", "runtime", "landmarker", "hop", "precision", "fps", "baseline"),
    *("faces", "smooth", "threshold", "landmarks", "pose", "per", "min_span"),
)
_MOST_SPANS = 24
RAW = "labels as the network gives them"


def add(top: Parser) -> None:
    """Add the command `predict`."""
    about = "predict the expressions in videos, webcams and streams: timeline.csv, timeline.png, annotated.mp4"
    predict = top.command("predict", about, _predict, writes_files=True)
    option = predict.add_argument
    sources = "videos or images, folders, patterns, a webcam's number, or a URL (http, rtsp, rtmp, udp, srt, ...)"
    option("sources", nargs="+", metavar="SOURCE", help=sources)
    add_model(predict)
    add_network(predict)
    option("--out", type=path, metavar="DIR", help="output folder; default: NAME_expressions for NAME.mp4")
    add_shared(predict, "--batch-size")
    option("--seconds", type=share, metavar="N", help="stop reading a webcam or stream after this many seconds")
    add_rows(predict)
    option("--no-video", dest="with_video", action="store_false", help="do not write annotated.mp4")
    formats = "csv, json, parquet, srt, eaf; may be repeated; default: csv"
    option("--format", action="append", metavar="NAME", help=formats)
    option("--per", choices=["frame", "second"], default="frame", help="rows per frame or per second")
    resting = "what the resting face is: auto (default): the most neutral second; SECONDS: the first seconds; "
    option("--baseline", type=baseline, default="auto", metavar="SECONDS|auto|none", help=f"{resting}none: {RAW}")
    option(
        "--min-span",
        type=share,
        default=0.0,
        metavar="SECONDS",
        help="shorter spans get the label of the longer span beside them",
    )
    option("--again", action="store_true", help="of several videos, also predict those that have results")


def add_model(parser: ArgumentParser) -> None:
    """Add --model and --runtime, which `live` has too."""
    about = "MODEL or MODEL.TAG, hf-hub:OWNER/NAME, a weights folder, or an exported file; default: %(default)s"
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME", help=about)
    add_shared(parser, "--runtime")


def add_network(parser: ArgumentParser, hop: str = "2, or 1 for networks of single frames") -> None:
    """Add the options of how a network reads a source, which `live`, `features` and `explain` have too."""
    option = parser.add_argument
    option("--landmarker", metavar="NAME", help="landmark detector; default: that of the weights")
    option("--hop", type=positive, metavar="N", help=f"frames between the starts of two windows; default: {hop}")
    option("--device", default="auto", metavar="DEVICE", help="cuda, mps, cpu, ...; default: auto")
    option("--threads", type=positive, metavar="N", help="CPU threads of the network; default: PyTorch's minus one")
    precision = "float32, or bf16 for autocast; default: float32"
    option("--precision", default="float32", metavar="TYPE", help=precision)
    option("--fps", type=float, metavar="N", help="frame rate, if the video's time stamps are wrong or missing")


def add_rows(parser: ArgumentParser) -> None:
    """Add the options of what rows there are and what is in them, which `live` has too."""
    option = parser.add_argument
    add_shared(parser, "--faces")
    option("--smooth", type=share, default=0.0, metavar="SECONDS", help="Gaussian smoothing of the probabilities")
    uncertain = "label frames below this probability `uncertain`"
    option("--threshold", type=probability, default=0.0, metavar="P", help=uncertain)
    option("--landmarks", action="store_true", help="add the 68 landmarks to the table")
    option("--pose", action="store_true", help="add yaw, pitch and roll in degrees to the table")


def _predict(arguments: Namespace) -> None:
    from fer_zoo.cli.output_folder import check_folder, default_folder
    from fer_zoo.video.sources import find_sources, open_source

    formats = _formats(arguments)
    for text in arguments.sources:
        if text.startswith("-") and not os.path.lexists(text):
            given = f"`fer-zoo predict` got {text!r} after `--`, where everything is taken for a source."
            raise OptionError(given, "sources after `--`", "write options before `--`; see `fer-zoo predict --help`")
    found = find_sources(arguments.sources)
    if len(arguments.sources) == 1 and (isinstance(found[0], str) or found[0] == find_path(arguments.sources[0])):
        # Opened before the network is loaded: the likeliest mistake.
        source = open_source(found[0], fps=arguments.fps)
        check_folder(arguments.out or default_folder(source.path))
        _one(arguments, load(arguments.model, arguments.runtime), source, arguments.out, formats)
        return
    _many(arguments, found, formats)


def _formats(arguments: Namespace) -> list[str]:
    from importlib.util import find_spec

    from fer_zoo.inference.formats import WRITERS

    formats = list(dict.fromkeys(arguments.format or ["csv"]))
    for name in formats:
        if name not in WRITERS:
            raise OptionError(f"Unknown --format {name!r}.", ", ".join(WRITERS), "choose one of these")
    if "parquet" in formats and find_spec("pyarrow") is None:
        raise MissingExtraError.for_extra("pyarrow", "tables")
    return formats


def _many(arguments: Namespace, found: Sequence[str | Path], formats: Sequence[str]) -> None:
    """Predict on each source in turn; what is done is skipped, and what fails is listed at the end."""
    from fer_zoo.cli.output_folder import PICTURE, VIDEO, has_results

    names = [PICTURE, *(f"timeline.{name}" for name in formats), *([VIDEO] if arguments.with_video else [])]
    failed: Failed = []
    model, skipped = None, 0
    folders = _folders(found, arguments.out or Path())
    for number, source in enumerate(found, 1):
        out = folders[source]
        known = not arguments.again and isinstance(source, Path) and os.path.exists(source)
        if known and has_results(out, Path(source), names, _recorded(arguments)):
            skipped += 1
            continue
        model = model or load(arguments.model, arguments.runtime)
        print(f"[{number}/{len(found)}] {shown(source)}", file=sys.stderr)
        try:
            _one(arguments, model, source, out, formats)
        except FerZooError as error:
            note_failure(failed, source, error)
    done = len(found) - skipped - len(failed)
    print(f"{done} predicted, {skipped} done before, {len(failed)} failed")
    if failed:
        do = "fix or remove these and run the same command again; what is done is skipped"
        raise all_failures(f"{len(failed)} of {len(found)} sources failed:", failed, do)


def _folders(found: Sequence[str | Path], out: Path) -> dict[str | Path, Path]:
    """Return a folder of results for each source, below `out`; names that occur twice get a number."""
    from fer_zoo.cli.output_folder import default_folder

    folders: dict[str | Path, Path] = {}
    for source in found:
        candidates = (out / default_folder(Path(source), number) for number in itertools.count(1))
        folders[source] = next(folder for folder in candidates if folder not in folders.values())
    return folders


def note_failure(failed: Failed, source: str | Path, error: FerZooError) -> None:
    """Add a source that failed to the list of them, and print it.

    Raises:
        FerZooError: the disk is the cause, so that other sources would fail too.
    """
    if (cause := disk_error(error)) and cause.errno != errno.EIO:  # FFmpeg says EIO of a server that does not answer
        raise error
    failed.append((shown(source), error))
    print(f"failed: {shown(source)}: {error.given}", file=sys.stderr)


def all_failures(given: str, failed: Failed, do: str) -> FerZooError:
    """Return one error for all sources that failed: a VideoError if all of them are, else as the first one."""
    first = failed[0][1]
    kind = VideoError if all(isinstance(error, VideoError) for _, error in failed) else type(first)
    lines = (f"{source}: {error.given}" for source, error in failed)
    return kind("\n    - ".join([given, *lines]), first.accepted, do)


def _one(arguments: Namespace, model: Network, source: Any, out: Path | None, formats: Sequence[str]) -> None:
    """Predict on one source, print its timelines and write its files."""
    from fer_zoo import inference
    from fer_zoo.cli.output_folder import PICTURE, VIDEO, results_folder
    from fer_zoo.inference.annotate import annotate_video
    from fer_zoo.inference.baseline import check_baseline
    from fer_zoo.inference.formats import WRITERS, describe
    from fer_zoo.inference.plot import plot_timeline
    from fer_zoo.video.sources import open_source

    options = picked(arguments, "batch_size", "baseline", *NETWORK)
    if isinstance(arguments.baseline, float):  # before a webcam is recorded
        check_baseline(arguments.baseline, model.labels)
    with frame_progress() as progress:
        video = open_source(source, fps=arguments.fps)
        if arguments.seconds and not video.once:
            raise OptionError(f"--seconds for {video.path}.", "--seconds with a webcam or stream", "omit it")
        video = video.recorded(arguments.seconds)
        if arguments.faces == "largest":
            raw = [inference.predict_video(model, video, progress=progress, **options)]
        else:
            raw = inference.predict_faces(model, video, arguments.faces, progress=progress, **options)
        timelines = [each.refined(arguments.smooth, arguments.threshold, arguments.min_span) for each in raw]
        tables = timelines
        if arguments.per == "second":
            seconds = [each.refined(arguments.smooth).per_second() for each in raw]
            tables = [each.refined(0.0, arguments.threshold, arguments.min_span) for each in seconds]
        # Only now: a video that gives no result leaves no folder behind.
        with results_folder(video.path, out) as (folder, replaced):
            # The first picture is written first: it records whose results the folder holds.
            for old in folder.glob("timeline_[0-9]*.png"):
                with writing(old, VideoError):
                    old.unlink()
            pictures = [folder / PICTURE, *(folder / f"timeline_{each.track}.png" for each in timelines[1:])]
            for timeline, picture in zip(timelines, pictures, strict=True):
                plot_timeline(timeline, picture, _recorded(arguments))
            files = []
            for name in formats:
                files.append(folder / f"timeline.{name}")
                WRITERS[name](tables, files[-1], landmarks=arguments.landmarks, pose=arguments.pose)
            files += pictures
            if arguments.with_video:
                files.append(folder / VIDEO)
                length = len(timelines[0])
                annotate_video(timelines, files[-1], lambda done: progress("draw video", done, length))
    for timeline in timelines:
        print(describe(timeline, _MOST_SPANS, files[0].name))
    if replaced is not None:
        print(f"note: {folder} held the results of {replaced}; they were replaced.", file=sys.stderr)
    for file in files:
        print(shown(file))


def _recorded(arguments: Namespace) -> str:
    """Return the options that change the results, and the version, as text."""
    return json.dumps({"fer_zoo": __version__, **picked(arguments, *RESULTS)})


def load(name: str, runtime: str | None = None) -> Network:
    """Return the network of `--model`, for `--runtime`."""
    from fer_zoo.inference.loading import load_network

    return load_network(Path(name).expanduser() if is_folder(name) else name, runtime)


def is_folder(name: str) -> bool:
    """Return whether --model is a folder; names of a family (timm/...) and of a Hub contain a slash too."""
    from fer_zoo.hub.names import is_address
    from fer_zoo.registry import BACKBONES

    if is_address(name):
        return False
    if "/" not in name and os.sep not in name:
        return name.startswith((".", "~")) or os.path.isfile(find_path(name) / "config.json")
    return name.partition("/")[0] not in BACKBONES.families() or os.path.isdir(find_path(name))


@contextmanager
def frame_progress() -> Iterator[ProgressCallback]:
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
