"""confusion.png: what a card's figures look like. The same figures give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from fer_zoo.specs import Metrics

_INK, _FAINT = "#22262c", "#b9bec7"
_MOST_NUMBERED = 20


def confusion_picture(metrics: Metrics, labels: Sequence[str]) -> bytes:
    """Confusion matrix as PNG: share of each true class, in percent."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    counts = np.array(metrics.confusion, np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(0.42 * len(labels) + 0.6, 12.0)
    margin = 0.5 + 0.075 * max(map(len, labels))
    whole = side + margin + 0.15
    # Figure and canvas by hand: pyplot would keep a global list of figures and may ask for a display.
    figure = Figure(figsize=(whole, whole), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    panel = figure.add_axes((margin / whole, margin / whole, side / whole, side / whole))
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    panel.set_xlabel("predicted", size=9, color=_INK)
    panel.set_ylabel("true", size=9, color=_INK)
    if len(labels) <= _MOST_NUMBERED:
        # Labels are text, not formulas between dollar signs.
        panel.set_xticks(range(len(labels)), labels, size=8, rotation=90, parse_math=False)
        panel.set_yticks(range(len(labels)), labels, size=8, parse_math=False)
        for true, predicted in np.ndindex(counts.shape):
            if share := shares[true, predicted]:
                ink = "white" if share > 0.55 else _INK
                panel.text(predicted, true, f"{100 * share:.0f}", ha="center", va="center", size=8, color=ink)
    panel.tick_params(length=0, colors=_INK)
    for spine in panel.spines.values():
        spine.set_color(_FAINT)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
