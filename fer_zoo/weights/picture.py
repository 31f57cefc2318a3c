"""Confusion matrices as pictures, for cards and reports. The same figures give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_zoo.specs import Metrics

INK, FAINT = "#22262c", "#b9bec7"
_MOST_NUMBERED = 20


def confusion_picture(metrics: Metrics, labels: Sequence[str]) -> bytes:
    """Confusion matrix as PNG: share of each true class, in percent."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    side = min(0.42 * len(labels) + 0.6, 12.0)
    margin = 0.5 + 0.075 * max(map(len, labels))
    whole = side + margin + 0.15
    # Figure and canvas by hand: pyplot would keep a global list of figures and may ask for a display.
    figure = Figure(figsize=(whole, whole), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    panel = figure.add_axes((margin / whole, margin / whole, side / whole, side / whole))
    draw_confusion(panel, metrics.confusion, size=8 if len(labels) <= _MOST_NUMBERED else 0)
    panel.set_xlabel("predicted", size=9, color=INK)
    panel.set_ylabel("true", size=9, color=INK)
    if len(labels) <= _MOST_NUMBERED:
        # Labels are text, not formulas between dollar signs.
        panel.set_xticks(range(len(labels)), labels, size=8, rotation=90, parse_math=False)
        panel.set_yticks(range(len(labels)), labels, size=8, parse_math=False)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def draw_confusion(panel: Any, confusion: Sequence[Sequence[int]], size: int) -> None:
    """Draw the shares of each true class on axes of matplotlib, in percent; `size` of the numbers, 0 for none."""
    counts = np.array(confusion, np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for true, predicted in zip(*np.nonzero(shares), strict=True) if size else ():
        share = shares[true, predicted]
        ink = "white" if share > 0.55 else INK
        panel.text(predicted, true, f"{100 * share:.0f}", ha="center", va="center", size=size, color=ink)
    panel.tick_params(length=0, colors=INK)
    panel.spines[:].set_color(FAINT)
