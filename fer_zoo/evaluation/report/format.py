"""Format a report's numbers as text, and fill the templates: the only place where a number becomes a string."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_zoo.evaluation.report.numbers import PAPER, Delta, PublishedRow, Report, Row, Setting
from fer_zoo.evaluation.statistics import Basis, Difference, Estimate, Spread

if TYPE_CHECKING:
    from jinja2 import Environment

SIGNIFICANT = 0.05
NOTHING = "–"

# Names that are written out in a line.
_LISTED = 12
_PAPER_TABLES = {
    "subject-independent": "Table 1 of the paper: subject-independent",
    "cross-database": "Table 2 of the paper: cross-database",
}
# What means something in Markdown: characters, an underscore outside of words, a bracket that ends a link's text, what
# begins a list or heading, an entity, and an address.
_MARKDOWN = (
    (re.compile(r"&(?=[#\w])"), "&amp;"),
    (re.compile(r"<"), "&lt;"),
    (re.compile(r"([\\`*{}|])"), r"\\\1"),
    (re.compile(r"~"), "&#126;"),
    (re.compile(r"\$"), "&#36;"),
    (re.compile(r"(?<![^\W_])_|_(?![^\W_])"), r"\\_"),
    (re.compile(r"\](?=[(\[:])"), r"\\]"),
    (re.compile(r"^([-+](?=\s|$)|#|>)"), r"\\\1"),
    (re.compile(r"^(\d+)(?=[.)](\s|$))"), r"\1\\"),
    (re.compile(r"://"), ":&#47;/"),
)


def as_markdown(report: Report, pictures: str) -> str:
    """The page as Markdown; `pictures` is the path to the folder with the pictures, with a slash at its end."""
    text = _environment("md").get_template("report.md.jinja").render(report=report, folder=pictures)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def as_html(report: Report, pictures: Mapping[str, bytes]) -> str:
    """The page as one HTML file that needs nothing else: pictures and style are in it, and it has no scripts."""
    return _environment("html").get_template("report.html.jinja").render(report=report, pictures=pictures)


def picture_name(kind: str, number: int) -> str:
    """File of a setting's picture; settings are numbered from 1."""
    return f"{kind}-{number}.{'jpg' if kind == 'mistakes' else 'png'}"


def interval(found: Estimate | None) -> str:
    """A metric with its interval in per cent, `78.3 [75.1, 81.2]`; a difference with signs, `+1.2 [-0.3, +2.7]`."""
    if found is None:
        return NOTHING
    sign = "+" if isinstance(found, Difference) else ""
    # + 0.0 makes no difference of -0.0.
    value, *ends = (f"{round(100 * share, 1) + 0.0:{sign}.1f}" for share in (found.value, *(found.interval or ())))
    return f"{value} [{', '.join(ends)}]" if ends else value


def mean_deviation(found: Spread | None) -> str:
    """Mean and standard deviation in per cent, `93.2 ± 2.3`."""
    if found is None:
        return NOTHING
    return percent(found.mean) + ("" if found.deviation is None else f" ± {percent(found.deviation)}")


def percent(share: float | None) -> str:
    """A share of 1 in per cent."""
    return NOTHING if share is None else f"{100 * share:.1f}"


def p_value(p: float | None) -> str:
    """A p-value, `0.012` or `< 0.001`."""
    if p is None:
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def verdict(found: Difference, adjusted: float | None) -> str:
    """What the adjusted p-value of a difference shows; without several seeds it holds for these networks only."""
    if adjusted is None:
        return "unknown"
    if adjusted >= SIGNIFICANT:
        return "not significant"
    return "significant for these networks" if found.training_error is None else "significant"


def short_commit(commit: str) -> str:
    """First letters of a commit, of each where a run was resumed, and whether the code was changed since."""
    each = commit.removesuffix("-dirty").split(", then ")
    known = ", then ".join(one if one.startswith("release ") else one[:12] for one in each)
    return known + "-dirty" * commit.endswith("-dirty")


def counted(number: int, noun: str) -> str:
    """A number of things, `1 seed` or `3 seeds`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(names: Iterable[object]) -> str:
    """Names, each once; of many, e.g. of all left-out subjects, only some."""
    once = list(dict.fromkeys(map(str, names)))
    return ", ".join(once) if len(once) <= _LISTED else f"{len(once)}: {', '.join(once[: _LISTED - 2])}, ..."


def test_size(setting: Setting) -> str:
    """Clips and subjects of the test set; several numbers where training runs are missing."""
    bases = [row.best.estimates.basis for row in setting.rows if row.best]
    sizes = sorted({(basis.clips, basis.subjects) for basis in bases}, reverse=True)
    return (
        " or ".join(f"{clips} clips of {subjects or 'unknown'} subjects" for clips, subjects in sizes) or "nothing yet"
    )


def notes(bases: Mapping[str, Basis]) -> list[str]:
    """What must be known of the intervals: each note once, with the recipes that it holds for unless that is all."""
    found: dict[str, list[str]] = {}
    for recipe, basis in bases.items():
        for note in basis.notes:
            found.setdefault(note, []).append(recipe)
    return [note if len(names) == len(bases) else f"{', '.join(names)}: {note}" for note, names in found.items()]


def ends_best(row: Row) -> bool:
    """Whether the last epoch of each training run is the one that was taken as the best: the first of equal ones."""
    known = [curve.validation_uar for curve in row.curves if curve.validation_uar]
    return row.best == row.last and all(uars.index(max(uars)) == len(uars) - 1 for uars in known)


def leader(setting: Setting) -> Delta | None:
    """The comparison that answers which recipe is ahead: of the recipe with the largest difference in UAR."""
    compared = [delta for delta in setting.deltas if delta.comparison]
    return max(compared, key=lambda delta: delta.comparison.uar.value if delta.comparison else 0.0, default=None)


def published_tables(report: Report) -> dict[str, list[PublishedRow]]:
    """Published figures by the title of their table: the paper's own first, if any recipe here has one of them."""
    sources = {row.source for row in report.published if row.recipe.startswith(PAPER)}
    here = {facts.name for facts in report.recipes}
    asked = [row for row in report.published if row.recipe in here or not row.recipe.startswith(PAPER)]
    of_paper = any(row.source in sources for row in asked)
    tables: dict[str, list[PublishedRow]] = {title: [] for title in _PAPER_TABLES.values()}
    for row in report.published if of_paper else asked:
        title = _PAPER_TABLES.get(row.protocol) if row.source in sources else None
        other = "published splits" if row.protocol == "published" else row.protocol
        tables.setdefault(title or f"Other published figures: {other}", []).append(row)
    return {title: rows for title, rows in tables.items() if rows}


def escape_markdown(text: str) -> str:
    """Text in one line that no Markdown renderer takes for markup."""
    line = " ".join(text.splitlines())
    for what, escaped in _MARKDOWN:
        line = what.sub(escaped, line)
    return line


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _data_address(file: str, data: bytes) -> str:
    return f"data:image/{'png' if file.endswith('.png') else 'jpeg'};base64,{b64encode(data).decode()}"


@cache
def _environment(form: str) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def finalized(value: Any) -> Any:
        """Escape for Markdown whatever is not markup yet; jinja2 itself escapes for HTML only."""
        return value if isinstance(value, Markup) else Markup(escape_markdown(str(value)))

    def one_line(markup: Markup) -> Markup:
        return Markup(" ".join(markup.split()))

    def is_code(text: str) -> bool:
        return bool(text) and not set("`|\n\r") & set(text)

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
        finalize=finalized if form == "md" else None,
    )
    filters: Sequence[Any] = (
        interval,
        mean_deviation,
        percent,
        p_value,
        short_commit,
        listed,
        test_size,
        notes,
        leader,
        counted,
        one_line,
    )
    environment.filters |= {each.__name__: each for each in filters}
    environment.filters |= {"anchor": _anchor, "data_address": _data_address}
    environment.tests |= {"code": is_code, "ends_best": ends_best}
    environment.globals |= {
        "verdict": verdict,
        "picture_name": picture_name,
        "published_tables": published_tables,
        "NOTHING": NOTHING,
        "SIGNIFICANT": SIGNIFICANT,
    }
    return environment
