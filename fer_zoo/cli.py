"""`fer-zoo`: thin verbs over the library. Errors are text on stderr and an exit code, never a traceback."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo.errors import FerZooError, NoFaceError, UnknownNameError, VideoError

if TYPE_CHECKING:
    from fer_zoo.inference import Timeline
    from fer_zoo.inference.predict import Progress
    from fer_zoo.model import FERModel
    from fer_zoo.specs import Metrics

DEFAULT_MODEL = "incres3d_tiny_lstm_lm"
# Also in docs/predict.md; 2 is what argparse itself uses for wrong arguments.
EXIT_OK, EXIT_BUG, EXIT_ERROR, EXIT_NO_FACE, EXIT_VIDEO, EXIT_INTERRUPTED = 0, 1, 2, 3, 4, 130
_MOST_SPANS = 24


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (see docs/predict.md)."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as leaving:  # wrong arguments, --help, --version
        return int(leaving.code or 0)
    try:
        arguments.verb(arguments)
        sys.stdout.flush()
        return EXIT_OK
    except BrokenPipeError:
        # The reader (`| head`) has had enough; Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except KeyboardInterrupt:
        _complain(arguments, "Interrupted.")
        return EXIT_INTERRUPTED
    except FerZooError as error:
        _complain(arguments, f"fer-zoo: {error}")
        return _exit_code(error)
    except Exception as error:
        _complain(
            arguments, f"fer-zoo: unexpected {type(error).__name__}: {error}\n  This is a bug; --debug shows where."
        )
        return EXIT_BUG


def _complain(arguments: argparse.Namespace, text: str) -> None:
    if getattr(arguments, "debug", False):
        traceback.print_exc()
    print(text, file=sys.stderr)


def _exit_code(error: FerZooError) -> int:
    if isinstance(error, NoFaceError):
        return EXIT_NO_FACE
    return EXIT_VIDEO if isinstance(error, VideoError) else EXIT_ERROR


def _predict(arguments: argparse.Namespace) -> None:
    from fer_zoo.inference import predict_video
    from fer_zoo.inference.annotate import annotate_video
    from fer_zoo.inference.plot import plot_timeline
    from fer_zoo.video.reader import open_video

    video = open_video(arguments.video)  # before the network is loaded: the likeliest thing to be wrong
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

    if "/" in name or os.sep in name or Path(name, "config.json").is_file():
        return weights.load_weights(name)
    return create_model(name, pretrained=True)


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


def _models(arguments: argparse.Namespace) -> None:
    from fer_zoo import list_models

    names = list_models(arguments.pattern, pretrained=arguments.pretrained)
    if not names:
        which = "with weights " if arguments.pretrained else ""
        raise UnknownNameError(
            f"No model {which}matches {arguments.pattern!r}.",
            "a pattern such as '*lstm*'",
            "`fer-zoo models` lists all",
        )
    print("\n".join(names))


def _train(arguments: argparse.Namespace) -> None:
    from fer_zoo.recipes import load_recipe
    from fer_zoo.training import train

    recipe = load_recipe(arguments.recipe, arguments.set)
    out = Path(arguments.out or Path("runs") / Path(arguments.recipe).with_suffix("").name)
    result = train(
        recipe,
        out,
        resume=arguments.resume,
        workers=arguments.workers,
        max_steps=arguments.max_steps,
        tag=arguments.tag,
        device=arguments.device,
    )
    print(f"{result.epochs} epochs, {result.hours:.2f} hours")
    for part, metrics in (("validation", result.validation), ("test", result.test)):
        print(_figures(part, metrics))
    print(result.weights)


def _figures(part: str, metrics: Metrics) -> str:
    return f"{part}: WAR {metrics.war:.1%}, UAR {metrics.uar:.1%} ({metrics.clips} clips, {metrics.subjects} subjects)"


def _show(arguments: argparse.Namespace) -> None:
    from fer_zoo.recipes import dump_recipe, load_recipe

    print(dump_recipe(load_recipe(arguments.recipe, arguments.set)), end="")


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


def _parser() -> argparse.ArgumentParser:
    # The same option before and after the verb: the second must not reset the first to its default.
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show a traceback with an error"
    )
    parser = argparse.ArgumentParser(
        prog="fer-zoo", description="Facial expression recognition in video.", parents=[common]
    )
    parser.add_argument("--version", action=_Version)
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    predict = verbs.add_parser(
        "predict", parents=[common], help="watch a video: timeline.csv, timeline.png, annotated.mp4"
    )
    predict.add_argument("video", metavar="VIDEO")
    predict.add_argument(
        "--model", default=DEFAULT_MODEL, metavar="NAME", help="or a weights folder; default %(default)s"
    )
    predict.add_argument("--out", metavar="DIR", help="default VIDEO's name with _expressions")
    predict.add_argument("--landmarker", metavar="NAME", help="default: the one the weights were trained with")
    predict.add_argument(
        "--hop", type=_positive, default=2, metavar="N", help="sampled frames between windows; default 2"
    )
    predict.add_argument("--device", metavar="DEVICE", help="cpu, cuda, ...; default cpu")
    predict.add_argument("--no-video", dest="with_video", action="store_false", help="leave out annotated.mp4")
    predict.set_defaults(verb=_predict)

    models = verbs.add_parser("models", parents=[common], help="list models")
    models.add_argument("pattern", nargs="?", default="*", metavar="PATTERN", help="with * and ?, e.g. '*lstm*'")
    models.add_argument("--pretrained", action="store_true", help="only those that have weights, as model.tag")
    models.set_defaults(verb=_models)

    train = verbs.add_parser("train", parents=[common], help="train by a recipe")
    _add_recipe(train)
    train.add_argument("--out", metavar="DIR", help="default runs/RECIPE")
    train.add_argument("--resume", action="store_true", help="go on where the training in DIR stopped")
    train.add_argument("--tag", default="local", help="the weights are named model.TAG; default %(default)s")
    train.add_argument("--workers", type=_positive, metavar="N", help="processes that render clips; default one a core")
    train.add_argument("--max-steps", type=_positive, metavar="N", help="stop early, to try a recipe")
    train.add_argument("--device", metavar="DEVICE", help="cpu, cuda, ...; default cuda where there is one")
    train.set_defaults(verb=_train)

    show = verbs.add_parser("show", parents=[common], help="print a recipe with every default written out")
    _add_recipe(show)
    show.set_defaults(verb=_show)
    return parser


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="a YAML file, or the name of a packaged recipe")
    parser.add_argument(
        "--set", action="extend", nargs="+", default=[], metavar="KEY=VALUE", help="override, e.g. train.lr=3e-4"
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


class _Version(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and leave")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from fer_zoo import __version__

        print(f"fer-zoo {__version__}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
