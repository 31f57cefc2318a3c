"""What a registry keeps about one factory: its signature as a schema, and the facts stated at registration."""

from __future__ import annotations

import ast
import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from fer_zoo.errors import OptionError


@dataclass(frozen=True)
class Outline:
    """What determines which components fit together: a name, what is injected, and facts stated at registration."""

    name: str
    injected: tuple[str, ...]
    defaults: Mapping[str, Any]


@dataclass(frozen=True)
class Entry(Outline):
    """One registered factory: its name, what is injected, what a recipe may set, and facts the composer reads.

    Of a family, all names `PREFIX/MEMBER`, `members` lists the members and `member_facts` gives the facts of one; the
    factory's first positional parameter is the member. `resolve` (member, options, with published weights) gives
    options that need nothing from outside, e.g. a config in place of a name on the Hub.
    """

    kind: str
    factory: Callable[..., Any]
    options: Mapping[str, inspect.Parameter]
    types: Mapping[str, Any]
    members: Callable[[], Sequence[str]] = lambda: ()
    member_facts: Callable[[str], Mapping[str, Any]] = lambda member: {}
    resolve: Callable[[str, Mapping[str, Any], bool], Mapping[str, Any]] = lambda member, options, weights: options

    def member(self, prefix: str, member: str) -> Entry:
        """Return the entry of one member of a family, with the facts that hold for it."""
        factory = functools.partial(self.factory, member)
        functools.update_wrapper(factory, self.factory)
        facts = {**self.defaults, **self.member_facts(member)}
        return replace(self, name=f"{prefix}/{member}", factory=factory, defaults=facts)

    @property
    def summary(self) -> str:
        """First line of the factory's docstring."""
        return (inspect.getdoc(self.factory) or "").split("\n")[0]

    @property
    def module(self) -> str:
        """Module in which the factory is defined."""
        return str(self.factory.__module__)

    def resolved(self, options: Mapping[str, Any], *, weights: bool = False) -> Mapping[str, Any]:
        """Return options that build the same component anywhere; those of most components do.

        Args:
            weights: published weights will be loaded, which the options must identify too.

        Raises:
            OptionError: an option is unknown or has the wrong type.
        """
        self.check(options)
        return self.resolve(self.name.partition("/")[2], options, weights)

    def problems(self, options: Mapping[str, Any]) -> list[str]:
        """Every way in which `options` does not fit the factory's keyword-only parameters; empty if it fits."""
        found = []
        for key, value in options.items():
            if key not in self.options:
                hint = did_you_mean(key, self.options)
                found.append(f"{key}: unknown option of {self.kind} {self.name!r}{hint}; it has {listed(self.options)}")
            elif reason := type_problem(self.types[key], value):
                found.append(f"{key}: {value!r} is wrong for {self.kind} {self.name!r}: {reason}")
        required = (name for name, parameter in self.options.items() if parameter.default is inspect.Parameter.empty)
        missing = [name for name in required if name not in options]
        return found + [f"{name}: required option of {self.kind} {self.name!r} is missing" for name in missing]

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise OptionError unless `options` fits the factory's keyword-only parameters."""
        if problems := self.problems(options):
            raise OptionError("; ".join(problems), listed(self.options), "correct the options named above")

    def build(self, *, options: Mapping[str, Any], **offered: Any) -> Any:
        """Call the factory with checked options and with those of the `offered` values that it takes.

        Raises:
            OptionError: an option is unknown or has the wrong type.
        """
        self.check(options)
        return self.factory(*(offered[name] for name in self.injected), **options)


class Facts(NamedTuple):
    """What may be stated when a component is registered, with its type, and what must be."""

    types: Mapping[str, Any]
    required: Sequence[str] = ()


@functools.cache
def outlines(package: str, kind: str) -> tuple[Outline, ...]:
    """Components that the modules of a package register with `@register_KIND(NAME, FACT=...)`, sorted by name.

    They are read from the source, so that listing models does not import torch. A fact whose value is no literal is
    left out; `injected` is that of a function, since a class may inherit its `__init__`.
    """
    folder = Path(__file__).parent.joinpath(*package.split(".")[1:])
    nodes = [node for path in folder.glob("*.py") for node in ast.parse(path.read_text(encoding="utf-8")).body]
    found = []
    for node in nodes:
        for call in getattr(node, "decorator_list", ()):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == f"register_{kind}":
                injected = tuple(a.arg for a in node.args.args) if isinstance(node, ast.FunctionDef) else ()
                found.append(Outline(ast.literal_eval(call.args[0]), injected, dict(_literals(call.keywords))))
    return tuple(sorted(found, key=lambda outline: outline.name))


def _literals(keywords: Iterable[ast.keyword]) -> Iterator[tuple[str, Any]]:
    for keyword in keywords:
        with suppress(ValueError):
            if keyword.arg:
                yield keyword.arg, ast.literal_eval(keyword.value)


def type_problem(kind: Any, value: Any) -> str | None:
    """Why a value does not have a type; None if it does. Strict: `pool: 1` is not "1", nor `bidirectional: 2` True."""
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    try:
        TypeAdapter(kind, config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError as error:
        return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
    return None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint in brackets that names the closest match, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def listed(names: Iterable[str]) -> str:
    """Names with commas between them, at most twelve."""
    names = list(names)
    shown = ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
    return shown or "nothing"
