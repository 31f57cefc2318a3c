"""`fer-zoo models`, `components`, `info`: what there is to create."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from fer_zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs
    from fer_zoo.registry import Registry


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verbs `models`, `components` and `info`."""
    models = verbs.add_parser("models", parents=[common], help="list models")
    models.add_argument("pattern", nargs="?", default="*", metavar="PATTERN", help="with * and ?, e.g. '*lstm*'")
    models.add_argument("--pretrained", action="store_true", help="only those that have weights, as model.tag")
    models.add_argument("--exclude", action="append", default=[], metavar="PATTERN", help="leave these out; repeatable")
    models.add_argument("--family", metavar="NAME", help="the models of one family of backbones, e.g. timm")
    models.set_defaults(verb=_models)

    components = verbs.add_parser("components", parents=[common], help="list backbones, temporal heads, fusions, ...")
    components.add_argument("kind", nargs="?", metavar="KIND", help="backbone, temporal, fusion, landmarker or dataset")
    components.add_argument(
        "pattern", nargs="?", default="*", metavar="PATTERN", help="with * and ?, e.g. 'timm/*net*'"
    )
    components.set_defaults(verb=_components)

    info = verbs.add_parser("info", parents=[common], help="print a model's parameters, GMAC, input, labels, weights")
    info.add_argument("model", metavar="MODEL", help="a name, or model.tag")
    info.set_defaults(verb=_info)


def _models(arguments: argparse.Namespace) -> None:
    from fer_zoo import list_models

    pattern, pretrained, exclude = arguments.pattern, arguments.pretrained, arguments.exclude
    names = list_models(pattern, pretrained=pretrained, exclude=exclude, family=arguments.family)
    if not names:
        which = "with weights " if pretrained else ""
        but = f" without {', '.join(map(repr, exclude))}" if exclude else ""
        raise UnknownNameError(
            f"No model {which}matches {pattern!r}{but}.", "a pattern such as '*lstm*'", "`fer-zoo models` lists all"
        )
    print("\n".join(names))


def _components(arguments: argparse.Namespace) -> None:
    from fer_zoo import list_components, plugins
    from fer_zoo.registry import REGISTRIES

    kinds = list(REGISTRIES) if arguments.kind is None else [arguments.kind]
    found = [(kind, name) for kind in kinds for name in list_components(kind, arguments.pattern)]
    for plugin in plugins.broken():
        print(plugin, file=sys.stderr)
    if not found:
        raise UnknownNameError(
            f"No {' or '.join(kinds)} matches {arguments.pattern!r}.",
            "a pattern such as 'lm*'",
            "`fer-zoo components` lists all",
        )
    width = max(len(name) for _, name in found)
    for kind, name in found:
        print(f"{kind:<10}  {name:<{width}}  {_summary(REGISTRIES[kind], name)}")


def _summary(registry: Registry, name: str) -> str:
    entries, families = registry.snapshot()
    # The members of a family share its factory.
    entry = entries[name] if name in entries else families[name.partition("/")[0]].entry
    return entry.summary


def _info(arguments: argparse.Namespace) -> None:
    from fer_zoo import model_info, weights
    from fer_zoo.factory import split_tag

    architecture, tag = split_tag(arguments.model)
    print(model_info(weights.read_folder(weights.find(architecture, tag)).spec if tag else architecture))
