"""A rendered face and what a network says of it: by these a stranger can tell that weights still say what they said."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from fer_zoo.errors import WeightsError
from fer_zoo.model import FERModel
from fer_zoo.specs import InputSpec
from fer_zoo.weights.tensors import read_data, read_header, refuse_not_finite

TOLERANCE = 1e-4


def write_proof(path: Path, model: FERModel) -> None:
    """Render a face as the network is to see it, and write it with the network's logits, computed in float32 on CPU.

    Raises:
        WeightsError: a logit is not finite.
    """
    frames, landmarks = _face(model.input_spec.model_dump_json())
    logits = logits_of(model, frames, landmarks)
    refuse_not_finite({"logits": logits}, f"What {model.spec.name} predicts for a rendered face", "train it again")
    save_file({"frames": frames, "landmarks": landmarks, "logits": logits}, path)


def check_proof(path: Path, model: FERModel, before_head: Callable[[], None] = lambda: None) -> None:
    """Ask a network again about the face it was asked about when its weights were written.

    Args:
        before_head: called when the features are there, before the head is asked.

    Raises:
        WeightsError: the file is damaged, made for another network, or the logits differ.
    """
    clip = model.input_spec
    wanted = {
        "frames": (torch.uint8, (clip.frames, clip.size, clip.size, 3)),
        "landmarks": (torch.float32, (clip.frames, clip.landmarks.points, 2)),
        "logits": (torch.float32, (len(model.labels),)),
    }
    file = read_header(path)
    if {name: (stored.dtype, stored.shape) for name, stored in file.tensors.items()} != wanted:
        told = ", ".join(f"{name} {stored}" for name, stored in file.tensors.items())
        accepted = ", ".join(f"{name} {dtype} {shape}" for name, (dtype, shape) in wanted.items())
        raise WeightsError(f"{path} holds {told or 'nothing'}.", accepted, "get the folder again")
    stored = {name: torch.empty(shape, dtype=dtype) for name, (dtype, shape) in wanted.items()}
    read_data(file, stored)
    said = logits_of(model, stored["frames"], stored["landmarks"], before_head)
    if not torch.allclose(said, stored["logits"], rtol=TOLERANCE, atol=TOLERANCE):
        gap = (said - stored["logits"]).abs().max().item()
        raise WeightsError(
            f"The network does not say of the face in {path} what it said when it was written: a logit is off by "
            f"{gap:.3g}.",
            f"the same logits within {TOLERANCE:g}",
            "get the folder again; if it is whole, report it: this version of fer_zoo computes something else",
        )


@torch.inference_mode()
def logits_of(
    model: FERModel, frames: Tensor, landmarks: Tensor, before_head: Callable[[], None] = lambda: None
) -> Tensor:
    """Logits (K,) of one clip, frames uint8 (T, S, S, 3) and landmarks (T, 68, 2); leaves the model's modes alone."""
    from fer_zoo.video.crop import normalise

    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.autocast("cpu", enabled=False), _recurrent_in_place(model):
            features = model.forward_features(normalise(frames, model.input_spec)[None], landmarks[None])
            before_head()
            return model.forward_head(features, landmarks[None])[0].clone()
    finally:
        for module, mode in modes:
            module.training = mode


@functools.lru_cache(maxsize=4)
def _face(input_spec: str) -> tuple[Tensor, Tensor]:
    """A rendered smile, never a picture of a person, cut as the input spec says."""
    from fer_zoo.synth import render_clip
    from fer_zoo.synth.clip import MAX_SIZE, MIN_SIZE
    from fer_zoo.video.crop import crop_clip, place_crop

    spec = InputSpec.model_validate_json(input_spec)
    # In a render the face's square takes some 0.58 of the side, and the crop `scale` times as much.
    side = min(max(math.ceil(spec.size / (0.58 * spec.crop.scale)), MIN_SIZE), MAX_SIZE)
    clip = render_clip(0, "happiness", frames=spec.frames, size=side, fps=spec.fps)
    place = place_crop(clip.landmarks, spec.crop)
    assert place is not None
    frames, landmarks = crop_clip(clip.frames, clip.landmarks, place, spec.size)
    return torch.from_numpy(frames), torch.from_numpy(landmarks)


@contextmanager
def _recurrent_in_place(model: nn.Module) -> Iterator[None]:
    """Let recurrent layers use their weights as they lie: oneDNN would copy them, 200 MB in the paper's network."""
    before = torch.backends.mkldnn.enabled

    def off(*_: Any) -> None:
        torch.backends.mkldnn.enabled = False  # type: ignore[assignment]

    def back(*_: Any) -> None:
        torch.backends.mkldnn.enabled = before

    layers = [module for module in model.modules() if isinstance(module, nn.RNNBase)]
    hooks = [layer.register_forward_pre_hook(off) for layer in layers]
    hooks += [layer.register_forward_hook(back) for layer in layers]
    try:
        yield
    finally:
        back()
        for hook in hooks:
            hook.remove()
