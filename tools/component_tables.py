"""Tables of the registered components in the docs, generated from the registry and `model_info`.

A table is between the comments `<!-- generated: NAME ... -->` and `<!-- end of generated -->` of a page.
`python tools/model_zoo.py` updates them.
"""

from __future__ import annotations

import csv
import functools
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fer_zoo
from fer_zoo.info import ModelInfo
from fer_zoo.names import fusions_for
from fer_zoo.registry import BACKBONES, DATASETS, FUSIONS, LANDMARKERS, TEMPORALS, Entry, Registry

BLOCK = re.compile(r"(<!-- generated: ([\w-]+)[^>]*-->\n).*?(<!-- end of generated -->)", re.DOTALL)
# Facts of a registration that are not defaults of options.
_NO_OPTIONS = ("sites", "site", "frame_wise")
PAGES = {
    "backbone": ("Backbones", "backbones.md"),
    "temporal": ("Temporal heads", "temporal.md"),
    "fusion": ("Landmark fusions", "fusions.md"),
    "landmarker": ("Landmarkers", "landmarkers.md"),
}


def written(page: str) -> str:
    """Return a page with its generated tables updated."""
    return BLOCK.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", page)


def rewrite(folder: Path) -> None:
    """Update the generated tables of all pages in a folder."""
    for path in sorted(folder.glob("*.md")):
        old = path.read_text(encoding="utf-8")
        if (new := written(old)) != old:
            path.write_text(new, encoding="utf-8")


def parts_section() -> str:
    """Return the section with the number of parts of each kind and of their combinations."""
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

They can be combined into {networks} networks, `<backbone>_<temporal>[_<fusion>]`, not counting those with
`timm/NAME` and `transformers/NAME` backbones.
`fer_zoo.list_models()` lists them, and `fer_zoo.model_info(NAME)` summarises one.
"""


def backbone_figures() -> str:
    """Return parameters, GMAC, clip and features of every backbone, with its default options."""
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
    """Return name, description and options of every component of a kind."""
    rows = [[f"`{entry.name}`", entry.summary, options(entry)] for entry in described(registry)]
    return table([registry.kind, "description", "options and defaults"], rows)


def backbone_defaults() -> str:
    """Return the defaults that each backbone sets for the model and the other parts."""
    rows = []
    for entry in entries(BACKBONES):
        defaults = {key: value for key, value in entry.defaults.items() if key not in _NO_OPTIONS}
        rows.append([f"`{entry.name}`", ", ".join(f"`{key}={_literal(value)}`" for key, value in defaults.items())])
    return table(["backbone", "defaults of `create_model`"], rows)


def fusion_sites() -> str:
    """Return the site of every fusion, and the backbones that do not support it."""
    rows = []
    for entry in entries(FUSIONS):
        unsupported = [f"`{b.name}`" for b in entries(BACKBONES) if entry.name not in fusions_of(b)]
        rows.append([f"`{entry.name}`", entry.defaults["site"], ", ".join(unsupported) or "none"])
    return table(["fusion", "site", "backbones that do not support it"], rows)


def terms() -> str:
    """Return who may use each dataset, and whether weights trained on it may be shared."""
    heads = ["dataset", "licence", "who may use it", "terms", "may weights be shared", "source, and when it was read"]
    keys = ("licence", "may_use", "terms", "share_weights", "terms_source")
    return table(heads, [[f"`{entry.name}`", *(entry.defaults[key] for key in keys)] for entry in entries(DATASETS)])


def unknown_terms() -> str:
    """Return the unknown terms of each dataset."""
    asked = {"licence": "the licence", "may_use": "who may use it", "share_weights": "whether weights may be shared"}
    rows = []
    for entry in entries(DATASETS):
        if lacking := [what for key, what in asked.items() if entry.defaults[key].startswith("unknown")]:
            rows.append([f"`{entry.name}`", ", ".join(lacking)])
    return table(["dataset", "unknown"], rows)


def exports() -> str:
    """Return which components can be exported, and why others cannot; one row for those of a kind that all can."""
    rows, lines = _csv("exports.csv"), []
    for kind in dict.fromkeys(row["kind"] for row in rows):
        own = [row for row in rows if row["kind"] == kind]
        good = [f"`{row['component']}`" for row in own if row["onnx"] == row["openvino"] == "yes"]
        bad = [row for row in own if f"`{row['component']}`" not in good]
        lines += [[kind, ", ".join(good), "yes", "yes"]] if good else []
        lines += [[kind, f"`{row['component']}`", row["onnx"], row["openvino"]] for row in bad]
    return table(["kind", "component", "ONNX, torch.export", "OpenVINO"], lines)


def benchmarks() -> str:
    """Return the measured speeds, with machine and commit."""
    rows = _csv("speed.csv")
    if not rows:
        return "No results are kept yet."
    heads = ["network", "variant", "batch", "clips/s", "GFLOP/s", "share of matmul", "speed-up", "peak MiB"]
    keys = ("name", "variant", "batch", "clips_per_s", "gflop_per_s", "matmul_share", "speed_up", "peak_mib")
    machines = dict.fromkeys(
        f"{row['machine']}, {row['threads']} thread{'s' * (row['threads'] != '1')}, {row['clock']} time; "
        f"{row['versions']}; commit `{row['commit'][:12]}`, {row['date']}."
        for row in rows
    )
    return "\n".join(machines) + "\n\n" + table(heads, [[row[key] for key in keys] for row in rows])


def _csv(name: str) -> list[dict[str, str]]:
    path = Path(__file__).parent.parent / "benchmarks" / name
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []


TABLES: Mapping[str, Callable[[], str]] = {
    "backbone-figures": backbone_figures,
    "backbone-defaults": backbone_defaults,
    "backbones": lambda: components(BACKBONES),
    "temporal-heads": lambda: components(TEMPORALS),
    "fusions": lambda: components(FUSIONS),
    "fusion-sites": fusion_sites,
    "landmarkers": lambda: components(LANDMARKERS),
    "exports": exports,
    "benchmarks": benchmarks,
    "terms": terms,
    "terms-unknown": unknown_terms,
}


def entries(registry: Registry) -> list[Entry]:
    """Return the built-in components of a kind, without installed plug-ins."""
    found = (registry.get(name) for name in registry.names())
    return [entry for entry in found if entry.module.startswith("fer_zoo.")]


def described(registry: Registry) -> list[Entry]:
    """Return the built-in components and families of a kind."""
    table = registry.snapshot()
    return entries(registry) + [table[f"{family}/"] for family in registry.families()]


def fusions_of(backbone: Entry) -> list[str]:
    """Return the built-in fusions that a backbone supports."""
    return [name for name in fusions_for(backbone) if FUSIONS.get(name).module.startswith("fer_zoo.")]


@functools.cache
def figures(backbone: str) -> ModelInfo:
    """Return the summary of the smallest network with a backbone; its head and classifier are negligible."""
    return fer_zoo.model_info(f"{backbone}_mean", pool="mean", head_norm="none")


def options(entry: Entry) -> str:
    """Return the options of a component with their defaults."""
    shown = (f"`{name}={_literal(parameter.default)}`" for name, parameter in entry.options.items())
    return ", ".join(shown) or "none"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _literal(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str) else str(value)
