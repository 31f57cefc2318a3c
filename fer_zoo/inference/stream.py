"""Rows of a source as they become known, in one pass and constant memory: for webcams, streams and long videos."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from fer_zoo.errors import OptionError
from fer_zoo.inference.baseline import NEUTRAL, RunningBaseline
from fer_zoo.inference.early import MIN_FACES, Clip
from fer_zoo.inference.loading import Faces, Options, computing, find_landmarker, load_network
from fer_zoo.inference.network import for_inference, run_clips, window_clips
from fer_zoo.inference.predict import FrameRows, frame_means
from fer_zoo.inference.rows import Row, with_share
from fer_zoo.inference.windows import check_hop, plan_windows
from fer_zoo.landmarks import Landmarker
from fer_zoo.model import Network
from fer_zoo.specs import ComponentSpec
from fer_zoo.video.live import open_live
from fer_zoo.video.reader import Video, VideoFrame
from fer_zoo.video.sources import open_source
from fer_zoo.video.track import MAX_GAP_S, TrackedFace, Tracker


def predict_stream(
    model: Network | str | Path,
    source: Any,
    *,
    faces: Faces = "largest",
    latency_s: float = 1.0,
    landmarker: Landmarker | ComponentSpec | str | None = None,
    hop: int | None = None,
    batch_size: int = 8,
    device: torch.device | str | None = "auto",
    precision: str = "float32",
    threads: int | None = None,
    runtime: str | None = None,
    fps: float | None = None,
    baseline: Literal["auto"] | None = "auto",
) -> RowStream:
    """Yield the rows of a video or live source, in order of time, as they become known.

    Rows are computed about every `latency_s` seconds, from the frames since then and those around them that share a
    window. So probabilities can differ a little from `predict_video`, whose windows start with the video, and those
    relative to a resting face more, since it is only known as far as the stream was seen.

    With `latency_s=0` a row is computed at once, from the one window that ends with its frame; frames between two
    windows (`hop`) have no row, and of a webcam or stream only the newest frame is read (`open_live`).

    Args:
        faces: "largest": one row per frame, of the face with the largest sum of sides so far (with `latency_s=0`, of
            those seen within the window); "all": one for each face in the frame (`Row.track`), or one without a face;
            a number: at most so many, the largest ones.
        latency_s: seconds of the source between computations; shorter costs more. 0: each moment by itself.
        baseline: "auto": labels are relative to the most neutral second of the face within the last minute, once it
            has been seen for 3 seconds; None: what the network says, unchanged.
        model, source, landmarker, hop, batch_size, device, precision, threads, runtime, fps: as `predict_video`.

    Raises:
        As `predict_video`, but frames without a face are no error. What can be checked is checked at once.
    """
    options = Options(faces, landmarker, hop, batch_size, device, precision, threads, fps)
    if not 0 <= latency_s < float("inf"):
        raise OptionError(f"latency_s={latency_s}.", "a number >= 0", "leave it out")
    if baseline not in ("auto", None):
        raise OptionError(f"baseline={baseline!r} for a stream.", '"auto", or None', "leave it out")
    video = open_source(source, fps=fps)
    if video.live and not latency_s:
        video = open_live(video)
    network = load_network(model, runtime)
    stream = _Stream(network, video, options, relative=baseline is not None)
    return RowStream(stream.moments(latency_s) if latency_s else stream.newest())


class Moment(NamedTuple):
    """A frame, and the rows of the faces in it."""

    frame: VideoFrame
    rows: tuple[Row, ...]


class RowStream(Iterator[Row]):
    """Rows one after the other; `moments`, to be used instead of the rows, gives them by frame."""

    def __init__(self, moments: Iterator[Moment]) -> None:
        self.moments = moments
        self._rows = (row for moment in moments for row in moment.rows)

    def __next__(self) -> Row:
        return next(self._rows)


class _Stream:
    def __init__(self, model: Network, video: Video, options: Options, *, relative: bool) -> None:
        self._hop = check_hop(options.hop, model.input_spec.frames)
        self._finder = find_landmarker(model, options.landmarker)
        with computing(model, options.device, "float32", None):
            pass  # moved before the first frame is read, so that a device that does not work is an error here
        self._model, self._video, self._options = for_inference(model), video, options
        self._tracker = Tracker(self._finder)
        self._relative = relative and NEUTRAL in model.labels
        self._resting: dict[int, RunningBaseline] = {}

    def moments(self, latency_s: float) -> Iterator[Moment]:
        """Yield all frames; they are held for `latency_s`, and as long as a window or a gap can still reach them."""
        spec = self._model.input_spec
        margin = spec.frames / spec.fps + MAX_GAP_S
        held, done, start = deque[VideoFrame](), 0, 0.0
        for frame in self._video.frames():
            self._tracker.add(frame)
            held.append(frame)
            if frame.time_s - start < latency_s + margin:
                continue
            # Faces are followed back, and gaps bridged, from later frames.
            safe = [
                f
                for f in held
                if f.time_s <= frame.time_s - margin and f.index <= frame.index - self._tracker.look_back
            ]
            end = safe[-1].index + 1 if safe else done
            if end <= done:
                continue
            yield from self._predicted(held, done, end)
            done, start = end, held[end - held[0].index].time_s
            while held[0].time_s < start - margin:
                held.popleft()
            self._tracker.forget(held[0].index)
        if held:
            self._tracker.search_last_frame()
            yield from self._predicted(held, done, held[-1].index + 1)

    def newest(self) -> Iterator[Moment]:
        """Yield the newest frame every `hop` ticks, with the labels of the window that ends with it."""
        spec = self._model.input_spec
        # Half a tick of tolerance, as the frames of a source do not come on the ticks.
        window_s, step_s = (spec.frames - 0.5) / spec.fps, (self._hop - 0.5) / spec.fps
        held, last_s = deque[VideoFrame](), -math.inf
        self._warm_up()
        for number, frame in enumerate(self._video.frames()):
            # Frames of the source may be missing; tracks count those that are seen.
            held.append(replace(frame, index=number))
            self._tracker.add(held[-1])
            while frame.time_s - held[0].time_s > window_s:
                held.popleft()
            if frame.time_s - last_s < step_s:
                continue
            last_s = frame.time_s
            self._tracker.forget(held[0].index)
            (moment,) = self._predicted(held, number, number + 1, newest=True)
            yield Moment(frame, tuple(replace(row, frame=frame.index) for row in moment.rows))

    def _warm_up(self) -> None:
        """Compute once before the first frame: the first time takes much longer, and a live source does not wait."""
        spec = self._model.input_spec
        clip = np.zeros((spec.frames, spec.size, spec.size, 3), np.uint8)
        self._finder.detect(np.zeros((*self._video.image_size[::-1], 3), np.uint8))
        with self._computing():
            run_clips(self._model, iter([Clip(b"", clip, np.zeros((spec.frames, 68, 2), np.float32))]), 1)

    def _computing(self) -> AbstractContextManager[None]:
        return computing(self._model, None, self._options.precision, self._options.threads)

    def _predicted(self, held: Sequence[VideoFrame], first: int, end: int, *, newest: bool = False) -> list[Moment]:
        """Return the frames `first` to `end` (not included), from all windows or from the newest one."""
        base = held[0].index
        largest = self._tracker.largest_first()
        faces = [face for face in largest if not newest or face.last_index >= base][: self._options.most_faces]
        with self._computing():
            tables = [self._of_face(face, held, newest) for face in sorted(faces, key=self._tracker.faces.index)]
        moments = []
        for frame in held:
            if not first <= frame.index < end:
                continue
            here = [table[frame.index - base] for table in tables]
            seen = here if self._options.faces == "largest" else [row for row in here if row.face != "none"]
            rows = seen or [Row(frame.index, frame.time_s, "none", None, None, None, None)]
            moments.append(Moment(frame, tuple(map(self._from_rest, rows))))
        return moments

    def _from_rest(self, row: Row) -> Row:
        """Return the row relative to what has been seen of this face's resting face."""
        if not self._relative or row.probabilities is None:
            return row
        for track in [track for track, known in self._resting.items() if known.is_over(row.time_s)]:
            del self._resting[track]
        known = self._resting.setdefault(row.track, RunningBaseline(self._model.labels))
        share = known.relative(row.time_s, np.array(row.probabilities), row.box)
        return with_share(row, self._model.labels, share)

    def _of_face(self, face: TrackedFace, held: Sequence[VideoFrame], newest: bool) -> list[Row]:
        spec = self._model.input_spec
        track = self._tracker.track(face, 1 / self._video.scale)
        plan = plan_windows(track.times - track.times[0], spec.fps, spec.frames, self._hop, track.shape_changes)
        windows = plan.windows[-1:] if newest else plan.windows
        used = windows[track.found[plan.frames[windows]].mean(axis=1) >= MIN_FACES]
        averaged = np.full((len(plan.frames), len(self._model.labels)), np.nan)
        if len(used):
            frames = (replace(frame, index=index) for index, frame in enumerate(held))
            clips = window_clips(self._video, track, plan.frames[used], self._model, frames)
            averaged = frame_means(run_clips(self._model, clips, self._options.batch_size), used, len(plan.frames))
        rows = FrameRows(track, averaged[plan.nearest], self._model.labels)
        return [replace(row, frame=row.frame + held[0].index) for row in rows]
