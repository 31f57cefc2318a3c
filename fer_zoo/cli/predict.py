"""`fer-zoo predict`: predict the expressions in a video."""

from __future__ import annotations

import argparse
import errno
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_zoo.cli.arguments import add_runtime, baseline, faces, positive, share
from fer_zoo.errors import FerZooError, MissingExtraError, OptionError, VideoError
from fer_zoo.paths import find_path, shown

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs
    from fer_zoo.inference.network import ProgressCallback
    from fer_zoo.model import Network

DEFAULT_MODEL = "incres3d_tiny_lstm_lm_in"
_MOST_SPANS = 24


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the command `predict`."""
    predict = verbs.add_parser(
        "predict",
        parents=[common],
        help="predict the expressions in videos, webcams and streams: timeline.csv, timeline.png, annotated.mp4",
    )
    predict.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="videos or images, folders, patterns, a webcam's number, or a URL (rtsp, http, udp)",
    )
    add_model(predict)
    add_network(predict)
    predict.add_argument("--out", metavar="DIR", help="output folder; default: NAME_expressions for NAME.mp4")
    predict.add_argument("--batch-size", type=positive, default=8, metavar="N", help="windows at once; default: 8")
    predict.add_argument(
        "--seconds", type=share, metavar="N", help="stop reading a webcam or stream after this many seconds"
    )
    _add_output(predict)
    predict.set_defaults(verb=_predict, writes_files=True)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add --model and --runtime, which `live` has too."""
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="NAME",
        help="MODEL.TAG, hf-hub:OWNER/NAME, a weights folder, or an exported file; default: %(default)s",
    )
    add_runtime(parser)


def add_network(parser: argparse.ArgumentParser, hop: str = "2") -> None:
    """Add the options of how a network reads a source, which `live`, `features` and `explain` have too."""
    parser.add_argument("--landmarker", metavar="NAME", help="landmark detector; default: that of the weights")
    parser.add_argument(
        "--hop",
        type=positive,
        metavar="N",
        help=f"step between windows, in sampled frames; default: {hop}",
    )
    parser.add_argument("--device", default="auto", metavar="DEVICE", help="cuda, mps, cpu, ...; default: auto")
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads of the network")
    parser.add_argument(
        "--precision", default="float32", metavar="TYPE", help="float32, or bf16 for autocast; default: float32"
    )
    parser.add_argument(
        "--fps", type=float, metavar="N", help="frame rate, if the video's time stamps are wrong or missing"
    )


def add_rows(parser: argparse.ArgumentParser) -> None:
    """Add the options of what rows there are and what is in them, which `live` has too."""
    parser.add_argument(
        "--faces", type=faces, default="largest", metavar="WHICH", help="all, largest, or how many; default: largest"
    )
    parser.add_argument("--smooth", type=share, default=0.0, metavar="SECONDS", help="smooth the probabilities")
    parser.add_argument(
        "--threshold", type=share, default=0.0, metavar="P", help="label frames below this probability `uncertain`"
    )
    parser.add_argument("--landmarks", action="store_true", help="add the 68 landmarks to the table")
    parser.add_argument("--pose", action="store_true", help="add yaw, pitch and roll in degrees to the table")


def _add_output(predict: argparse.ArgumentParser) -> None:
    add_rows(predict)
    predict.add_argument("--no-video", dest="with_video", action="store_false", help="do not write annotated.mp4")
    predict.add_argument(
        "--format",
        action="append",
        metavar="NAME",
        help="csv, json, parquet, srt, eaf; may be repeated; default: csv",
    )
    predict.add_argument("--per", choices=["frame", "second"], default="frame", help="rows per frame or per second")
    predict.add_argument(
        "--baseline",
        type=baseline,
        metavar="SECONDS",
        help="labels relative to the resting face: that of the first seconds, or auto for the most neutral second",
    )
    predict.add_argument("--min-span", type=share, default=0.0, metavar="SECONDS", help="join shorter spans")
    predict.add_argument("--again", action="store_true", help="predict videos of a folder again that are done")


def _predict(arguments: argparse.Namespace) -> None:
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
        out = Path(arguments.out) if arguments.out else None
        check_folder(out or default_folder(source.path))
        _one(arguments, load(arguments.model, arguments.runtime), source, out, formats)
        return
    _many(arguments, found, formats)


def _formats(arguments: argparse.Namespace) -> list[str]:
    from importlib.util import find_spec

    from fer_zoo.inference.formats import WRITERS

    formats = list(dict.fromkeys(arguments.format or ["csv"]))
    for name in formats:
        if name not in WRITERS:
            raise OptionError(f"--format {name}", ", ".join(WRITERS), "choose one of these")
    if "parquet" in formats and find_spec("pyarrow") is None:
        raise MissingExtraError.for_extra("pyarrow", "tables")
    check_threshold(arguments.threshold)
    return formats


def check_threshold(threshold: float) -> None:
    """Check a probability.

    Raises:
        OptionError: it is above 1.
    """
    if threshold > 1:
        raise OptionError(f"--threshold {threshold:g}", "0 to 1", "choose a probability")


def _many(arguments: argparse.Namespace, found: Sequence[str | Path], formats: Sequence[str]) -> None:
    """Predict on each source in turn; what is done is skipped, and what fails is listed at the end."""
    from fer_zoo.cli.output_folder import PICTURE, VIDEO, has_results

    names = [PICTURE, *(f"timeline.{name}" for name in formats), *([VIDEO] if arguments.with_video else [])]
    failed: list[tuple[str | Path, FerZooError]] = []
    model, skipped = None, 0
    folders = _folders(found, Path(arguments.out) if arguments.out else Path())
    for number, source in enumerate(found, 1):
        out = folders[source]
        if isinstance(source, Path) and not arguments.again and source.exists() and has_results(out, source, names):
            skipped += 1
            continue
        model = model or load(arguments.model, arguments.runtime)
        print(f"[{number}/{len(found)}] {shown(source)}", file=sys.stderr)
        try:
            _one(arguments, model, source, out, formats)
        except FerZooError as error:
            if is_environment(error):
                raise  # a full disk would fail all others too
            failed.append((source, error))
            print(f"failed: {shown(source)}: {error.given}", file=sys.stderr)
    done = len(found) - skipped - len(failed)
    print(f"{done} predicted, {skipped} done before, {len(failed)} failed")
    if failed:
        lines = [f"{shown(source)}: {error.given}" for source, error in failed]
        first = failed[0][1]
        kind = VideoError if all(isinstance(error, VideoError) for _, error in failed) else type(first)
        raise kind(
            "\n    - ".join([f"{len(failed)} of {len(found)} sources failed:", *lines]),
            first.accepted, "fix or remove these and run the same command again; what is done is skipped",
        )  # fmt: skip


def _folders(found: Sequence[str | Path], out: Path) -> dict[str | Path, Path]:
    """Return a folder of results for each source, below `out`; names that occur twice get a number."""
    folders: dict[str | Path, Path] = {}
    for source in found:
        stem = Path(str(source)).stem or "stream"
        names = (f"{stem}_expressions" + (f"_{n}" if n > 1 else "") for n in itertools.count(1))
        folders[source] = next(out / name for name in names if out / name not in folders.values())
    return folders


def is_environment(error: FerZooError) -> bool:
    """Say whether the disk is the cause, so that other videos would fail too."""
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


def _one(arguments: argparse.Namespace, model: Network, source: Any, out: Path | None, formats: Sequence[str]) -> None:
    """Predict on one source, print its timelines and write its files."""
    from fer_zoo import inference
    from fer_zoo.cli.output_folder import PICTURE, VIDEO, results_folder
    from fer_zoo.inference.annotate import annotate_video
    from fer_zoo.inference.baseline import check_baseline
    from fer_zoo.inference.formats import WRITERS, describe
    from fer_zoo.inference.plot import plot_timeline
    from fer_zoo.video.sources import open_source

    options = {
        "landmarker": arguments.landmarker, "hop": arguments.hop, "device": arguments.device,
        "batch_size": arguments.batch_size, "threads": arguments.threads, "precision": arguments.precision,
        "fps": arguments.fps,
    }  # fmt: skip
    if arguments.baseline:
        check_baseline(arguments.baseline, model.labels)
    with frame_progress() as progress:
        video = open_source(source, fps=arguments.fps).recorded(arguments.seconds)
        if arguments.faces == "largest":
            raw = [inference.predict_video(model, video, progress=progress, **options)]
        else:
            raw = inference.predict_faces(model, video, arguments.faces, progress=progress, **options)
        if arguments.baseline:
            raw = [each.with_baseline(arguments.baseline) for each in raw]
        timelines = [each.refined(arguments.smooth, arguments.threshold, arguments.min_span) for each in raw]
        tables = timelines
        if arguments.per == "second":
            seconds = [each.refined(arguments.smooth).per_second() for each in raw]
            tables = [each.refined(0.0, arguments.threshold, arguments.min_span) for each in seconds]
        # Only now: a video that gives no result leaves no folder behind.
        with results_folder(video.path, out) as (folder, replaced):
            # The first picture is written first: it records whose results the folder holds.
            for old in folder.glob("timeline_[0-9]*.png"):
                old.unlink()
            pictures = [folder / PICTURE, *(folder / f"timeline_{each.track}.png" for each in timelines[1:])]
            for timeline, picture in zip(timelines, pictures, strict=True):
                plot_timeline(timeline, picture)
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


def load(name: str, runtime: str | None) -> Network:
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
        return name.startswith((".", "~")) or (find_path(name) / "config.json").is_file()
    return name.partition("/")[0] not in BACKBONES.families() or find_path(name).is_dir()


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
