"""Blocks of a page, as Markdown and as HTML. A plain string is text, whatever stands in it; nothing in it is markup."""

from __future__ import annotations

import html
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

# What means something in Markdown: characters, an underscore outside of words, a bracket that ends a link's text, what
# begins a list or heading, an entity, and an address.
_ESCAPES = (
    (re.compile(r"&(?=[#\w])"), "&amp;"),
    (re.compile(r"<"), "&lt;"),
    (re.compile(r"([\\`*{}|])"), r"\\\1"),
    (re.compile(r"~"), "&#126;"),
    (re.compile(r"\$"), "&#36;"),
    (re.compile(r"(?<![^\W_])_|_(?![^\W_])"), r"\\_"),
    (re.compile(r"\](?=[(\[:])"), r"\\]"),
    (re.compile(r"^([-+](?=\s)|#|>)"), r"\\\1"),
    (re.compile(r"^(\d+)(?=[.)]\s)"), r"\1\\"),
    (re.compile(r"://"), ":&#47;/"),
)


class Code(str):
    """Text that is a name or value."""


class Strong(str):
    """Text that must not be missed."""


Text = str | tuple[str, ...]


@dataclass(frozen=True)
class Heading:
    """A heading of level 1 to 3."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """Some sentences."""

    text: Text


@dataclass(frozen=True)
class Warnings:
    """What a reader must see before any figure."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table; cells of the first column head their row, all others but `words` hold figures."""

    header: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]
    words: frozenset[int] = frozenset()
    """Columns of words."""


@dataclass(frozen=True)
class Picture:
    """A picture by the name of its file."""

    file: str
    about: str


Block = Heading | Paragraph | Warnings | Table | Picture


def as_markdown(blocks: Sequence[Block], pictures: str) -> str:
    """Blocks as Markdown; `pictures` is the path to the folder with the pictures, with a slash at its end."""
    return "\n\n".join(_markdown(block, pictures) for block in blocks) + "\n"


def _markdown(block: Block, pictures: str) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {_plain(text)}"
        case Paragraph(text):
            return _spans(text)
        case Warnings(texts):
            return "\n>\n".join(f"> **Attention:** {_plain(text)}" for text in texts)
        case Table(header, rows, words):
            rule = ["---" if n == 0 or n in words else "--:" for n in range(len(header))]
            lines = [[_plain(cell) for cell in header], rule, *([_spans(cell) for cell in row] for row in rows)]
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)
        case Picture(file, about):
            return f"![{_plain(about)}]({pictures}{file})"


def _spans(text: Text) -> str:
    return "".join(_span(part) for part in ((text,) if isinstance(text, str) else text))


def _span(part: str) -> str:
    if isinstance(part, Code) and part and not set("`|\n") & set(part):
        return f"`{part}`"
    return f"**{_plain(part)}**" if isinstance(part, Strong) else _plain(part)


def _plain(text: str) -> str:
    line = " ".join(text.splitlines())
    for what, escaped in _ESCAPES:
        line = what.sub(escaped, line)
    return line


def as_html(title: str, blocks: Sequence[Block], pictures: Mapping[str, bytes]) -> str:
    """Blocks as one HTML file that needs nothing besides: pictures and style are in it, and it has no scripts."""
    body = "\n".join(_html(block, pictures) for block in blocks)
    links = "\n".join(
        f'<a href="#{_anchor(block.text)}">{html.escape(block.text)}</a>'
        for block in blocks if isinstance(block, Heading) and block.level == 2
    )  # fmt: skip
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n<nav>\n{links}\n</nav>\n"
        f"<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _html(block: Block, pictures: Mapping[str, bytes]) -> str:
    match block:
        case Heading(level, text):
            return f'<h{level} id="{_anchor(text)}">{html.escape(text)}</h{level}>'
        case Paragraph(text):
            return f"<p>{_html_spans(text)}</p>"
        case Warnings(texts):
            lines = "".join(f"<p><strong>Attention:</strong> {html.escape(text)}</p>" for text in texts)
            return f'<div class="attention" role="alert">{lines}</div>'
        case Table():
            return "\n".join(_html_table(block))
        case Picture(file, about):
            kind, data = ("png" if file.endswith(".png") else "jpeg"), b64encode(pictures[file]).decode()
            return f'<img alt="{html.escape(about)}" src="data:image/{kind};base64,{data}">'


def _html_table(table: Table) -> Iterator[str]:
    kinds = ["" if n == 0 or n in table.words else ' class="figure"' for n in range(len(table.header))]
    yield '<div class="table"><table>'
    cells = "".join(f"<th{k}>{html.escape(cell)}</th>" for k, cell in zip(kinds, table.header, strict=True))
    yield f"<thead><tr>{cells}</tr></thead>\n<tbody>"
    for row in table.rows:
        cells = "".join(f"<td{k}>{_html_spans(cell)}</td>" for k, cell in zip(kinds, row, strict=True))
        yield f"<tr>{cells}</tr>"
    yield "</tbody></table></div>"


def _html_spans(text: Text) -> str:
    tags = {Code: "code", Strong: "strong"}
    found = []
    for part in (text,) if isinstance(text, str) else text:
        tag = tags.get(type(part))
        found.append(f"<{tag}>{html.escape(part)}</{tag}>" if tag else html.escape(part))
    return "".join(found)


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


_STYLE = """\
:root { --ink: #22262c; --paper: #ffffff; --faint: #666c76; --line: #e1e4e9; --shade: #f4f5f7; --alarm: #b42318;
  --alarm-shade: #fdecea; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ec; --paper: #16181c; --faint: #a0a6b0; --line: #33373e; --shade: #202328; --alarm: #ff9a8f;
    --alarm-shade: #3a1c19; }
}
body { margin: 0; color: var(--ink); background: var(--paper); font: 16px/1.5 system-ui, sans-serif; }
main, nav { max-width: 72rem; margin: 0 auto; padding: 0 1.25rem; }
main { padding-bottom: 4rem; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding-top: 1rem; font-size: .9rem; }
a { color: inherit; }
h1 { font-size: 1.8rem; } h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); } h3 { margin-top: 2rem; }
p { max-width: 48rem; }
.attention { border-left: 4px solid var(--alarm); background: var(--alarm-shade); padding: .25rem 1rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .75rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--faint); font-weight: 600; border-bottom-width: 2px; }
.figure { text-align: right; white-space: nowrap; }
tbody tr:hover { background: var(--shade); }
code { font: .92em ui-monospace, monospace; background: var(--shade); padding: .05em .3em; border-radius: 3px; }
img { max-width: 100%; height: auto; background: #ffffff; border-radius: 4px; margin: .5rem 0; }
"""
