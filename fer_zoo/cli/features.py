"""`fer-zoo features`: embeddings of videos or of a clip store, for other programs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo.cli.arguments import faces, positive
from fer_zoo.cli.predict import add_network, frame_progress, is_environment, is_folder
from fer_zoo.errors import FerZooError, OptionError
from fer_zoo.paths import shown

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs
    from fer_zoo.inference.features import Features

    Failed = list[tuple[str, FerZooError]]

# What is said of videos alone.
_OF_VIDEOS = ("landmarker", "hop", "fps", "faces")


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the command `features`."""
    features = verbs.add_parser(
        "features", parents=[common], help="write embeddings of videos or of a clip store to a .npz or .parquet file"
    )
    features.add_argument("model", metavar="MODEL", help="MODEL.TAG, hf-hub:OWNER/NAME, or a weights folder")
    features.add_argument("sources", nargs="*", metavar="SOURCE", help="as for predict: videos, folders, URLs, ...")
    features.add_argument("--store", metavar="DIR", help="instead of SOURCE: a clip store, or its name")
    features.add_argument("--out", required=True, metavar="FILE", help="file to write: .npz or .parquet")
    add_network(features)
    features.add_argument("--batch-size", type=positive, default=8, metavar="N", help="windows at once; default: 8")
    features.add_argument(
        "--faces", type=faces, default="largest", metavar="WHICH", help="all, largest, or how many; default: largest"
    )
    features.set_defaults(verb=_features, writes_files=True, defaults={n: features.get_default(n) for n in _OF_VIDEOS})


def _features(arguments: argparse.Namespace) -> None:
    from fer_zoo.inference.features import Features, check_features_file, store_features

    out = Path(arguments.out)
    check_features_file(out)
    if bool(arguments.store) == bool(arguments.sources):
        given = "videos and a store" if arguments.store else "neither a video nor a store"
        raise OptionError(f"`fer-zoo features` was given {given}.", "one of them", "name videos, or use --store DIR")
    model = Path(arguments.model).expanduser() if is_folder(arguments.model) else arguments.model
    failed: Failed = []
    computing = {name: getattr(arguments, name) for name in ("batch_size", "device", "precision", "threads")}
    if arguments.store:
        unused = [name for name in _OF_VIDEOS if getattr(arguments, name) != arguments.defaults[name]]
        if unused:
            raise OptionError(f"--{unused[0]} with --store.", "options of the network alone", "leave it out")
        found = [store_features(model, arguments.store, **computing)]
    else:
        found, failed = _of_videos(arguments, model, computing)
    if found:
        features = Features.concat(found)
        features.write(out)
        _show(features, out)
    if len(failed) == 1 and not found:
        raise failed[0][1]
    if failed:
        lines = [f"{source}: {error.given}" for source, error in failed]
        raise type(failed[0][1])(
            "\n    - ".join([f"{len(failed)} sources failed; the others are written:", *lines]),
            failed[0][1].accepted, "fix or remove these and run the command again",
        )  # fmt: skip


def _of_videos(
    arguments: argparse.Namespace, model: str | Path, computing: dict[str, object]
) -> tuple[list[Features], Failed]:
    """Return the features of each video, and what failed."""
    from fer_zoo.inference.features import video_features
    from fer_zoo.inference.loading import load_network
    from fer_zoo.video.sources import find_sources

    sources = find_sources(arguments.sources)
    network = load_network(model)
    found: list[Features] = []
    failed: Failed = []
    of_video = {name: getattr(arguments, name) for name in _OF_VIDEOS}
    for source in sources:
        try:
            with frame_progress() as progress:
                found.append(video_features(network, source, progress=progress, **of_video, **computing))  # type: ignore[arg-type]
        except FerZooError as error:
            if is_environment(error) or isinstance(error, OptionError):
                raise
            failed.append((shown(source), error))
            print(f"failed: {shown(source)}: {error.given}", file=sys.stderr)
    return found, failed


def _show(features: Features, out: Path) -> None:
    rows, size = features.embedding.shape
    print(f"{rows} rows of {size} features; model {features.model}")
    for note in features.notes:
        print(f"note: {note}")
    print(shown(out))
