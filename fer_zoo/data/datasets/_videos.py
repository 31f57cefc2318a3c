"""Which files are videos: those that FFmpeg says are, whatever they are called."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo.data.datasets._layout import visible_files

if TYPE_CHECKING:
    from av import VideoStream
    from av.container import InputContainer

# The endings under which FFmpeg writes video, without those that more often are sound or one picture, which are opened.
_WRITTEN = (
    "264 265 266 3g2 3gp a64 apv asf avi avs avs2 avs3 cavs cpk dnxhd dnxhr drc dv dvd evc f4v flm flv gxf h261 h263 "
    "h264 h265 h266 hevc ismv ivf m1v m2t m2ts m2v m4v mjpeg mjpg mkv mov mp4 mpeg mpg mts mxf nut obu ogv psp rcv rgb "
    "rm roq swf ts vc1 vc2 vob vvc webm wmv wtv y4m yuv"
)
ENDINGS = frozenset(_WRITTEN.split())
# Demuxers that take text, a single picture or nothing in particular for a video.
_NO_VIDEO = frozenset({"tty", "image2", "rawvideo", "concat", "hls", "dash", "lavfi"})
_TEXT = frozenset(range(32, 256)) | frozenset(b"\t\n\f\r\x1b")


def is_video(path: Path) -> bool:
    """Whether a file is meant to be a video: by its ending if it is one of `ENDINGS`, else by what is in it.

    What is broken counts as a video if its ending says so: decoding it then says why it cannot be used.
    """
    return path.suffix[1:].lower() in ENDINGS or _holds_video(path)


def visible_videos(folder: Path) -> list[Path]:
    """Videos in a folder that are not hidden, numbers in their names in numeric order.

    Raises:
        InputError: the folder cannot be listed.
    """
    return [path for path in visible_files(folder) if is_video(path)]


def hidden_videos(folder: Path) -> list[Path]:
    """Hidden files that hold a video nevertheless; what systems leave beside videos under their names does not."""
    return sorted(path for path in folder.glob(".*") if path.is_file() and _holds_video(path))


def is_text(path: Path) -> bool:
    """Whether a file is plain text or empty, as notes and tables beside videos are."""
    try:
        with path.open("rb") as stream:
            beginning = stream.read(4096)
    except OSError:
        return False
    return beginning.startswith((b"\xff\xfe", b"\xfe\xff")) or not set(beginning) - _TEXT


def _holds_video(path: Path) -> bool:
    """Whether FFmpeg finds a stream of several pictures in a file; text is never opened, as it may name other files."""
    import av

    if is_text(path):
        return False
    try:
        # An open file, not a name: FFmpeg would read some names as addresses.
        with path.open("rb") as stream, av.open(stream, "r") as container:
            name = container.format.name
            if name in _NO_VIDEO or name.endswith("_pipe"):
                return False
            return any(_has_pictures(container, video) for video in container.streams.video)
    except (OSError, ValueError, av.error.FFmpegError):
        return False


def _has_pictures(container: InputContainer, video: VideoStream) -> bool:
    """Whether a stream has two pictures or more, and is not the cover of a song."""
    from av.stream import Disposition

    packets = (packet for packet in container.demux(video) if packet.size)
    return not video.disposition & Disposition.attached_pic and len(list(islice(packets, 2))) == 2
