"""Write docs/llms.txt, the site's pages for language models (llmstxt.org): python tools/llms_txt.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "llms.txt"


def page() -> str:
    """Return the text: per section of the navigation the pages, each with its first sentence."""
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    lines = [f"# {site['site_name']}", "", f"> {site['site_description']}", ""]
    for section in site["nav"]:
        ((title, entries),) = section.items()
        lines += [f"## {title}", "", *_pages(entries), ""]
    return "\n".join(lines)


def _pages(entries: list[dict[str, object]]) -> Iterator[str]:
    for entry in entries:
        ((title, value),) = entry.items()
        if isinstance(value, list):
            yield from _pages(value)
        else:
            yield f"- [{title}]({value}): {_first_sentence(ROOT / 'docs' / str(value))}"


def _first_sentence(path: Path) -> str:
    blocks = (block for block in re.split(r"\n\s*\n|```.*?```", path.read_text(), flags=re.S) if block)
    prose = next(block for block in map(str.strip, blocks) if re.match(r"[A-Za-z`\[]|\*\*", block))
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", " ".join(prose.split()))
    return re.split(r"(?<=[.:])\s", plain.replace("**", ""))[0].rstrip(":")


if __name__ == "__main__":
    PAGE.write_text(page())
