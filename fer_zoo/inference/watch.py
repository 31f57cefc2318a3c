"""Follow the faces of a video and run a network on their windows: what predictions and features have in common.

Three things happen at once, each in a thread: frames are decoded; the face is followed and clips are cut; the network
computes. What was cut before it was known which face is the main one, or how it moves on, is checked at the end, and
cut again from a second pass over the video where it is not what was wanted. So only the newest frames are held, however
long the video is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from fer_zoo.errors import NoFaceError
from fer_zoo.inference.early import MIN_FACES, EarlyClips
from fer_zoo.inference.loading import Options, computing, find_landmarker
from fer_zoo.inference.network import NetworkRun
from fer_zoo.inference.rows import SYNTHETIC
from fer_zoo.inference.windows import Ints, WindowPlan, check_hop, plan_whole, plan_windows
from fer_zoo.landmarks import Landmarker
from fer_zoo.model import Network
from fer_zoo.video.reader import Video
from fer_zoo.video.sources import open_source
from fer_zoo.video.track import FaceTrack, TrackedFace, Tracker


class Watched(NamedTuple):
    """A face of a video, and what the network gave for it.

    number: of the face, where several were asked for. plan: of all windows. windows: those with enough frames that have
    a face, in ticks of the plan (windows, length). outputs: probabilities or embeddings of each of them (windows, ...).
    notes: what a reader should know.
    """

    video: Video
    track: FaceTrack
    number: int | None
    plan: WindowPlan
    windows: Ints
    outputs: NDArray[np.float64]
    landmarker: Landmarker
    notes: tuple[str, ...]


def watch(model: Network, computing_form: Callable[[Network], Network], source: Any, options: Options) -> list[Watched]:
    """Follow the faces of `options` through a video, and run the network on their windows.

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
        early = EarlyClips(video, tracker, model.input_spec, hop, options.most_faces)
        network = NetworkRun(video, computing_form(model), early, options.batch_size, options.progress)
        network.follow(tracker)
        faces = tracker.largest_first()[: options.most_faces] or [TrackedFace()]
        tracks = [tracker.track(face, 1 / video.scale) for face in faces]
        several = options.faces != "largest"
        found: list[Watched] = []
        brief: list[NoFaceError] = []
        for track in sorted(tracks, key=lambda track: track.number):
            try:
                found.append(_watched(network, track, model, finder, hop, several=several))
            except NoFaceError as error:  # this one is too briefly seen
                brief.append(error)
    if not found:
        raise brief[-1]
    note = (f"{len(brief)} more face(s) were seen too briefly for a label.",) if brief else ()
    return [face._replace(notes=(*face.notes, *note)) for face in found]


def _watched(
    network: NetworkRun, track: FaceTrack, model: Network, finder: Landmarker, hop: int, *, several: bool
) -> Watched:
    """Run the network on the windows of a face.

    Raises:
        NoFaceError: in none of them enough frames have the face.
    """
    spec, video = model.input_spec, network.video
    if not track.found.any():
        raise NoFaceError(
            f"No face was found in the {len(track)} frames of {video.path}.",
            "a video in which one face is seen from the front, 60 pixels wide or more",
            "try another video, or another landmarker",
        )
    if spec.sampling == "dense":
        plan = plan_windows(track.times, spec.fps, spec.frames, hop, track.shape_changes)
    else:
        plan = plan_whole(track.found if several else np.ones(len(track), bool), spec.frames, track.shape_changes)
    used = plan.windows[track.found[plan.frames[plan.windows]].mean(axis=1) >= MIN_FACES]
    if not len(used):
        raise NoFaceError(
            f"The face in {video.path} is never seen for half of {spec.frames} frames at {spec.fps:g} a second "
            f"({int(track.found.sum())} of {len(track)} frames have it).",
            "a face that stays in the picture for a quarter of a second or more",
            "try another video",
        )
    outputs = network.shares(track, plan.frames[used])
    notes = _notes(video, track, plan, model, finder, several)
    return Watched(video, track, track.number if several else None, plan, used, outputs, finder, notes)


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
            "network reads; its last frame was repeated."
        )
    if plan.gaps_s and spec.frames > 1:  # to a network of single frames, the frames of 24 a second are such parts
        notes.append(
            f"Gaps of more than {spec.frames / spec.fps:g} s between two frames: {len(plan.gaps_s)}, the longest "
            f"{max(plan.gaps_s):.1f} s. The parts between them were processed separately."
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
