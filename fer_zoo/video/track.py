"""One face through a video: found now and then, followed in between, never swapped for another.

Faces are distinguished by place and time alone. A face is the same as long as it can be followed from frame to frame. A
face that appears continues the nearest track that is not in the picture now, unless it is too far away for the time
that has passed; otherwise it starts a new track. The main face is the one with the largest sum of sides over all
frames. So a face after a cut or a long absence is not verified: there is no face recognition here.
"""

from __future__ import annotations

import itertools
import math
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fer_zoo.landmarks.base import Box, Face, Floats, Landmarker
from fer_zoo.video.reader import VideoFrame

State = Literal["tracked", "interpolated", "none"]
Which = Literal["all", "largest", "central"]

# A detector's short failure, as behind a passing hand: points are interpolated over it. Longer gaps stay gaps.
MAX_GAP_S = 0.2
# How far (in face sides) a lost face may reappear at once, and how much farther for each second of absence.
_REACH, _REACH_PER_S = 0.75, 3.0
# After this absence the place says nothing any more: a face that left on one side may return on the other.
_FORGET_S = 2.0
_SAME_FACE = 0.3


@dataclass(frozen=True)
class FaceTrack:
    """One face in a video, one entry per frame.

    Attributes:
        times: seconds since the first frame, float64 (N,).
        states: "tracked", "interpolated" (a short gap between tracked frames) or "none".
        boxes: face box in pixels of the video as shown; None without a face.
        landmarks: float32 (N, 68, 2) in the same pixels, NaN without a face.
        faces: how many different faces were followed in all.
        scores: the landmarker's score of each frame's face, float32 (N,), NaN without a face.
        shape_changes: frames from which on the picture has another shape.
        number: of the face, from 1, in the order in which faces appear.
    """

    times: NDArray[np.float64]
    states: tuple[State, ...]
    boxes: tuple[Box | None, ...]
    landmarks: Floats
    faces: int
    scores: Floats
    shape_changes: tuple[int, ...] = ()
    number: int = 1

    def __len__(self) -> int:
        return len(self.states)

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which frames have a face, tracked or interpolated; bool (N,)."""
        return np.array([state != "none" for state in self.states], dtype=np.bool_)


def track_faces(
    frames: Iterable[VideoFrame], landmarker: Landmarker, which: Which = "all", *, scale: float = 1.0
) -> list[FaceTrack]:
    """Follow the faces through the frames of a video; the track with the largest sum of sides comes first.

    Two tracks may be of one subject, who left and came back while others were there.

    Args:
        which: "all"; or the main face alone, of which there is always a track: that with the largest sum of sides over
            all frames, or the most central one.
        scale: `Video.scale`: side of the given images / side of the video as shown, in which results are given.
    """
    tracker = Tracker(landmarker)
    for frame in frames:
        tracker.add(frame)
    tracker.search_last_frame()
    faces = tracker.largest_first()
    if which == "central":
        faces = sorted(tracker.faces, key=tracker.centrality, reverse=True)
    if which != "all":
        faces = faces[:1] or [TrackedFace()]
    return [tracker.track(face, 1 / scale) for face in faces]


class TrackedFace:
    """One face by frame number, in arrays, since a long video has hundreds of thousands of frames."""

    def __init__(self) -> None:
        self.last_index, self.present = -1, True
        self._places: dict[int, int] = {}
        self._boxes, self._landmarks = array("d"), array("f")
        self._forgotten = 0
        # The sum of sides over all frames, forgotten ones too; a running sum, as it is compared in every frame.
        self.total_side = 0.0

    def __len__(self) -> int:
        return len(self._places) + self._forgotten

    def __contains__(self, index: int) -> bool:
        return index in self._places

    def __getitem__(self, index: int) -> Face:
        place = self._places[index]
        *box, score = self._boxes[5 * place : 5 * place + 5]
        landmarks = np.array(self._landmarks[136 * place : 136 * place + 136], np.float32).reshape(68, 2)
        return Face(Box(*box), score, landmarks)

    def add(self, index: int, face: Face) -> None:
        """Remember where the face is in a frame."""
        if index in self._places:
            self.total_side -= self[index].box.side
        self.total_side += face.box.side
        self._places[index] = len(self._boxes) // 5
        self._boxes.extend((*face.box, face.score))
        self._landmarks.extend(np.asarray(face.landmarks, np.float32).ravel())
        if index >= self.last_index:
            self.last_index, self.present = index, True

    def drop_last(self) -> None:
        """Forget the newest frame, in which another face was followed."""
        self.total_side -= self.last.box.side
        del self._places[self.last_index]
        self.last_index, self.present = max(self._places), False

    def forget(self, before: int) -> None:
        """Drop the frames before this one, except the newest, where the face may be found again."""
        kept = [(index, self[index]) for index in self._places if index >= before or index == self.last_index]
        if len(kept) == len(self._places):
            return
        total, present = self.total_side, self.present
        self._forgotten += len(self._places) - len(kept)
        self._places, self._boxes, self._landmarks = {}, array("d"), array("f")
        for index, face in kept:
            self.add(index, face)
        self.total_side, self.present = total, present

    def boxes(self) -> Iterator[Box]:
        """Return the boxes of the known frames."""
        return (Box(*self._boxes[5 * place : 5 * place + 4]) for place in self._places.values())

    @property
    def last(self) -> Face:
        """The face in its newest frame."""
        return self[self.last_index]


class Tracker:
    """The state of tracking one video: `add` every frame in order, then `search_last_frame`.

    Attributes:
        look_back: how many frames back a face is followed that a search found.
    """

    def __init__(self, landmarker: Landmarker) -> None:
        self.faces: list[TrackedFace] = []
        self._landmarker, self.look_back = landmarker, landmarker.detect_every
        self._size = (1, 1)
        self._times = array("d")
        self._first = 0  # the frame of the first of these times
        self._shape_changes: list[int] = []
        self._last_search = -(10**9)
        # Frames since the last search: a face that is found by a search is followed back through them.
        self._recent: deque[VideoFrame] = deque(maxlen=self.look_back)

    def add(self, frame: VideoFrame) -> None:
        """Look for the known faces in the next frame; search all of it when it is time, or when a face was lost."""
        self._times.append(frame.time_s)
        self._size = (frame.image.shape[1], frame.image.shape[0])
        lost = frame.reshaped
        if frame.reshaped:  # every face is somewhere else now, and larger or smaller
            self._shape_changes.append(frame.index)
            self._recent.clear()
            for known in self.faces:
                known.present = False
        for known in self.faces:
            if not known.present:
                continue
            face = self._landmarker.follow(frame.image, known.last)
            if face is None:
                known.present, lost = False, True
            else:
                known.add(frame.index, face)
        self._drop_duplicates()
        if lost or frame.index - self._last_search >= self.look_back:
            self._search(frame)
        self._recent.append(frame)

    def largest_first(self) -> list[TrackedFace]:
        """Return the faces, the one with the largest sum of sides so far first."""
        return sorted(self.faces, key=lambda face: face.total_side, reverse=True)

    def search_last_frame(self) -> None:
        """Search the last frame if no face is present: a face found there is followed back to where it appeared."""
        present = any(face.present for face in self.faces)
        if not present and self._recent and self._recent[-1].index > self._last_search:
            self._search(self._recent.pop())

    def forget(self, before: int) -> None:
        """Drop what is known of the frames before this one, so that a stream can be followed in constant memory."""
        del self._times[: max(0, before - self._first)]
        self._first = max(self._first, before)
        for face in self.faces:
            face.forget(before)

    def centrality(self, face: TrackedFace) -> float:
        """Sum over a face's frames of how near to the middle it is: 1 there, 0 half a diagonal away."""
        middle, reach = (self._size[0] / 2, self._size[1] / 2), math.hypot(*self._size) / 2
        return sum(1 - math.dist(box.centre, middle) / reach for box in face.boxes())

    def track(self, tracked: TrackedFace, scale: float, since: int = 0) -> FaceTrack:
        """One face's track over the known frames, short gaps bridged, in `scale` times the pixels of the images.

        Args:
            since: leave out the frames before this one.
        """
        first = max(since, self._first)
        times = self._times[first - self._first :]
        count = len(times)
        boxes, states = list[Box | None]([None] * count), list[State](["none"] * count)
        landmarks, scores = np.full((count, 68, 2), np.nan, np.float32), np.full(count, np.nan, np.float32)
        known = [index for index in range(first, first + count) if index in tracked]
        found: Iterator[tuple[int, Face, State]] = ((index, tracked[index], "tracked") for index in known)
        bridged = _bridged(tracked, known, first, times, self._shape_changes)
        for index, unscaled, state in itertools.chain(found, bridged):
            face = unscaled.scaled(scale)
            at = index - first
            boxes[at], states[at], landmarks[at], scores[at] = face.box, state, face.landmarks, face.score
        changes = tuple(change - first for change in self._shape_changes if change > first or not first)
        number = next((number for number, face in enumerate(self.faces, 1) if face is tracked), 1)
        return FaceTrack(
            np.array(times), tuple(states), tuple(boxes), landmarks, len(self.faces), scores, changes, number
        )

    def _search(self, frame: VideoFrame) -> None:
        self._last_search = frame.index
        for face in self._landmarker.detect(frame.image):
            if any(known.present and _same(face, known.last) for known in self.faces):
                continue
            tracked = self._matching(face, frame)
            tracked.add(frame.index, face)
            self._follow_back(tracked, face)

    def _matching(self, face: Face, frame: VideoFrame) -> TrackedFace:
        """The absent face nearest to `face`, if near enough for the time that has passed; else a new one."""
        candidates = []
        for known in self.faces:
            if known.present:
                continue
            # Of a forgotten frame the oldest known time: it is longer ago than matters.
            gap = frame.time_s - self._times[max(0, known.last_index - self._first)]
            distance = _distance(face, known.last)
            moved = bool(self._shape_changes) and known.last_index < self._shape_changes[-1]
            if moved or gap > _FORGET_S or distance <= _REACH + _REACH_PER_S * gap:
                candidates.append((distance, known))
        if candidates:
            return min(candidates, key=lambda pair: pair[0])[1]
        self.faces.append(TrackedFace())
        return self.faces[-1]

    def _follow_back(self, tracked: TrackedFace, face: Face) -> None:
        for frame in reversed(self._recent):
            others = [known[frame.index] for known in self.faces if frame.index in known]
            earlier = self._landmarker.follow(frame.image, face)
            if earlier is None or any(_same(earlier, other) for other in others):
                return
            tracked.add(frame.index, earlier)
            face = earlier

    def _drop_duplicates(self) -> None:
        """Where two tracks were followed onto one face, the longer one keeps it."""
        present = sorted((face for face in self.faces if face.present), key=len, reverse=True)
        for rank, face in enumerate(present):
            if any(_same(face.last, kept.last) for kept in present[:rank] if kept.present):
                face.drop_last()


def _same(one: Face, other: Face) -> bool:
    return one.box.overlap(other.box) > _SAME_FACE


def _distance(one: Face, other: Face) -> float:
    """Distance of centres in face sides, plus the difference in size in doublings."""
    (x0, y0), (x1, y1) = one.box.centre, other.box.centre
    sides = one.box.side, other.box.side
    return float(np.hypot(x1 - x0, y1 - y0) / max(sides) + abs(np.log2(sides[0] / sides[1])))


def _bridged(
    faces: TrackedFace, known: Sequence[int], first: int, times: Sequence[float], changes: Sequence[int]
) -> Iterator[tuple[int, Face, State]]:
    """Faces of the frames between two that have one, at most `MAX_GAP_S` seconds without; on straight lines.

    `known` are the frames that have one; `times` begin with frame `first`.
    """
    for start, end in itertools.pairwise(known):
        # Without a face from the frame after `start` to the one before `end`.
        if end - start < 2 or times[end - 1 - first] - times[start - first] > MAX_GAP_S + 1e-9:
            continue
        if any(start < change <= end for change in changes):
            continue
        before, after = faces[start], faces[end]
        for index in range(start + 1, end):
            share = (times[index - first] - times[start - first]) / (times[end - first] - times[start - first])
            box = Box(*(float((1 - share) * a + share * b) for a, b in zip(before.box, after.box, strict=True)))
            points = np.asarray((1 - share) * before.landmarks + share * after.landmarks, np.float32)
            yield index, Face(box, min(before.score, after.score), points), "interpolated"
