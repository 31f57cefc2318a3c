"""The sound of a video, encoded again for a new file beside its new pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from fer_zoo.paths import ffmpeg_url

# Sample rates that AAC has.
_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


class Sound:
    """Sound that is written up to a time, so that both streams of the new file grow side by side."""

    def __init__(self, container: Any, source: Any, pictures: int) -> None:
        stream = source.streams.audio[0]
        start = source.streams[pictures].start_time
        # Times of the pictures count from the first picture.
        self._start = float((start or 0) * source.streams[pictures].time_base)
        self._container, self._frames = container, source.decode(stream)
        self._rate = min(_RATES, key=lambda known: abs(known - stream.rate))
        # The encoder resamples frames of another rate, and their times with them.
        self._out = container.add_stream("aac", rate=self._rate)
        self._out.layout = "mono" if stream.layout.nb_channels == 1 else "stereo"
        self._next: Any = None

    def write(self, until_s: float) -> None:
        """Write what is heard before `until_s`; sound that cannot be decoded ends it."""
        from av.error import FFmpegError

        while True:
            try:
                frame, self._next = self._next or next(self._frames, None), None
            except FFmpegError:
                frame = None
            if frame is None:
                return
            time = (frame.time or 0.0) - self._start
            if time >= until_s:
                self._next = frame
                return
            if time >= 0:
                frame.pts, frame.time_base = round(time * self._rate), Fraction(1, self._rate)
                self._container.mux(self._out.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._out.encode(None))
        self._frames.close()


@contextmanager
def open_sound(container: Any, path: Path | None, pictures: int) -> Iterator[Sound | None]:
    """Open the sound of a video, None without any; `pictures` is the index of the stream that is shown."""
    import av

    if path is None:
        yield None
        return
    with av.open(ffmpeg_url(path), metadata_errors="replace") as source:
        yield Sound(container, source, pictures) if source.streams.audio else None
