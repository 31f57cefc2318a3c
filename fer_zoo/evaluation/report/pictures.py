"""Pictures of a report: UAR, confusion matrices and training curves as PNG, frames of mistakes as JPEG.

The same numbers give the same bytes: they contain no time, no version and nothing random.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

from fer_zoo.data.clips import Frames
from fer_zoo.evaluation.report.format import interval, picture_name
from fer_zoo.evaluation.report.numbers import Mistake, Report, Setting
from fer_zoo.inference.palette import label_colours
from fer_zoo.weights.picture import FAINT, INK, draw_confusion

_COLUMNS = 4
_TITLE, _LINES = 9, 5  # points, and lines at most
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
    figure = _figure(6.5, 0.65 + 0.3 * len(found))
    panel = figure.subplots()
    for place, (recipe, uar) in enumerate(found):
        ink = INK if recipe == setting.baseline else _UAR
        if recipe == setting.baseline:
            panel.axvline(100 * uar.value, color=FAINT, lw=1, ls="--", zorder=0)
        low, high = uar.interval or (uar.value, uar.value)
        panel.plot([100 * low, 100 * high], [place, place], color=ink, lw=2.5, alpha=0.45, solid_capstyle="butt")
        panel.plot([100 * uar.value], [place], "o", color=ink, ms=6)
        panel.annotate(interval(uar), (1.02, place), xycoords=("axes fraction", "data"), va="center", size=9, color=ink)
    panel.set_ylim(-0.6, len(found) - 0.4)
    panel.set_yticks(range(len(found)), [_shortened(recipe) for recipe, _ in found], parse_math=False)
    panel.set_xlabel("UAR in %, with 95 % interval", size=9, color=INK)
    panel.locator_params(axis="x", nbins=6)
    _style(panel, "x", size=9)
    return _png(figure)


def confusion_picture(setting: Setting) -> bytes:
    """Confusion matrices of a setting's recipes side by side: share of each true class in per cent."""
    shown = [(row.recipe, row.labels, row.classes) for row in setting.rows if row.classes]
    side = max(0.36 * max(len(labels) for _, labels, _ in shown) + 0.5, 1.9)
    titles = [_in_lines(recipe, side) for recipe, _, _ in shown]
    figure, axes = _panels(len(shown), 1, side, side + 1 + _extra(titles))
    # Where all have the same labels, the outer panels name them for all.
    every = len({labels for _, labels, _ in shown}) > 1
    for place, (panel, title, (_, labels, classes)) in enumerate(zip(axes[0], titles, shown, strict=True)):
        draw_confusion(panel, classes.confusion, size=7)
        panel.set_title(title, size=_TITLE, color=INK, parse_math=False)
        named = labels if every or place % _COLUMNS == 0 else []
        panel.set_yticks(range(len(named)), named, size=8, parse_math=False)
        panel.set_ylabel("truth" if named else "", size=8, color=INK)
        panel.set_xticks(range(len(labels)), labels, size=8, rotation=90, parse_math=False)
        panel.set_xlabel("predicted", size=8, color=INK)
    return _png(figure)


def curves_picture(setting: Setting) -> bytes:
    """Loss (above) and validation UAR (below) of every training of each recipe, by epoch, on the same scales.

    Epochs on single frames are dotted, and those on clips come after them.
    """
    shown = [row for row in setting.rows if any(curve.has_epochs for curve in row.curves)]
    titles = [_in_lines(row.recipe, 2.5) for row in shown]
    figure, (uppers, lowers) = _panels(len(shown), 2, 2.5, 1.6 + _extra(titles) / 2)
    curves = [curve for row in shown for curve in row.curves]
    highest = max((loss for curve in curves for loss in (*curve.frames_loss, *curve.loss)), default=1.0)
    longest = max((len(curve.frames_loss) + len(curve.loss) for curve in curves), default=1)
    for place, row in enumerate(shown):
        upper, lower = uppers[place], lowers[place]
        shape = {"lw": 1.2, "alpha": max(0.35, 1 / len(row.curves) ** 0.5), "ms": 3}
        for curve in row.curves:
            stages = (
                (0, ":", curve.frames_loss, curve.frames_validation_uar),
                (len(curve.frames_loss), "-", curve.loss, curve.validation_uar),
            )
            for start, style, losses, uars in stages:
                epochs = range(start + 1, start + len(losses) + 1)
                marker = "o" if len(losses) == 1 else None
                upper.plot(epochs, losses, color=_LOSS, ls=style, marker=marker, **shape)
                lower.plot(epochs, uars, color=_UAR, ls=style, marker=marker, **shape)
        upper.set_title(titles[place], size=_TITLE, color=INK, parse_math=False)
        lower.set_xlabel("epoch", size=8, color=INK)
        for panel, name, top in ((upper, "loss", 1.05 * highest or 1), (lower, "validation UAR", 1.02)):
            panel.set(xlim=(0.5, longest + 0.5), ylim=(0, top))
            panel.set_ylabel("" if place % _COLUMNS else name, size=8, color=INK)
            panel.locator_params(axis="x", integer=True, nbins=5)
            _style(panel, "y", size=7)
            panel.tick_params(labelleft=place % _COLUMNS == 0, labelbottom=panel is lower)
    return _png(figure)


def mistakes_picture(strips: Sequence[tuple[Mistake, Frames]]) -> bytes:
    """Wrongly predicted clips, one row each: truth, prediction, and frames (n, S, S, 3) as the network sees them."""
    columns = max(len(frames) for _, frames in strips)
    figure = _figure(2.4 + columns, len(strips))
    axes = figure.subplots(len(strips), columns + 1, squeeze=False, width_ratios=[2.4, *[1.0] * columns])
    for row, (mistake, frames) in zip(axes, strips, strict=True):
        colours = label_colours((mistake.truth, mistake.predicted))
        for height, text, label in (
            (0.72, f"truth: {mistake.truth}", mistake.truth),
            (0.45, f"predicted: {mistake.predicted}, {mistake.probability:.0%}", mistake.predicted),
        ):
            # The bright ones are darker here: they are text on white.
            ink = [0.75 * value / 255 for value in colours[label]]
            row[0].text(0, height, text, size=10, color=ink, weight="bold", parse_math=False)
        row[0].text(0, 0.18, _shortened(mistake.key, 34), size=7, color="#666c76", parse_math=False)
        for panel, frame in zip(row[1:], frames, strict=False):
            panel.imshow(frame, interpolation="antialiased")
        for panel in row:
            panel.set_axis_off()
    return _saved(figure, format="jpeg", pil_kwargs={"quality": 85})


def _style(panel: Any, grid: str, size: int) -> None:
    panel.grid(axis=grid, color="#e6e8ec", lw=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(colors=INK, labelsize=size)
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines[["left", "bottom"]].set_color(FAINT)


def _shortened(name: str, length: int = 30) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


def _in_lines(name: str, inches: float) -> str:
    """The name of a recipe as a title no wider than its panel, in several lines if needed; very long ones are cut."""
    longest, lines = max(6, int(inches * 72 / (0.62 * _TITLE))), [""]
    for piece in re.findall(r"[^/_,=\s-]*[/_,=\s-]*", name):
        if len(lines[-1]) + len(piece.rstrip()) > longest and lines[-1]:
            lines.append("")
        lines[-1] += piece
    shown = [_shortened(line.strip(), longest) for line in lines]
    return "\n".join(shown if len(shown) <= _LINES else [*shown[: _LINES - 2], "…", shown[-1]])


def _extra(titles: Sequence[str]) -> float:
    """Inches that the lines of these titles take beyond one."""
    return max(title.count("\n") for title in titles) * 1.25 * _TITLE / 72


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    # By hand: pyplot would keep a global list of figures and may ask for a display.
    return Figure(figsize=(width, height), dpi=110, facecolor="white", layout="constrained")


def _panels(count: int, parts: int, width: float, height: float) -> tuple[Any, list[list[Any]]]:
    """A figure with rows of `_COLUMNS` panels, sizes in inches, and its panels in order, for each of the parts.

    A recipe's parts are one below the other.
    """
    columns = min(count, _COLUMNS)
    rows = -(-count // columns)
    figure = _figure(0.6 + columns * width, rows * parts * height)
    axes = figure.subplots(rows * parts, columns, squeeze=False).reshape(rows, parts, columns)
    for unused in axes.transpose(1, 0, 2).reshape(parts, -1)[:, count:].flat:
        unused.remove()
    return figure, [axes[:, part].flatten()[:count].tolist() for part in range(parts)]


def _png(figure: Any) -> bytes:
    return _saved(figure, format="png", metadata={"Software": None})


def _saved(figure: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, **options)
    return stream.getvalue()
