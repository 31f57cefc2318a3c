"""Contract tests of components, also for plug-ins; each raises AssertionError with the reason.

from fer_zoo.testing import check_backbone

def test_contract():
    check_backbone("mine", size=48)
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from fer_zoo.compose import build, feature_shape, model_spec
from fer_zoo.model import FERModel
from fer_zoo.registry import BACKBONES, FUSIONS, LOSSES, OPTIMIZERS, SCHEDULES, TEMPORALS, Entry
from fer_zoo.specs import InputSpec, ModelSpec, Site

_FRAMES, _SIZE = 10, 64


def check_backbone(name: str, *, size: int = _SIZE, frames: int = _FRAMES, **options: Any) -> None:
    """Check a registered backbone on clips of `frames` frames of `size` x `size` pixels.

    `output`, `residual_sites` and `stages` match what forward does; in evaluation a clip does not depend on the other
    clips in the batch; every parameter has a gradient; bf16 autocast works; the number of input channels is respected.
    """
    entry = _documented(BACKBONES.get(name))
    spec = InputSpec(frames=frames, size=size)
    for in_channels in (3, 4) if "in_channels" in entry.injected else (3,):
        backbone = _seeded(entry, options, in_channels=in_channels, input=spec)
        clip = _clip(in_channels, spec)
        features = backbone(clip)
        _require(features.ndim == 5, f"features have shape {tuple(features.shape)}, expected (B, D, T', H', W')")
        _require(features.isfinite().all(), "features are not finite")
        _check_site("output", backbone.output, "forward returns", features, frames)
        on_meta = feature_shape(backbone, spec, in_channels)
        _require(on_meta == tuple(features.shape[1:]), "the shape on device meta is different")
        _same(backbone(clip[1:2]), features[1:2], "a result depends on other items in the batch")
        _check_gradients(backbone, features)
        with torch.autocast("cpu", torch.bfloat16):
            _require(backbone(clip).isfinite().all(), "features are not finite under bf16 autocast")
        _check_stages(backbone)
        _check_residual_sites(entry, backbone, clip, frames)


def check_temporal(name: str, *, in_features: int = 12, **options: Any) -> None:
    """Check a registered temporal head on sequences of 1, 2 and 6 steps.

    The embedding has `out_features`; in evaluation a sequence does not depend on the others in the batch; padded steps
    are ignored; every parameter has a gradient.
    """
    entry = _documented(TEMPORALS.get(name))
    head = _seeded(entry, options, in_features=in_features)
    for steps in (1, 2, 6):
        sequence = torch.randn(3, steps, in_features, generator=torch.Generator().manual_seed(steps))
        embedding = head(sequence)
        expected = (3, head.out_features)
        shape = tuple(embedding.shape)
        _require(shape == expected, f"the embedding has shape {shape}, expected {expected}")
        _same(head(sequence[1:2]), embedding[1:2], "a result depends on other items in the batch")
        full = torch.ones(3, steps, dtype=torch.bool)
        _same(head(sequence, full), embedding, "a mask that is all True changes the result")
        for real in range(1, steps):
            mask = full & (torch.arange(steps) < real)
            cut = head(sequence[:, :real])
            for padding in (0.0, 1e3):
                padded = torch.where(mask[..., None], sequence, padding)
                _same(head(padded, mask), cut, f"{steps - real} padded steps of {padding} change the result")
    _check_gradients(head, head(torch.randn(3, 6, in_features)))


def check_fusion(name: str, **options: Any) -> None:
    """Check a registered fusion in a small network with the paper's backbone.

    Frames without a face (NaN) and landmarks outside the frame give finite logits and gradients; logits under bf16
    autocast are finite; the network can be saved and loaded.
    """
    entry = _documented(FUSIONS.get(name))
    _require("site" in entry.defaults, "register it with site=..., see fer_zoo.specs.Fusion")
    suffix = "" if name == "none" else f"_{name}"
    of_fusion = {f"fusion.{key}": value for key, value in options.items()}
    model = check_model(model_spec(f"incres3d_tiny_mean{suffix}", size=_SIZE, pool="mean", **of_fusion))
    clip, landmarks = _clip(3, model.input_spec), _landmarks(model.input_spec)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        _require(model(clip, landmarks).isfinite().all(), "logits are not finite under bf16 autocast")


def check_optimizer(name: str, **options: Any) -> None:
    """Check a registered optimizer on a small network.

    It holds every parameter once, starts at the given learning rate, lowers the loss, and its state is tensors, as a
    checkpoint needs them.
    """
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    parameters = list(network.parameters())
    optimizer = _documented(OPTIMIZERS.get(name)).build(options=options, parameters=parameters, lr=0.01)
    _require(isinstance(optimizer, torch.optim.Optimizer), f"{type(optimizer).__name__} is not a torch Optimizer")
    held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    _require(sorted(held) == sorted(map(id, parameters)), "it does not hold every parameter exactly once")
    _require({group["lr"] for group in optimizer.param_groups} == {0.01}, "a parameter group has another rate than lr")
    clips, labels, losses = torch.randn(16, 3), torch.arange(16) % 2, []
    for _ in range(30):
        optimizer.zero_grad()
        losses.append(nn.functional.cross_entropy(network(clips), labels))
        losses[-1].backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    _require(losses[-1] < losses[0], "30 steps at a learning rate of 0.01 do not lower the loss")
    state = [value for values in optimizer.state_dict()["state"].values() for value in values.values()]
    _require(all(value is None or isinstance(value, Tensor) for value in state), "its state holds more than tensors")


def check_schedule(name: str, **options: Any) -> None:
    """Check a registered schedule: in runs of 1 to 100 steps every factor is > 0 and <= 1."""
    entry = _documented(SCHEDULES.get(name))
    for steps in (1, 2, 7, 100):
        shares = list(map(entry.build(options=options, steps=steps), range(steps)))
        _require(all(0 < share <= 1 for share in shares), f"of {steps} steps one has a share outside (0, 1]: {shares}")
        again = entry.build(options=options, steps=steps)
        _require(again(steps - 1) == shares[-1], "a share depends on the steps before it, so a run cannot be resumed")


def check_loss(name: str, **options: Any) -> None:
    """Check a registered loss on three classes.

    One loss per clip, which does not depend on the other clips, is smaller for better predictions, and has finite
    gradients, also for clips that are predicted with certainty; no parameters, which no checkpoint would hold.
    """
    entry = _documented(LOSSES.get(name))
    loss = entry.build(options=options, class_counts=torch.tensor([16, 6, 2]))
    _require(isinstance(loss, nn.Module), f"the factory returned {type(loss).__name__}, not a torch.nn.Module")
    _require(not list(loss.parameters()), "it has parameters, which no checkpoint would hold")
    labels = (torch.arange(9) % 3).repeat(3)
    sure = 100 * nn.functional.one_hot(labels[:9], 3).float()
    unsure = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    logits = torch.cat([unsure, sure, -sure]).requires_grad_()
    losses = loss(logits, labels)
    _require(losses.shape == labels.shape, f"losses have the shape {tuple(losses.shape)}, not {tuple(labels.shape)}")
    _require(losses.isfinite().all() and (losses >= 0).all(), "a loss is negative or not finite")
    _require((losses[9:18] < losses[18:]).all(), "a right prediction has no smaller loss than a wrong one")
    _same(torch.cat([loss(logits[n : n + 1], labels[n : n + 1]) for n in range(9)]), losses[:9], "clips are mixed up")
    losses.sum().backward()
    gradient = logits.grad
    _require(gradient is not None and gradient.isfinite().all() and gradient.any(), "gradients are not finite, or 0")


def check_model(spec: ModelSpec) -> FERModel:
    """Check a whole network and return it: forward, backward, identical logits after saving and loading.

    Clips with a face, with a frame without a face, and without any face give finite logits and gradients.
    """
    torch.manual_seed(0)
    model = build(spec)
    clip, landmarks = _clip(3, spec.input), _landmarks(spec.input)
    logits = model.train()(clip, landmarks)
    expected = (len(clip), len(spec.labels))
    _require(tuple(logits.shape) == expected, f"the logits have shape {tuple(logits.shape)}, expected {expected}")
    _check_gradients(model, logits)
    copy = build(spec)
    copy.load_state_dict(load(save({key: value.contiguous() for key, value in model.state_dict().items()})))
    with torch.no_grad():
        same = torch.equal(model.eval()(clip, landmarks), copy.eval()(clip, landmarks))
    _require(same, "the logits change after saving and loading")
    return model


def check_recipe(path: str | Path) -> None:
    """Check that a recipe is valid, survives a round trip through YAML, and that its network can be built."""
    from fer_zoo.recipes import dump_recipe, load_recipe

    recipe = load_recipe(path)
    with TemporaryDirectory() as folder:
        written = Path(folder, "recipe.yaml")
        written.write_text(dump_recipe(recipe), encoding="utf-8")
        _require(load_recipe(written) == recipe, "the recipe changes after writing and reading")
    with torch.device("meta"):
        build(recipe.model)


def _seeded(entry: Entry, options: dict[str, Any], **offered: Any) -> Any:
    torch.manual_seed(0)
    built = entry.build(options=options, **offered)
    _require(isinstance(built, nn.Module), f"the factory returned {type(built).__name__}, not a torch.nn.Module")
    return built.eval()


def _clip(channels: int, spec: InputSpec) -> Tensor:
    shape = (2, channels, spec.frames, spec.size, spec.size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def _landmarks(spec: InputSpec) -> Tensor:
    """Landmarks with one outside the frame, one frame of the first clip without a face, the second clip without any."""
    shape = (2, spec.frames, spec.landmarks.points, 2)
    landmarks = torch.rand(shape, generator=torch.Generator().manual_seed(2)) * (spec.size - 1)
    landmarks[0, 0, 30] = -50.0
    landmarks[0, spec.frames // 2] = torch.nan
    landmarks[1] = torch.nan
    return landmarks


def _documented(entry: Entry) -> Entry:
    _require(entry.summary, f"{entry.kind} {entry.name!r} has no docstring, whose first line is shown in lists")
    return entry


def _check_gradients(module: nn.Module, out: Tensor) -> None:
    if not any(p.requires_grad for p in module.parameters()):
        return
    module.zero_grad()
    out.float().square().mean().backward()  # type: ignore[no-untyped-call]
    trained = {name: p.grad for name, p in module.named_parameters() if p.requires_grad}
    without = [name for name, gradient in trained.items() if gradient is None]
    _require(not without, f"no gradient reaches {', '.join(without[:6])}")
    wrong = [name for name, gradient in trained.items() if gradient is not None and not gradient.isfinite().all()]
    _require(not wrong, f"the gradient of {', '.join(wrong[:6])} is not finite")


def _check_site(name: str, site: Site, found: str, features: Tensor, frames: int) -> None:
    channels, steps = features.shape[1:3]
    _require(channels == site.channels, f"{name} declares {site.channels} channels, but {found} {channels}")
    centres = site.centres(steps)
    _require(
        centres[0] >= 0 and centres[-1] <= frames - 1,
        f"{name}: {steps} steps are centred on frames {centres[0]:g} to {centres[-1]:g} of {frames}",
    )


def _check_stages(backbone: Any) -> None:
    prefixes = [prefix for stage in backbone.stages.values() for prefix in stage]
    for name, _ in backbone.named_parameters():
        owners = sum(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)
        _require(owners == 1, f"parameter {name} is in {owners} stages, expected 1")


def _check_residual_sites(entry: Entry, backbone: Any, clip: Tensor, frames: int) -> None:
    sites, seen = backbone.residual_sites, {}

    def spy(site: str, shortcut: Tensor) -> Tensor:
        seen[site] = shortcut
        return shortcut

    registered = "residual" in entry.defaults.get("sites", ())
    _require(registered == bool(sites), "register it with sites=(..., 'residual') if and only if it has residual_sites")
    if sites:
        backbone(clip, spy)
    _require(
        set(seen) == set(sites),
        f"forward calls the shortcut for {sorted(seen)}, but residual_sites are {sorted(sites)}",
    )
    for name, shortcut in seen.items():
        _check_site(f"site {name}", sites[name], "the shortcut has", shortcut, frames)


def _same(got: Tensor, expected: Tensor, problem: str) -> None:
    _require(torch.allclose(got, expected, atol=1e-4, rtol=1e-3), problem)


def _require(holds: Any, problem: str) -> None:
    if not bool(holds):
        raise AssertionError(problem)
