"""Whether a weights folder can be trusted by others: complete, true to its card, and with the logits that it had."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from fer_zoo.errors import WeightsError
from fer_zoo.files import sha256
from fer_zoo.model import FERModel
from fer_zoo.specs import InputSpec, Metrics
from fer_zoo.weights.files import CARD, CHECK, CONFIG, PICTURE, RECIPE, check_sha256, damaged, differs
from fer_zoo.weights.folder import WeightsFolder, read_folder, read_recipe
from fer_zoo.weights.loading import load_tensors, read_safetensors, read_tensors, refuse_not_finite

TOLERANCE = 1e-4


def check_folder(folder: str | Path) -> WeightsFolder:
    """Check a weights folder as a whole.

    All its files are there (the picture of the confusion matrix may be missing), the card has labels, terms and
    metrics that add up, the recipe is the one that its tensors name, every sha256 is right, the network loads strictly
    and gives the logits in check.safetensors for the rendered face in it.

    Raises:
        WeightsError: something is not so; the text says what.
    """
    found = read_folder(folder)
    if not (found.path / CHECK).is_file():
        raise differs(f"{found.path} lacks {CHECK}.", "a whole weights folder")
    _check_card(found)
    _check_beside(found)
    tensors, facts = read_tensors(found)
    _check_recipe(found, facts.get("recipe_sha256"))
    check_proof(found.path / CHECK, load_tensors(found, tensors))
    return found


def write_proof(path: Path, model: FERModel) -> None:
    """Render a face as the network is to see it, and write it with the network's logits, computed in float32 on CPU.

    Raises:
        WeightsError: a logit is not finite.
    """
    frames, landmarks = check_face(model.input_spec)
    logits = _logits(model, frames, landmarks)
    refuse_not_finite({"logits": logits}, f"What {model.spec.name} predicts for a rendered face", "train it again")
    save_file({"frames": frames, "landmarks": landmarks, "logits": logits}, path)


def check_proof(path: Path, model: FERModel) -> None:
    """Compare the network's logits for the rendered face with those that were written with its weights.

    Raises:
        WeightsError: the file is damaged, made for another network, or the logits differ.
    """
    clip = model.input_spec
    _, stored = read_safetensors(path)
    wanted = {
        "frames": (torch.uint8, (clip.frames, clip.size, clip.size, 3)),
        "landmarks": (torch.float32, (clip.frames, clip.landmarks.points, 2)),
        "logits": (torch.float32, (len(model.labels),)),
    }
    if (there := {name: (value.dtype, tuple(value.shape)) for name, value in stored.items()}) != wanted:
        holds, accepted = (
            ", ".join(f"{name} {dtype} {shape}" for name, (dtype, shape) in sorted(kinds.items()))
            for kinds in (there, wanted)
        )
        raise differs(f"{path} holds {holds or 'nothing'}.", accepted)
    logits = _logits(model, stored["frames"], stored["landmarks"])
    if not torch.allclose(logits, stored["logits"], rtol=TOLERANCE, atol=TOLERANCE):
        gap = (logits - stored["logits"]).abs().max().item()
        raise WeightsError(
            f"The logits for the face in {path} are not those that were written: a logit is off by {gap:.3g}.",
            f"the same logits within {TOLERANCE:g}",
            "get the folder again; if it is whole, report it: this version of fer_zoo computes something else",
        )


@torch.inference_mode()
def _logits(model: FERModel, frames: Tensor, landmarks: Tensor) -> Tensor:
    """Logits (K,) of one clip, frames uint8 (T, S, S, 3) and landmarks (T, 68, 2); leaves the model's modes alone."""
    from fer_zoo.video.crop import normalise

    modes, onednn = [(module, module.training) for module in model.modules()], torch.backends.mkldnn.enabled
    model.eval()
    try:
        with torch.autocast("cpu", enabled=False):
            features = model.forward_features(normalise(frames, model.input_spec)[None], landmarks[None])
            # oneDNN would copy the weights of recurrent layers, nearly all of a large network.
            torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
            return model.forward_head(features, landmarks[None])[0].clone()
    finally:
        torch.backends.mkldnn.enabled = onednn
        for module, mode in modes:
            module.training = mode


def check_face(spec: InputSpec) -> tuple[Tensor, Tensor]:
    """Return a face as a network is to see it: frames uint8 (T, S, S, 3) and landmarks (T, 68, 2).

    It is a rendered smile, never a picture of a person, cut as the input spec says.
    """
    from fer_zoo.synth import render_clip
    from fer_zoo.synth.clip import MAX_SIZE, MIN_SIZE
    from fer_zoo.video.crop import crop_clip, place_crop

    # In a render the face's square takes some 0.58 of the side, and the crop `scale` times as much.
    side = min(max(math.ceil(spec.size / (0.58 * spec.crop.scale)), MIN_SIZE), MAX_SIZE)
    clip = render_clip(0, "happiness", frames=spec.frames, size=side, fps=spec.fps)
    place = place_crop(clip.landmarks, spec.crop)
    assert place is not None
    frames, landmarks = crop_clip(clip.frames, clip.landmarks, place, spec.size)
    return torch.from_numpy(frames), torch.from_numpy(landmarks)


def _check_card(found: WeightsFolder) -> None:
    card, path = found.card, found.path / CARD
    problems = [] if card.metrics else ["it has no figures"]
    problems += [f"{field} is empty" for field in ("name", "protocol", "commit") if not getattr(card, field).strip()]
    for part, metrics in card.metrics.items():
        problems += [f"{part}: {problem}" for problem in _metrics_problems(metrics, len(card.labels))]
    if problems:
        raise WeightsError(
            f"{path} is not a complete card: {'; '.join(problems)}.",
            "labels, terms and metrics that add up",
            "correct the front matter of the card, or write the weights again",
        )


def _metrics_problems(metrics: Metrics, classes: int) -> list[str]:
    rows = metrics.confusion
    if len(rows) != classes or any(len(row) != classes for row in rows):
        return [f"the confusion matrix is not {classes} x {classes}"]
    if (total := sum(map(sum, rows))) != metrics.clips:
        return [f"the confusion matrix has {total} clips, not {metrics.clips}"]
    right = sum(row[label] for label, row in enumerate(rows))
    if not math.isclose(metrics.war, right / total, abs_tol=1e-6):
        return [f"WAR is {metrics.war:.4f}; the confusion matrix says {right / total:.4f}"]
    recalls = [row[label] / sum(row) for label, row in enumerate(rows) if sum(row)]
    if not math.isclose(metrics.uar, uar := sum(recalls) / len(recalls), abs_tol=1e-6):
        return [f"UAR is {metrics.uar:.4f}; the confusion matrix says {uar:.4f}"]
    return []


def _check_beside(found: WeightsFolder) -> None:
    beside = found.card.beside
    if missing := {CONFIG, CHECK, RECIPE} - beside.keys():
        raise damaged(found.path / CARD, f"it says no sha256 of {', '.join(sorted(missing))}")
    for name, digest in beside.items():
        if name != PICTURE or (found.path / name).is_file():
            check_sha256(found.path / name, digest)


def _check_recipe(found: WeightsFolder, wanted: object) -> None:
    path = found.path / RECIPE
    if (digest := sha256(path)) != wanted:
        raise differs(
            f"{path} is not the recipe that the tensors name: sha256 {digest[:12]}....", "the recipe as it was written"
        )
    recipe = read_recipe(found.path)
    if recipe.protocol != found.card.protocol:
        raise WeightsError(
            f"The card says the protocol {found.card.protocol!r}; the recipe {recipe.protocol!r}.",
            "the same protocol",
            "correct the card, or write the weights again",
        )
