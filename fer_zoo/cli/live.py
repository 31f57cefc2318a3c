"""`fer-zoo live`: predict the expressions of a webcam or stream while it runs."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fer_zoo.cli import predict
from fer_zoo.cli.arguments import at_least_zero, baseline, path, picked, share
from fer_zoo.cli.usage import Parser
from fer_zoo.paths import shown

if TYPE_CHECKING:
    from fer_zoo.cli.live_page import LivePage
    from fer_zoo.inference.annotate import Painter
    from fer_zoo.inference.rows import Row, TimelineData
    from fer_zoo.inference.stream import Moment
    from fer_zoo.landmarks import Landmarker
    from fer_zoo.model import Network
    from fer_zoo.video.live import LiveVideo

RELATIVE = "After 3 seconds, labels are relative to the most neutral second of each face within the last minute."
# Of a run of days, the latencies of the last hours.
_LATENCIES = 200_000


def add(top: Parser) -> None:
    """Add the command `live`."""
    live = top.command("live", "predict in real time from a webcam or stream: a web page, and rows", _live)
    option = live.add_argument
    sources = "a webcam's number, a URL (http, rtsp, srt, ...), or a video played at its own speed; default: 0"
    option("source", nargs="?", default="0", metavar="SOURCE", help=sources)
    predict.add_model(live)
    predict.add_network(live)
    predict.add_rows(live)
    resting = "auto (default): labels are relative to each face's most neutral second of the last minute; none: "
    option("--baseline", type=baseline, default="auto", metavar="auto|none", help=resting + predict.RAW)
    option("--out", type=path, metavar="FILE", help="write the rows to a new file, .jsonl or .csv, as they come")
    option("--headless", action="store_true", help="no page; print the rows as JSON lines")
    option("--port", type=at_least_zero, default=0, metavar="N", help="port of the page; default: any free one")
    option("--seconds", type=share, metavar="N", help="stop after this many seconds")
    patience = "give up after this long without a frame; 0: never connect again; default: 30"
    option("--reconnect", dest="reconnect_s", type=share, default=30.0, metavar="SECONDS", help=patience)


def _live(arguments: Namespace) -> None:
    from fer_zoo.inference.lines import RowFile, check_row_file
    from fer_zoo.inference.loading import find_landmarker
    from fer_zoo.inference.stream import predict_stream
    from fer_zoo.video.live import open_live

    if arguments.out:
        check_row_file(arguments.out)
    with ExitStack() as stack:
        view = _View(arguments, stack)
        opening = picked(arguments, "fps", "seconds", "reconnect_s")
        video = open_live(arguments.source, report=view.report, **opening)
        model = predict.load(arguments.model, arguments.runtime)
        finder = find_landmarker(model, arguments.landmarker)
        options = picked(arguments, "faces", "hop", "device", "precision", "threads", "baseline")
        rows = predict_stream(model, video, latency_s=0, landmarker=finder, **options)
        table = _Table(video, model, finder, arguments)
        file = stack.enter_context(RowFile(arguments.out, table.names)) if arguments.out else None
        view.start(table.facts)
        statistics = _Statistics()
        stack.callback(lambda: print(statistics.text(video), file=sys.stderr))
        try:
            moments = stack.enter_context(closing(rows.moments))  # type: ignore[type-var]
            for moment in moments:
                latency_s = statistics.add(moment)
                refined, values = table.rows(moment, latency_s)
                if file is not None:
                    file.add(values)
                if not view.show(moment, refined, table, values, statistics.state(video, latency_s)):
                    return
        except KeyboardInterrupt:  # how a live run usually ends
            return


class _Table:
    """The rows of each moment with the probabilities and columns that were asked for."""

    def __init__(self, video: LiveVideo, model: Network, finder: Landmarker, arguments: Namespace) -> None:
        from fer_zoo.inference.baseline import NEUTRAL
        from fer_zoo.inference.formats import table
        from fer_zoo.inference.loading import weights_name
        from fer_zoo.inference.rows import SYNTHETIC, TimelineData
        from fer_zoo.inference.watch import model_notes

        synthetic = model.card is not None and model.card.synthetic
        relative = [RELATIVE] if arguments.baseline and NEUTRAL in model.labels else []
        notes = (*([SYNTHETIC] if synthetic else []), *video.notes, *model_notes(model, finder), *relative)
        self.facts = TimelineData(
            video.path,
            video.width,
            video.height,
            video.rate,
            model.labels,
            (),
            weights_name(model),
            finder.version,
            notes,
            track=1,
            synthetic=synthetic,
        )
        self._smooth_s, self._threshold = arguments.smooth, arguments.threshold
        self._columns = picked(arguments, "landmarks", "pose")
        self.names = [*table(self.facts, **self._columns)[0], "latency_s"]
        self._past: dict[int, deque[Row]] = {}

    def rows(self, moment: Moment, latency_s: float) -> tuple[list[Row], list[list[Any]]]:
        """Return the rows of a moment, smoothed over the past, and their values for the columns `names`."""
        refined = [self._refined(row) for row in moment.rows]
        return refined, [[*self._values(row), latency_s] for row in refined]

    def _refined(self, row: Row) -> Row:
        past = self._past.setdefault(row.track, deque())
        past.append(row)
        while past[0].time_s < row.time_s - 3 * self._smooth_s:
            past.popleft()
        return replace(self.facts, rows=tuple(past)).refined(self._smooth_s, self._threshold).rows[-1]

    def _values(self, row: Row) -> list[Any]:
        from fer_zoo.inference.formats import table

        track = None if row.face == "none" else row.track
        values: list[Any] = next(table(replace(self.facts, track=row.track, rows=(row,)), **self._columns)[1])
        return [track, *values[1:]]


class _View:
    """Where a run is watched: the page, the terminal, and rows on standard output."""

    def __init__(self, arguments: Namespace, stack: ExitStack) -> None:
        from fer_zoo.cli.live_page import LivePage

        self._page: LivePage | None = None if arguments.headless else stack.enter_context(LivePage(arguments.port))
        self._prints = arguments.headless or not sys.stdout.isatty()
        self._several = arguments.faces != "largest"
        self._painter: Painter | None = None
        self._tracks = {1}

    def report(self, text: str) -> None:
        """Show what happens to the source."""
        print(text, file=sys.stderr, flush=True)
        if self._page is not None:
            self._page.state = text

    def start(self, facts: TimelineData) -> None:
        """Say what runs, and where it can be watched."""
        size = f"{facts.width} x {facts.height}"
        lines = [f"{shown(facts.video.name)}: {size} pixels; model {facts.model}; landmarks {facts.landmarker}"]
        lines += [f"note: {note}" for note in facts.notes]
        if self._page is not None:
            lines.append(f"Watch it at {self._page.address}")
        print("\n".join([*lines, "Ctrl-C ends it."]), file=sys.stderr, flush=True)
        if self._page is not None and sys.stderr.isatty() and _has_display():
            import webbrowser

            webbrowser.open(self._page.address)

    def show(
        self, moment: Moment, rows: Sequence[Row], table: _Table, values: Sequence[Sequence[Any]], state: str
    ) -> bool:
        """Show a moment; False once nobody reads what is printed."""
        from fer_zoo.inference.lines import json_line

        if self._prints:
            for each in values:
                sys.stdout.write(json_line(table.names, each))
            sys.stdout.flush()
        if self._page is not None:
            painter, image = self._current_painter(moment, table.facts), moment.frame.image
            self._page.show(lambda: painter.paint(image, rows), state)
        return not self._prints or getattr(sys.stdout, "error", None) is None

    def _current_painter(self, moment: Moment, facts: TimelineData) -> Painter:
        from fer_zoo.inference.annotate import Painter

        new = {row.track for row in moment.rows} - self._tracks
        if self._painter is None or (new and self._several):
            self._tracks |= new
            tracks = sorted(self._tracks) if self._several else [None]
            timelines = [replace(facts, track=track) for track in tracks]
            self._painter = Painter(timelines, (moment.frame.image.shape[1], moment.frame.image.shape[0]))
        return self._painter


def _has_display() -> bool:
    return sys.platform in ("darwin", "win32") or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ


class _Statistics:
    """How fast a run was."""

    def __init__(self) -> None:
        self._begun_s: float | None = None  # when the first frame came
        self._moments, self._latencies = 0, deque[float](maxlen=_LATENCIES)

    def add(self, moment: Moment) -> float:
        """Count a moment; return the seconds since its frame was captured."""
        captured_s = moment.frame.captured_s or time.monotonic()
        self._begun_s = self._begun_s or captured_s
        self._latencies.append(time.monotonic() - captured_s)
        self._moments += 1
        return self._latencies[-1]

    def _seconds(self) -> float:
        return max(1e-3, time.monotonic() - (self._begun_s or 0.0))

    def state(self, video: LiveVideo, latency_s: float) -> str:
        """Return one line about the run so far."""
        rate = self._moments / self._seconds()
        return f"{rate:.1f} results/s, {video.dropped} of {video.received} frames dropped, {1000 * latency_s:.0f} ms"

    def text(self, video: LiveVideo) -> str:
        """Return the numbers of the whole run."""
        import numpy as np

        if not self._latencies:
            return f"no results; {video.received} frames were received."
        seconds = self._seconds()
        rates = f"{(video.received - video.dropped) / seconds:.1f} frames/s of {video.received / seconds:.1f}"
        first = f"{seconds:.1f} s: {rates}, {video.dropped} dropped; {self._moments} results"
        cuts = np.percentile(np.array(self._latencies), (50, 95, 99)) * 1000
        named = ", ".join(f"p{share} {cut:.0f} ms" for share, cut in zip((50, 95, 99), cuts, strict=True))
        return f"{first}\nlatency from a frame to its row: {named}"
