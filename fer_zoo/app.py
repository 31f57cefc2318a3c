"""A web page on which a video is dropped and read, by Gradio: for people who use no shell; `fer-zoo app` starts it."""

from __future__ import annotations

import atexit
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import numpy as np

from fer_zoo.errors import FerZooError, InputError, MissingExtraError, VideoError
from fer_zoo.inference import predict_faces, predict_video
from fer_zoo.inference.annotate import annotate_video
from fer_zoo.inference.plot import face_pictures, plot_timeline
from fer_zoo.inference.timeline import Timeline
from fer_zoo.video.live import in_thread
from fer_zoo.video.reader import Video, open_video

# Seconds after which uploads and results are deleted, and how often that is checked.
KEPT_S, CHECK_S = 1800.0, 60.0
# Visitors who may wait; the next one is told to come back.
QUEUE = 20
_POLL_S = 0.2
INTRODUCTION = """# Facial expressions in a video

Drop a video or record one. Each face gets a timeline of its expressions. Nothing leaves this
computer; uploads and results are deleted after half an hour. **What a face shows is not what a person feels.**"""


class _CancelledError(Exception):
    """The visitor cancelled."""


def build_app(models: Sequence[str], *, max_seconds: float = 120.0) -> Any:
    """Return the page as `gradio.Blocks`; start it with `launch_app`.

    From then on Gradio's files of this process are in a folder of their own (`GRADIO_TEMP_DIR`), where files older than
    half an hour are deleted.

    Args:
        models: names of weights to choose from, the default first.
        max_seconds: longer videos are refused.

    Raises:
        MissingExtraError: Gradio is not installed.
    """
    gr = _gradio()
    _own_folder()

    def read(video: str | None, model: str, faces: str, threshold: float) -> Iterator[dict[Any, Any]]:
        if not video:
            raise gr.Error("Choose a video first.")
        path = Path(video)
        if not path.exists():
            raise gr.Error("The video was deleted while it waited: videos are kept for half an hour. Choose it again.")
        path.touch()  # kept while it is read
        yield {status: "Starting …", results: gr.update(visible=False)}
        # Gradio copies what is returned to its own folder.
        with TemporaryDirectory(prefix="fer_zoo_app_", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            try:
                progress = _Progress(max_seconds, open_video(path))
                job = in_thread(lambda: _written(path, folder, model, faces, threshold, progress))
                try:
                    while not job.done():
                        yield {status: progress.text}
                        wait([job], _POLL_S)
                finally:
                    progress.stopped = True  # the visitor has cancelled
                timelines = job.result()
                pictures = [picture for timeline in timelines for picture in _strongest(timeline)]
            except FerZooError as error:
                raise gr.Error(str(error).replace("\n", "<br>"), duration=None) from error
            yield {
                status: f"{len(timelines)} face{'s' * (len(timelines) != 1)}.",
                results: gr.update(visible=True),
                annotated: str(folder / "annotated.mp4"),
                summary: "\n\n".join(map(_summary, timelines)),
                plots: _stacked(sorted(folder.glob("timeline*.png"))),
                strongest: pictures,
                files: [str(path) for path in sorted(folder.glob("timeline*.[cj]s*"))],
            }

    with gr.Blocks(title="fer_zoo", analytics_enabled=False) as app:
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column():
                video = gr.Video(sources=["upload", "webcam"], label=f"Video, up to {max_seconds:g} s", height=320)
                model = gr.Dropdown(list(models), value=models[0], label="Weights")
                with gr.Row():
                    faces = gr.Radio(["largest", "all"], value="largest", label="Faces")
                    threshold = gr.Slider(0, 0.9, value=0, step=0.05, label="Uncertain below")
                with gr.Row():
                    start = gr.Button("Predict expressions", variant="primary")
                    cancel = gr.Button("Cancel")
                status = gr.Markdown(elem_id="status")
            with gr.Column(visible=False) as results:
                annotated = gr.Video(label="Annotated video", height=320, interactive=False)
                summary = gr.Markdown(elem_id="summary")
                files = gr.File(label="Download: one row per frame, CSV and JSON", file_count="multiple")
                plots = gr.Image(label="Timeline of each face", interactive=False)
                strongest = gr.Gallery(label="Strongest frames", columns=4, height="auto", object_fit="contain")
        reading = start.click(
            read,
            [video, model, faces, threshold],
            [status, results, annotated, summary, plots, strongest, files],
            concurrency_limit=1,
        )
        # The status is set once the job has stopped: its last progress could replace it otherwise.
        cancel.click(None, cancels=reading).then(lambda: "Cancelled.", outputs=status, queue=False)
    return app.queue(max_size=QUEUE)


def launch_app(
    app: Any, *, host: str = "127.0.0.1", port: int | None = None, max_mb: float = 200, **options: Any
) -> Any:
    """Start the page of `build_app`; other options are Gradio's. Uploads above `max_mb` megabytes are refused.

    Raises:
        InputError: the port is in use, or there is no such port.
    """
    gr = _gradio()
    # Fonts of the reader's machine: nothing is loaded from elsewhere.
    theme = gr.themes.Soft(primary_hue="teal", font=["system-ui", "sans-serif"], font_mono=["monospace"])
    try:
        return app.launch(
            server_name=host,
            server_port=port,
            max_file_size=int(max_mb * 2**20),
            share=False,
            theme=theme,
            footer_links=[],
            ssr_mode=False,
            **options,
        )
    except (OSError, OverflowError) as error:
        given = f"The page cannot be served at {host}:{port or 7860}: {str(error).rstrip('.')}."
        raise InputError(given, "a free port, 1024 to 65535", "choose another --port") from error


@cache
def _own_folder() -> None:
    """Give Gradio a folder of its own and delete old files in it: its own `delete_cache` leaves results behind."""
    parent = os.environ.get("GRADIO_TEMP_DIR") or None
    folder = Path(mkdtemp(prefix="fer_zoo_page_", dir=parent))
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    threading.Thread(target=_delete_old, args=(folder, KEPT_S, CHECK_S), daemon=True).start()


def _delete_old(folder: Path, kept_s: float, check_s: float) -> None:
    """Delete files that are older than `kept_s` seconds, again and again; the folder stays."""
    while folder.exists():
        time.sleep(check_s)
        for place, _, names in os.walk(folder):  # unlike rglob, it goes on where a folder is deleted meanwhile
            for path in (Path(place, name) for name in names):
                with suppress(OSError):  # deleted by Gradio at the same time
                    if time.time() - path.stat().st_mtime > kept_s:
                        path.unlink()


class _Progress:
    """What is being done for a visitor; ends the work, which calls it, once it is stopped or the video is too long."""

    def __init__(self, max_seconds: float, video: Video) -> None:
        self.text, self.stopped = "Loading the network …", False
        self._max_seconds, self._most_frames = max_seconds, max_seconds * video.rate
        self._check_length(video.frame_count or 0)

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if self.stopped:
            raise _CancelledError
        self._check_length(done)
        self.text = f"{stage}: {done}{f' of {total}' if total else ''} …"

    def _check_length(self, frames: int) -> None:
        if frames > self._most_frames + 1:
            raise VideoError(
                f"The video is longer than {self._max_seconds:g} s.",
                f"up to {self._max_seconds:g} s on this page",
                "cut it, or run `fer-zoo predict` on it",
            )


def _written(
    video: Path, folder: Path, model: str, faces: str, threshold: float, progress: _Progress
) -> list[Timeline]:
    """Read a video, write its files into the folder, and return its timelines."""
    if faces == "all":
        timelines = predict_faces(model, video, progress=progress)
    else:
        timelines = [predict_video(model, video, progress=progress)]
    timelines = [timeline.refined(threshold=threshold) for timeline in timelines]
    progress.text = "Drawing …"
    for timeline in timelines:
        stem = "timeline" if len(timelines) == 1 else f"timeline_{timeline.track}"
        timeline.to_csv(folder / f"{stem}.csv")
        timeline.to_json(folder / f"{stem}.json")
        plot_timeline(timeline, folder / f"{stem}.png")
    annotate_video(timelines, folder / "annotated.mp4", lambda done: progress("annotate", done, None))
    return timelines


def _summary(timeline: Timeline) -> str:
    found = timeline.summary()
    lines = [f"### Face {timeline.track}" if found.faces_seen > 1 else "### Result"]
    lines.append(f"Seen in {found.frames_with_face} of {found.frames} frames ({found.duration_s:.1f} s).")
    lines += ["", "| expression | share of time | longest |", "|---|---|---|"]
    lines += [
        f"| {label} | {share:.0%} | {found.longest[label].start_s:.1f} to {found.longest[label].end_s:.1f} s |"
        for label, share in found.share_of_time.items()
    ]
    return "\n".join([*lines, "", *(f"_{note}_\n" for note in timeline.notes)])


def _stacked(pictures: Sequence[Path]) -> Any:
    """Return pictures of one width, one below the other."""
    from PIL import Image

    return np.concatenate([np.asarray(Image.open(path).convert("RGB")) for path in pictures])


def _strongest(timeline: Timeline) -> list[tuple[Any, str]]:
    """Return for each label that occurs the picture of its most probable frame, and a caption."""
    best: dict[int, str] = {}
    for number, label in enumerate(timeline.labels):
        rows = [row for row in timeline.rows if row.label == label and row.probabilities is not None]
        if rows:
            best[max(rows, key=lambda row: row.probabilities[number]).frame] = label  # type: ignore[index]
    return [
        (image, f"{best[row.frame]} {max(row.probabilities):.0%}, {row.time_s:.1f} s")  # type: ignore[arg-type]
        for row, image in face_pictures(timeline, sorted(best))
        if image is not None
    ]


def _gradio() -> Any:
    try:
        import gradio
    except ImportError as error:
        raise MissingExtraError.for_extra("gradio", "app") from error
    return gradio
