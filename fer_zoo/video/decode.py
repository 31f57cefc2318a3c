"""One pass of decoding over a video file: which stream, its frames in order of showing, and an end to its threads."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, Self

from fer_zoo.errors import VideoError


class Decoding:
    """The frames of one video stream of an open file; to be used in a `with` block.

    PyAV ends a decoder's threads with the last reference to its stream. Only this object holds one, and gives it up at
    the end of the block: left to the garbage collector, the threads could be waited for in a forked process, which does
    not have them and would hang.

    Attributes:
        container, stream: PyAV's.
        aspect: width of a pixel / its height, of the frame that `frames` gave last.
        running: what `frames` gave.
        problems: what the demuxer and the decoder reported, so far as the frames were read.
    """

    def __init__(self, container: Any, index: int) -> None:
        self.container = container
        self.stream = container.streams[index]
        self.stream.thread_type = "AUTO"
        self.problems: list[str] = []
        self._first_aspect = self.stream.codec_context and self.stream.codec_context.sample_aspect_ratio
        self.aspect = self._aspect() if self.stream.codec_context else 1.0
        self.running: Generator[Any, None, None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.running is not None:
            self.running.close()
        self.running = self.stream = None
        self.container.close()

    @property
    def untimed(self) -> bool:
        """Whether the format has no time stamps; its demuxer makes some up, at 25 per second or in decoding order."""
        from av.format import Flags

        return bool(self.container.format.flags & Flags.no_timestamps.value)

    def _aspect(self) -> float:
        coded = self.stream.codec_context.sample_aspect_ratio
        # The container's value comes first, as in FFmpeg, but cannot follow a change within the stream.
        aspect = coded if coded != self._first_aspect and coded else self.stream.sample_aspect_ratio
        # 0 means unknown, and extreme values are mistakes.
        return float(aspect) if aspect and 0.2 < aspect < 5 else 1.0

    def frames(self) -> Generator[Any, None, None]:
        """Frames in order of showing; what cannot be decoded is left out and noted in `problems`."""
        self.running = self._decoded()
        return self.running

    def _decoded(self) -> Generator[Any, None, None]:
        from av.error import FFmpegError

        packets, packet, complete = self.container.demux(self.stream), None, True
        size: tuple[int, int] | None = None
        try:
            while True:
                try:
                    packet = next(packets, None)
                except FFmpegError as error:
                    self.problems.append(reason(error))
                    break
                if packet is None:
                    break
                # A packet cut short by the end of the file is marked; a marked one in between may be whole.
                complete = not packet.is_corrupt if packet.size else complete
                try:
                    decoded = packet.decode()
                except FFmpegError as error:
                    self.problems.append(reason(error))
                    continue
                aspect, before = self._aspect(), self.aspect
                for raw in decoded:
                    # A decoder that meets a new aspect first gives the frames that it still held, of the old one.
                    size, last = (raw.width, raw.height), size
                    self.aspect = before if size == last else aspect
                    before = self.aspect
                    yield raw
                self.aspect = aspect
            if not complete and not self.problems:
                self.problems.append("the file ends within a frame")
        finally:
            packets.close()
            del packets, packet


def choose_streams(container: Any, path: Path) -> list[int]:
    """Indices of the streams of moving pictures, the one to be shown first.

    As in FFmpeg, the default stream comes first, then the one that `av_find_best_stream` takes, then the largest.

    Raises:
        VideoError: there is none. The cover of a song is a video stream too, of one frame, and no video.
    """
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails
    moving = [stream for stream in container.streams.video if not stream.disposition & still]
    if not moving:
        cover = " (only a cover)" if container.streams.video else ""
        raise VideoError(
            f"{path} has sound but no picture{cover}.", "a file with a video stream", "choose another file"
        )
    best = container.streams.best("video")

    def rank(stream: Any) -> tuple[bool, bool, bool, int]:
        default = bool(stream.disposition & Disposition.default)
        # A damaged file may have a video stream without a decoder, and so without a size.
        width, height = (getattr(stream, side, 0) or 0 for side in ("width", "height"))
        return stream.frames != 1, default, stream is best, width * height

    return [stream.index for stream in sorted(moving, key=rank, reverse=True)]


def reason(error: Exception) -> str:
    """What FFmpeg or the system says of an error."""
    return str(getattr(error, "strerror", None) or error)
