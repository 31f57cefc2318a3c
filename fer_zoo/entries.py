"""What a registry keeps about one factory: its signature read as a schema, and the facts stated at registration."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, get_type_hints

from fer_zoo.errors import OptionError


@dataclass(frozen=True)
class Entry:
    """One registered factory: its name, what is injected, what a recipe may set, and facts the composer reads.

    Of a family, all names `PREFIX/MEMBER`, `members` lists the members and `member_facts` gives the facts of one; the
    factory's first positional parameter is the member. `resolve` (member, options, with published weights) gives
    options that need nothing from outside, e.g. a config in place of a name on the Hub.
    """

    kind: str
    name: str
    factory: Callable[..., Any]
    injected: tuple[str, ...]
    options: Mapping[str, inspect.Parameter]
    types: Mapping[str, Any]
    defaults: Mapping[str, Any]
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


@dataclass(frozen=True)
class Schema:
    """What may be registered under one kind.

    injectable: names of the values that the composer can inject. facts: called at a registration, so that the types are
    not imported before; None where anything may be stated.
    """

    kind: str
    injectable: tuple[str, ...]
    facts: Callable[[], Facts] | None

    def entry(self, name: str, factory: Callable[..., Any], facts: Mapping[str, Any], *, skip: int = 0) -> Entry:
        """Read a factory's signature, without its first `skip` parameters, and check it and its facts.

        Raises:
            OptionError: the signature is no schema, or a fact is unknown, missing or has the wrong type.
        """
        parameters = inspect.signature(factory).parameters
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters.values()):
            raise OptionError(
                f"{self.kind} {name!r} takes *args or **kwargs.",
                "named parameters only: the signature is the recipe schema",
                "name each parameter; a class needs its own `__init__`",
            )
        injected = tuple(key for key, p in parameters.items() if p.kind is not p.KEYWORD_ONLY)[skip:]
        if unknown := [key for key in injected if key not in self.injectable]:
            raise OptionError(
                f"{self.kind} {name!r} has the positional parameter {unknown[0]!r}, which is never injected.",
                f"positional: {listed(self.injectable)}; options: keyword-only parameters, after a `*`",
                "rename it, or make it keyword-only",
            )
        options = {key: p for key, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
        types = self._types(name, factory, options)
        self._check_facts(name, facts)
        return Entry(self.kind, name, factory, injected, options, types, dict(facts))

    def _types(
        self, name: str, factory: Callable[..., Any], options: Mapping[str, inspect.Parameter]
    ) -> dict[str, Any]:
        """Types of the options, of which each default must be a valid value."""
        from pydantic import PydanticUserError

        try:
            hints = get_type_hints(factory.__init__ if inspect.isclass(factory) else factory, include_extras=True)
        except NameError as error:
            raise self.error(
                name, f"an annotation cannot be resolved: {error}", "import the name at module level"
            ) from error
        types = {key: hints.get(key, Any) for key in options}
        for key, p in options.items():
            try:
                reason = type_problem(types[key], None if p.default is p.empty else p.default)
            except PydanticUserError as error:
                raise self.error(
                    name, f"option {key!r} has a type that no recipe can state", "use plain types"
                ) from error
            if reason and p.default is not p.empty:
                raise self.error(name, f"the default {p.default!r} of option {key!r} is wrong: {reason}", "correct it")
        return types

    def _check_facts(self, name: str, facts: Mapping[str, Any]) -> None:
        if self.facts is None:
            return
        types, required = self.facts()
        for key, value in facts.items():
            if key not in types:
                problem = f"there is no fact {key!r}{did_you_mean(key, types)}"
                raise self.error(name, problem, f"state only {listed(types)}")
            if reason := type_problem(types[key], value):
                raise self.error(name, f"{key}={value!r} is wrong: {reason}", f"correct {key}")
        if missing := [key for key in required if key not in facts]:
            do = f"register_{self.kind}({name!r}, {missing[0]}=...)"
            raise self.error(name, f"it does not state {listed(missing)}", do)

    def error(self, name: str, problem: str, do: str) -> OptionError:
        """The error for a factory that cannot be registered."""
        accepted = "a factory whose signature and facts a recipe and the composer can read"
        return OptionError(f"{self.kind} {name!r} cannot be registered: {problem}.", accepted, do)


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
