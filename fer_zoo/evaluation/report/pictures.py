"""Pictures of a report: UAR, confusion matrices and training curves as PNG, frames of mistakes as JPEG.

The same numbers give the same bytes: they contain no time, no version and nothing random.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_zoo.data.clips import Frames
from fer_zoo.evaluation.report.format import interval, picture_name
from fer_zoo.evaluation.report.numbers import Classes, Mistake, Report, Row, Setting
from fer_zoo.inference.palette import label_colours

_INK, _FAINT = "#22262c", "#b9bec7"
_COLUMNS = 4
# Of one hue each, for colour-blind readers and grey prints.
_LOSS, _UAR = "#8a6d3b", "#1f6fb2"


def number_pictures(report: Report) -> dict[str, bytes]:
    """All pictures that follow from a report's numbers, by the names of their files."""
    pictures: dict[str, bytes] = {}
    for number, setting in enumerate(report.settings, 1):
        shown = [row for row in setting.rows if row.best]
        if len(shown) > 1:
            pictures[picture_name("uar", number)] = uar_picture(setting)
        if shown:
            pictures[picture_name("confusion", number)] = confusion_picture(setting)
        if shown and any(curve.has_epochs for row in setting.rows for curve in row.curves):
            pictures[picture_name("curves", number)] = curves_picture(setting)
    return pictures


def uar_picture(setting: Setting) -> bytes:
    """UAR of a setting's recipes with their intervals, the best on top; the baseline is dark, its UAR a line."""
    found = [(row.recipe, row.best.estimates.uar) for row in setting.rows if row.best]
    found.sort(key=lambda one: one[1].value)
    names = [_shortened(recipe) for recipe, _ in found]
    left, width, height = 0.2 + 0.078 * max(map(len, names)), 2.9, 0.3 * len(found)
    size = (left + width + 1.35, height + 0.65)
    figure = _figure(*size)
    panel = figure.add_axes((left / size[0], 0.5 / size[1], width / size[0], height / size[1]))
    for place, (recipe, uar) in enumerate(found):
        ink = _INK if recipe == setting.baseline else _UAR
        if recipe == setting.baseline:
            panel.axvline(100 * uar.value, color=_FAINT, lw=1, ls="--", zorder=0)
        low, high = uar.interval or (uar.value, uar.value)
        panel.plot([100 * low, 100 * high], [place, place], color=ink, lw=2.5, alpha=0.45, solid_capstyle="butt")
        panel.plot([100 * uar.value], [place], "o", color=ink, ms=6)
        panel.annotate(
            interval(uar), (1.02, place), xycoords=("axes fraction", "data"), va="center", size=9, color=ink
        )  # fmt: skip
    panel.set_ylim(-0.6, len(found) - 0.4)
    panel.set_yticks(range(len(found)), names, size=9, parse_math=False)
    panel.set_xlabel("UAR in %, with 95 % interval", size=9, color=_INK)
    panel.tick_params(labelsize=9)
    panel.locator_params(axis="x", nbins=6)
    _draw_frame(panel, "x")
    return _png(figure)


def confusion_picture(setting: Setting) -> bytes:
    """Confusion matrices of a setting's recipes side by side: share of each true class in per cent."""
    shown = [(row.recipe, row.labels, row.classes) for row in setting.rows if row.classes]
    side = 0.36 * max(len(labels) for _, labels, _ in shown) + 0.5
    figure, axes = _panels(len(shown), side, side + 0.35, left=1.0, bottom=0.9)
    for place, (panel, (recipe, labels, classes)) in enumerate(zip(axes, shown, strict=True)):
        _draw_confusion(panel, labels, classes)
        panel.set_title(_shortened(recipe), size=9, color=_INK, parse_math=False)
        # Where all have the same labels, the outer panels name them for all.
        if place % _COLUMNS == 0 or len({labels for _, labels, _ in shown}) > 1:
            panel.set_yticks(range(len(labels)), labels, size=8, parse_math=False)
            panel.set_ylabel("truth", size=8, color=_INK)
        panel.set_xticks(range(len(labels)), labels, size=8, rotation=90, parse_math=False)
    return _png(figure)


def _draw_confusion(panel: Any, labels: Sequence[str], classes: Classes) -> None:
    counts = np.array(classes.confusion, np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for true, predicted in np.ndindex(counts.shape):
        if share := shares[true, predicted]:
            ink = "white" if share > 0.55 else _INK
            panel.text(predicted, true, f"{100 * share:.0f}", ha="center", va="center", size=7, color=ink)
    panel.set_yticks([])
    panel.set_xlabel("predicted", size=8, color=_INK)
    panel.tick_params(length=0, colors=_INK)
    for spine in panel.spines.values():
        spine.set_color(_FAINT)


def curves_picture(setting: Setting) -> bytes:
    """Loss (above) and validation UAR (below) of every training of each recipe, by epoch, on the same scales.

    Epochs on single frames are dotted, and those on clips come after them.
    """
    shown = [row for row in setting.rows if any(curve.has_epochs for curve in row.curves)]
    figure, axes = _panels(2 * len(shown), 2.5, 1.35, left=0.7, bottom=0.5, paired=True)
    curves = [curve for row in shown for curve in row.curves]
    highest = max((loss for curve in curves for loss in (*curve.frames_loss, *curve.loss)), default=1.0)
    longest = max((len(curve.frames_loss) + len(curve.loss) for curve in curves), default=1)
    for place, row in enumerate(shown):
        upper, lower = axes[2 * place], axes[2 * place + 1]
        _draw_curves(upper, lower, row)
        upper.set_title(_shortened(row.recipe), size=9, color=_INK, parse_math=False)
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
        panel.tick_params(labelsize=7)
        _draw_frame(panel, "y")


def _draw_frame(panel: Any, grid: str) -> None:
    panel.grid(axis=grid, color="#e6e8ec", lw=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(colors=_INK)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        panel.spines[side].set_color(_FAINT)


def mistakes_picture(strips: Sequence[tuple[Mistake, Frames]]) -> bytes:
    """Wrongly predicted clips, one row each: truth, prediction, and frames (n, S, S, 3) as the network sees them."""
    columns = max(len(frames) for _, frames in strips)
    width, height, words = 1.0 * columns, 1.0 * len(strips), 2.4
    figure = _figure(words + width, height)
    for row, (mistake, frames) in enumerate(strips):
        top = 1 - (row + 1) / len(strips)
        colours = {label: tuple(v / 255 for v in rgb) for label, rgb in _colours(mistake).items()}
        x, lines = 0.1 / (words + width), (0.66, 0.42, 0.18)
        texts = (
            f"truth: {mistake.truth}", f"predicted: {mistake.predicted}, {mistake.probability:.0%}",
            _shortened(mistake.key, 34),
        )  # fmt: skip
        inks = (colours[mistake.truth], colours[mistake.predicted], "#666c76")
        for line, text, ink, size in zip(lines, texts, inks, (10, 10, 7), strict=True):
            weight = "bold" if size > 8 else None
            figure.text(x, top + line / len(strips), text, size=size, color=ink, weight=weight, parse_math=False)
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
    found = label_colours((mistake.truth, mistake.predicted))
    return {label: tuple(int(0.75 * v) for v in rgb) for label, rgb in found.items()}  # type: ignore[misc]


def _shortened(name: str, length: int = 30) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


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
