"""Diagrams of the docs, drawn by `tools/gallery.py`: parts and sites, stages as measured, kernels, temporal heads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fer_zoo.backbones.inflate import inflate_kernel
from fer_zoo.compose import build, model_spec

BACKBONE, TEMPORAL, FUSION, OTHER = "#c9ddf2", "#fbdcb8", "#cfe8c9", "#eeeeee"
STAGED = ("incres2d", "incres3d", "incres2plus1d", "incres3d_deep", "incres3d_v2", "incres3d_tiny")
Point = tuple[float, float]
# Steps of a sequence that are real, and the place of the output, in the diagrams of temporal heads.
REAL, TOP = 4, (2.5, 3.2)


def concepts() -> Figure:
    """The way of a clip through a network, the four sites of a fusion, and how a name is made."""
    figure = Figure(figsize=(13, 5.4), layout="constrained")
    axis = blank(figure.subplots(), (-0.2, 26.2), (-0.2, 10.4))
    _box(axis, (0, 6.4), (2.6, 1.6), "clip\n(B, 3, T, H, W)", OTHER)
    _box(axis, (5.6, 5.6), (5.2, 3.2), "", BACKBONE)
    axis.text(8.2, 8.35, "backbone", ha="center", va="center", weight="bold")
    for left, unit in ((6.0, "unit A"), (8.6, "unit B")):
        _box(axis, (left, 6.4), (1.8, 1.2), unit, "white")
    _box(axis, (14.0, 6.4), (1.8, 1.6), "pool", OTHER)
    _box(axis, (16.6, 6.0), (2.4, 2.4), "temporal\nhead", TEMPORAL, bold=True)
    _box(axis, (22.0, 6.4), (2.0, 1.6), "classifier", OTHER)
    axis.text(25.3, 7.2, "logits\n(B, labels)", ha="center", va="center", fontsize=9)
    sites = [
        (4.1, "input", "lm_in"),
        (8.2, "residual", "lm   lm_gate   lm_add"),
        (12.4, "features", "lm_attn"),
        (20.5, "embedding", "lm_traj"),
    ]
    for x, site, names in sites:
        inside = site == "residual"
        _box(axis, (x - 1.1, 3.1), (2.2, 1.1), site, FUSION, bold=True)
        axis.text(x, 2.55, names, ha="center", va="center", fontsize=9, family="monospace")
        ends: list[Point] = [(6.9, 6.4), (9.5, 6.4)] if inside else [(x, 6.9)]
        for end in ends:
            arrow(axis, (x, 4.2), end, "#3a7d2c")
        if not inside:
            axis.add_patch(Circle((x, 7.2), 0.3, fc=FUSION, ec="black"))
        arrow(axis, (x, 1.3), (x, 2.2), "#3a7d2c")
    _box(axis, (0, 0), (24.0, 1.3), "landmarks (B, T, 68, 2), pixels of the clip; NaN where no face was found", OTHER)
    starts = (2.6, 4.4, 10.8, 12.7, 15.8, 19.0, 20.8, 24.0)
    for start, to in zip(starts, (3.8, 5.6, 12.1, 14.0, 16.6, 20.2, 22.0, 24.4), strict=True):
        arrow(axis, (start, 7.2), (to, 7.2))
    arrow(axis, (7.8, 7.0), (8.6, 7.0))
    axis.text(12.4, 7.9, "(B, D, T', H', W')", ha="center", fontsize=8)
    axis.text(16.2, 8.55, "(B, T', D)", ha="center", fontsize=8)
    axis.text(20.5, 7.9, "(B, E)", ha="center", fontsize=8)
    _name(axis)
    return figure


def _name(axis: Axes) -> None:
    letter, x = 0.28, 8.2
    for text, colour in (("incres3d", BACKBONE), ("_", "white"), ("lstm", TEMPORAL), ("_", "white"), ("lm", FUSION)):
        width = letter * len(text)
        axis.add_patch(Rectangle((x, 9.5), width, 0.8, fc=colour))
        axis.text(x + width / 2, 9.9, text, family="monospace", fontsize=14, ha="center", va="center")
        x += width
    axis.text(x + 0.5, 9.9, "a name: backbone, head, and one fusion or none", fontsize=10, va="center")


def stages() -> Figure:
    """Sizes and cost of the stages of backbones, measured on meta tensors."""
    figure = Figure(figsize=(14, 8), layout="constrained")
    axis = blank(figure.subplots(), (-1.55, 9), (-len(STAGED) + 1, 1.05))
    axis.set_aspect("auto")
    for row, name in enumerate(STAGED):
        measured, sites = _measured(name)
        total = sum(cost for *_, cost in measured)
        axis.text(-1.5, -row + 0.4, f"{name}\n{total:.4g} GMAC", va="center", weight="bold", fontsize=9)
        for column, (stage, many, shape, cost) in enumerate(measured):
            colour = (1 - 0.75 * cost / total, 1 - 0.45 * cost / total, 1.0)
            axis.add_patch(Rectangle((column + 0.03, -row + 0.05), 0.94, 0.74, fc=colour, ec="black", lw=0.8))
            text = f"{stage}{many}\n{shape[0]} ch\n{' x '.join(map(str, shape[1:]))}\n{cost:.3g} GMAC"
            axis.text(column + 0.5, -row + 0.42, text, ha="center", va="center", fontsize=8, linespacing=1.25)
            if stage in sites:
                corner = [(column + 0.78, -row + 0.79), (column + 0.97, -row + 0.79), (column + 0.97, -row + 0.6)]
                axis.add_patch(Polygon(corner, fc="#3a7d2c"))
    legend = "each box: stage, channels, T x H x W behind it, cost (darker: a larger share); green: residual site"
    axis.text(-1.5, 0.95, legend, fontsize=9, va="center")
    return figure


def _measured(name: str) -> tuple[list[tuple[str, str, tuple[int, ...], float]], set[str]]:
    """Name, repeats, output shape (C, T, H, W), GMAC of each stage; and the stages that have a residual site."""
    spec = model_spec(f"{name}_mean", pool="mean")
    with torch.device("meta"):
        backbone: Any = build(spec).backbone
        clip = torch.empty(1, 3, spec.input.frames, spec.input.size, spec.input.size)
    shapes: dict[str, tuple[int, ...]] = {}

    def note(stage: str) -> Any:
        def hook(module: nn.Module, args: Any, out: Tensor) -> None:
            shapes[stage] = tuple(out.shape[1:])

        return hook

    sites: set[str] = set()

    def fuse(site: str, shortcut: Tensor) -> Tensor:
        sites.add(list(backbone.stages)[len(shapes)])  # the stage that is not through yet
        return shortcut

    for stage in backbone.stages:
        backbone.get_submodule(stage).register_forward_hook(note(stage))
    with FlopCounterMode(display=False) as counter:
        backbone(clip, fuse)
    root, counts = type(backbone).__name__, counter.get_flop_counts()
    rows = []
    for stage in backbone.stages:
        units = backbone.get_submodule(stage)
        many = f" x {len(units)}" if isinstance(units, nn.ModuleList) else ""
        rows.append((stage, many, shapes[stage], sum(counts[f"{root}.{stage}"].values()) / 2e9))
    return rows, sites


def kernels() -> Figure:
    """A full kernel, a factorised one, and an image kernel inflated in two ways."""
    figure = Figure(figsize=(13, 3.4), layout="constrained")
    image = torch.tensor([[0.9, 0.5, 0.2], [0.6, 1.0, 0.4], [0.3, 0.5, 0.8]])
    full = np.ones((3, 3, 3)) * 0.6
    space, time = np.zeros((3, 3, 3)), np.zeros((3, 3, 3))
    space[1], time[:, 1, 1] = 0.6, 0.6
    inflated = {how: inflate_kernel(image[None, None], 3, how)[0, 0].numpy() for how in ("centre", "mean")}
    panels: list[tuple[str, list[np.ndarray[Any, Any]]]] = [
        ("full: 3 x 3 x 3\n27 weights", [full]),
        ("factorised: 1 x 3 x 3, then 3 x 1 x 1\n9 + 3 weights", [space, time]),
        ('inflated, how="centre"\nthe image kernel in the middle frame', [inflated["centre"]]),
        ('inflated, how="mean"\na third of it in each frame', [inflated["mean"]]),
    ]
    axes = figure.subplots(1, len(panels), width_ratios=[1, 2, 1, 1])
    for axis, (title, drawn) in zip(axes, panels, strict=True):
        blank(axis, (-0.4, 8.2 * len(drawn) - 0.6), (-1, 6.2))
        axis.set_title(title, fontsize=10)
        for index, weights in enumerate(drawn):
            _sheets(axis, 8.2 * index, weights)
            axis.text(8.2 * index + 3.4, -0.6, "time →", ha="center", fontsize=9)
    return figure


def _sheets(axis: Axes, left: float, weights: np.ndarray[Any, Any]) -> None:
    """A kernel (T, H, W): one leaning sheet per frame, darker where the weight is larger, white for 0."""
    for frame, sheet in enumerate(weights):
        for row in range(3):
            for column in range(3):
                x, y = left + 2.4 * frame + 0.75 * column, 3 + 0.55 * column - 1.0 * row
                corners = [(x, y), (x + 0.75, y + 0.55), (x + 0.75, y + 1.55), (x, y + 1)]
                shade = 1 - 0.75 * float(sheet[row, column])
                axis.add_patch(Polygon(corners, fc=(shade, (1 + shade) / 2, 1.0), ec="grey", lw=0.8))


def blank(axis: Axes, across: Point, up: Point) -> Axes:
    """An axis without frame and ticks, of equal scales."""
    axis.set_xlim(across)
    axis.set_ylim(up)
    axis.set_aspect("equal")
    axis.set_axis_off()
    return axis


def _box(axis: Axes, at: Point, size: Point, text: str, colour: str, *, bold: bool = False) -> None:
    axis.add_patch(FancyBboxPatch(at, *size, boxstyle="round,pad=0,rounding_size=0.2", fc=colour, ec="black"))
    middle = (at[0] + size[0] / 2, at[1] + size[1] / 2)
    axis.text(*middle, text, ha="center", va="center", fontsize=9, weight="bold" if bold else "normal")


def arrow(axis: Axes, start: Point, end: Point, colour: str = "black", width: float = 1.2) -> None:
    """Draw an arrow."""
    arrow = FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=11, shrinkA=0, shrinkB=0, color=colour, lw=width
    )
    axis.add_patch(arrow)


def temporal_head(axis: Axes, name: str) -> None:
    """What a temporal head makes of six steps of which two are padding."""
    blank(axis, (-0.6, 5.6), (-0.8, 3.9))
    for step in range(6):
        _node(axis, (step, 0), OTHER if step < REAL else "white", "x" if step < REAL else "pad")
    HEADS[name](axis)


def _mean(axis: Axes, row: float = 0, widths: Sequence[float] = (1.2,) * REAL) -> None:
    for step, width in zip(range(REAL), widths, strict=True):
        arrow(axis, (step, row + 0.24), (TOP[0], TOP[1] - 0.26), width=width)
    _node(axis, TOP, TEMPORAL, "out")


def _attention(axis: Axes) -> None:
    _mean(axis, widths=(0.6, 3.6, 2.0, 0.6))


def _recurrent(axis: Axes) -> None:
    _chain(axis, 1.4, range(REAL))
    arrow(axis, (REAL - 1, 1.64), (TOP[0], TOP[1] - 0.26))
    _node(axis, TOP, TEMPORAL, "out")


def _bidirectional(axis: Axes) -> None:
    _chain(axis, 1.1, range(REAL))
    _chain(axis, 2.0, range(REAL - 1, -1, -1), shift=0.5)
    arrow(axis, (REAL - 1, 1.34), (TOP[0] + 0.1, TOP[1] - 0.26))
    arrow(axis, (0.5, 2.24), (TOP[0] - 0.2, TOP[1] - 0.15))
    _node(axis, TOP, TEMPORAL, "out")


def _chain(axis: Axes, row: float, steps: Sequence[int], shift: float = 0) -> None:
    for step in steps:
        _node(axis, (step + shift, row), TEMPORAL, "h")
        arrow(axis, (step + 0.4 * shift, 0.24), (step + shift, row - 0.24), "grey")
    for one, following in pairwise(steps):
        half = 0.26 if following > one else -0.26
        arrow(axis, (one + shift + half, row), (following + shift - half, row))


def _transformer(axis: Axes) -> None:
    _layer(axis, 0, 1.5, range(-REAL, REAL + 1))
    _mean(axis, 1.5)


def _tcn(axis: Axes) -> None:
    _layer(axis, 0, 1.0, (-1, 0, 1))
    _layer(axis, 1.0, 2.0, (-2, 0, 2))
    _mean(axis, 2.0)


def _layer(axis: Axes, below: float, above: float, reach: Sequence[int]) -> None:
    for step in range(REAL):
        for source in (step + offset for offset in reach):
            if 0 <= source < REAL:
                axis.plot((source, step), (below + 0.24, above - 0.24), color="grey", lw=0.9)
        _node(axis, (step, above), TEMPORAL, "")


def _node(axis: Axes, at: Point, colour: str, text: str) -> None:
    pad = text == "pad"
    axis.add_patch(Circle(at, 0.25, fc=colour, ec="lightgrey" if pad else "black", zorder=3))
    y = at[1] + {"out": 0.48, "pad": -0.52}.get(text, 0)  # words are too wide for the circle
    axis.text(at[0], y, text, ha="center", va="center", fontsize=8, color="grey" if pad else "black", zorder=4)


HEADS = {
    "mean": _mean,
    "attn": _attention,
    "lstm": _recurrent,
    "gru": _recurrent,
    "bidirectional": _bidirectional,
    "transformer": _transformer,
    "tcn": _tcn,
}
