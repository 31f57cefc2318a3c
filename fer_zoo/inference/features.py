"""Features: the embeddings that a network's classifier reads, for the windows of videos or the clips of a store."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fer_zoo.data.clips import ClipSet
from fer_zoo.data.playback import central_frames
from fer_zoo.errors import InputError, MissingExtraError, OptionError, VideoError
from fer_zoo.factory import find_folder
from fer_zoo.inference.early import Clip
from fer_zoo.inference.loading import Faces, Options, computing, load_model, weights_name
from fer_zoo.inference.network import ProgressCallback, for_inference, run_clips
from fer_zoo.inference.watch import Watched, watch
from fer_zoo.landmarks import Landmarker
from fer_zoo.model import FERModel, Network
from fer_zoo.paths import shown
from fer_zoo.specs import ComponentSpec
from fer_zoo.training.evaluate import crop_clips, open_matching
from fer_zoo.video.writer import output_file
from fer_zoo.weights import read_recipe

ENDINGS = (".npz", ".parquet")


@dataclass(frozen=True, eq=False)
class Features:
    """Embeddings, and what each of them is of.

    embedding: (N, E) float32. model: name of the weights. notes: what a reader should know. columns: an array (N,) by
    name; for windows of videos `video`, `track` (number of the face), `frame` (the middle one) and its `time_s`,
    `start_s` and `end_s`; for clips of a store `key`, `video`, `subject` ("" where unknown), `label`, and `group:NAME`.
    """

    embedding: NDArray[np.float32]
    columns: Mapping[str, NDArray[Any]]
    model: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.embedding)

    @classmethod
    def concat(cls, parts: Sequence[Features]) -> Features:
        """The rows of several videos or stores of one model, one after the other."""
        columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
        notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
        return cls(np.concatenate([part.embedding for part in parts]), columns, parts[0].model, notes)

    def write(self, path: str | Path) -> None:
        """Write `.npz` (arrays: `embedding`, `model` and the columns) or `.parquet` (`embedding`: lists), atomically.

        Raises:
            OptionError: another ending. MissingExtraError: pyarrow is not installed. VideoError: it cannot be written.
        """
        path = Path(path)
        check_features_file(path)
        with output_file(path) as temporary:
            if path.suffix.lower() == ".npz":
                with temporary.open("wb") as stream:
                    np.savez(stream, embedding=self.embedding, model=np.array(self.model), **self.columns)  # type: ignore[arg-type]
                return
            import pyarrow
            from pyarrow import parquet

            flat = pyarrow.array(self.embedding.ravel())
            lists = pyarrow.FixedSizeListArray.from_arrays(flat, self.embedding.shape[1])
            table = pyarrow.table({**self.columns, "embedding": lists})
            facts = {"model": shown(self.model), "notes": json.dumps(self.notes)}
            parquet.write_table(table.replace_schema_metadata(facts), temporary)


def check_features_file(path: Path) -> None:
    """Check a file of features before anything is computed.

    Raises:
        OptionError: another ending than .npz or .parquet. MissingExtraError: pyarrow is not installed.
        VideoError: there is no such folder.
    """
    if path.suffix.lower() not in ENDINGS:
        raise OptionError(f"{path} has the ending {path.suffix!r}.", " or ".join(ENDINGS), "choose one of these")
    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise MissingExtraError.for_extra("pyarrow", "tables")
    if not os.path.isdir(path.parent) or os.path.isdir(path):
        raise VideoError(
            f"{path} cannot be written.", "a file in an existing folder", "create the folder, or correct it"
        )


def video_features(
    model: Network | str | Path,
    source: Any,
    faces: Faces = "largest",
    *,
    landmarker: Landmarker | ComponentSpec | str | None = None,
    hop: int | None = None,
    batch_size: int = 8,
    device: torch.device | str | None = "auto",
    precision: str = "float32",
    threads: int | None = None,
    fps: float | None = None,
    progress: ProgressCallback | None = None,
) -> Features:
    """Compute the embedding of each window of a video, for the main face or several: a row for each window and face.

    Args:
        model: as `predict_video`, or a model without a classifier; an exported file has no embeddings.
        faces: "largest": the main face; "all" or a number as `predict_faces`.
        source, landmarker, hop, batch_size, device, precision, threads, fps, progress: as `predict_video`.

    Raises:
        As `predict_faces`.
    """
    options = Options(faces, landmarker, hop, batch_size, device, precision, threads, fps, progress)
    network = _network(model)
    name = weights_name(network)
    return Features.concat([_of_face(face, name) for face in watch(network, _embedder, source, options)])


def store_features(
    model: Network | str | Path,
    store: str | Path,
    *,
    batch_size: int = 8,
    device: torch.device | str | None = "auto",
    precision: str = "float32",
    threads: int | None = None,
) -> Features:
    """Compute the embedding of each clip of a store, of whatever label: its middle frames, cropped as for `evaluate`.

    Args:
        store: folder of the store, or its name in `stores_root()`.
        model, batch_size, device, precision, threads: as `video_features`.

    Raises:
        InputError: no such store, it does not match the network, or a clip has no face. Others as `video_features`.
    """
    options = Options("all", None, None, batch_size, device, precision, threads)
    network = _network(model)
    any_fps = isinstance(model, str | Path) and read_recipe(find_folder(model)).data.any_fps
    opened = open_matching(store, network.input_spec, any_fps=any_fps)
    clips = opened.as_clip_set(opened.labels())
    if not len(clips):
        raise InputError(f"{opened.folder} has no clips.", "a store with clips", "see its failures.csv")
    with computing(network, options.device, options.precision, options.threads):
        embeddings = run_clips(_embedder(network), _clips(clips, network), batch_size).astype(np.float32)
    columns = {
        "key": np.array(clips.keys),
        "video": np.array(clips.videos),
        "subject": np.array([clips.subject_of(row) for row in range(len(clips))]),
        "label": np.array(clips.names)[clips.labels],
        **{f"group:{name}": np.array(of) for name, of in clips.groups.items()},
    }
    return Features(embeddings, columns, weights_name(network))


def _network(given: Network | str | Path) -> FERModel:
    # A model without a classifier is no network that predicts.
    return given if isinstance(given, FERModel) else load_model(given, "embeddings: its file ends in probabilities")


def _embedder(model: Network) -> Network:
    """Return a copy whose outputs are the embeddings, on the device of the model."""
    copied = copy.deepcopy(model)
    assert isinstance(copied, FERModel)
    copied.reset_classifier(num_classes=0)
    return for_inference(copied)


def _of_face(face: Watched, model: str) -> Features:
    frames = face.plan.frames[face.windows]
    middle = frames[:, (frames.shape[1] - 1) // 2]
    times, count = face.track.times, len(frames)
    columns = {
        "video": np.repeat(shown(face.video.path), count),
        "track": np.repeat(face.track.number, count),
        "frame": middle,
        "time_s": times[middle],
        "start_s": times[frames[:, 0]],
        "end_s": times[frames[:, -1]],
    }
    return Features(face.outputs.astype(np.float32), columns, model, face.notes)


def _clips(clips: ClipSet, model: Network) -> Iterator[Clip]:
    for row in range(len(clips)):
        middle = central_frames(clips.take(np.array([row])), model.input_spec)
        cropped = crop_clips(middle, model.input_spec)
        yield Clip(b"", cropped.read(np.array([0]))[0], cropped.landmarks[0])
