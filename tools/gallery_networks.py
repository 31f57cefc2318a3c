"""What backbones, temporal heads, losses, schedules and optimizers do, drawn by `tools/gallery.py`."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from gallery_clips import sheet, surprise
from gallery_diagrams import temporal_head
from matplotlib.figure import Figure
from torch import Tensor, nn

import fer_zoo
from fer_zoo.registry import DATASETS, LOSSES, OPTIMIZERS, SCHEDULES, TEMPORALS
from fer_zoo.specs import SEVEN_LABELS
from fer_zoo.video.crop import normalise

# A member of each family, small enough for a picture; without a download.
MEMBERS: dict[str, tuple[str, dict[str, Any]]] = {
    "timm": ("timm/convnext_atto", {}),
    "transformers": ("transformers/videomae", {"size": 112, "frames": 8, "config": {"num_hidden_layers": 4}}),
}
COLUMNS = 5


def backbone(name: str) -> Figure:
    """Which pixels one feature depends on, frame by frame, and features of some stages; random weights."""
    torch.manual_seed(0)
    full, options = MEMBERS.get(name, (name, {}))
    model = fer_zoo.create_model(f"{full}_mean", **options).eval()
    spec = model.input_spec
    frames, _ = surprise(spec.size)
    chosen = np.linspace(3, 16, spec.frames).round().astype(int)
    frames = frames[chosen]
    clip = normalise(torch.from_numpy(frames)[None], spec).requires_grad_()
    kept: list[Tensor] = []
    net: Any = model.backbone
    modules = dict(net.named_modules())
    last = [prefixes[-1] if prefixes else stage for stage, prefixes in net.stages.items()]
    # A stage may end in a parameter, which has no features.
    handles = [modules[name].register_forward_hook(_keep(kept)) for name in last if name in modules]
    features = net(clip)
    for handle in handles:
        handle.remove()
    steps, height, width = features.shape[2:]
    features[0, :, steps // 2, height // 2, width // 2].abs().sum().backward()
    assert clip.grad is not None
    depends = clip.grad[0].abs().amax(0).sqrt().numpy()
    figure, axes = sheet(3, COLUMNS, 3.5)
    for axis, below, number in zip(
        axes[0], axes[1], _round(int(depends.sum((1, 2)).argmax()), spec.frames), strict=True
    ):
        axis.imshow(frames[number])
        axis.set_title(f"frame {number}", fontsize=8.5)
        below.imshow(depends[number], cmap="inferno", vmin=0, vmax=depends.max())
    axes[1][0].set_ylabel("one feature\ndepends on", fontsize=8.5)
    maps = [stage for stage in kept[:-1] if stage.shape[2] > 1] + [features[0].detach()]
    picked = [maps[i] for i in sorted(set(np.linspace(0, len(maps) - 1, COLUMNS).round().astype(int)))]
    for axis, stage in zip(axes[2], picked, strict=False):
        axis.imshow(stage[:, stage.shape[1] // 2].abs().mean(0).numpy())
        axis.set_xlabel(f"{stage.shape[1]}·{stage.shape[2]}·{stage.shape[3]}", fontsize=8.5)
    axes[2][0].set_ylabel("stages\n(T·H·W)", fontsize=8.5)
    return figure


def _keep(kept: list[Tensor]) -> Any:
    """Keep the features (D, T, H, W) of a stage, where its output is a grid."""

    def hook(module: nn.Module, given: Any, out: Any) -> None:
        if not isinstance(out, Tensor) or out.ndim not in (4, 5):
            return
        if out.ndim == 4:  # frame by frame: (T, D, H, W)
            out = out.transpose(0, 1)[None]
        if out.shape[2] == out.shape[3] != out.shape[4]:  # channels last
            out = out.permute(0, 4, 1, 2, 3)
        if out.shape[3] == out.shape[4]:
            kept.append(out[0].detach())

    return hook


def _round(frame: int, length: int) -> list[int]:
    """A frame in the middle of those before and after it."""
    return [0, frame // 2, frame, (frame + length - 1) // 2, length - 1]


@functools.cache
def windows() -> tuple[Any, Tensor]:
    """Frames of a clip, and features (1, 12, D) of windows around them, from the weights in the package."""
    model = fer_zoo.create_model("incres3d_tiny_lstm_lm_in", pretrained=True).eval()
    frames, points = surprise(model.input_spec.size)
    starts = np.linspace(0, len(frames) - 10, 12).round().astype(int)
    cut = torch.from_numpy(np.stack([frames[start : start + 10] for start in starts]))
    marks = torch.from_numpy(np.stack([points[start : start + 10] for start in starts]))
    with torch.inference_mode():
        sequence = model.forward_features(normalise(cut, model.input_spec), marks).mean((2, 3, 4))
    sequence = (sequence - sequence.mean(0)) / (sequence.std(0) + 1e-3)
    return frames[starts + 5], sequence[None].clone()


def temporal(name: str) -> Figure:
    """The diagram of a head; its output after each step of a real clip, and how much each step changes the last one."""
    torch.manual_seed(0)
    frames, sequence = windows()
    head = TEMPORALS.get(name).factory(in_features=sequence.shape[2]).eval()
    sequence.requires_grad_()
    outputs = [head(sequence[:, : step + 1])[0] for step in range(sequence.shape[1])]
    (gradient,) = torch.autograd.grad(outputs[-1].square().sum(), sequence)
    figure = Figure(figsize=(5, 3.3), layout="constrained", facecolor="white")
    left, right = figure.subfigures(1, 2, width_ratios=(2.1, 2.9))  # type: ignore[misc]
    temporal_head(left.subplots(), name)
    axes = right.subplots(3, 1, height_ratios=(0.75, 1.6, 0.9))
    axes[0].imshow(np.hstack(list(frames[::2])), extent=(-0.5, 11.5, 0, 1), aspect="auto")
    states = torch.stack(outputs).detach()[:, :32].T.numpy()
    axes[1].imshow(states, aspect="auto", cmap="RdBu_r", vmin=-np.abs(states).max(), vmax=np.abs(states).max())
    axes[1].set_ylabel("output", fontsize=9)
    axes[2].bar(range(12), gradient[0].norm(dim=1).numpy(), color="#e08e2b")
    axes[2].set_ylabel("weight", fontsize=9)
    axes[2].set_xlabel("steps of a clip →", fontsize=9)
    for axis in axes:
        axis.set_xlim(-0.5, 11.5)
        axis.set_xticks([])
        axis.set_yticks([])
    return figure


def losses() -> Figure:
    """Loss against the probability of the label, for a class with 1,000 clips and one with 30."""
    figure = Figure(figsize=(5, 3.6), layout="constrained", facecolor="white")
    probability = torch.linspace(0.02, 0.98, 60)
    for axis, name in zip(figure.subplots(2, 2, sharex=True, sharey=True).flat, LOSSES.names(), strict=True):
        loss = LOSSES.get(name).factory(torch.tensor([1000.0, 30.0]))
        for label, text in ((0, "1,000 clips"), (1, "30 clips")):
            pair = [probability, 1 - probability] if label == 0 else [1 - probability, probability]
            values = loss(torch.stack(pair, 1).log(), torch.full((60,), label))
            axis.plot(probability, values, ["-", "--"][label], color=["#1f77b4", "#d95f02"][label], label=text, lw=2)
        axis.set_title(name, fontsize=9.5)
        axis.set_ylim(0, 6)
        axis.tick_params(labelsize=8.5)
    figure.axes[0].legend(fontsize=8.5)
    figure.supxlabel("probability of the label", fontsize=9.5)
    figure.supylabel("loss", fontsize=9.5)
    return figure


def schedules() -> Figure:
    """The learning rate of 1,000 steps."""
    figure = Figure(figsize=(5, 2.9), layout="constrained", facecolor="white")
    axis = figure.subplots()
    for name, style in zip(SCHEDULES.names(), ("-", "-", "--", ":"), strict=True):
        rate = SCHEDULES.get(name).factory(1000)
        axis.plot([rate(step) for step in range(1000)], style, label=name, lw=2.2)
    axis.legend(fontsize=9.5)
    axis.set_xlabel("step", fontsize=9.5)
    axis.set_ylabel("share of train.lr", fontsize=9.5)
    return figure


def optimizers() -> Figure:
    """Sixty steps of each optimizer from the same start in a long valley."""
    figure, axes = sheet(1, 3, 2.1)
    x, y = np.meshgrid(np.linspace(-2.3, 1, 80), np.linspace(-1.5, 1.5, 80))
    for axis, name in zip(axes[0], OPTIMIZERS.names(), strict=True):
        place = nn.Parameter(torch.tensor([[-2.0, 1.2]]))
        optimizer = OPTIMIZERS.get(name).factory([place], 0.03 if name == "sgd" else 0.1)
        path = []
        for _ in range(60):
            path.append(place.detach().clone()[0])
            optimizer.zero_grad()
            (0.5 * place[0, 0] ** 2 + 5 * place[0, 1] ** 2).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        axis.contourf(x, y, np.sqrt(0.5 * x**2 + 5 * y**2), 12, cmap="Greys")
        axis.plot(*torch.stack(path).T.numpy(), "o-", ms=2.5, lw=1, color="#e08e2b")
        axis.plot(0, 0, "*", color="#19a350", ms=9)
        axis.set_title(name, fontsize=9.5)
    return figure


def labels() -> Figure:
    """Which labels each dataset can have."""
    names = [name for name in DATASETS.names() if DATASETS.get(name).module.startswith("fer_zoo.")]
    columns = [*sorted(SEVEN_LABELS, key=lambda label: (label != "neutral", label)), "contempt", "others"]
    figure = Figure(figsize=(5, 4.4), layout="constrained", facecolor="white")
    axis = figure.subplots()
    for row, name in enumerate(names):
        entry = DATASETS.get(name)
        known = set(SEVEN_LABELS if entry.module == "fer_zoo.data.synthetic" else entry.defaults.get("labels", ()))
        if not known:
            axis.text(len(columns) / 2 - 0.5, row, "labels of your own", ha="center", va="center", fontsize=9)
        for column, label in enumerate(columns):
            if known - set(columns) if label == "others" else label in known:
                axis.scatter(column, row, s=60, color="#00897b")
    axis.set_xticks(range(len(columns)), columns, rotation=50, ha="left", rotation_mode="anchor", fontsize=9)
    axis.set_yticks(range(len(names)), names, fontsize=9)
    axis.xaxis.tick_top()
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlim(-0.5, len(columns) - 0.5)
    axis.grid(color="#dddddd", lw=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure
