"""Annotated video: face box and landmarks, with a bar chart of the probabilities next to the frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fer_zoo.errors import OptionError
from fer_zoo.inference.palette import RGB, label_colours, track_colours
from fer_zoo.inference.rows import UNCERTAIN, Row, TimelineData
from fer_zoo.landmarks.base import Box, UInt8, scaled_points
from fer_zoo.video.reader import Video, open_video
from fer_zoo.video.writer import write_video

# Large videos are reduced, and small ones enlarged so that label names are readable.
_LARGEST, _SMALLEST_HEIGHT = 1280, 360
_GROUND, _INK, _FAINT, _TROUGH = (24, 27, 32), (238, 240, 243), (140, 146, 156), (48, 53, 61)


def annotate_video(
    timeline: TimelineData | Sequence[TimelineData],
    path: str | Path,
    progress: Callable[[int], None] | None = None,
    edit: Callable[[int, UInt8], UInt8] | None = None,
) -> None:
    """Write the annotated video, with the times of its frames and its sound.

    Args:
        timeline: of one face; or of several faces of one video, whose boxes then have a colour for each face.
        path: .mp4, .mkv or .mov.
        progress: called with the number of frames written.
        edit: called with the number of a frame and its image (H, W, 3); returns the image to draw on.

    Raises:
        OptionError: a timeline has not one row for each frame of the video.
        VideoError: the video cannot be read, or the new one cannot be written.
    """
    timelines = [timeline] if isinstance(timeline, TimelineData) else list(timeline)
    first = timelines[0]
    numbers = list(range(len(first)))
    if not numbers or any([row.frame for row in each.rows] != numbers for each in timelines):
        raise OptionError(
            "A part of a timeline, or rows per second.",
            "timelines with a row for each frame, as `predict_video` and `predict_faces` return them",
            "annotate the whole timeline",
        )
    video: Video = first.source or open_video(first.video)
    # Of a file whose times are its own the frames are read at the size in which they are drawn, and the sound is kept.
    is_file = type(video) is Video and video.file is None and not video.counted
    if is_file:
        video = open_video(video.path, max_side=_LARGEST)
    sound = (video.path, video.stream) if is_file else None
    painter = Painter(timelines, video.image_size)
    with write_video(path, first.rate, sound=sound) as writer, closing(video.frames()) as frames:
        for frame in frames:
            if frame.index >= len(first):
                break  # a damaged file may return more frames the second time
            rows = [each.rows[frame.index] for each in timelines]
            image = frame.image if edit is None else edit(frame.index, frame.image)
            writer.add(painter.paint(image, rows), rows[0].time_s)
            if progress is not None:
                progress(frame.index + 1)


class Painter:
    """Draws the frames of one video, whose images have this width and height; of `timelines` the rows are not used."""

    def __init__(self, timelines: Sequence[TimelineData], image_size: tuple[int, int]) -> None:
        timeline = timelines[0]
        enlarge = min(_LARGEST / max(image_size), max(1.0, min(4.0, _SMALLEST_HEIGHT / image_size[1])))
        self._enlarge = enlarge if abs(enlarge - 1) > 0.01 else 1.0
        self._labels, self._scale = timeline.labels, image_size[0] / timeline.width * self._enlarge
        self._synthetic = timeline.synthetic
        self._colours = label_colours((*timeline.labels, UNCERTAIN))
        self._tracks = None if timeline.track is None else track_colours([each.track or 0 for each in timelines])
        height = timeline.height * self._scale
        # Two lines of text and one row per label must fit into the height of the frame.
        self._line = int(np.clip(height / (max(len(self._labels), len(timelines)) + 4), 14, 44))
        self._font = ImageFont.load_default(size=self._line * 0.52)
        self._bold = ImageFont.load_default(size=self._line * 0.72)
        self._small = ImageFont.load_default(size=self._line * 0.36)
        names = (f"{each.track or ''} {label}" for each in timelines for label in (*self._labels, UNCERTAIN))
        longest = max(map(self._font.getlength, self._labels if self._tracks is None else names))
        self._name_width = round(longest + self._line * 0.5)
        self._strip = round(self._name_width + self._line * 6.5) // 2 * 2

    def paint(self, image: UInt8, rows: Sequence[Row]) -> UInt8:
        """Return the image, uint8 (H, W, 3), with the faces of these rows and their labels."""
        picture = Image.fromarray(image)
        if self._enlarge != 1:
            size = round(image.shape[1] * self._enlarge), round(image.shape[0] * self._enlarge)
            picture = picture.resize(size, Image.Resampling.BICUBIC)
        for row in rows:
            if row.box is not None and row.landmarks is not None:
                self._draw_face(picture, row.box.scaled(self._scale), row)
        # Faces are drawn on the frame only, so that one at its edge does not cover the strip.
        canvas = Image.new("RGB", (picture.width + self._strip, picture.height), _GROUND)
        canvas.paste(picture, (0, 0))
        draw = ImageDraw.Draw(canvas)
        if self._tracks is None:
            self._draw_strip(draw, picture.width, picture.height, rows[0])
        else:
            self._draw_faces(draw, picture.width, picture.height, rows)
        if self._synthetic:
            place = (picture.width + self._line * 0.3, picture.height - self._line * 0.4)
            draw.text(place, "weights trained on synthetic faces", fill=_FAINT, font=self._small, anchor="lm")
        return np.asarray(canvas, np.uint8)

    def _colour(self, row: Row) -> RGB:
        if self._tracks is not None:
            return self._tracks[row.track]
        return self._colours[row.label] if row.label else _FAINT

    def _draw_face(self, picture: Image.Image, box: Box, row: Row) -> None:
        assert row.landmarks is not None
        draw = ImageDraw.Draw(picture)
        colour = self._colour(row)
        thick = max(2, picture.height // 180)
        draw.rectangle(tuple(box), outline=colour, width=thick)
        radius = max(1.0, min(box.side / 110, 3.5))
        for x, y in scaled_points(row.landmarks, self._scale):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 255, 255), outline=(20, 20, 20))
        text = row.label if self._tracks is None else f"{row.track} {row.label or ''}"
        if text:
            self._tag(draw, box, text, colour)

    def _draw_faces(self, draw: ImageDraw.ImageDraw, left: int, height: int, rows: Sequence[Row]) -> None:
        """Draw a line for each face: number, label, and a bar of the label's probability."""
        line = self._line
        top = max(line * 0.3, (height - line * (len(rows) + 1)) / 2)
        for index, row in enumerate(rows):
            colour = self._colour(row) if row.face != "none" else _FAINT
            text = f"{row.track} {row.label or ('-' if row.face == 'none' else '?')}"
            share = max(row.probabilities) if row.probabilities else None
            self._draw_bar(draw, left, top + line * (index + 0.5), text, share, colour, (colour, _INK))
        place = (left + line * 0.45, top + line * (len(rows) + 0.5))
        draw.text(place, f"{rows[0].time_s:.2f} s", fill=_FAINT, font=self._font, anchor="lm")

    def _draw_bar(
        self,
        draw: ImageDraw.ImageDraw,
        left: int,
        middle: float,
        name: str,
        share: float | None,
        colour: RGB,
        inks: tuple[RGB, RGB],
    ) -> None:
        """Draw a name, a bar, and the probability in per cent; `inks` are those of the name and the number."""
        pad, half = self._line * 0.45, self._line * 0.28
        draw.text((left + pad, middle), name, fill=inks[0], font=self._font, anchor="lm")
        start = left + pad + self._name_width
        full = self._strip - pad * 2 - self._name_width - self._line * 1.3
        draw.rectangle((start, middle - half, start + full, middle + half), fill=_TROUGH)
        if share is None:
            return
        if share * full >= 1:
            draw.rectangle((start, middle - half, start + share * full, middle + half), fill=colour)
        draw.text((left + self._strip - pad, middle), f"{share:.0%}", fill=inks[1], font=self._font, anchor="rm")

    def _tag(self, draw: ImageDraw.ImageDraw, box: Box, text: str, colour: RGB) -> None:
        """Draw the label above the box, or inside it if there is no space above."""
        pad = self._line * 0.15
        width, height = self._font.getlength(text) + 2 * pad, self._line * 0.75
        top = box.y0 - height if box.y0 >= height else max(0.0, box.y0)
        left = max(0.0, box.x0)
        draw.rectangle((left, top, left + width, top + height), fill=colour)
        dark = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] > 140
        draw.text(
            (left + pad, top + height / 2),
            text,
            fill=(20, 20, 20) if dark else (255, 255, 255),
            font=self._font,
            anchor="lm",
        )

    def _draw_strip(self, draw: ImageDraw.ImageDraw, left: int, height: int, row: Row) -> None:
        line, pad = self._line, self._line * 0.45
        top = (height - line * (len(self._labels) + 2.4)) / 2
        title = row.label or ("no face" if row.face == "none" else "face too briefly seen")
        colour = self._colours[row.label] if row.label else _FAINT
        title_font = self._bold if row.label or row.face == "none" else self._font
        draw.text((left + pad, top + line * 0.6), title, fill=colour, font=title_font, anchor="lm")
        for index, label in enumerate(self._labels):
            share = row.probabilities[index] if row.probabilities else None
            ink = _INK if label == row.label else _FAINT
            self._draw_bar(draw, left, top + line * (index + 2), label, share, self._colours[label], (ink, ink))
        note = f"{row.time_s:.2f} s" + ("  (interpolated)" if row.face == "interpolated" else "")
        draw.text((left + pad, top + line * (len(self._labels) + 2.2)), note, fill=_FAINT, font=self._font, anchor="lm")
