"""Video file in, expression timeline out.

Three things happen at once, each in a thread: frames are decoded; the face is followed and clips are cut; the network
computes. What was cut before it was known which face is the main one, or how it moves on, is checked at the end, and
cut again from a second pass over the video where it is not what was wanted. So only the newest frames are held, however
long the video is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import numpy as np
import torch
from numpy.typing import NDArray

from fer_zoo.errors import NoFaceError, OptionError
from fer_zoo.inference.baseline import intensity
from fer_zoo.inference.early import MIN_FACES, EarlyClips
from fer_zoo.inference.loading import check_options, computing, find_landmarker, load_network, weights_name
from fer_zoo.inference.network import NetworkRun, ProgressCallback, for_inference
from fer_zoo.inference.rows import SYNTHETIC
from fer_zoo.inference.timeline import Row, Timeline
from fer_zoo.inference.windows import Ints, WindowPlan, check_hop, plan_windows
from fer_zoo.landmarks import Landmarker
from fer_zoo.model import Network
from fer_zoo.specs import ComponentSpec, InputSpec
from fer_zoo.video.reader import Video
from fer_zoo.video.sources import open_source
from fer_zoo.video.track import MAX_GAP_S, FaceTrack, TrackedFace, Tracker

_ACCEPTED = "a video in which one face is seen from the front, 60 pixels wide or more"
_DO = "try another video, or another landmarker"


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
    progress: ProgressCallback | None = None,
) -> Timeline:
    """Predict the expression of the main face in every frame of a video.

    Sampling, crop and detector are those the weights were trained with (`model.input_spec`). Softmax outputs are
    averaged over all windows that hold a frame.

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

    Raises:
        VideoError: the source cannot be read. NoFaceError: no face, or never long enough for one window.
        MissingExtraError: the detector or runtime is not installed. InputError: a model or source of another type.
        OptionError: hop, batch_size, device, precision, threads, runtime or fps is not valid, or the model has no
            classifier. ExportError: the model cannot be exported for this runtime.
        WeightsError: the network gives NaN or infinity.
    """
    options = _Options(landmarker, hop, batch_size, device, precision, threads, runtime, fps, progress)
    return _predict(model, source, None, options)[0]


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
    progress: ProgressCallback | None = None,
) -> list[Timeline]:
    """Predict the expressions of several faces: a timeline for each, by their number (`Timeline.track`).

    A face has the same number in all its frames; faces are numbered in the order in which they appear.

    Args:
        faces: "all", or how many: those with the largest sum of sides over all frames.
        model, source, landmarker, hop, batch_size, device, precision, threads, runtime, fps, progress: as
            `predict_video`.

    Raises:
        As `predict_video`; NoFaceError only if no face is seen long enough.
    """
    if faces != "all" and (isinstance(faces, bool) or not isinstance(faces, int) or faces < 1):
        raise OptionError(f"faces={faces!r}.", 'an integer >= 1, or "all"', "use predict_video for the main face")
    options = _Options(landmarker, hop, batch_size, device, precision, threads, runtime, fps, progress)
    return _predict(model, source, faces, options)


class _Options(NamedTuple):
    landmarker: Landmarker | ComponentSpec | str | None
    hop: int | None
    batch_size: int
    device: torch.device | str | None
    precision: str
    threads: int | None
    runtime: str | None
    fps: float | None
    progress: ProgressCallback | None


def _predict(
    given: Network | str | Path, source: Any, faces: int | Literal["all"] | None, options: _Options
) -> list[Timeline]:
    """Return the timeline of the main face (`faces` is None) or of several."""
    check_options(options.batch_size, options.precision, options.threads)
    model = load_network(given, options.runtime)
    video = open_source(source, fps=options.fps)
    hop = check_hop(options.hop, model.input_spec.frames)
    video = video.recorded()  # a second pass may be needed
    # A core is left for the thread that follows the faces.
    threads = options.threads or max(1, torch.get_num_threads() - 1)
    with computing(model, options.device, options.precision, threads):
        finder = find_landmarker(model, options.landmarker)
        tracker = Tracker(finder)
        most = 1 if faces is None else None if faces == "all" else faces
        early = EarlyClips(video, tracker, model.input_spec, hop, most)
        network = NetworkRun(video, for_inference(model), early, options.batch_size, options.progress)
        network.follow(tracker)
        tracks = [tracker.track(face, 1 / video.scale, MAX_GAP_S) for face in tracker.largest_first()[:most]]
        if faces is None:
            track = tracks[0] if tracks else tracker.track(TrackedFace(), 1 / video.scale, MAX_GAP_S)
            return [_timeline(network, track, model, finder, hop, several=False)]
        found, last = [], NoFaceError(f"No face was found in {video.path}.", _ACCEPTED, _DO)
        for track in sorted(tracks, key=lambda track: track.number):
            try:
                found.append(_timeline(network, track, model, finder, hop, several=True))
            except NoFaceError as error:  # this one is too briefly seen
                last = error
        if not found:
            raise last
        brief = len(tracks) - len(found)
        return [replace(timeline, notes=(*timeline.notes, *_brief(brief))) for timeline in found]


def _brief(count: int) -> tuple[str, ...]:
    return (f"{count} more face(s) were seen too briefly for a label.",) if count else ()


def _timeline(
    network: NetworkRun, track: FaceTrack, model: Network, finder: Landmarker, hop: int, *, several: bool
) -> Timeline:
    spec, video = model.input_spec, network.video
    plan = plan_windows(track.times, spec.fps, spec.frames, hop, track.shape_changes)
    used = _with_faces(video.path, plan, track, spec)
    shares = network.shares(track, plan.frames[used])
    averaged = _average(shares, used, len(plan.frames))
    rows = _Rows(track, averaged[plan.nearest], model.labels)
    notes = _notes(video, track, plan, model, finder, several)
    return Timeline(
        video.path, video.width, video.height, video.rate, model.labels, rows, weights_name(model), finder.version,
        notes, track=track.number if several else None, faces=track.faces,
        synthetic=model.card is not None and model.card.synthetic, source=video,
    )  # fmt: skip


def _with_faces(path: str | Path, plan: WindowPlan, track: FaceTrack, spec: InputSpec) -> Ints:
    """Return the windows of which enough frames have a face.

    Raises:
        NoFaceError: there is none.
    """
    if not track.found.any():
        raise NoFaceError(
            f"No face was found in the {len(track)} frames of {path}.",
            _ACCEPTED,
            _DO,
        )
    used: Ints = plan.windows[track.found[plan.frames[plan.windows]].mean(axis=1) >= MIN_FACES]
    if not len(used):
        raise NoFaceError(
            f"The face in {path} is never seen for half of {spec.frames} frames at {spec.fps:g} a second "
            f"({int(track.found.sum())} of {len(track)} frames have it).",
            "a face that stays in the picture for a quarter of a second or more",
            "try another video",
        )
    return used


def _average(shares: NDArray[np.float64], used: Ints, ticks: int) -> NDArray[np.float64]:
    """Mean over the windows that hold a tick; NaN where none does. (ticks, labels)."""
    total = np.zeros((ticks, shares.shape[1]))
    count = np.zeros((ticks, 1))
    for row, share in zip(used, shares, strict=True):
        held = np.unique(row)
        total[held] += share
        count[held] += 1
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


class _Rows(Sequence[Row]):
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


def _notes(
    video: Video, track: FaceTrack, plan: WindowPlan, model: Network, finder: Landmarker, several: bool
) -> tuple[str, ...]:
    spec = model.input_spec
    notes = [SYNTHETIC] if model.card is not None and model.card.synthetic else []
    if video.damage:
        notes.append(f"{video.damage} The timeline covers what could be decoded.")
    notes += video.notes
    if len(plan.frames) < spec.frames:
        notes.append(
            f"The video is shorter ({len(plan.frames)} frames at {spec.fps:g} a second) than the {spec.frames} the "
            "network looks at; its last frame was repeated."
        )
    if plan.gaps_s:
        notes.append(
            f"Gaps of more than {spec.frames / spec.fps:g} s between two frames: {len(plan.gaps_s)}, the longest "
            f"{max(plan.gaps_s):.1f} s. The parts between them were looked at one by one."
        )
    if track.faces > 1 and not several:
        notes.append(f"{track.faces} faces were seen; the timeline is of the one that is largest for longest.")
    missing = int((~track.found).sum())
    if missing:
        notes.append(f"{missing} of {len(track)} frames show no face.")
    return (*notes, *model_notes(model, finder))


def model_notes(model: Network, finder: Landmarker) -> list[str]:
    """Return what a reader of the results should know of the weights and the landmarks."""
    notes, trained = [], model.input_spec.landmarks.detector.name
    if finder.name != trained:
        notes.append(f"Landmarks are from {finder.name!r}; the weights name {trained!r}.")
    if model.card is None and model.started_from:
        if model.classifier_is_untrained:
            notes.append("The classifier is untrained: its labels mean nothing. Fine-tune the model first.")
    elif model.card is None:
        notes.append("The network is untrained: its labels mean nothing.")
    return notes
