"""Why a network said so: maps over space and time from gradients, and what hiding a region or a moment changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_zoo.errors import MissingExtraError, OptionError
from fer_zoo.inference.baseline import NEUTRAL
from fer_zoo.inference.early import Clip
from fer_zoo.inference.explanation import ClipExplanation, Explanation, heat
from fer_zoo.inference.face_regions import hidden, landmarks_of, region_masks
from fer_zoo.inference.loading import Options, check_count, computing, load_model
from fer_zoo.inference.network import ProgressCallback, for_inference, run_clips, window_clips
from fer_zoo.inference.predict import timeline_of
from fer_zoo.inference.watch import watch
from fer_zoo.landmarks import Landmarker
from fer_zoo.landmarks.base import Floats, UInt8
from fer_zoo.model import FERModel, Network
from fer_zoo.specs import ComponentSpec, InputSpec
from fer_zoo.video.crop import Placement, normalise, place_crop, to_crop

Method = Literal["integrated_gradients", "saliency"]
METHODS: tuple[Method, ...] = ("integrated_gradients", "saliency")


def clip_maps(
    model: Network, frames: UInt8, landmarks: Floats, label: str, method: Method = METHODS[0], steps: int = 16
) -> Floats:
    """Return (T, S, S): how much each pixel of a clip speaks for (> 0) or against a label.

    Integrated gradients start from a clip of the mean colour; their sum is the difference of the logarithms of the
    label's probability, but for the error of a sum of `steps` terms. Landmarks stay as they are.

    Args:
        frames: uint8 (T, S, S, 3), cropped as the model's input spec says. landmarks: (T, 68, 2) in their pixels.
        method: "integrated_gradients" (Sundararajan et al. 2017) or "saliency" (gradient times input).
        steps: of the integral.
    """
    from captum.attr import InputXGradient, IntegratedGradients

    target, device = model.labels.index(label), next(model.parameters()).device
    clip = normalise(torch.from_numpy(frames).to(device), model.input_spec)[None]
    points = torch.from_numpy(landmarks).to(device)[None]

    def log_probability(clips: Tensor, points: Tensor) -> Tensor:
        return torch.log_softmax(model(clips, points if model.needs_landmarks else None).float(), 1)[:, target]

    with _differentiable(model):
        if method == "saliency":
            found = InputXGradient(log_probability).attribute(clip.requires_grad_(), additional_forward_args=(points,))
        else:
            found = IntegratedGradients(log_probability).attribute(
                clip, additional_forward_args=(points,), n_steps=steps, internal_batch_size=4
            )
    maps: Floats = found[0].sum(0).detach().float().cpu().numpy()
    return maps


def explain_clip(
    model: Network,
    frames: UInt8,
    landmarks: Floats,
    label: str | None = None,
    *,
    method: Method = METHODS[0],
    steps: int = 16,
    batch_size: int = 8,
) -> ClipExplanation:
    """Explain one clip: its maps, and how the probability changes when regions of the face or frames are hidden.

    Args:
        label: default: the most probable one. Others as `clip_maps`.
    """
    masks = region_masks(landmarks, frames.shape[1])
    of_region = {region: np.broadcast_to(landmarks_of(region), landmarks.shape[:2]) for region in masks}
    variants = [(frames, landmarks)]
    variants += [hidden(frames, landmarks, mask, of_region[region]) for region, mask in masks.items()]
    variants += [hidden(frames, landmarks, 1 - mask, ~of_region[region]) for region, mask in masks.items()]
    for moment in range(len(frames)):
        near = abs(np.arange(len(frames)) - moment) <= 1  # one frame alone is like those beside it
        mask = np.broadcast_to(near[:, None, None], frames.shape[:3]).astype(np.float32)
        variants.append(hidden(frames, landmarks, mask, np.broadcast_to(near[:, None], landmarks.shape[:2])))
    shares = run_clips(model, (Clip(b"", *variant) for variant in variants), batch_size)
    number = int(shares[0].argmax()) if label is None else model.labels.index(label)
    probability, rest = float(shares[0, number]), shares[1:, number].tolist()
    maps = clip_maps(model, frames, landmarks, model.labels[number], method, steps)
    strength, count = abs(maps), len(masks)
    total = max(float(strength.sum()), 1e-12)
    return ClipExplanation(
        model.labels[number],
        probability,
        frames,
        landmarks,
        maps,
        regions={name: probability - value for name, value in zip(masks, rest[:count], strict=True)},
        alone=dict(zip(masks, rest[count : 2 * count], strict=True)),
        moments=(probability - np.array(rest[2 * count :])).astype(np.float32),
        shares={name: float((strength * mask).sum()) / total for name, mask in masks.items()},
    )


@contextmanager
def _differentiable(model: Network) -> Iterator[None]:
    """Evaluate with gradients of the input alone; cuDNN has none of recurrent layers in evaluation mode."""
    training = model.training
    wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval().requires_grad_(False)
    try:
        with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)
        model.train(training)


def explain(
    model: Network | str | Path,
    source: Any,
    *,
    label: str | None = None,
    time_s: float | None = None,
    method: Method = METHODS[0],
    steps: int = 16,
    hop: int | None = None,
    landmarker: Landmarker | ComponentSpec | str | None = None,
    batch_size: int = 8,
    device: torch.device | str | None = "auto",
    precision: str = "float32",
    threads: int | None = None,
    fps: float | None = None,
    progress: ProgressCallback | None = None,
) -> Explanation:
    """Explain the predictions of the main face of a video: maps for all frames, and what matters in one window.

    Args:
        model: as `predict_video`, but not an exported file.
        label: to explain; default: the most probable one of each window.
        time_s: seconds; examine the window around this time; default: the one whose label, other than neutral, is the
            most probable.
        method, steps: as `clip_maps`.
        hop: as `predict_video`; default: windows that do not overlap.
        source, landmarker, batch_size, device, precision, threads, fps, progress: as `predict_video`.

    Raises:
        As `predict_video`; OptionError: no such label or method, or the video has no window with a face at this time.
        MissingExtraError: captum is not installed.
    """
    network = _checked(model, label, method, steps)
    spec = network.input_spec
    hop = spec.frames if hop is None else hop
    options = Options("largest", landmarker, hop, batch_size, device, precision, threads, fps, progress)
    (face,) = watch(network, for_inference, source, options)
    table = face.plan.frames[face.windows]
    chosen = _chosen(network, face.outputs, face.track.times[table], label, time_s)
    heats: dict[int, tuple[Floats, NDArray[np.float64]]] = {}
    explained = None
    with computing(network, device, precision, threads):
        for number, clip in enumerate(window_clips(face.video, face.track, table, network)):
            own = label or network.labels[int(face.outputs[number].argmax())]
            if number == chosen:
                explained = explain_clip(
                    network, clip.crop, clip.landmarks, own, method=method, steps=steps, batch_size=batch_size
                )
                found = explained.maps
            else:
                found = clip_maps(network, clip.crop, clip.landmarks, own, method, steps)
            place = place_crop(face.track.landmarks[table[number]], spec.crop)
            assert place is not None, "a window is used only if half of its frames have a face"
            heats |= dict(
                zip(table[number].tolist(), zip(heat(found), _matrices(place, spec), strict=True), strict=True)
            )
            if progress is not None:
                progress("explain", number + 1, len(table))
    assert explained is not None
    # Frames between those that were sampled show the map of the nearest one.
    sampled = face.plan.frames[face.plan.nearest].tolist()
    heats = {frame: heats[nearest] for frame, nearest in enumerate(sampled) if nearest in heats}
    return Explanation(timeline_of(face, network), explained, table[chosen], heats)


def _checked(model: Network | str | Path, label: str | None, method: str, steps: int) -> FERModel:
    if find_spec("captum") is None:
        raise MissingExtraError.for_extra("captum", "explain")
    if method not in METHODS:
        raise OptionError(f"Unknown method {method!r}.", " or ".join(METHODS), "choose one of these")
    check_count("steps", steps)
    network = load_model(model, "gradients")
    if label is not None and label not in network.labels:
        raise OptionError(f"Unknown label {label!r}.", ", ".join(network.labels), "choose one of these")
    return network


def _chosen(
    model: Network, outputs: NDArray[np.float64], times: NDArray[np.float64], label: str | None, time_s: float | None
) -> int:
    """Return the number of the window to examine; times (windows, length) are those of its frames."""
    if time_s is not None:
        holds = (times[:, 0] - 1e-6 <= time_s) & (time_s <= times[:, -1] + 1e-6)
        if not holds.any():
            raise OptionError(
                f"There is no face at {time_s:g} s for long enough.",
                f"a time from {times.min():.2f} to {times.max():.2f} s at which the face is seen",
                "choose another time, or leave it out for the strongest expression",
            )
        return int(np.where(holds, abs(times.mean(axis=1) - time_s), np.inf).argmin())
    columns = [number for number, name in enumerate(model.labels) if (name == label if label else name != NEUTRAL)]
    return int(outputs[:, columns].max(axis=1).argmax())


def _matrices(place: Placement, spec: InputSpec) -> NDArray[np.float64]:
    """Return the matrices (T, 2, 3) from pixels of the video to pixels of the crop in each frame of a window."""
    far = 1000.0
    corners = np.array([(0, 0), (far, 0), (0, far)], np.float32)
    origin, right, down = to_crop(np.broadcast_to(corners, (spec.frames, 3, 2)), place, spec.size).transpose(1, 0, 2)
    return np.stack([(right - origin) / far, (down - origin) / far, origin], axis=-1).astype(np.float64)
