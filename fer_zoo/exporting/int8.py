"""Convolutions in int8: calibrated on some clips of a store, with the accuracy on its other clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from fer_zoo.data.clips import ClipSet
from fer_zoo.data.playback import central_frames
from fer_zoo.data.store import Store
from fer_zoo.errors import InputError, MissingExtraError
from fer_zoo.exporting.facts import Int8Facts
from fer_zoo.exporting.runtimes import Arrays
from fer_zoo.model import FERModel, Network
from fer_zoo.specs import Recipe
from fer_zoo.training.evaluate import crop_clips, open_matching, predict_clips
from fer_zoo.training.metrics import figures
from fer_zoo.video.crop import normalise

_MOST_CALIBRATION = 64
_BATCH = 8


class Int8Clips(NamedTuple):
    """Clips of a store: `calibration` gives the ranges of the activations, `others` the metrics."""

    store: Store
    calibration: ClipSet
    others: ClipSet


def int8_clips(store: str | Path, network: FERModel, recipe: Recipe | None) -> Int8Clips:
    """Return the clips of a store that a network knows the labels of: a third, 64 at most, for calibration.

    Raises:
        InputError: there is no such store, it does not match the network, or has fewer than three clips of its labels.
    """
    found = open_matching(store, network.input_spec, any_fps=recipe is not None and recipe.data.any_fps)
    clips = found.as_clip_set(network.labels)
    if len(clips) < 3:
        raise InputError(
            f"{found.folder} has {len(clips)} clips with a label of {network.spec.name}.",
            "at least 3: some to calibrate int8 with, and others to evaluate it on",
            "choose another store",
        )
    # Evenly over the store, which is in the order of subjects or labels.
    step = max(3, -(-len(clips) // _MOST_CALIBRATION))
    rows = np.arange(len(clips))
    return Int8Clips(found, clips.take(rows[::step]), clips.take(rows[rows % step > 0]))


def to_int8(path: Path, network: FERModel, clips: Int8Clips, opened: Callable[[Path], Network]) -> Int8Facts:
    """Replace an ONNX file by one with int8 convolutions, and return its accuracy beside PyTorch's in float32.

    Raises:
        MissingExtraError: onnxruntime is not installed.
    """
    _quantise(path, network, clips.calibration)
    before, after = (predict_clips(each, clips.others) for each in (network, opened(path)))
    float32, int8 = figures(before), figures(after)
    return Int8Facts(
        store=clips.store.header.reader.name,
        fingerprint=clips.store.header.fingerprint,
        calibration_clips=len(clips.calibration),
        clips=len(clips.others),
        war_float32=float32.war,
        uar_float32=float32.uar,
        war=int8.war,
        uar=int8.uar,
        same_label=float((before.predicted == after.predicted).mean()),
    )


def _quantise(path: Path, network: FERModel, clips: ClipSet) -> None:
    """Store weights of convolutions per channel and their inputs per tensor in 8 bits.

    All else stays float32: it takes little of the time, and 8 bits would move landmarks by pixels.
    """
    try:
        from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise MissingExtraError.for_extra("onnxruntime", "onnx") from error

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            names = ("clip", "landmarks")
            self._inputs = (dict(zip(names, arrays, strict=False)) for arrays in _batches(network, clips))

        def get_next(self) -> Any:
            return next(self._inputs, None)

    folded = path.with_name("folded.onnx")
    quant_pre_process(str(path), str(folded), skip_symbolic_shape=True)  # batch norms into convolutions
    quantize_static(
        str(folded),
        str(path),
        Reader(),
        op_types_to_quantize=["Conv"],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    folded.unlink()


def _batches(network: FERModel, clips: ClipSet) -> Iterator[Arrays]:
    spec = network.input_spec
    for start in range(0, len(clips), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(clips)))
        some = crop_clips(central_frames(clips.take(rows), spec), spec)
        clip = normalise(torch.from_numpy(some.read(np.arange(len(rows)))), spec).contiguous().numpy()
        yield [clip, some.landmarks.astype(np.float32)] if network.needs_landmarks else [clip]
