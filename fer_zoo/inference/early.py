"""Clips cut while the face is still being followed, so that each frame is decoded once and not kept for long."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from fer_zoo.inference.windows import Ints, longest_step
from fer_zoo.landmarks.base import Floats, UInt8, scaled_points
from fer_zoo.specs import InputSpec
from fer_zoo.video.crop import crop_clip, place_crop
from fer_zoo.video.reader import Video, VideoFrame
from fer_zoo.video.sample import sample_frames
from fer_zoo.video.track import MAX_GAP_S, TrackedFace, Tracker

# A window in which fewer frames than this share have a face says little about it.
MIN_FACES = 0.5
# Decoded frames that are held; a window of more, as of a large video at a high rate, is decoded again later.
_MOST_BYTES = 256 * 2**20
# A gap that is bridged into a window may start this many frames before it: 0.2 s at 60 frames/s and more.
_BEFORE = 16


class Clip(NamedTuple):
    """A clip for the network: what it was cut from, frames uint8 (T, S, S, 3), landmarks (T, 68, 2) in crop pixels."""

    key: bytes
    crop: UInt8
    landmarks: Floats


def clip_key(row: Ints, points: Floats) -> bytes:
    """Return a digest of what a clip is cut from: its frame numbers and their landmarks, in decoded pixels."""
    return blake2b(row.tobytes() + points.tobytes(), digest_size=16).digest()


def cut_clip(images: list[UInt8], row: Ints, points: Floats, spec: InputSpec) -> Clip:
    """Cut the clip of a window: the images and points of its frames, in decoded pixels."""
    place = place_crop(points, spec.crop)
    assert place is not None, "a window is used only if half of its frames have a face"
    return Clip(clip_key(row, points), *crop_clip(images, points, place, spec.size))


class EarlyClips:
    """Cuts clips from the newest frames of a video that is being followed.

    The windows are those that `plan_windows` will lay over the whole video, except at its end and around gaps. Whether
    a clip is what was wanted, its key says; so a wrong guess here, as of the main face, costs time and nothing else.
    """

    def __init__(self, video: Video, tracker: Tracker, spec: InputSpec, hop: int, faces: int | None) -> None:
        self.held: deque[VideoFrame] = deque()
        self._video, self._tracker, self._spec, self._hop, self._faces = video, tracker, spec, hop, faces
        self._start_s = 0.0  # of the part without gaps in which the frames are
        self._tick = 0  # of this part, where the next window starts

    def add(self, frame: VideoFrame) -> Iterator[Clip]:
        """Yield the clips that have become known with this frame, which the tracker has seen."""
        step = frame.time_s - self.held[-1].time_s if self.held else 0.0
        if not self.held or frame.reshaped or step > longest_step(self._spec.fps, self._spec.frames):
            self.held.clear()
            self._start_s, self._tick = frame.time_s, 0
        self.held.append(frame)
        while len(self.held) > 1 and len(self.held) * frame.image.nbytes > _MOST_BYTES:
            self.held.popleft()
        if self._spec.sampling != "dense":  # the clip is known at the end of the video
            return
        last = (self._tick + self._spec.frames - 1) / self._spec.fps
        if frame.time_s - self._start_s >= last:
            yield from self._window()

    def _window(self) -> Iterator[Clip]:
        first, newest = self.held[0].index, self.held[-1]
        times = np.array([frame.time_s for frame in self.held]) - self._start_s
        row = sample_frames(times, self._spec.fps, self._tick)[: self._spec.frames] + first
        faces = self._tracker.largest_first()[: self._faces]
        # Frames without the face may get it later: it is followed back, or the gap is bridged.
        settled = newest.index - row[-1] >= self._tracker.look_back and times[-1] - times[row[-1] - first] > MAX_GAP_S
        certain = self._faces == 1 and faces and all(index in face for face in faces for index in row)
        if not (certain or settled):
            return
        if times[0] <= self._tick / self._spec.fps:  # else its first frames are gone
            for face in faces:
                yield from self._clip(face, row)
        self._tick += self._hop
        # Not by `hop`: the last window of the video may start one tick later.
        while self.held[0].index < row[:2][-1] - 1:
            self.held.popleft()

    def _clip(self, face: TrackedFace, row: Ints) -> Iterator[Clip]:
        since = max(0, int(row[0]) - _BEFORE)
        track = self._tracker.track(face, 1 / self._video.scale, since)
        if track.found[row - since].mean() >= MIN_FACES:
            images = [self.held[index - self.held[0].index].image for index in row]
            yield cut_clip(images, row, scaled_points(track.landmarks[row - since], self._video.scale), self._spec)
