"""`fer-zoo evaluate`: weights on a store. `ablate`, `report`: many training runs with one command, and their report."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from fer_zoo.cli.arguments import add_settings, add_shared, at_least_zero, path, picked, positive, share
from fer_zoo.cli.usage import Parser
from fer_zoo.errors import OptionError, TrainingError

if TYPE_CHECKING:
    from fer_zoo.evaluation.ablation import Ended
    from fer_zoo.evaluation.grid import Grid
    from fer_zoo.evaluation.on_store import StoreResult


def add(top: Parser) -> None:
    """Add the commands `evaluate`, `ablate` and `report`."""
    evaluate = top.command("evaluate", "evaluate trained weights on a clip store", _evaluate)
    option = evaluate.add_argument
    option("weights", metavar="WEIGHTS", help="a weights folder (RUN/weights), MODEL.TAG, or an exported file")
    option("--store", required=True, metavar="DIR", help="clip store, or its name in the stores folder")
    option("--split", metavar="FILE", help="split.json of a training run: evaluate only its test set")
    option("--out", type=path, metavar="DIR", help="folder for predictions.csv and figures.json")
    add_shared(evaluate, "--runtime", "--device")

    about = "compare recipes: train them over folds, databases and seeds"
    ablate = top.command("ablate", about, _ablate, writes_files=True)
    option = ablate.add_argument
    option("recipes", nargs="*", metavar="RECIPE", help="names or YAML files; the first is the baseline")
    option("--grid", metavar="FILE", help="a YAML file with all of these settings, instead of RECIPE")
    add_settings(ablate, "--set", "override settings in all recipes")
    protocol = ablate.add_mutually_exclusive_group().add_argument
    protocol("--folds", type=positive, metavar="K", help="subject-independent cross-validation with K folds")
    protocol("--leave-one-out", action="store_true", help="leave-one-subject-out: each subject is the test set once")
    protocol("--published", metavar="PATTERN", help="official splits whose names match, e.g. 'set_*'")
    protocol("--cross", nargs="+", metavar="DATABASE", help="test on each database, train on the others")
    seeds = "one training run per seed; default: the recipe's seed"
    option("--seeds", nargs="+", type=at_least_zero, metavar="SEED", help=seeds)
    option("--out", required=True, metavar="DIR", help="output folder; an interrupted run in it is resumed")
    option("--jobs", type=positive, metavar="N", help="training runs in parallel; default: 1, or all with ray")
    add_shared(ablate, "--engine")
    option("--cpus-per-cell", type=share, default=1.0, metavar="X", help="ray: cores per training run, e.g. 2")
    option("--gpus-per-cell", type=share, default=0.0, metavar="X", help="ray: GPUs per training run, e.g. 0.5")
    option("--workers", type=positive, metavar="N", help="rendering processes per training run")
    add_shared(ablate, "--stores")
    option("--dry-run", action="store_true", help="check the settings and list the training runs without starting them")
    add_shared(ablate, "--device")

    about = "write a report of an ablation, with tables and plots"
    report = top.command("report", about, _report, writes_files=True)
    option = report.add_argument
    option("out", nargs="+", metavar="OUT", help="output folders of `fer-zoo ablate`")
    option("--baseline", metavar="RECIPE", help="the recipe to compare with; default: the first")
    option("--name", metavar="TEXT", help="title of the report; default: the names of the folders")
    option("--to", "--out", dest="to", metavar="DIR", help="output folder; default: OUT/report")
    add_shared(report, "--stores")
    mistakes = "show real faces of misclassified clips; rendered ones are always shown"
    option("--faces", action="store_true", help=mistakes)


def _evaluate(arguments: Namespace) -> None:
    from fer_zoo.evaluation.on_store import check_out, evaluate_on_store

    if arguments.out:
        check_out(arguments.out)
    result = evaluate_on_store(arguments.weights, arguments.store, **picked(arguments, "split", "device", "runtime"))
    if arguments.out:
        result.write(arguments.out)
    show(result)
    if arguments.out:
        print(arguments.out)


def show(result: StoreResult) -> None:
    """Print metrics with intervals, by clip, video and group, and the confusion matrix."""
    from fer_zoo.evaluation.report.format import interval, percent
    from fer_zoo.evaluation.statistics import estimate
    from fer_zoo.training.metrics import figures

    predictions = result.predictions
    print(f"{result.weights['name']} on {result.store['dataset']}: {len(predictions)} clips")
    print(result.known or f"The network was not trained on {result.store['dataset']}.")
    if result.left_out:
        counts = ", ".join(f"{label} {count}" for label, count in result.left_out.items())
        print(f"left out because the network does not have the label: {sum(result.left_out.values())} clips ({counts})")
    if result.absent:
        print(f"labels of the network without a clip here: {', '.join(result.absent)}; UAR is the mean of the others")
    parts = [("by clip", predictions, "clips"), ("by video", result.by_video(), "videos")]
    parts.append(("by clip, detector-like landmarks", result.noisy, "clips"))
    for grouping in predictions.groups:
        for group in predictions.groups_of(grouping):
            parts.append((f"{grouping} {group or 'unknown'}", predictions.of_group(grouping, group), "clips"))
    notes: dict[str, None] = {}
    for title, part, unit in parts:
        if part is not None:
            known = estimate([part])
            size = f"{len(part)} {unit}, {known.basis.subjects or 'unknown'} subjects"
            print(f"{title}: WAR {interval(known.war)}, UAR {interval(known.uar)} ({size})")
            notes |= dict.fromkeys(known.basis.notes if unit == "clips" else ())
    for note in notes:
        print(note)
    found = figures(predictions)
    print(f"calibration error {percent(found.calibration_error)}")
    width = max(map(len, found.labels))
    print(f"\n{'class':<{width}} {'clips':>6} {'recall':>7} {'F1':>7}   predicted as {', '.join(found.labels)}")
    for label, recall, f1, row in zip(found.labels, found.recall, found.f1, found.confusion, strict=True):
        shares = " ".join(f"{'-' if share is None else percent(share):>7}" for share in (recall, f1))
        print(f"{label:<{width}} {sum(row):>6} {shares}   {' '.join(f'{count:>5}' for count in row)}")


def _ablate(arguments: Namespace) -> None:
    from fer_zoo.evaluation.ablation import RunOptions, ablate
    from fer_zoo.evaluation.grid import plan

    stores = arguments.stores and arguments.stores.absolute()
    further = {"--workers": arguments.workers, "--stores": stores, "--device": arguments.device}
    cells = plan(_grid(arguments), arguments.set, stores)
    if arguments.dry_run:
        print("\n".join(map(str, cells)))
        print(f"{len(cells)} training runs")
        return
    options = RunOptions(
        jobs=arguments.jobs,
        engine=arguments.engine,
        cpus=arguments.cpus_per_cell,
        gpus=arguments.gpus_per_cell,
        arguments=tuple(word for key, value in further.items() if value is not None for word in (key, str(value))),
    )
    outcome = ablate(cells, arguments.out, options, lambda ended: print(_line(ended), flush=True))
    done = f"{outcome.trained} trained, {outcome.skipped} already finished, of {len(cells)}"
    if outcome.failed:
        print(done)
        raise TrainingError(
            f"{len(outcome.failed)} of {len(cells)} training runs failed: "
            + "; ".join(f"{cell} ({reason.splitlines()[0]})" for cell, reason in outcome.failed)
            + ".",
            "the others are done",
            f"see output.log in their folders below {arguments.out}; run the same command again to retry them",
        )
    print(done)
    print(arguments.out)


def _grid(arguments: Namespace) -> Grid:
    from fer_zoo.evaluation.grid import Grid, read_grid

    values = picked(arguments, "folds", "leave_one_out", "published", "cross")
    protocol = {name: value for name, value in values.items() if value}
    if bool(arguments.grid) == bool(arguments.recipes) or (arguments.grid and (protocol or arguments.seeds)):
        given = "a grid file together with settings of its own" if arguments.grid else "neither recipes nor a grid file"
        raise OptionError(
            f"`fer-zoo ablate` got {given}.",
            "recipes with --folds, --leave-one-out, --published, --cross and --seeds; or --grid FILE",
            "give all settings here, or all of them in the file",
        )
    if arguments.grid:
        return read_grid(arguments.grid)
    return Grid.checked({"recipes": arguments.recipes, "protocol": protocol, "seeds": arguments.seeds or ()})


def _line(ended: Ended) -> str:
    hours = f"{ended.left / 3600:.1f} h" if ended.left >= 3600 else f"{ended.left / 60:.0f} min"
    left = f", {hours} left" if ended.done < ended.of else ""
    result = f"failed: {ended.attempt.reason.partition(chr(10))[0]}"
    if ended.metrics is not None:
        result = f"WAR {100 * ended.metrics.war:.1f}, UAR {100 * ended.metrics.uar:.1f}"
    return f"[{ended.done}/{ended.of}] {ended.cell}: {result} ({ended.attempt.seconds / 60:.1f} min{left})"


def _report(arguments: Namespace) -> None:
    from fer_zoo.evaluation.report import HTML, JSON, MARKDOWN, write_report

    options = picked(arguments, "name", "baseline", "stores", "faces")
    folder, report = write_report(arguments.out, arguments.to, **options)
    for warning in report.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    for name in (MARKDOWN, HTML, JSON):
        print(folder / name)
