"""From decoded frames to RGB images of one size: upright, with square pixels, in standard colours."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from fer_zoo.landmarks.base import UInt8

# H.273 transfer characteristics of high dynamic range, and BT.709 as transfer characteristic and as primaries.
_HDR = {16: "PQ", 18: "HLG"}
_BT709 = 1


class Orientation(NamedTuple):
    """How a stored image is turned upright: swap rows and columns first, then mirror."""

    transposed: bool = False
    mirror_x: bool = False
    mirror_y: bool = False


def orientation(raw: Any) -> Orientation:
    """How a decoded frame is to be turned, by its display matrix, to the nearest right angle."""
    from av.sidedata import sidedata

    container: Any = sidedata.SideDataContainer
    matrix = _side_data_types().DISPLAYMATRIX
    # Not `raw.side_data`: the frame would keep it, and the two would wait for the garbage collector together.
    data = container(raw).get(matrix)
    if data is None:
        return Orientation()
    a, b, _, c, d, *_ = np.frombuffer(bytes(data), np.int32).astype(float)
    # A position (x, y) is shown at (a x + c y, b x + d y); angles between the right ones go to the nearest.
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, a < 0, d < 0)
    return Orientation(True, c < 0, b < 0)


@functools.cache
def _side_data_types() -> Any:
    """PyAV's table of types; FFmpeg's newer types, at which it raises ValueError, become members without a name."""
    from av.sidedata.sidedata import Type

    def unnamed(cls: Any, value: int) -> Any:
        member = object.__new__(cls)
        member._name_, member._value_ = f"TYPE_{value}", value
        return member

    setattr(Type, "_missing_", classmethod(unnamed))  # noqa: B010  (mypy takes it for a method)
    return Type


def shown_size(raw: Any, aspect: float, turn: Orientation) -> tuple[int, int]:
    """Width and height of a frame as shown; only the width is stretched by its pixel aspect."""
    width, height = max(1, round(raw.width * aspect)), raw.height
    return (height, width) if turn.transposed else (width, height)


class Screen:
    """Makes images of one size from the frames of a video, whose own size, shape and colours may change.

    A frame of another shape is scaled to fit and centred on black, so that nothing in it is squeezed. PQ and HLG are
    mapped to standard dynamic range by FFmpeg's scaler.

    Attributes:
        notes: what was done to frames that a reader of the results should know.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        from av.video.reformatter import VideoReformatter

        self.size = size
        self.notes: tuple[str, ...] = ()
        self._reformatter: Any = VideoReformatter()
        self._inner: tuple[int, int] | None = None

    def close(self) -> None:
        """End the scaler's threads, as `Decoding` does the decoder's."""
        self._reformatter = None

    def image(self, raw: Any, aspect: float, time_s: float) -> tuple[UInt8, bool]:
        """The image of a decoded frame, uint8 (H, W, 3), RGB, and whether its shape differs from the one before."""
        turn = orientation(raw)
        (width, height), shown = self.size, shown_size(raw, aspect, turn)
        scale = min(width / shown[0], height / shown[1])
        inner = max(1, round(shown[0] * scale)), max(1, round(shown[1] * scale))
        if width - inner[0] <= max(1, width / 100) and height - inner[1] <= max(1, height / 100):  # rounding
            inner = self.size
        reshaped, self._inner = inner != (self._inner or inner), inner
        image = self._scaled(raw, inner, turn)
        if inner == self.size:
            return image, reshaped
        self.notes = noted(
            self.notes,
            f"The shape of the picture changes at {time_s:.2f} s, to {shown[0]} x {shown[1]} pixels. Pictures of "
            "another shape than the first are shown whole, between black bars; positions are in pixels of the first.",
        )
        left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
        edges = ((top, height - inner[1] - top), (left, width - inner[0] - left), (0, 0))
        return np.pad(image, edges), reshaped

    def _scaled(self, raw: Any, size: tuple[int, int], turn: Orientation) -> UInt8:
        # Scaled before turning: a frame may be stored on its side.
        width, height = size[::-1] if turn.transposed else size
        shrinks = width < raw.width or height < raw.height
        colours = {}
        if raw.color_trc in _HDR:
            self.notes = noted(
                self.notes,
                f"The video has high dynamic range ({_HDR[raw.color_trc]}); it was mapped to standard dynamic range, "
                "as the networks were trained on.",
            )
            colours = {"dst_color_trc": _BT709, "dst_color_primaries": _BT709}
        converted = self._reformatter.reformat(
            raw, width=width, height=height, format="rgb24", interpolation="AREA" if shrinks else "BICUBIC", **colours
        )
        image = np.asarray(converted.to_ndarray(), np.uint8)
        if turn.transposed:
            image = image.transpose(1, 0, 2)
        return np.ascontiguousarray(image[:: -1 if turn.mirror_y else 1, :: -1 if turn.mirror_x else 1])


def noted(notes: tuple[str, ...], text: str) -> tuple[str, ...]:
    """Return the notes with one more, unless one that begins alike is among them."""
    return notes if any(note[:20] == text[:20] for note in notes) else (*notes, text)
