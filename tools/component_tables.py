"""Tables of the registered components for the docs, from the registry and `model_info`; no figure is typed.

A page holds a table between two comments, `<!-- generated: NAME ... -->` and `<!-- end of generated -->`.
`python tools/model_zoo.py` writes them anew.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fer_zoo
from fer_zoo.compatibility import fusions_for
from fer_zoo.info import ModelInfo
from fer_zoo.registry import BACKBONES, DATASETS, FUSIONS, LANDMARKERS, TEMPORALS, Entry, Registry

BLOCK = re.compile(r"(<!-- generated: ([\w-]+)[^>]*-->\n).*?(<!-- end of generated -->)", re.DOTALL)
# Facts that only the composer reads; the others a registration states are defaults of options.
_NO_OPTIONS = ("sites", "site", "frame_wise")
PAGES = {
    "backbone": ("Backbones", "backbones.md"),
    "temporal": ("Temporal heads", "temporal.md"),
    "fusion": ("Landmark fusions", "fusions.md"),
    "landmarker": ("Landmarkers", "landmarkers.md"),
}


def written(page: str) -> str:
    """The text of a page with each of its generated tables as it is now."""
    return BLOCK.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", page)


def rewrite(folder: Path) -> None:
    """Write the generated tables of all pages of a folder anew."""
    for path in sorted(folder.glob("*.md")):
        old = path.read_text(encoding="utf-8")
        if (new := written(old)) != old:
            path.write_text(new, encoding="utf-8")


def parts_section() -> str:
    """How many parts of each kind there are, and how many networks they make."""
    rows = []
    for registry in (BACKBONES, TEMPORALS, FUSIONS, LANDMARKERS):
        title, page = PAGES[registry.kind]
        names = [f"`{entry.name}`" for entry in entries(registry)]
        families = [f"`{family}/NAME`" for family in registry.families()]
        rows.append([f"[{title}]({page})", str(len(names)), ", ".join(names + families)])
    backbones = entries(BACKBONES)
    networks = len(entries(TEMPORALS)) * sum(len(fusions_of(entry)) for entry in backbones)
    return f"""
## Parts

{table(["kind", "number", "names"], rows)}

They make {networks} networks, `<backbone>_<temporal>[_<fusion>]`; `fer_zoo.list_models()` lists them, and
`fer_zoo.model_info(NAME)` gives the figures of one. Those of `timm/NAME` come on top.
"""


def backbone_figures() -> str:
    """Parameters, GMAC, clip and features of every backbone, with the defaults of its registration."""
    rows = []
    for entry in entries(BACKBONES):
        info = figures(entry.name)
        clip = f"{info.input.frames} x {info.input.size} x {info.input.size}, {info.input.fps:g}/s"
        sites = ", ".join(sorted(entry.defaults["sites"]))
        features = " x ".join(map(str, info.features))
        rows.append(
            [
                f"`{entry.name}`",
                f"{info.parameters_of['backbone'] / 1e6:.2f}",
                f"{info.gmac:.2f}",
                clip,
                features,
                sites,
            ]
        )
    return table(["backbone", "parameters, M", "GMAC", "clip", "features", "sites for a fusion"], rows)


def components(registry: Registry) -> str:
    """Name, meaning and options of every component of a kind."""
    rows = [[f"`{entry.name}`", entry.summary, options(entry)] for entry in described(registry)]
    return table([registry.kind, "what it is", "options, with their defaults"], rows)


def backbone_defaults() -> str:
    """What a backbone changes of the defaults of the model and of the other parts."""
    rows = []
    for entry in entries(BACKBONES):
        suited = {key: value for key, value in entry.defaults.items() if key not in _NO_OPTIONS}
        rows.append([f"`{entry.name}`", ", ".join(f"`{key}={_literal(value)}`" for key, value in suited.items())])
    return table(["backbone", "what `create_model` takes unless you say otherwise"], rows)


def fusion_sites() -> str:
    """Site of every fusion, and the backbones that cannot take it."""
    rows = []
    for entry in entries(FUSIONS):
        refused = [f"`{b.name}`" for b in entries(BACKBONES) if entry.name not in fusions_of(b)]
        rows.append([f"`{entry.name}`", entry.defaults["site"], ", ".join(refused) or "none"])
    return table(["fusion", "site", "backbones that refuse it"], rows)


def terms() -> str:
    """Who may use each dataset, and whether weights trained on it may be shared."""
    heads = ["dataset", "licence", "who may use it", "terms", "may weights be shared", "source, and when it was read"]
    keys = ("licence", "may_use", "terms", "share_weights", "terms_source")
    return table(heads, [[f"`{entry.name}`", *(entry.defaults[key] for key in keys)] for entry in entries(DATASETS)])


def unknown_terms() -> str:
    """What is not known of the terms of each dataset."""
    asked = {"licence": "the licence", "may_use": "who may use it", "share_weights": "whether weights may be shared"}
    rows = []
    for entry in entries(DATASETS):
        if lacking := [what for key, what in asked.items() if entry.defaults[key].startswith("unknown")]:
            rows.append([f"`{entry.name}`", ", ".join(lacking)])
    return table(["dataset", "unknown"], rows)


TABLES: Mapping[str, Callable[[], str]] = {
    "backbone-figures": backbone_figures,
    "backbone-defaults": backbone_defaults,
    "backbones": lambda: components(BACKBONES),
    "temporal-heads": lambda: components(TEMPORALS),
    "fusions": lambda: components(FUSIONS),
    "fusion-sites": fusion_sites,
    "landmarkers": lambda: components(LANDMARKERS),
    "terms": terms,
    "terms-unknown": unknown_terms,
}


def entries(registry: Registry) -> list[Entry]:
    """The built-in components of a kind: a plug-in on this machine is no part of the docs."""
    found = (registry.get(name) for name in registry.names())
    return [entry for entry in found if entry.module.startswith("fer_zoo.")]


def described(registry: Registry) -> list[Entry]:
    """The built-in components and families of a kind."""
    _, families = registry.snapshot()
    return entries(registry) + [family.entry for family in families.values()]


def fusions_of(backbone: Entry) -> list[str]:
    """The built-in fusions that a backbone can take."""
    return [name for name in fusions_for(backbone) if FUSIONS.get(name).module.startswith("fer_zoo.")]


@functools.cache
def figures(backbone: str) -> ModelInfo:
    """Figures of the smallest network with a backbone: its head and classifier add next to nothing."""
    return fer_zoo.model_info(f"{backbone}_mean", pool="mean", head_norm="none")


def options(entry: Entry) -> str:
    """Each option of a component with its default."""
    told = (f"`{name}={_literal(parameter.default)}`" for name, parameter in entry.options.items())
    return ", ".join(told) or "none"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _literal(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str) else str(value)
