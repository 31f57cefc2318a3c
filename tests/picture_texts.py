"""Whether the texts of a figure can be read: large enough, inside of it, and none over another."""

from __future__ import annotations

from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


class _Recorder(RendererAgg):
    """Draws as usual and keeps the extent of each text that is drawn; ticks outside of the axes are not."""

    def __init__(self, figure: Figure) -> None:
        super().__init__(*figure.get_size_inches() * figure.dpi, figure.dpi)
        self.texts: list[Text] = []

    def draw_text(self, gc, x, y, s, prop, angle, ismath=False, mtext=None) -> None:  # type: ignore[no-untyped-def]
        if mtext is not None and s.strip() and mtext not in self.texts:
            self.texts.append(mtext)
        super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)


def check_texts(figure: Figure, *, wide: int = 390, smallest: float = 0) -> None:
    """Check the texts of a figure; at a width of `wide` pixels each is at least `smallest` pixels high."""
    FigureCanvasAgg(figure)
    whole, recorder = figure.bbox, _Recorder(figure)
    figure.draw(recorder)
    # An extent has some room around the letters.
    boxes: dict[Text, Bbox] = {}
    for text in recorder.texts:
        pixels = text.get_fontsize() / 72 * wide / figure.get_figwidth()
        assert pixels >= smallest, f"{text.get_text()!r} has {pixels:.1f} pixels"
        boxes[text] = box = text.get_window_extent(recorder)
        edge = text.get_fontsize() / 72 * figure.dpi / 5
        inside = min(box.x0, box.y0) >= -edge and box.x1 <= whole.width + edge and box.y1 <= whole.height + edge
        assert inside, f"{text.get_text()!r} is cut off: {box}"
    for one, other in combinations(boxes, 2):
        covers = boxes[one].shrunk(0.95, 0.7).overlaps(boxes[other].shrunk(0.95, 0.7))
        assert not covers, f"{one.get_text()!r} and {other.get_text()!r} overlap"
