"""Follow the faces of a video and run a network on their windows: what predictions and features have in common.

Three things happen at once, each in a thread: frames are decoded; the face is followed and clips are cut; the network
computes. What was cut before it was known which face is the main one, or how it moves on, is checked at the end, and
cut again from a second pass over the video where it is not what was wanted. So only the newest frames are held, however
long the video is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from fer_zoo.errors import NoFaceError, OptionError
from fer_zoo.inference.early import MIN_FACES, EarlyClips
from fer_zoo.inference.loading import computing, find_landmarker
from fer_zoo.inference.network import NetworkRun, ProgressCallback
from fer_zoo.inference.rows import SYNTHETIC
from fer_zoo.inference.windows import Ints, WindowPlan, check_hop, plan_whole, plan_windows
from fer_zoo.landmarks import Landmarker
from fer_zoo.model import Network
from fer_zoo.specs import ComponentSpec, InputSpec
from fer_zoo.video.reader import Video
from fer_zoo.video.sources import open_source
from fer_zoo.video.track import MAX_GAP_S, FaceTrack, TrackedFace, Tracker

_ACCEPTED = "a video in which one face is seen from the front, 60 pixels wide or more"
_DO = "try another video, or another landmarker"


class Options(NamedTuple):
    """How a source is read and computed on, see `predict_video`."""

    landmarker: Landmarker | ComponentSpec | str | None
    hop: int | None
    batch_size: int
    device: torch.device | str | None
    precision: str
    threads: int | None
    runtime: str | None
    fps: float | None
    progress: ProgressCallback | None


class Watched(NamedTuple):
    """A face of a video, and what the network gave for it.

    plan: of all windows. windows: those with enough frames that have a face, in ticks of the plan (windows, length).
    outputs: probabilities or embeddings of each of them (windows, ...). notes: what a reader should know.
    """

    video: Video
    track: FaceTrack
    plan: WindowPlan
    windows: Ints
    outputs: NDArray[np.float64]
    landmarker: Landmarker
    notes: tuple[str, ...]


def check_faces(faces: int | Literal["all"]) -> None:
    """Raise OptionError unless `faces` is a number of faces or "all"."""
    if faces != "all" and (isinstance(faces, bool) or not isinstance(faces, int) or faces < 1):
        raise OptionError(f"faces={faces!r}.", 'an integer >= 1, or "all"', "use predict_video for the main face")


def watch(
    model: Network,
    computing_form: Callable[[Network], Network],
    source: Any,
    faces: int | Literal["all"] | None,
    options: Options,
) -> list[Watched]:
    """Follow the main face (`faces` is None) or several through a video, and run the network on their windows.

    Args:
        model: moved to the device of `options`. computing_form: gives the network to run from it once it is there.

    Raises:
        As `predict_video` and `predict_faces`.
    """
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
        network = NetworkRun(video, computing_form(model), early, options.batch_size, options.progress)
        network.follow(tracker)
        tracks = [tracker.track(face, 1 / video.scale, MAX_GAP_S) for face in tracker.largest_first()[:most]]
        if faces is None:
            track = tracks[0] if tracks else tracker.track(TrackedFace(), 1 / video.scale, MAX_GAP_S)
            return [_watched(network, track, model, finder, hop, several=False)]
        found, last = [], NoFaceError(f"No face was found in {video.path}.", _ACCEPTED, _DO)
        for track in sorted(tracks, key=lambda track: track.number):
            try:
                found.append(_watched(network, track, model, finder, hop, several=True))
            except NoFaceError as error:  # this one is too briefly seen
                last = error
        if not found:
            raise last
        brief = len(tracks) - len(found)
        return [face._replace(notes=(*face.notes, *_brief(brief))) for face in found]


def _brief(count: int) -> tuple[str, ...]:
    return (f"{count} more face(s) were seen too briefly for a label.",) if count else ()


def _watched(
    network: NetworkRun, track: FaceTrack, model: Network, finder: Landmarker, hop: int, *, several: bool
) -> Watched:
    spec, video = model.input_spec, network.video
    if spec.sampling == "dense":
        plan = plan_windows(track.times, spec.fps, spec.frames, hop, track.shape_changes)
    else:
        plan = plan_whole(track.found if several else np.ones(len(track), bool), spec.frames, track.shape_changes)
    used = _with_faces(video.path, plan, track, spec)
    outputs = network.shares(track, plan.frames[used])
    notes = _notes(video, track, plan, model, finder, several)
    return Watched(video, track, plan, used, outputs, finder, notes)


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


def _notes(
    video: Video, track: FaceTrack, plan: WindowPlan, model: Network, finder: Landmarker, several: bool
) -> tuple[str, ...]:
    spec = model.input_spec
    notes = [SYNTHETIC] if model.card is not None and model.card.synthetic else []
    if video.damage:
        notes.append(f"{video.damage} The timeline covers what could be decoded.")
    notes += video.notes
    if spec.sampling != "dense":
        notes.append(
            f"One prediction for the whole video, of {spec.frames} frames spread over it, as the network was trained: "
            "it suits videos of a few seconds that show one expression."
        )
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
    if model.card is not None and (warning := model.card.calibration_warning):
        notes.append(warning)
    if model.card is None and model.started_from:
        if model.classifier_is_untrained:
            notes.append("The classifier is untrained: its labels mean nothing. Fine-tune the model first.")
    elif model.card is None:
        notes.append("The network is untrained: its labels mean nothing.")
    return notes
