"""Which files are videos: those that FFmpeg says are, whatever they are called."""

from __future__ import annotations

import functools
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo.data.datasets._layout import hidden_files, visible_files

if TYPE_CHECKING:
    from av import VideoStream
    from av.container import InputContainer

# Endings that FFmpeg also gives to videos, but that more often are sound or one picture: these files are opened.
_OTHERS = frozenset({"amv", "apng", "avif", "fits", "gif", "ico", "isma", "m3u8", "m4a", "m4b", "mpd", "ogg", "ra"})
_OTHERS |= {"webp", "wma"}
# Demuxers that take text, a single picture or nothing in particular for a video.
_NO_VIDEO = frozenset({"tty", "image2", "rawvideo", "concat", "hls", "dash", "lavfi"})
_TEXT = frozenset(range(32, 256)) | frozenset(b"\t\n\f\r\x1b")


def is_video(path: Path) -> bool:
    """Whether a file is meant to be a video: by its ending where FFmpeg writes videos so, else by what is in it.

    What is broken counts as a video if its ending says so: decoding it then says why it cannot be used.
    """
    return path.suffix[1:].lower() in video_endings() or _holds_video(path)


def visible_videos(folder: Path) -> list[Path]:
    """Videos in a folder that are not hidden, numbers in their names in numeric order.

    Raises:
        InputError: the folder cannot be listed.
    """
    return [path for path in visible_files(folder) if is_video(path)]


def hidden_videos(folder: Path) -> list[Path]:
    """Hidden files that hold a video nevertheless; what systems leave beside videos under their names does not."""
    return [path for path in hidden_files(folder) if _holds_video(path)]


def is_text(path: Path) -> bool:
    """Whether a file is plain text or empty, as notes and tables beside videos are."""
    try:
        with path.open("rb") as stream:
            beginning = stream.read(4096)
    except OSError:
        return False
    return beginning.startswith((b"\xff\xfe", b"\xfe\xff")) or not set(beginning) - _TEXT


@functools.cache
def video_endings() -> frozenset[str]:
    """Lowercase endings of the formats that FFmpeg writes video to, without those of sound and single pictures."""
    import av

    pictures = av.ContainerFormat("image2", "w").extensions
    found: set[str] = set()
    for name in av.formats_available:
        try:
            extensions = av.ContainerFormat(name, "w").extensions
            with av.open(BytesIO(), "w", format=name) as container:
                codec = container.default_video_codec
        except (ValueError, OSError):  # it is only read, or needs more than a file
            continue
        # Sound formats have a picture's codec, for a cover.
        if codec not in ("none", "png", "bmp"):
            found |= extensions
    return frozenset(extension.strip().lower() for extension in found - pictures) - _OTHERS


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
    except (OSError, ValueError):  # FFmpeg's own errors are of these kinds
        return False


def _has_pictures(container: InputContainer, video: VideoStream) -> bool:
    """Whether a stream has two pictures or more, and is not the cover of a song."""
    from av.stream import Disposition

    packets = (packet for packet in container.demux(video) if packet.size)
    return not video.disposition & Disposition.attached_pic and len(list(islice(packets, 2))) == 2
