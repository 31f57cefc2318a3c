"""Video file in, expression timeline out; `watch` follows the faces and runs the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import torch
from numpy.typing import NDArray

from fer_zoo.inference.baseline import NEUTRAL, Baseline, check_baseline, intensity, relative
from fer_zoo.inference.loading import Options, load_network, weights_name
from fer_zoo.inference.network import ProgressCallback, for_inference
from fer_zoo.inference.timeline import Row, Timeline
from fer_zoo.inference.watch import Watched, watch
from fer_zoo.inference.windows import Ints
from fer_zoo.landmarks import Landmarker
from fer_zoo.model import Network
from fer_zoo.specs import ComponentSpec
from fer_zoo.video.sources import Images
from fer_zoo.video.track import FaceTrack


def predict_video(
    model: Network | str | Path,
    source: Any,
    *,
    landmarker: Landmarker | ComponentSpec | str | None = None,
    hop: int | None = None,
    batch_size: int = 8,
    device: torch.device | str | None = "auto",
    precision: str = "float32",
    threads: int | None = None,
    runtime: str | None = None,
    fps: float | None = None,
    baseline: Baseline | None = "auto",
    progress: ProgressCallback | None = None,
) -> Timeline:
    """Predict the expression of the main face in every frame of a video.

    Sampling, crop and detector are those the weights were trained with (`model.input_spec`). Softmax outputs are
    averaged over all windows that hold a frame, and taken relative to the resting face (`baseline`). A network that
    sees whole videos (`sampling`) gives one prediction.

    Args:
        model: a model, the name of a model with weights, a weights folder, or a file of `fer_zoo.export`.
        source: a file that FFmpeg can read, or another source that `fer_zoo.video.sources.open_source` takes: a folder
            of frames, an array uint8 (T, H, W, 3), an iterator of frames, a webcam's number, a URL.
        landmarker: another detector than the one the weights name.
        hop: sampled frames from one window to the next, by default 2; 1 is smoothest, more is faster.
        batch_size: windows that go through the network together.
        device: where to run; the model is moved there. "auto": cuda, mps or cpu; None: where it is.
        precision: "float32", or "bf16" for bfloat16 autocast.
        threads: CPU threads of the network; by default one less than PyTorch's, for the thread that follows the faces.
        runtime: "torch", "onnxruntime" or "openvino": exports the model, or opens the exported file, for this runtime.
        fps: frames per second of the source, where its own times are wrong or missing.
        baseline: "auto": labels are relative to the resting face where one is found (`Timeline.with_baseline`); the
            first seconds that are to be the resting face; None: what the network says, unchanged.

    Raises:
        VideoError: the source cannot be read. NoFaceError: no face, or never long enough for one window.
        MissingExtraError: the detector or runtime is not installed. InputError: a model or source of another type.
        OptionError: hop, batch_size, device, precision, threads, runtime, fps or baseline is not valid, or the model
            has no classifier. ExportError: the model cannot be exported for this runtime.
        WeightsError: the network gives NaN or infinity.
    """
    options = Options("largest", landmarker, hop, batch_size, device, precision, threads, fps, progress)
    return _predict(model, source, runtime, baseline, options)[0]


def predict_faces(
    model: Network | str | Path,
    source: Any,
    faces: int | Literal["all"] = "all",
    *,
    landmarker: Landmarker | ComponentSpec | str | None = None,
    hop: int | None = None,
    batch_size: int = 8,
    device: torch.device | str | None = "auto",
    precision: str = "float32",
    threads: int | None = None,
    runtime: str | None = None,
    fps: float | None = None,
    baseline: Baseline | None = "auto",
    progress: ProgressCallback | None = None,
) -> list[Timeline]:
    """Predict the expressions of several faces: a timeline for each, by their number (`Timeline.track`).

    A face has the same number in all its frames; faces are numbered in the order in which they appear.

    Args:
        faces: "all", or how many: those with the largest sum of sides over all frames.
        model, source, landmarker, hop, batch_size, device, precision, threads, runtime, fps, baseline, progress:
            as `predict_video`.

    Raises:
        As `predict_video`; NoFaceError only if no face is seen long enough.
    """
    options = Options(faces, landmarker, hop, batch_size, device, precision, threads, fps, progress)
    return _predict(model, source, runtime, baseline, options)


def _predict(
    given: Network | str | Path, source: Any, runtime: str | None, baseline: Baseline | None, options: Options
) -> list[Timeline]:
    model = load_network(given, runtime)
    if baseline not in (None, "auto"):  # "auto" changes nothing where no label is neutral
        check_baseline(baseline, model.labels)
    found = watch(model, for_inference, source, options)
    if baseline == "auto" and isinstance(found[0].video, Images) and found[0].video.assumed_rate:
        baseline = None  # they may be pictures of several people
    return [timeline_of(face, model, baseline) for face in found]


def timeline_of(face: Watched, model: Network, baseline: Baseline | None = None) -> Timeline:
    """Return what the network said of a face, frame by frame, relative to its resting face if there is a baseline."""
    video, track, plan = face.video, face.track, face.plan
    averaged = frame_means(face.outputs, face.windows, len(plan.frames))
    shares, notes = averaged[plan.nearest], face.notes
    if baseline is not None and NEUTRAL in model.labels:
        moved, note = relative(shares, track.times, track.boxes, model.labels, baseline)
        shares, notes = shares if moved is None else moved, (*notes, *([note] if note else []))
    return Timeline(
        video.path,
        video.width,
        video.height,
        video.rate,
        model.labels,
        FrameRows(track, shares, model.labels),
        weights_name(model),
        face.landmarker.version,
        notes,
        track=face.number,
        faces=track.faces,
        synthetic=model.card is not None and model.card.synthetic,
        source=video,
    )


def frame_means(shares: NDArray[np.float64], used: Ints, ticks: int) -> NDArray[np.float64]:
    """Mean over the windows that hold a tick; NaN where none does. (ticks, labels)."""
    total = np.zeros((ticks, shares.shape[1]))
    count = np.zeros((ticks, 1))
    for row, share in zip(used, shares, strict=True):
        held = np.unique(row)
        total[held] += share
        count[held] += 1
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


class FrameRows(Sequence[Row]):
    """The rows of a timeline, each made when it is asked for: in arrays, a frame takes a tenth of the memory."""

    def __init__(self, track: FaceTrack, shares: NDArray[np.float64], labels: tuple[str, ...]) -> None:
        self._track, self._shares, self._labels = track, shares, labels

    def __len__(self) -> int:
        return len(self._track)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, index: int | slice) -> Row | tuple[Row, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        frame = range(len(self))[index]
        box, share = self._track.boxes[frame], self._shares[frame]
        known = box is not None and bool(np.isfinite(share).all())
        return Row(
            frame=frame,
            time_s=float(self._track.times[frame]),
            face=self._track.states[frame],
            box=box,
            landmarks=self._track.landmarks[frame] if box is not None else None,
            label=self._labels[int(share.argmax())] if known else None,
            probabilities=tuple(float(p) for p in share) if known else None,
            track=self._track.number,
            intensity=intensity(self._labels, share) if known else None,
        )
