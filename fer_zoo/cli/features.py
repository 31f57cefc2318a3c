"""`fer-zoo features`: embeddings of videos or of a clip store, for other programs."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_zoo.cli.arguments import add_shared, picked
from fer_zoo.cli.predict import Failed, add_network, all_failures, frame_progress, is_folder, note_failure
from fer_zoo.cli.usage import Parser
from fer_zoo.errors import FerZooError, OptionError
from fer_zoo.paths import shown

if TYPE_CHECKING:
    from fer_zoo.inference.features import Features

# What is said of videos alone.
_OF_VIDEOS = ("landmarker", "hop", "fps", "faces")


def add(top: Parser) -> None:
    """Add the command `features`."""
    about = "write embeddings of videos or of a clip store to a .npz or .parquet file"
    features = top.command("features", about, _features, writes_files=True)
    option = features.add_argument
    option("model", metavar="MODEL", help="MODEL or MODEL.TAG, hf-hub:OWNER/NAME, or a weights folder")
    option("sources", nargs="*", metavar="SOURCE", help="as for predict: videos, folders, URLs, ...")
    option("--store", metavar="DIR", help="instead of SOURCE: a clip store, or its name")
    option("--out", required=True, type=Path, metavar="FILE", help="file to write: .npz or .parquet")
    add_network(features)
    add_shared(features, "--batch-size", "--faces")
    features.set_defaults(defaults={name: features.get_default(name) for name in _OF_VIDEOS})


def _features(arguments: Namespace) -> None:
    from fer_zoo.inference.features import Features, check_features_file, store_features

    check_features_file(arguments.out)
    if bool(arguments.store) == bool(arguments.sources):
        given = "videos and a store" if arguments.store else "neither a video nor a store"
        raise OptionError(f"`fer-zoo features` was given {given}.", "one of them", "name videos, or use --store DIR")
    model = Path(arguments.model).expanduser() if is_folder(arguments.model) else arguments.model
    of_video = picked(arguments, *_OF_VIDEOS)
    computing = picked(arguments, "batch_size", "device", "precision", "threads")
    failed: Failed = []
    if arguments.store:
        if unused := [name for name, value in of_video.items() if value != arguments.defaults[name]]:
            accepted = "--batch-size, --device, --precision, --threads with --store"
            raise OptionError(f"--{unused[0]} cannot be used with --store.", accepted, "omit it")
        found = [store_features(model, arguments.store, **computing)]
    else:
        found = _of_videos(arguments.sources, model, failed, **of_video, **computing)
    if found:
        features = Features.concat(found)
        features.write(arguments.out)
        _show(features, arguments.out)
    if len(failed) == 1 and not found:
        raise failed[0][1]
    if failed:
        do = "fix or remove these and run the command again"
        raise all_failures(f"{len(failed)} sources failed; the others are written:", failed, do)


def _of_videos(texts: list[str], model: str | Path, failed: Failed, **options: Any) -> list[Features]:
    """Return the features of each video; adds to `failed` what failed."""
    from fer_zoo.inference.features import video_features
    from fer_zoo.inference.loading import load_network
    from fer_zoo.video.sources import find_sources

    sources = find_sources(texts)
    network = load_network(model)
    found: list[Features] = []
    for source in sources:
        try:
            with frame_progress() as progress:
                found.append(video_features(network, source, progress=progress, **options))
        except OptionError:
            raise
        except FerZooError as error:
            note_failure(failed, source, error)
    return found


def _show(features: Features, out: Path) -> None:
    rows, size = features.embedding.shape
    print(f"{rows} rows of {size} features; model {features.model}")
    for note in features.notes:
        print(f"note: {note}")
    print(shown(out))
