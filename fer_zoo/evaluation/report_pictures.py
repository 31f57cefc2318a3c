"""Pictures of a report: confusion matrices and training curves as PNG, faces that were read wrongly as JPEG.

The same numbers give the same bytes: no time, no version and nothing random is in them.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_zoo.data.clips import Frames
from fer_zoo.evaluation.report_numbers import Classes, Mistake, Row, Setting, has_epochs
from fer_zoo.inference.palette import label_colours

_INK, _FAINT = "#22262c", "#b9bec7"
_COLUMNS = 4
# Of one hue each, for colour-blind readers and grey prints.
_LOSS, _UAR = "#8a6d3b", "#1f6fb2"


def confusion_picture(setting: Setting) -> bytes:
    """Confusion matrices of a setting's recipes side by side: share of each true class in per cent."""
    shown = [(row.recipe, row.labels, row.classes) for row in setting.rows if row.classes]
    side = 0.36 * max(len(labels) for _, labels, _ in shown) + 0.5
    figure, axes = _panels(len(shown), side, side + 0.35, left=1.0, bottom=0.9)
    for place, (panel, (recipe, labels, classes)) in enumerate(zip(axes, shown, strict=True)):
        _draw_confusion(panel, labels, classes)
        panel.set_title(_fitted(recipe), size=9, color=_INK)
        # Where all have the same labels, the outer panels name them for all.
        if place % _COLUMNS == 0 or len({labels for _, labels, _ in shown}) > 1:
            panel.set_yticks(range(len(labels)), labels, size=8)
            panel.set_ylabel("truth", size=8, color=_INK)
        panel.set_xticks(range(len(labels)), labels, size=8, rotation=90)
    return _png(figure)


def _draw_confusion(panel: Any, labels: Sequence[str], classes: Classes) -> None:
    counts = np.array(classes.confusion, np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for true, said in np.ndindex(counts.shape):
        if share := shares[true, said]:
            ink = "white" if share > 0.55 else _INK
            panel.text(said, true, f"{100 * share:.0f}", ha="center", va="center", size=7, color=ink)
    panel.set_yticks([])
    panel.set_xlabel("said", size=8, color=_INK)
    panel.tick_params(length=0, colors=_INK)
    for spine in panel.spines.values():
        spine.set_color(_FAINT)


def curves_picture(setting: Setting) -> bytes:
    """Loss (above) and validation UAR (below) of every training of each recipe, by epoch, on the same scales.

    Epochs on single frames are dotted, and those on clips come after them.
    """
    shown = [row for row in setting.rows if any(map(has_epochs, row.curves))]
    figure, axes = _panels(2 * len(shown), 2.5, 1.35, left=0.7, bottom=0.5, paired=True)
    curves = [curve for row in shown for curve in row.curves]
    highest = max((loss for curve in curves for loss in (*curve.frames_loss, *curve.loss)), default=1.0)
    longest = max((len(curve.frames_loss) + len(curve.loss) for curve in curves), default=1)
    for place, row in enumerate(shown):
        upper, lower = axes[2 * place], axes[2 * place + 1]
        _draw_curves(upper, lower, row)
        upper.set_title(_fitted(row.recipe), size=9, color=_INK)
        upper.set_ylim(0, 1.05 * highest or 1)
        lower.set_ylim(0, 1.02)
        for panel in (upper, lower):
            panel.set_xlim(0.5, longest + 0.5)
        if place % _COLUMNS == 0:
            upper.set_ylabel("loss", size=8, color=_INK)
            lower.set_ylabel("validation UAR", size=8, color=_INK)
        else:
            upper.tick_params(labelleft=False)
            lower.tick_params(labelleft=False)
        upper.tick_params(labelbottom=False)
        lower.set_xlabel("epoch", size=8, color=_INK)
    return _png(figure)


def _draw_curves(upper: Any, lower: Any, row: Row) -> None:
    alpha = max(0.35, 1 / len(row.curves) ** 0.5)
    for curve in row.curves:
        before = len(curve.frames_loss)
        stages = (
            (0, ":", curve.frames_loss, curve.frames_validation_uar),
            (before, "-", curve.loss, curve.validation_uar),
        )
        for start, style, losses, uars in stages:
            epochs = range(start + 1, start + len(losses) + 1)
            shape = {"lw": 1.2, "ls": style, "marker": "o" if len(losses) == 1 else None, "ms": 3}
            upper.plot(epochs, losses, color=_LOSS, alpha=alpha, **shape)
            lower.plot(epochs, uars, color=_UAR, alpha=alpha, **shape)
    for panel in (upper, lower):
        panel.locator_params(axis="x", integer=True, nbins=5)
        panel.grid(axis="y", color="#e6e8ec", lw=0.8)
        panel.tick_params(labelsize=7, colors=_INK)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            panel.spines[side].set_color(_FAINT)


def mistakes_picture(strips: Sequence[tuple[Mistake, Frames]]) -> bytes:
    """Clips that were answered wrongly, a row each: truth, answer, and some frames (n, S, S, 3) as the network sees."""
    columns = max(len(frames) for _, frames in strips)
    width, height, words = 1.0 * columns, 1.0 * len(strips), 2.4
    figure = _figure(words + width, height)
    for row, (mistake, frames) in enumerate(strips):
        top = 1 - (row + 1) / len(strips)
        colours = {label: tuple(v / 255 for v in rgb) for label, rgb in _colours(mistake).items()}
        x, lines = 0.1 / (words + width), (0.66, 0.42, 0.18)
        told = (f"truth: {mistake.truth}", f"said: {mistake.said}, {mistake.probability:.0%}", _fitted(mistake.key, 34))
        inks = (colours[mistake.truth], colours[mistake.said], "#666c76")
        for line, text, ink, size in zip(lines, told, inks, (10, 10, 7), strict=True):
            figure.text(x, top + line / len(strips), text, size=size, color=ink, weight="bold" if size > 8 else None)
        for column, frame in enumerate(frames):
            left = (words + column) / (words + width)
            axes = figure.add_axes((left, top + 0.02 / len(strips), 0.97 / (words + width), 0.96 / len(strips)))
            axes.imshow(frame, interpolation="antialiased")
            axes.set_axis_off()
    stream = io.BytesIO()
    figure.savefig(stream, format="jpeg", pil_kwargs={"quality": 85})
    return stream.getvalue()


def _colours(mistake: Mistake) -> dict[str, tuple[int, int, int]]:
    # The bright ones are darker here: they are text on white.
    found = label_colours((mistake.truth, mistake.said))
    return {label: tuple(int(0.75 * v) for v in rgb) for label, rgb in found.items()}  # type: ignore[misc]


def _fitted(name: str, room: int = 30) -> str:
    return name if len(name) <= room else f"{name[: room - 1]}…"


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Figure and canvas by hand: pyplot would keep a global list of figures and may ask for a display.
    figure = Figure(figsize=(width, height), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _panels(
    count: int, width: float, height: float, *, left: float, bottom: float, paired: bool = False
) -> tuple[Any, list[Any]]:
    """Panels in rows of `_COLUMNS`, sizes in inches; `paired`: two stand one above the other."""
    each = 2 if paired else 1
    places = count // each
    rows, columns = -(-places // _COLUMNS), min(places, _COLUMNS)
    step_x, step_y = width + 0.25, each * height + bottom + 0.35
    total = left + columns * step_x, rows * step_y
    figure = _figure(*total)
    axes = []
    for place in range(places):
        row, column = divmod(place, _COLUMNS)
        for part in range(each):
            x = left + column * step_x
            y = total[1] - row * step_y - 0.3 - (part + 1) * height
            inner = (x / total[0], y / total[1], width / total[0], (height - 0.12 * paired) / total[1])
            axes.append(figure.add_axes(inner))
    return figure, axes


def _png(figure: Any) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
