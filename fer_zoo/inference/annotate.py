"""Annotated video: face box and landmarks, with a bar chart of the probabilities next to the frame."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fer_zoo.inference.palette import RGB, label_colours
from fer_zoo.inference.rows import UNCERTAIN, Row, TimelineData
from fer_zoo.landmarks.base import Box, UInt8
from fer_zoo.video.reader import open_video
from fer_zoo.video.writer import write_video

# Large videos are reduced, and small ones enlarged so that label names are readable.
_LARGEST, _SMALLEST_HEIGHT = 1280, 360
_GROUND, _INK, _FAINT, _TROUGH = (24, 27, 32), (238, 240, 243), (140, 146, 156), (48, 53, 61)


def annotate_video(timeline: TimelineData, path: str | Path, progress: Callable[[int], None] | None = None) -> None:
    """Write the annotated video; frame times are kept, audio is dropped.

    Args:
        path: .mp4, .mkv or .mov.
        progress: called with the number of frames written.

    Raises:
        VideoError: the video cannot be read, or the new one cannot be written.
    """
    video = open_video(timeline.video, max_side=_LARGEST)
    enlarge = max(1.0, min(4.0, _SMALLEST_HEIGHT / video.image_size[1]))
    painter = _Painter(timeline, video.scale * enlarge)
    with write_video(path, timeline.rate) as writer, closing(video.frames()) as frames:
        for frame in frames:
            if frame.index >= len(timeline):
                break  # a damaged file may return more frames the second time
            row = timeline.rows[frame.index]
            writer.add(painter.paint(frame.image, row, enlarge), row.time_s)
            if progress is not None:
                progress(frame.index + 1)


class _Painter:
    """Draws the frames of one video; `scale` is the size of a drawn frame relative to the video."""

    def __init__(self, timeline: TimelineData, scale: float) -> None:
        self._labels, self._scale = timeline.labels, scale
        self._colours = label_colours((*timeline.labels, UNCERTAIN))
        height = timeline.height * scale
        # Two lines of text and one row per label must fit into the height of the frame.
        self._line = int(np.clip(height / (len(self._labels) + 4), 14, 44))
        self._font = ImageFont.load_default(size=self._line * 0.52)
        self._bold = ImageFont.load_default(size=self._line * 0.72)
        longest = max(self._font.getlength(label) for label in self._labels)
        self._name_width = round(longest + self._line * 0.5)
        self._strip = round(self._name_width + self._line * 6.5) // 2 * 2

    def paint(self, image: UInt8, row: Row, enlarge: float) -> UInt8:
        picture = Image.fromarray(image)
        if enlarge > 1:
            size = round(image.shape[1] * enlarge), round(image.shape[0] * enlarge)
            picture = picture.resize(size, Image.Resampling.BICUBIC)
        canvas = Image.new("RGB", (picture.width + self._strip, picture.height), _GROUND)
        canvas.paste(picture, (0, 0))
        if row.box is not None and row.landmarks is not None:
            # Drawn on the frame only, so that a face at its edge does not cover the strip.
            self._draw_face(picture, row.box.scaled(self._scale), row)
            canvas.paste(picture, (0, 0))
        self._draw_strip(ImageDraw.Draw(canvas), picture.width, picture.height, row)
        return np.asarray(canvas, np.uint8)

    def _draw_face(self, picture: Image.Image, box: Box, row: Row) -> None:
        assert row.landmarks is not None
        draw = ImageDraw.Draw(picture)
        colour = self._colours[row.label] if row.label else _FAINT
        thick = max(2, picture.height // 180)
        draw.rectangle(tuple(box), outline=colour, width=thick)
        radius = max(1.0, min(box.side / 110, 3.5))
        for x, y in (row.landmarks + 0.5) * self._scale - 0.5:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 255, 255), outline=(20, 20, 20))
        if row.label:
            self._tag(draw, box, row.label, colour)

    def _tag(self, draw: ImageDraw.ImageDraw, box: Box, text: str, colour: RGB) -> None:
        """Draw the label above the box, or inside it if there is no space above."""
        pad = self._line * 0.15
        width, height = self._font.getlength(text) + 2 * pad, self._line * 0.75
        top = box.y0 - height if box.y0 >= height else max(0.0, box.y0)
        left = max(0.0, box.x0)
        draw.rectangle((left, top, left + width, top + height), fill=colour)
        dark = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] > 140
        draw.text(
            (left + pad, top + height / 2), text, fill=(20, 20, 20) if dark else (255, 255, 255), font=self._font,
            anchor="lm",
        )  # fmt: skip

    def _draw_strip(self, draw: ImageDraw.ImageDraw, left: int, height: int, row: Row) -> None:
        line, pad = self._line, self._line * 0.45
        top = (height - line * (len(self._labels) + 2.4)) / 2
        title = row.label or ("no face" if row.face == "none" else "face too briefly seen")
        colour = self._colours[row.label] if row.label else _FAINT
        title_font = self._bold if row.label or row.face == "none" else self._font
        draw.text((left + pad, top + line * 0.6), title, fill=colour, font=title_font, anchor="lm")
        bar_left = left + pad + self._name_width
        full = self._strip - pad * 2 - self._name_width - line * 1.3
        for index, label in enumerate(self._labels):
            middle = top + line * (index + 2)
            share = row.probabilities[index] if row.probabilities else 0.0
            ink = _INK if label == row.label else _FAINT
            draw.text((left + pad, middle), label, fill=ink, font=self._font, anchor="lm")
            half = line * 0.28
            draw.rectangle((bar_left, middle - half, bar_left + full, middle + half), fill=_TROUGH)
            if share * full >= 1:
                draw.rectangle((bar_left, middle - half, bar_left + share * full, middle + half), self._colours[label])
            if row.probabilities:
                right = left + self._strip - pad
                draw.text((right, middle), f"{share:.0%}", fill=ink, font=self._font, anchor="rm")
        note = f"{row.time_s:.2f} s" + ("  (interpolated)" if row.face == "interpolated" else "")
        draw.text((left + pad, top + line * (len(self._labels) + 2.2)), note, fill=_FAINT, font=self._font, anchor="lm")
