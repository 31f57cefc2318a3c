"""One person's face through a video: found now and then, followed in between, never swapped for somebody else's.

How a person is told from another: by place and time alone. A face is the same person's as long as it can be followed
from frame to frame. A face that appears is given to a person who was seen before and is not in the picture now, the
nearest one, unless it is too far away for the time that has passed; otherwise it is a new person. The main person is
the one with the largest sum of face sides over all frames; `track_face` leaves everybody else out, `track_faces` does
not. Who comes back after a cut or a long absence is therefore not verified: identity is not recognised here.
"""

from __future__ import annotations

import itertools
import math
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fer_zoo.landmarks.base import Box, Face, Floats, Landmarker
from fer_zoo.video.reader import VideoFrame

State = Literal["tracked", "interpolated", "none"]
Which = Literal["largest", "central"]

# A detector's short failure, as behind a passing hand: points are interpolated over it. Longer gaps stay gaps.
MAX_GAP_S = 0.2
# How far (in face sides) a lost face may reappear at once, and how much farther for each second of absence.
_REACH, _REACH_PER_S = 0.75, 3.0
# After this absence the place says nothing any more: who left on one side may return on the other.
_FORGET_S = 2.0
_SAME_FACE = 0.3


@dataclass(frozen=True)
class FaceTrack:
    """One person's face in a video, one entry per frame.

    Attributes:
        times: seconds since the first frame, float64 (N,).
        states: "tracked", "interpolated" (a short gap between tracked frames) or "none".
        boxes: face box in pixels of the video as shown; None without a face.
        landmarks: float32 (N, 68, 2) in the same pixels, NaN without a face.
        faces: how many different faces were followed in all.
        scores: the landmarker's score of each frame's face, float32 (N,), NaN without a face.
        shape_changes: frames from which on the picture has another shape.
    """

    times: NDArray[np.float64]
    states: tuple[State, ...]
    boxes: tuple[Box | None, ...]
    landmarks: Floats
    faces: int
    scores: Floats
    shape_changes: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.states)

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which frames have a face, tracked or interpolated; bool (N,)."""
        return np.array([state != "none" for state in self.states], dtype=np.bool_)


def track_face(
    frames: Iterable[VideoFrame],
    landmarker: Landmarker,
    *,
    scale: float = 1.0,
    max_gap_s: float = MAX_GAP_S,
    which: Which = "largest",
    progress: Callable[[int], None] | None = None,
) -> FaceTrack:
    """Follow the main face through the frames of a video.

    Args:
        scale: `Video.scale`: side of the given images / side of the video as shown, in which results are given.
        max_gap_s: gaps without a face up to this many seconds are bridged by straight lines.
        which: the main face is the one with the largest sum of sides over all frames, or the most central one.
        progress: called with the number of frames done.
    """
    return _followed(frames, landmarker, progress).finish(1 / scale, max_gap_s, which)


def track_faces(frames: Iterable[VideoFrame], landmarker: Landmarker) -> list[FaceTrack]:
    """Follow every face, as `track_face` does the main one; the track with the largest sum of sides first.

    Two tracks may be of one person, who went away and came back while others were there.
    """
    return _followed(frames, landmarker, None).everyone()


def _followed(
    frames: Iterable[VideoFrame], landmarker: Landmarker, progress: Callable[[int], None] | None
) -> TrackSession:
    session = TrackSession(landmarker)
    for frame in frames:
        session.add(frame)
        if progress is not None:
            progress(frame.index + 1)
    return session


class _Faces:
    """The faces of one person by frame number, in arrays: a long video has hundreds of thousands of them."""

    def __init__(self) -> None:
        self._places: dict[int, int] = {}
        self._boxes, self._points = array("d"), array("f")

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, index: int) -> bool:
        return index in self._places

    def __setitem__(self, index: int, face: Face) -> None:
        self._places[index] = len(self._boxes) // 5
        self._boxes.extend((*face.box, face.score))
        self._points.extend(np.asarray(face.landmarks, np.float32).ravel())

    def __delitem__(self, index: int) -> None:
        del self._places[index]

    def __getitem__(self, index: int) -> Face:
        place = self._places[index]
        *box, score = self._boxes[5 * place : 5 * place + 5]
        points = np.array(self._points[136 * place : 136 * place + 136], np.float32).reshape(68, 2)
        return Face(Box(*box), score, points)

    def frames(self) -> list[int]:
        return sorted(self._places)

    def boxes(self) -> Iterator[Box]:
        return (Box(*self._boxes[5 * place : 5 * place + 4]) for place in self._places.values())


@dataclass
class _Person:
    """Everything known of one face: where it was in which frame, and whether it is being followed now."""

    faces: _Faces = field(default_factory=_Faces)
    last_index: int = -1
    present: bool = True

    def add(self, index: int, face: Face) -> None:
        self.faces[index] = face
        if index >= self.last_index:
            self.last_index, self.present = index, True

    @property
    def last(self) -> Face:
        return self.faces[self.last_index]

    @property
    def weight(self) -> float:
        return sum(box.side for box in self.faces.boxes())

    def centrality(self, size: tuple[int, int]) -> float:
        """Sum over its frames of how near to the middle it is: 1 there, 0 half a diagonal away."""
        middle, reach = (size[0] / 2, size[1] / 2), math.hypot(*size) / 2
        return sum(1 - math.dist(box.centre, middle) / reach for box in self.faces.boxes())


class TrackSession:
    """The state of tracking one video; `add` every frame in order, then `finish`, or ask for `everyone`."""

    def __init__(self, landmarker: Landmarker) -> None:
        self._landmarker = landmarker
        self._size = (1, 1)
        self._people: list[_Person] = []
        self._times = array("d")
        self._shape_changes: list[int] = []
        self._last_search = -(10**9)
        # Frames since the last search: a face that is found by a search is followed back through them.
        self._recent: deque[VideoFrame] = deque(maxlen=landmarker.detect_every)

    def add(self, frame: VideoFrame) -> None:
        """Look for the known faces in the next frame; search all of it when it is time, or when a face was lost."""
        self._times.append(frame.time_s)
        self._size = (frame.image.shape[1], frame.image.shape[0])
        lost = frame.reshaped
        if frame.reshaped:  # every face is somewhere else now, and larger or smaller
            self._shape_changes.append(frame.index)
            self._recent.clear()
            for person in self._people:
                person.present = False
        for person in self._people:
            if not person.present:
                continue
            face = self._landmarker.follow(frame.image, person.last)
            if face is None:
                person.present, lost = False, True
            else:
                person.add(frame.index, face)
        self._drop_doubles(frame.index)
        if lost or frame.index - self._last_search >= self._landmarker.detect_every:
            self._search(frame)
        self._recent.append(frame)

    def finish(self, scale: float = 1.0, max_gap_s: float = MAX_GAP_S, which: Which = "largest") -> FaceTrack:
        """Choose the main person and bridge short gaps; results are `scale` times the pixels of the images."""
        self._search_the_end()
        central = which == "central"
        main = max(self._people, key=lambda p: p.centrality(self._size) if central else p.weight, default=_Person())
        return self._track(main, scale, max_gap_s)

    def everyone(self, scale: float = 1.0, max_gap_s: float = MAX_GAP_S) -> list[FaceTrack]:
        """Every person's track, as `finish` gives it, the largest sum of sides first."""
        self._search_the_end()
        return [self._track(p, scale, max_gap_s) for p in sorted(self._people, key=lambda p: -p.weight)]

    def _search_the_end(self) -> None:
        nobody = not any(person.present for person in self._people)
        if nobody and self._recent and self._recent[-1].index > self._last_search:
            # A face that came after the last search would be missed; found on the last frame, it is followed back.
            self._search(self._recent.pop())

    def _track(self, person: _Person, scale: float, max_gap_s: float) -> FaceTrack:
        count = len(self._times)
        boxes, states = list[Box | None]([None] * count), list[State](["none"] * count)
        points, scores = np.full((count, 68, 2), np.nan, np.float32), np.full(count, np.nan, np.float32)

        def put(index: int, face: Face, state: State) -> None:
            boxes[index], states[index], points[index], scores[index] = face.box, state, face.landmarks, face.score

        for index in person.faces.frames():
            put(index, person.faces[index].scaled(scale), "tracked")
        for index, face in _bridged(person.faces, self._times, self._shape_changes, max_gap_s):
            put(index, face.scaled(scale), "interpolated")
        changes = tuple(self._shape_changes)
        return FaceTrack(np.array(self._times), tuple(states), tuple(boxes), points, len(self._people), scores, changes)

    def _search(self, frame: VideoFrame) -> None:
        self._last_search = frame.index
        for face in self._landmarker.detect(frame.image):
            if any(p.present and _same(face, p.last) for p in self._people):
                continue
            person = self._who(face, frame)
            person.add(frame.index, face)
            self._follow_back(person, face)

    def _who(self, face: Face, frame: VideoFrame) -> _Person:
        """The absent person nearest to `face`, if near enough for the time that has passed; else a new one."""
        candidates = []
        for person in self._people:
            if person.present:
                continue
            gap = frame.time_s - self._times[person.last_index]
            distance = _distance(face, person.last)
            moved = bool(self._shape_changes) and person.last_index < self._shape_changes[-1]
            if moved or gap > _FORGET_S or distance <= _REACH + _REACH_PER_S * gap:
                candidates.append((distance, person))
        if candidates:
            return min(candidates, key=lambda pair: pair[0])[1]
        self._people.append(_Person())
        return self._people[-1]

    def _follow_back(self, person: _Person, face: Face) -> None:
        for frame in reversed(self._recent):
            others = [p.faces[frame.index] for p in self._people if frame.index in p.faces]
            earlier = self._landmarker.follow(frame.image, face)
            if earlier is None or any(_same(earlier, other) for other in others):
                return
            person.add(frame.index, earlier)
            face = earlier

    def _drop_doubles(self, index: int) -> None:
        """Where two people were followed onto one face, the one who has been there longer keeps it."""
        present = sorted((p for p in self._people if p.present), key=lambda p: -len(p.faces))
        for rank, person in enumerate(present):
            if person.present and any(_same(person.last, kept.last) for kept in present[:rank] if kept.present):
                person.present = False
                del person.faces[index]
                person.last_index = max(person.faces.frames())


def _same(one: Face, other: Face) -> bool:
    return one.box.overlap(other.box) > _SAME_FACE


def _distance(one: Face, other: Face) -> float:
    """Distance of centres in face sides, plus the difference in size in doublings."""
    (x0, y0), (x1, y1) = one.box.centre, other.box.centre
    sides = one.box.side, other.box.side
    return float(np.hypot(x1 - x0, y1 - y0) / max(sides) + abs(np.log2(sides[0] / sides[1])))


def _bridged(
    faces: _Faces, times: Sequence[float], changes: Sequence[int], max_gap_s: float
) -> Iterator[tuple[int, Face]]:
    """Faces of the frames between two that have one, at most `max_gap_s` seconds without; on straight lines."""
    for start, end in itertools.pairwise(faces.frames()):
        # Without a face from the frame after `start` to the one before `end`.
        if end - start < 2 or times[end - 1] - times[start] > max_gap_s + 1e-9:
            continue
        if any(start < change <= end for change in changes):
            continue
        before, after = faces[start], faces[end]
        for index in range(start + 1, end):
            share = (times[index] - times[start]) / (times[end] - times[start])
            yield index, _between(before, after, share)


def _between(before: Face, after: Face, share: float) -> Face:
    box = Box(*(float((1 - share) * a + share * b) for a, b in zip(before.box, after.box, strict=True)))
    points = np.asarray((1 - share) * before.landmarks + share * after.landmarks, np.float32)
    return Face(box, min(before.score, after.score), points)
