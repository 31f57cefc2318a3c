"""Registries: names to factories, with the factory's signature as schema.

A factory's positional parameters are injected by the composer, by name; its keyword-only parameters are what a recipe
may say.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, get_type_hints

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from fer_zoo.errors import DuplicateNameError, OptionError, UnknownNameError
from fer_zoo.specs import TERMS, FusionSite, WeightsCard

F = TypeVar("F", bound=Callable[..., Any])
# Parts of model names: neither `/` (a family's), `.` (a tag's) nor anything that a shell or a folder could mind.
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Entry:
    """One registered factory: its name, what is injected, what a recipe may set, and facts the composer reads."""

    kind: str
    name: str
    factory: Callable[..., Any]
    injected: tuple[str, ...]
    options: Mapping[str, inspect.Parameter]
    types: Mapping[str, Any]
    defaults: Mapping[str, Any]

    @property
    def summary(self) -> str:
        """First line of the factory's docstring."""
        return (inspect.getdoc(self.factory) or "").split("\n")[0]

    @property
    def module(self) -> str:
        """Where the factory is written."""
        return str(self.factory.__module__)

    def problems(self, options: Mapping[str, Any]) -> list[str]:
        """Every way in which `options` does not fit the factory's keyword-only parameters; empty if it fits."""
        found = []
        for key, value in options.items():
            if key not in self.options:
                close = difflib.get_close_matches(key, self.options, n=1)
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                found.append(
                    f"{key}: unknown option of {self.kind} {self.name!r}{hint}; it has {_listed(self.options)}"
                )
                continue
            if reason := _misfit(self.types[key], value):
                found.append(f"{key}: {value!r} is wrong for {self.kind} {self.name!r}: {reason}")
        missing = [
            name
            for name, parameter in self.options.items()
            if parameter.default is inspect.Parameter.empty and name not in options
        ]
        return found + [f"{name}: required option of {self.kind} {self.name!r} is missing" for name in missing]

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise OptionError unless `options` fits the factory's keyword-only parameters."""
        if problems := self.problems(options):
            raise OptionError("; ".join(problems), _listed(self.options), "correct the options named above")

    def build(self, *, options: Mapping[str, Any], **offered: Any) -> Any:
        """Call the factory with checked options and with those of the `offered` values that it takes.

        Raises:
            OptionError: an option is unknown or of the wrong type.
        """
        self.check(options)
        return self.factory(*(offered[name] for name in self.injected), **options)


@dataclass(frozen=True)
class Family:
    """Names `prefix/MEMBER` that share one factory, whose first positional parameter is the member's name."""

    prefix: str
    entry: Entry
    members: Callable[[], Sequence[str]]
    defaults: Callable[[str], Mapping[str, Any]]

    def get(self, member: str) -> Entry:
        """Return the entry of a member, with the facts that hold for it."""
        factory = functools.partial(self.entry.factory, member)
        functools.update_wrapper(factory, self.entry.factory)
        return replace(
            self.entry,
            name=f"{self.prefix}/{member}",
            factory=factory,
            defaults={**self.entry.defaults, **self.defaults(member)},
        )


class Registry:
    """A table of named factories of one kind (backbone, temporal head, ...).

    Args:
        injectable: names of the values that the composer can inject into a factory of this kind.
        facts: what may be stated at registration, and its type; anything if None.
        required: facts that must be stated.
    """

    def __init__(
        self,
        kind: str,
        injectable: Sequence[str] = (),
        *,
        facts: Mapping[str, Any] | None = None,
        required: Sequence[str] = (),
    ) -> None:
        self.kind = kind
        self.injectable = tuple(injectable)
        self.facts = facts
        self.required = tuple(required)
        self._entries: dict[str, Entry] = {}
        self._families: dict[str, Family] = {}

    def register(self, name: str, **defaults: Any) -> Callable[[F], F]:
        """Return a decorator that registers a factory under `name`.

        `defaults` are facts the composer reads (for a backbone: `size`, `frames`, `sites`; for a fusion: `site`).

        Raises:
            DuplicateNameError: the name is taken.
            OptionError: no such name or fact can be; or the factory takes `*args` or `**kwargs`, so its signature would
                be no schema, a positional parameter that nobody injects, or a default that its own type refuses.
        """

        def decorate(factory: F) -> F:
            self._refuse_taken(name, self._entries)
            if name in self._families or not _NAME.fullmatch(name):
                raise OptionError(
                    f"{name!r} cannot be the name of a {self.kind}.",
                    "small letters, digits and underscores, a letter first, and no family's prefix",
                    "choose another name",
                )
            self._entries[name] = self._entry(name, factory, defaults)
            return factory

        return decorate

    def register_family(
        self,
        prefix: str,
        members: Callable[[], Sequence[str]],
        member_defaults: Callable[[str], Mapping[str, Any]],
        **defaults: Any,
    ) -> Callable[[F], F]:
        """Return a decorator that registers one factory for all names `prefix/MEMBER`; it takes the member first.

        `members` lists them and `member_defaults` gives the facts of one: both are called only when such a name is
        asked for, so that the package behind them need not be imported before.

        Raises:
            DuplicateNameError, OptionError: as `register`.
        """

        def decorate(factory: F) -> F:
            self._refuse_taken(prefix, self._families)
            entry = self._entry(f"{prefix}/NAME", factory, defaults, skip=1)
            self._families[prefix] = Family(prefix, entry, members, member_defaults)
            return factory

        return decorate

    def __contains__(self, name: object) -> bool:
        _load_plugins()
        if name in self._entries:
            return True
        prefix, slash, member = str(name).partition("/")
        return bool(slash) and prefix in self._families and member in self._families[prefix].members()

    def names(self, family: str | None = None) -> list[str]:
        """All registered names, sorted; with a family's prefix, the names of its members instead."""
        _load_plugins()
        if family is None:
            return sorted(self._entries)
        return sorted(f"{family}/{member}" for member in self._families[family].members())

    def families(self) -> list[str]:
        """Prefixes of the families, sorted."""
        _load_plugins()
        return sorted(self._families)

    def get(self, name: str) -> Entry:
        """Return the entry of `name`.

        Raises:
            UnknownNameError: there is none; the text names the closest matches and the plug-ins that failed to load.
        """
        prefix, slash, member = name.partition("/")
        if name not in self:
            family = prefix if slash and prefix in self._families else None
            which = f'"{self.kind}", "{family}/*"' if family else f'"{self.kind}"'
            raise unknown_name(self.kind, name, self.names(family), f"fer_zoo.list_components({which}) lists them")
        return self._entries[name] if name in self._entries else self._families[prefix].get(member)

    def snapshot(self) -> tuple[dict[str, Entry], dict[str, Family]]:
        """Return what is registered now, for `restore`."""
        return dict(self._entries), dict(self._families)

    def restore(self, state: tuple[dict[str, Entry], dict[str, Family]]) -> None:
        """Forget what was registered since `snapshot`."""
        self._entries, self._families = dict(state[0]), dict(state[1])

    def _refuse_taken(self, name: str, table: Mapping[str, Any]) -> None:
        if name in table:
            entry = table[name].entry if isinstance(table[name], Family) else table[name]
            raise DuplicateNameError(
                f"{self.kind} {name!r} is registered already, by {entry.module}.",
                "a name that is not taken",
                "choose another name",
            )

    def _entry(self, name: str, factory: Callable[..., Any], defaults: Mapping[str, Any], *, skip: int = 0) -> Entry:
        parameters = inspect.signature(factory).parameters
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters.values()):
            raise OptionError(
                f"{self.kind} {name!r} takes *args or **kwargs.",
                "named parameters only: the signature is the recipe schema",
                "spell the parameters out; a class needs an `__init__` of its own",
            )
        injected = tuple(key for key, p in parameters.items() if p.kind is not p.KEYWORD_ONLY)[skip:]
        if strange := [key for key in injected if key not in self.injectable]:
            raise OptionError(
                f"{self.kind} {name!r} has the positional parameter {strange[0]!r}, which nobody injects.",
                f"positional: {_listed(self.injectable)}; options: keyword-only parameters, after a `*`",
                "rename it, or make it keyword-only",
            )
        try:
            hints = get_type_hints(factory.__init__ if inspect.isclass(factory) else factory, include_extras=True)
        except NameError as error:
            raise self._bad(
                name, f"an annotation cannot be resolved: {error}", "import the name at module level"
            ) from error
        options = {key: p for key, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
        types = {key: hints.get(key, Any) for key in options}
        for key, p in options.items():
            try:
                reason = _misfit(types[key], None if p.default is p.empty else p.default)
            except PydanticUserError as error:
                raise self._bad(
                    name, f"option {key!r} has a type that no recipe can state", "use plain types"
                ) from error
            if reason and p.default is not p.empty:
                raise self._bad(name, f"the default {p.default!r} of option {key!r} is wrong: {reason}", "correct it")
        self._check_facts(name, defaults)
        return Entry(self.kind, name, factory, injected, options, types, dict(defaults))

    def _check_facts(self, name: str, facts: Mapping[str, Any]) -> None:
        known = self.facts
        if known is None:
            return
        for key, value in facts.items():
            if key not in known:
                close = difflib.get_close_matches(key, known, n=1)
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                raise self._bad(name, f"no such fact {key!r}{hint}", f"state only {_listed(known)}")
            if reason := _misfit(known[key], value):
                raise self._bad(name, f"{key}={value!r} is wrong: {reason}", f"correct {key}")
        if lacking := [key for key in self.required if key not in facts]:
            raise self._bad(
                name, f"it does not state {_listed(lacking)}", f"register_{self.kind}({name!r}, {lacking[0]}=...)"
            )

    def _bad(self, name: str, problem: str, do: str) -> OptionError:
        accepted = "a factory whose signature and facts a recipe and the composer can read"
        return OptionError(f"{self.kind} {name!r} cannot be registered: {problem}.", accepted, do)


def unknown_name(kind: str, name: str, known: Iterable[str], do: str) -> UnknownNameError:
    """Build the error for a name that is not in `known`, with the closest matches first."""
    from fer_zoo import plugins  # it needs the registries below

    known = list(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    accepted = f"did you mean {' or '.join(map(repr, close))}?" if close else _listed(known)
    given = "".join(f" {broken}" for broken in plugins.broken())
    return UnknownNameError(f"Unknown {kind} {name!r}.{given}", accepted, do)


def _misfit(kind: Any, value: Any) -> str | None:
    """Why a value is not of a type; None if it is. Strict: `pool: 1` is not "1", nor `bidirectional: 2` True."""
    try:
        TypeAdapter(kind, config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError as error:
        return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
    return None


def _load_plugins() -> None:
    from fer_zoo import plugins

    plugins.load()


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    shown = ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
    return shown or "nothing"


# What suits a backbone in a network round it, and where it belongs in a ModelSpec.
SUITED = {
    "size": ("input", "size"),
    "frames": ("input", "frames"),
    "fps": ("input", "fps"),
    "mean": ("input", "mean"),
    "std": ("input", "std"),
    "pool": ("pool",),
    "head_norm": ("head_norm",),
    "dropout": ("dropout",),
    "hidden": ("temporal", "hidden"),
    "radius": ("fusion", "radius"),
}
_BACKBONE_FACTS = {
    **dict.fromkeys(SUITED, Any),
    "sites": tuple[Literal["input", "residual"], ...],
    "frame_wise": bool,  # each frame by itself: it is its own 2D twin
}
_DATASET_FACTS = {
    **{term: get_type_hints(WeightsCard, include_extras=True)[term] for term in TERMS},
    "labels": tuple[str, ...],  # that it can have; of the vocabulary `fer_zoo.data.sources.LABELS`
    "fps": float,  # its own rate, where all of it has one
    "face": Literal["largest", "central", "all"],  # which one its videos are about, where it is not the largest
    "template": str,  # beginning of the table that its user has to write, if there is one
}

BACKBONES = Registry("backbone", ("in_channels", "input"), facts=_BACKBONE_FACTS)
TEMPORALS = Registry("temporal", ("in_features",), facts={})
FUSIONS = Registry("fusion", ("sites", "features", "in_features"), facts={"site": FusionSite}, required=("site",))
LANDMARKERS = Registry("landmarker")
# `request`: it makes its clips itself; `root`: it reads a database below that folder.
DATASETS = Registry("dataset", ("request", "root"), facts=_DATASET_FACTS, required=TERMS)
OPTIMIZERS = Registry("optimizer", ("parameters", "lr"), facts={})
SCHEDULES = Registry("schedule", ("steps",), facts={})
LOSSES = Registry("loss", ("class_counts",), facts={})

REGISTRIES = {
    registry.kind: registry
    for registry in (BACKBONES, TEMPORALS, FUSIONS, LANDMARKERS, DATASETS, OPTIMIZERS, SCHEDULES, LOSSES)
}

register_backbone = BACKBONES.register
register_temporal = TEMPORALS.register
register_fusion = FUSIONS.register
register_landmarker = LANDMARKERS.register
register_dataset = DATASETS.register
register_optimizer = OPTIMIZERS.register
register_schedule = SCHEDULES.register
register_loss = LOSSES.register
