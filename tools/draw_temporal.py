"""Draw what each temporal head does: `python tools/draw_temporal.py docs/img/temporal-heads.png`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from draw_components import OTHER, TEMPORAL, Point, arrow, blank
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

REAL, TOP = 4, (2.5, 3.2)


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    temporal_heads().savefig(parser.parse_args().out, dpi=90)


def temporal_heads() -> Figure:
    """What each temporal head makes of six steps of which two are padding."""
    figure = Figure(figsize=(13, 6), layout="constrained")
    panels = {
        "mean": _mean,
        "attn: weights from the steps": _attention,
        "lstm, gru": _recurrent,
        "lstm, gru with bidirectional=True": _bidirectional,
        "transformer: each step sees all": _transformer,
        "tcn: dilation 1, then 2": _tcn,
    }
    for axis, (title, draw) in zip(figure.subplots(2, 3).flat, panels.items(), strict=True):
        blank(axis, (-0.6, 5.6), (-0.6, 3.6))
        axis.set_title(title, fontsize=10, family="monospace")
        for step in range(6):
            _node(axis, (step, 0), OTHER if step < REAL else "white", "x" if step < REAL else "pad")
        draw(axis)
    return figure


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
    axis.add_patch(Circle(at, 0.25, fc=colour, ec="black" if text != "pad" else "lightgrey", zorder=3))
    axis.text(*at, text, ha="center", va="center", fontsize=8, color="black" if text != "pad" else "grey", zorder=4)


if __name__ == "__main__":
    main()
