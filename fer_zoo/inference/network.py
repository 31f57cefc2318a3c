"""The network of a prediction: it computes on clips while the faces are still being followed, and on the rest."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray

from fer_zoo.ahead import ahead
from fer_zoo.errors import VideoError, WeightsError
from fer_zoo.folding import folded
from fer_zoo.inference.early import Clip, EarlyClips, clip_key, cut_clip
from fer_zoo.inference.windows import Ints
from fer_zoo.landmarks.base import UInt8, scaled_points
from fer_zoo.model import FERModel, Network
from fer_zoo.video.crop import normalise
from fer_zoo.video.reader import Video, VideoFrame
from fer_zoo.video.track import FaceTrack, Tracker

# Frames that are decoded ahead; clips and reports of frames that the network may be behind.
_DECODED, _FOLLOWED = 4, 48


# What `predict_video` tells while it works: the stage's name, steps done, and steps in all if known.
ProgressCallback = Callable[[str, int, int | None], None]


def for_inference(model: Network) -> Network:
    """Return a model on the CPU in its fastest form, see `folded`; another network as it is."""
    if isinstance(model, FERModel) and next(model.parameters()).device.type == "cpu":
        return folded(model)
    return model


class NetworkRun:
    """The network and what it gave for the clips of one video, by their keys."""

    def __init__(
        self, video: Video, model: Network, early: EarlyClips, batch_size: int, progress: ProgressCallback | None
    ) -> None:
        self.video, self._model, self._early = video, model, early
        self._batch_size, self._progress = batch_size, progress
        self._shares: dict[bytes, NDArray[np.float64]] = {}
        self._waiting: list[Clip] = []

    def follow(self, tracker: Tracker) -> None:
        """Follow the faces through the video in a thread, while the network computes on clips that are known."""
        with closing(ahead(self._followed(tracker), _FOLLOWED)) as items:
            for item in items:
                if isinstance(item, Clip):
                    self._add(item)
                elif self._progress is not None:
                    self._progress("find face", item, self.video.frame_count)

    def _followed(self, tracker: Tracker) -> Generator[int | Clip, None, None]:
        """Yield the number of frames done after each frame, and the clips that have become known."""
        with closing(ahead(self.video.frames(), _DECODED)) as frames:
            for frame in frames:
                tracker.add(frame)
                yield frame.index + 1
                yield from self._early.add(frame)
        tracker.search_last_frame()

    def _add(self, clip: Clip) -> None:
        self._waiting.append(clip)
        if len(self._waiting) == self._batch_size:
            for _ in self._computed(iter(self._waiting)):
                pass
            self._waiting = []

    def _computed(self, clips: Iterator[Clip]) -> Iterator[int]:
        """Compute on clips; yield the number of them after each batch."""
        for batch, shares in _batches(self._model, clips, self._batch_size, len(self._shares)):
            self._shares.update(zip((clip.key for clip in batch), shares, strict=True))
            yield len(batch)

    def shares(self, track: FaceTrack, table: Ints) -> NDArray[np.float64]:
        """Return the softmax of the clip of each window (rows of frame numbers); (clips, labels).

        A network without a classifier gives its embeddings; (clips, num_features).
        """
        points = scaled_points(track.landmarks, self.video.scale)
        keys = [clip_key(row, points[row]) for row in table]
        waiting = {clip.key: clip for clip in self._waiting}
        missing = table[[key not in self._shares and key not in waiting for key in keys]]
        again = window_clips(self.video, track, missing, self._model, self._frames(missing))
        clips = itertools.chain((waiting[key] for key in keys if key in waiting), again)
        done = sum(key in self._shares for key in keys)
        for count in itertools.chain([0] if done else [], self._computed(clips)):
            done += count
            if self._progress is not None:
                self._progress("network", done, len(table))
        return np.stack([self._shares[key] for key in keys])

    def _frames(self, table: Ints) -> Generator[VideoFrame, None, None]:
        """Yield the frames of some windows: those that are still held, or a second pass over the video."""
        held = self._early.held
        if not len(table):
            return
        if held[0].index <= table.min():
            yield from held
        else:
            yield from self.video.frames(int(table.min()))


def window_clips(
    video: Video, track: FaceTrack, table: Ints, model: Network, frames: Generator[VideoFrame, None, None] | None = None
) -> Iterator[Clip]:
    """Cut the clip of each window (rows of frame numbers), in order, holding no frame longer than it is needed.

    Args:
        frames: those of the video from the first one of `table` on, or all if left out.
    """
    held: dict[int, UInt8] = {}
    points = scaled_points(track.landmarks, video.scale)
    wanted = set(table.ravel().tolist())
    with closing(frames or video.frames()) as stream:
        for row in table:
            held = {index: image for index, image in held.items() if index >= row[0]}
            while row[-1] not in held:
                frame = next(stream, None)
                if frame is None:
                    raise VideoError(f"{video.path} changed while it was read.", "a file at rest", "run it again")
                if frame.index in wanted and frame.index >= row[0]:
                    held[frame.index] = frame.image
            yield cut_clip([held[index] for index in row], row, points[row], model.input_spec)


def run_clips(model: Network, clips: Iterator[Clip], batch_size: int) -> NDArray[np.float64]:
    """Softmax of each clip, (clips, labels)."""
    return np.concatenate([shares for _, shares in _batches(model, clips, batch_size)])


def _batches(
    model: Network, clips: Iterator[Clip], batch_size: int, done: int = 0
) -> Iterator[tuple[list[Clip], NDArray[np.float64]]]:
    """Yield clips and their softmax (clips, labels), or embeddings, batch by batch; `done` clips were before them."""
    weight = next(model.parameters())
    while batch := list(itertools.islice(clips, batch_size)):
        crops, points = np.stack([clip.crop for clip in batch]), np.stack([clip.landmarks for clip in batch])
        was_training = model.training
        model.eval()
        try:
            with torch.inference_mode():
                images = normalise(torch.from_numpy(crops).to(weight.device), model.input_spec).to(weight.dtype)
                landmarks = torch.from_numpy(points).to(weight.device) if model.needs_landmarks else None
                logits = model(images, landmarks)
                finite = bool(logits.isfinite().all())
        finally:
            model.train(was_training)
        if not finite:
            raise WeightsError(
                f"The network {model.spec.name} gives NaN or infinity for clip {done + 1} or later.",
                "a network whose outputs are finite",
                "load other weights, or train it again with a lower learning rate",
            )
        done += len(batch)
        outputs = logits.cpu().double()
        yield batch, (outputs.softmax(dim=1) if model.labels else outputs).numpy()
