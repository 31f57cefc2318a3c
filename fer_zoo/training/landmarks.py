"""Trains the landmark network of `fz68` on rendered stills, whose 68 landmarks are known exactly; resumable."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field, ValidationError
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fer_zoo.data.stills import StillsSpec, StoreSpec, prepare_stills
from fer_zoo.documents import DocumentError, parse_yaml, read_text
from fer_zoo.errors import RecipeError, TrainingError
from fer_zoo.landmarks.network import LandmarkNet, Placed
from fer_zoo.landmarks.stored import read_network, write_network
from fer_zoo.specs.base import Spec
from fer_zoo.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from fer_zoo.training.landmark_crops import Arrays, draw_batch, squares

RECIPE = Path(__file__).parents[1] / "zoo" / "landmarks" / "recipe.yaml"
PARTS = {"jaw": (0, 17), "brows": (17, 27), "nose": (27, 36), "eyes": (36, 48), "mouth": (48, 68), "all": (0, 68)}
_YAWS = (0, 15, 30, 45, 60, 90)
_HIDDEN = 0.4  # weight of a landmark that something covers
_SPREAD = 0.1  # weight of the predicted uncertainty's loss
_FACE = 0.3  # weight of the loss of "is a face"


class LandmarkRecipe(Spec):
    """What a landmark network is trained and tested on, and how: AdamW, a one-cycle rate, averaged weights."""

    train: tuple[StillsSpec | StoreSpec, ...]
    test: tuple[StillsSpec, ...]
    """Held-out subjects."""
    init: str | None = None
    """Folder of a trained landmark network to start from; default: random weights."""
    steps: Annotated[int, Field(ge=1)] = 20_000
    batch: Annotated[int, Field(ge=2)] = 64
    lr: Annotated[float, Field(gt=0)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    seed: Annotated[int, Field(ge=0)] = 1
    save_every: Annotated[int, Field(ge=1)] = 250


def read_recipe(path: Path) -> LandmarkRecipe:
    """Read a YAML file of a landmark training.

    Raises:
        RecipeError: it is missing, no such file, or one of its values is not allowed.
    """
    try:
        return LandmarkRecipe.model_validate(parse_yaml(read_text(path)))
    except (OSError, DocumentError) as error:
        problem = str(error)
    except ValidationError as error:
        problem = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    raise RecipeError(f"{path}: {problem}.", f"keys {', '.join(LandmarkRecipe.model_fields)}", f"compare with {RECIPE}")


def train_landmarks(
    recipe: LandmarkRecipe,
    out: Path,
    *,
    stills: Path,
    head: Path | None = None,
    workers: int = 1,
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Render the stills, train or resume in `out`, test on held-out subjects, and write the weights there.

    Args:
        stills: folder of the rendered stills; those that it holds are not rendered again.
        head: the ICT-FaceKit pack or checkout, for `synthict`.

    Returns:
        The facts beside the weights: sha256, recipe, errors in % of the eye distance.

    Raises:
        TrainingError: the checkpoint is damaged, or of another recipe.
        InputError: there is no head data for `synthict`, or a store is missing or its landmarks are not exact.
        WeightsError: the weights to start from are missing or damaged.
    """

    def rendered(specs: Sequence[StillsSpec | StoreSpec]) -> Arrays:
        return prepare_stills(
            specs, stills, head=head, workers=workers, report=lambda done, of: report(f"stills: {done} of {of} parts")
        )

    net = fit(rendered(recipe.train), out, recipe, report)
    facts = {"recipe": recipe.model_dump(mode="json"), "errors": errors(net, rendered(recipe.test))}
    return write_network(out, net, facts)


def fit(stills: Arrays, out: Path, recipe: LandmarkRecipe, report: Callable[[str], None]) -> LandmarkNet:
    """Train on stills, or resume from the checkpoint in `out`; returns the network with averaged weights.

    Raises:
        TrainingError: the checkpoint is damaged, or of another recipe.
    """
    torch.manual_seed(recipe.seed)
    net = (read_network(Path(recipe.init)) if recipe.init else LandmarkNet()).to(memory_format=torch.channels_last)
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.999), use_buffers=True)  # type: ignore[no-untyped-call]
    optimizer = torch.optim.AdamW(net.parameters(), recipe.lr, weight_decay=recipe.weight_decay)
    state, checkpoint = TrainingState(recipe=recipe.model_dump(mode="json"), data={}), out / "last.safetensors"
    if checkpoint.is_file():
        asked, state = state.recipe, load_checkpoint(checkpoint, {"net": net, "average": average}, optimizer)
        if changed := sorted(key for key, value in asked.items() if state.recipe.get(key) != value):
            raise TrainingError(
                f"{checkpoint} is of a training run with a different recipe: {', '.join(changed)}.",
                "the recipe that the run was started with",
                "resume it with that recipe, or train in another folder",
            )
    frames = squares(stills)
    net.train()
    while state.step < recipe.steps:
        rng = np.random.default_rng([recipe.seed, state.step])  # a resumed training draws what it would have drawn
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * _rate(state.step / recipe.steps)
        crops, target, visible, face = draw_batch(stills, frames, recipe.batch, rng)
        losses = landmark_losses(net(crops), target, visible, face)
        optimizer.zero_grad()
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(net)
        state.step += 1
        if state.step % recipe.save_every == 0 or state.step == recipe.steps:
            save_checkpoint(checkpoint, state, {"net": net, "average": average}, optimizer)
            report(f"step {state.step}: " + ", ".join(f"{name} {value.item():.4f}" for name, value in losses.items()))
    averaged = average.module
    assert isinstance(averaged, LandmarkNet)
    return averaged.eval()


def landmark_losses(placed: Placed, target: Tensor, visible: Tensor, face: Tensor) -> dict[str, Tensor]:
    """Return `loss` and its parts, means over the landmarks of faces: wing-like distance, uncertainty, face or not."""
    weight = torch.where(visible, 1.0, _HIDDEN) * face[:, None]
    total = weight.sum().clamp(min=1)
    distance = torch.linalg.vector_norm(placed.landmarks - target, dim=-1)
    # Steep near 0, as Feng et al. 2018 (wing loss): small errors are what is left after the first epoch.
    points = (weight * torch.log1p(distance / 0.02)).sum() / total
    spread = (weight * (distance.detach() * torch.exp(-placed.spread) + placed.spread)).sum() / total
    is_face = functional.binary_cross_entropy_with_logits(placed.face, face)
    loss = points + _SPREAD * spread + _FACE * is_face
    return {"loss": loss, "distance": (weight * distance).sum() / total, "spread": spread, "face": is_face}


def errors(net: LandmarkNet, stills: Arrays, batch: int = 256) -> dict[str, Any]:
    """Mean distance to the exact landmarks of followed faces, in % of the eye distance: per part, and per yaw bin.

    The crop is off as it is from one frame to the next. The eye distance is that of the head seen from the front: the
    projected one, divided by the cosine of the yaw.
    """
    frames = squares(stills)
    rows = np.flatnonzero(np.isfinite(frames[:, 0]))
    found = []
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        chosen = {name: values[part] for name, values in stills.items()}
        crops, target, _, _ = draw_batch(chosen, frames[part], None, np.random.default_rng(start))
        with torch.inference_mode():
            placed = net(crops)
        found.append(torch.linalg.vector_norm(placed.landmarks - target, dim=-1).numpy() * frames[part, 2:3] / 2)
    marks, yaw = stills["landmarks"][rows], np.abs(stills["pose"][rows, 0])
    eyes = np.linalg.norm(marks[:, 36:42].mean(1) - marks[:, 42:48].mean(1), axis=-1) / np.cos(np.radians(yaw))
    share = np.concatenate(found) / eyes[:, None] * 100
    share = np.where(stills["visible"][rows], share, np.nan)
    by_part = {name: round(float(np.nanmean(share[:, a:b])), 2) for name, (a, b) in PARTS.items()}
    bins = {f"{low} to {high}": (yaw >= low) & (yaw < high) for low, high in itertools.pairwise(_YAWS)}
    by_yaw = {name: round(float(np.nanmean(share[rows])), 2) for name, rows in bins.items() if rows.any()}
    return {"stills": len(rows), "by_part": by_part, "by_yaw": by_yaw}


def _rate(done: float) -> float:
    """One cycle: up over the first 5 %, then down by a cosine to 1 %."""
    return done / 0.05 if done < 0.05 else float(0.01 + 0.99 * (1 + np.cos(np.pi * (done - 0.05) / 0.95)) / 2)
