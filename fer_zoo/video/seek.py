"""Resume decoding where a video was read before; frames keep the numbers that decoding from the start gives them."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fer_zoo.video.decode import Decoding


class Mark(NamedTuple):
    """A frame as decoding from the start met it: time stamp, seconds, and of a frame to start from a checksum."""

    stamp: int
    time_s: float
    checksum: int | None


@dataclass
class Marks:
    """The first frames of a file without a gap, as far as it was read; a frame's place is its number."""

    frames: list[Mark] = field(default_factory=list)

    def add(self, number: int, raw: Any, time_s: float) -> None:
        """Remember a decoded frame if it is the next one and its time stamp tells it from all others."""
        if number != len(self.frames) or raw.pts is None or (number and raw.pts <= self.frames[-1].stamp):
            return
        self.frames.append(Mark(raw.pts, time_s, _checksum(raw) if raw.key_frame else None))

    def contradict(self, number: int, raw: Any) -> bool:
        """Whether another frame than this was met under its number."""
        return number < len(self.frames) and self.frames[number].stamp != raw.pts

    def leap(self, number: int, decoding: Decoding) -> tuple[int, Iterator[Any]]:
        """Move a fresh pass to the last known key frame that is not after frame `number`.

        Time stamps after seeking are not reliable in every format, so the key frame must also look as it did.

        Returns:
            The key frame's number and the frames from it on; number 0 and no frames if the file does not lead there.
        """
        from av.error import FFmpegError

        last = min(number, len(self.frames) - 1)
        at = next((known for known in range(last, 0, -1) if self.frames[known].checksum is not None), 0)
        if at == 0:
            return 0, iter(())
        mark = self.frames[at]
        try:
            decoding.container.seek(mark.stamp, stream=decoding.stream)
        except FFmpegError:
            return 0, iter(())
        decoded = decoding.frames()
        for raw in itertools.takewhile(lambda raw: raw.pts is not None and raw.pts <= mark.stamp, decoded):
            if raw.pts == mark.stamp:
                same = _checksum(raw) == mark.checksum
                return (at, itertools.chain([raw], decoded)) if same else (0, iter(()))
        return 0, iter(())


def _checksum(raw: Any) -> int:
    return zlib.crc32(raw.planes[0])
