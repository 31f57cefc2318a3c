"""`fer-zoo prepare`: the clip store of a dataset."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fer_zoo.cli.arguments import add_settings, add_shared, path, picked, positive, settings
from fer_zoo.cli.usage import Parser
from fer_zoo.errors import InputError

if TYPE_CHECKING:
    from fer_zoo.data.prepare import ShardProgress
    from fer_zoo.data.shards import Made

_STAGES = ("render", "decode", "detect", "points", "crop", "write")


def add(top: Parser) -> None:
    """Add the command `prepare`."""
    about = "convert a dataset to clips for training (a clip store)"
    prepare = top.command("prepare", about, _prepare, writes_files=True)
    option = prepare.add_argument
    option("dataset", metavar="DATASET", help="e.g. csv, folder, ckplus; `fer-zoo components dataset` lists all")
    option("--root", metavar="DIR", help="folder of the database; not used for rendered datasets")
    out = "folder of the store; an interrupted run in it is resumed; default: DATASET in the stores folder"
    option("--out", type=path, metavar="STORE", help=out)
    add_settings(prepare, "--option", "options of the dataset, e.g. file=labels.csv")
    option("--recipe", metavar="RECIPE", help="use the clip settings of a recipe; --set overrides them")
    add_settings(prepare, "--set", "clip settings, e.g. frames=16 crop.scale=1.5")
    smaller = "store frames as JPEG: a tenth of the size, lossy"
    option("--jpeg", dest="encoding", action="store_const", const="jpeg", default="raw", help=smaller)
    add_shared(prepare, "--engine")
    workers = "parallel processes or Ray tasks; default: %(default)s"
    option("--workers", type=positive, default=1, metavar="N", help=workers)
    cache = "detect all landmarks again and do not cache them (in .landmarks beside STORE)"
    option("--no-landmark-cache", dest="landmark_cache", action="store_false", help=cache)


def _prepare(arguments: Namespace) -> None:
    from fer_zoo.data import stores_root
    from fer_zoo.data.prepare import prepare
    from fer_zoo.data.recipe_settings import options_for, settings_for
    from fer_zoo.data.store import open_store
    from fer_zoo.recipes import load_recipe
    from fer_zoo.specs import ComponentSpec

    name = arguments.dataset
    recipe = load_recipe(arguments.recipe) if arguments.recipe else None
    spec = settings_for(name, recipe, settings(arguments.set, "--set"))
    options = options_for(name, recipe, spec, settings(arguments.option, "--option"))
    store = recipe.data.stores.get(name, name) if recipe else name
    out = arguments.out or stores_root() / store
    with show_progress(f"preparing {name}") as (report, last):
        dataset = ComponentSpec(**{**options, "name": name})
        how = picked(arguments, "encoding", "workers", "engine", "landmark_cache")
        header = prepare(dataset, arguments.root, out, spec, progress=report, **how)
    print(f"{header.clips} clips of {header.subjects} subjects in {len(header.shards)} shards")
    for label, count in header.labels.items():
        print(f"  {label:<14} {count}")
    if brief := header.preparation.get("brief_faces"):
        print(f"{brief} faces were visible for less than one clip and were excluded")
    if faceless := header.preparation.get("faceless_clips"):
        share = header.preparation["faces"]
        print(f"{faceless} clips have a face in less than {share:.0%} of their frames and were excluded")
    _print_stages(last[-1].made)
    print(out)
    if failures := open_store(out).failures():
        lost = sum(failure.is_lost for failure in failures)
        raise InputError(
            f"{_counted(lost, 'source')} without a usable clip; {_counted(len(failures) - lost, 'other problem')}. "
            "The store has all other clips.",
            "sources that can be read completely, with a face and enough frames",
            f"see {out / 'failures.csv'} for the reason of each",
        )


@contextmanager
def show_progress(title: str) -> Iterator[tuple[Callable[[ShardProgress], None], list[ShardProgress]]]:
    """Return a function that shows progress, and the list of all reports that it received.

    On a terminal it is a bar on stderr, elsewhere one line per shard.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    reported: list[ShardProgress] = []
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("shards"))
    with Bar(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(title, total=None)

        def report(progress: ShardProgress) -> None:
            reported.append(progress)
            bar.update(task, completed=progress.done, total=progress.shards)
            if not console.is_terminal:
                print(f"shard {progress.done} of {progress.shards}, {progress.made.clips} clips", file=sys.stderr)

        yield report, reported


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _print_stages(made: Made) -> None:
    """Print the seconds of each stage, and the frames per second of one process for this stage alone."""
    if not made.frames:
        return
    total = sum(made.seconds.values())
    print(f"{'stage':<8} {'seconds':>9} {'share':>6} {'frames/s':>9}")
    for stage in (*(name for name in _STAGES if name in made.seconds), "all"):
        seconds = made.seconds.get(stage, total)
        print(f"{stage:<8} {seconds:9.1f} {seconds / total:6.0%} {made.frames / max(seconds, 1e-9):9,.0f}")
