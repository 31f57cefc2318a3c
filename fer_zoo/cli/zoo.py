"""`fer-zoo models`, `components`, `info`: list and describe what can be created."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from typing import Any

from fer_zoo.cli.arguments import picked
from fer_zoo.cli.text import print_table
from fer_zoo.cli.usage import Parser
from fer_zoo.errors import UnknownNameError
from fer_zoo.registry import BACKBONES, REGISTRIES, Entry, Registry

_ALL_MODELS = "`fer-zoo models` lists those of the zoo, `fer-zoo components backbone 'timm/*'` the backbones of timm"


def add(top: Parser) -> None:
    """Add the commands `models`, `components` and `info`."""
    option = top.command("models", "list models", _models).add_argument
    option("pattern", nargs="?", default="*", metavar="PATTERN", help="e.g. '*lstm*' or 'timm/resnet18_*'")
    option("--pretrained", action="store_true", help="list trained weights (MODEL.TAG)")
    exclude = "exclude models that match; repeatable"
    option("--exclude", action="append", default=[], metavar="PATTERN", help=exclude)
    option("--family", metavar="NAME", help="only models with backbones of this family, e.g. timm")

    option = top.command("components", "list backbones, temporal heads, fusions and more", _components).add_argument
    option("kind", nargs="?", metavar="KIND", help=f"{', '.join(REGISTRIES)}; default: all")
    option("pattern", nargs="?", metavar="PATTERN", help="wildcard pattern, e.g. 'lm*' or 'timm/*net*'")

    info = top.command("info", "show a model's parameters, GMACs, input, labels and weights", _info)
    info.add_argument("model", metavar="MODEL", help="MODEL or MODEL.TAG")


def _models(arguments: Namespace) -> None:
    from fer_zoo import list_models

    pattern, pretrained = arguments.pattern, arguments.pretrained
    names = list_models(pattern, **picked(arguments, "pretrained", "exclude", "family"))
    if not names:
        which = "with weights " if pretrained else ""
        but = f" excluding {', '.join(map(repr, arguments.exclude))}" if arguments.exclude else ""
        families = "".join(f", or '{prefix}/NAME_*' for models of {prefix}" for prefix in BACKBONES.families())
        raise UnknownNameError(
            f"No model {which}matches {pattern!r}{but}.",
            f"a pattern such as '*lstm*'{families}",
            "`fer-zoo models --pretrained` lists all" if pretrained else _ALL_MODELS,
        )
    print("\n".join(names))


def _components(arguments: Namespace) -> None:
    from fer_zoo import list_components, plugins

    kind, pattern = arguments.kind, arguments.pattern
    if kind not in REGISTRIES and pattern is None and _is_pattern(kind):
        kind, pattern = None, kind
    kinds: list[Any] = list(REGISTRIES) if kind is None else [kind]  # list_components rejects unknown kinds
    found = {kind: list_components(kind, pattern or "*") for kind in kinds}
    for plugin in plugins.broken():
        print(plugin, file=sys.stderr)
    if not any(found.values()):
        raise UnknownNameError(
            f"No {kind or 'component'} matches {pattern!r}.",
            "a pattern such as 'lm*', of a family's members such as 'timm/resnet*'",
            "`fer-zoo components` lists all",
        )
    print_table([(kind, *row) for kind, names in found.items() for row in _described(REGISTRIES[kind], names)])


def _is_pattern(text: str | None) -> bool:
    """Return whether the argument KIND is in fact a name or pattern of components."""
    return text is not None and (any(mark in text for mark in "*?[/") or any(text in r for r in REGISTRIES.values()))


def _described(registry: Registry, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield names with summaries; the members of a family share one, which is given once, with the family."""
    entries, described = registry.snapshot(), set()
    for name in names:
        if name in entries:
            yield name, _with_terms(entries[name])
            continue
        family = entries[name.partition("/")[0] + "/"]
        if family.name not in described:
            yield family.name, family.summary
            described.add(family.name)
        if name != family.name:
            yield name, ""


def _with_terms(entry: Entry) -> str:
    """Return the summary of a component; for a dataset also whether its terms let trained weights be shared."""
    verdict = str(entry.defaults.get("share_weights", "")).partition(" ")[0].rstrip(":,;")
    return f"{entry.summary} [sharing weights: {verdict}]" if verdict else entry.summary


def _info(arguments: Namespace) -> None:
    from fer_zoo import model_info
    from fer_zoo.names import parse_name, split_tag

    parse_name(split_tag(arguments.model)[0])  # an unknown model is a clearer error than missing weights
    print(model_info(arguments.model))
