"""Registries: names to factories, with the factory's signature as schema.

A factory's positional parameters are injected by the composer, by name; its keyword-only parameters are what a recipe
may set. The built-in components of a kind are imported, and plug-ins loaded, when a name is first looked up.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, TypeVar, get_type_hints

from fer_zoo.entries import Entry, Facts, Outline, did_you_mean, listed, outlines, type_problem
from fer_zoo.errors import DuplicateNameError, OptionError, UnknownNameError

__all__ = ["REGISTRIES", "BrokenPlugin", "Entry", "Registry", "broken_plugins", "unknown_name"]

F = TypeVar("F", bound=Callable[..., Any])
PLUGINS = "fer_zoo.plugins"
# Parts of model names: no `/` (a family's), no `.` (a tag's), nothing special to a shell or a file system.
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Registry:
    """A table of named factories of one kind (backbone, temporal head, ...).

    Args:
        builtin: module whose import registers the built-in components of this kind.
        injectable: names of the values that the composer can inject into a factory of this kind.
        facts: gives what may and must be stated at registration; None where anything may be. Called at a registration,
            so that the types are not imported before.
    """

    def __init__(
        self,
        kind: str,
        injectable: Sequence[str] = (),
        *,
        builtin: str | None = None,
        facts: Callable[[], Facts] | None = None,
    ) -> None:
        self.kind = kind
        self.builtin = builtin
        self._injectable = injectable
        self._facts = facts
        self._entries: dict[str, Entry] = {}  # that of a family under its prefix with a "/"

    def register(self, name: str, **facts: Any) -> Callable[[F], F]:
        """Return a decorator that registers a factory under `name`.

        `facts` are read by the composer (for a backbone: `size`, `frames`, `sites`; for a fusion: `site`).

        Raises:
            DuplicateNameError: the name is already registered.
            OptionError: the name or a fact is invalid; or the factory takes `*args` or `**kwargs`, so that its
                signature is no schema, has a positional parameter that is never injected, or a default of another type.
        """

        def decorate(factory: F) -> F:
            self._refuse_duplicate(name, name)
            if f"{name}/" in self._entries or not _NAME.fullmatch(name):
                raise OptionError(
                    f"{name!r} cannot be the name of a {self.kind}.",
                    "lowercase letters, digits and underscores, starting with a letter; not the prefix of a family",
                    "choose another name",
                )
            self._entries[name] = self._entry(name, factory, facts)
            return factory

        return decorate

    def register_family(
        self,
        prefix: str,
        members: Callable[[], Sequence[str]],
        member_facts: Callable[[str], Mapping[str, Any]],
        *,
        resolve: Callable[[str, Mapping[str, Any], bool], Mapping[str, Any]] | None = None,
        **facts: Any,
    ) -> Callable[[F], F]:
        """Return a decorator that registers one factory for all names `prefix/MEMBER`; it takes the member first.

        `members` lists them and `member_facts` gives the facts of one. Both are called only when such a name is looked
        up, so that the package behind them is not imported before. `resolve` is that of `Entry`.

        Raises:
            DuplicateNameError, OptionError: as `register`.
        """

        def decorate(factory: F) -> F:
            self._refuse_duplicate(prefix, f"{prefix}/")
            entry = self._entry(f"{prefix}/NAME", factory, facts, skip=1)
            entry = replace(entry, members=members, member_facts=member_facts)
            self._entries[f"{prefix}/"] = entry if resolve is None else replace(entry, resolve=resolve)
            return factory

        return decorate

    def __contains__(self, name: object) -> bool:
        self._load()
        prefix, slash, member = str(name).partition("/")
        found = self._entries.get(prefix + slash)
        return found is not None and (not slash or member in found.members())

    def names(self, family: str | None = None) -> list[str]:
        """All registered names, sorted; with a family's prefix, the names of its members instead."""
        self._load()
        if family is None:
            return sorted(name for name in self._entries if not name.endswith("/"))
        return sorted(f"{family}/{member}" for member in self._entries[f"{family}/"].members())

    def families(self) -> list[str]:
        """Prefixes of the families, sorted."""
        self._load()
        return sorted(name[:-1] for name in self._entries if name.endswith("/"))

    def get(self, name: str) -> Entry:
        """Return the entry of `name`.

        Raises:
            UnknownNameError: there is none; the error names the closest matches and plug-ins that failed to load.
        """
        prefix, slash, member = name.partition("/")
        if name not in self:
            family = prefix if slash and f"{prefix}/" in self._entries else None
            which = f'"{self.kind}", "{family}/*"' if family else f'"{self.kind}"'
            raise unknown_name(self.kind, name, self.names(family), f"fer_zoo.list_components({which}) lists them")
        found = self._entries[prefix + slash]
        return found.member(prefix, member) if slash else found

    def outlines(self) -> Sequence[Outline]:
        """What there is, sorted by name; only names and facts of built-ins as long as nothing had to be imported."""
        if _loading.started or self._entries or not self.builtin or entry_points(group=PLUGINS):
            return [self.get(name) for name in self.names()]
        return outlines(self.builtin, self.kind)

    def snapshot(self) -> dict[str, Entry]:
        """Return what is registered now, by name; a family under its prefix with a "/"."""
        self._load()  # else the built-ins would be forgotten, and a module is imported only once
        return dict(self._entries)

    def restore(self, state: Mapping[str, Entry]) -> None:
        """Forget what was registered since `snapshot`."""
        self._entries = dict(state)

    def _load(self) -> None:
        """Import the built-in components of this kind (no other kind: that takes a second), then the plug-ins."""
        if self.builtin:
            import_module(self.builtin)
        _load_plugins()

    def _refuse_duplicate(self, name: str, key: str) -> None:
        if key in self._entries:
            raise DuplicateNameError(
                f"{self.kind} {name!r} is already registered, by {self._entries[key].module}.",
                "a name that is not taken",
                "choose another name",
            )

    def _entry(self, name: str, factory: Callable[..., Any], facts: Mapping[str, Any], *, skip: int = 0) -> Entry:
        """Read a factory's signature, without its first `skip` parameters, and check it and its facts."""
        parameters = inspect.signature(factory).parameters
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters.values()):
            raise OptionError(
                f"{self.kind} {name!r} takes *args or **kwargs.",
                "named parameters only: the signature is the recipe schema",
                "name each parameter; a class needs its own `__init__`",
            )
        injected = tuple(key for key, p in parameters.items() if p.kind is not p.KEYWORD_ONLY)[skip:]
        if unknown := [key for key in injected if key not in self._injectable]:
            raise OptionError(
                f"{self.kind} {name!r} has the positional parameter {unknown[0]!r}, which is never injected.",
                f"positional: {listed(self._injectable)}; options: keyword-only parameters, after a `*`",
                "rename it, or make it keyword-only",
            )
        options = {key: p for key, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
        types = self._types(name, factory, options)
        self._check_facts(name, facts)
        return Entry(name, injected, dict(facts), self.kind, factory, options, types)

    def _types(
        self, name: str, factory: Callable[..., Any], options: Mapping[str, inspect.Parameter]
    ) -> dict[str, Any]:
        """Types of the options, of which each default must be a valid value."""
        from pydantic import PydanticUserError

        try:
            hints = get_type_hints(factory.__init__ if inspect.isclass(factory) else factory, include_extras=True)
        except NameError as error:
            problem = f"an annotation cannot be resolved: {error}"
            raise self._refused(name, problem, "import the name at module level") from error
        types = {key: hints.get(key, Any) for key in options}
        for key, p in options.items():
            try:
                reason = type_problem(types[key], None if p.default is p.empty else p.default)
            except PydanticUserError as error:
                problem = f"option {key!r} has a type that no recipe can state"
                raise self._refused(name, problem, "use plain types") from error
            if reason and p.default is not p.empty:
                problem = f"the default {p.default!r} of option {key!r} is wrong: {reason}"
                raise self._refused(name, problem, "correct it")
        return types

    def _check_facts(self, name: str, facts: Mapping[str, Any]) -> None:
        if self._facts is None:
            return
        types, required = self._facts()
        for key, value in facts.items():
            if key not in types:
                problem = f"there is no fact {key!r}{did_you_mean(key, types)}"
                raise self._refused(name, problem, f"state only {listed(types)}")
            if reason := type_problem(types[key], value):
                raise self._refused(name, f"{key}={value!r} is wrong: {reason}", f"correct {key}")
        if missing := [key for key in required if key not in facts]:
            do = f"register_{self.kind}({name!r}, {missing[0]}=...)"
            raise self._refused(name, f"it does not state {listed(missing)}", do)

    def _refused(self, name: str, problem: str, do: str) -> OptionError:
        accepted = "a factory whose signature and facts a recipe and the composer can read"
        return OptionError(f"{self.kind} {name!r} cannot be registered: {problem}.", accepted, do)


@dataclass(frozen=True)
class BrokenPlugin:
    """A plug-in that failed to load: its entry point, the distribution that brought it, and why it failed."""

    name: str
    distribution: str
    reason: str

    def __str__(self) -> str:
        return f"The plug-in {self.name!r} of {self.distribution} failed to load: {self.reason}"


@dataclass
class _Loading:
    started: bool = False
    broken: tuple[BrokenPlugin, ...] = ()


_loading = _Loading()


def broken_plugins() -> tuple[BrokenPlugin, ...]:
    """Return the plug-ins that failed to load."""
    _load_plugins()
    return _loading.broken


def unknown_name(kind: str, name: str, known: Iterable[str], do: str) -> UnknownNameError:
    """Build the error for a name that is not in `known`, with the closest matches first."""
    known = list(known)
    # Of a few names a bad guess helps less than all of them.
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5 if len(known) > 20 else 0.6)
    accepted = f"did you mean {' or '.join(map(repr, close))}?" if close else listed(known)
    from_plugins = kind in (*REGISTRIES, "model", "family of backbones")
    given = "".join(f" {broken}" for broken in (broken_plugins() if from_plugins else ()))
    return UnknownNameError(f"Unknown {kind} {name!r}.{given}", accepted, do)


def _load_plugins() -> None:
    """Load the plug-ins of other distributions, once, after all built-ins: a plug-in cannot take their names."""
    if _loading.started:
        return
    _loading.started = True  # first: a component that looks up another while it is imported must not start this again
    points = sorted(entry_points(group=PLUGINS), key=lambda point: (point.name, point.value))
    try:
        for registry in REGISTRIES.values() if points else ():
            import_module(str(registry.builtin))
    except BaseException:  # what is missing must be reported again at the next lookup, not as an unknown name
        _loading.started = False
        raise
    _loading.broken = tuple(plugin for point in points if (plugin := _load_plugin(point)))


def _load_plugin(point: EntryPoint) -> BrokenPlugin | None:
    """Import one plug-in; one that fails is undone and hides no other."""
    before = {kind: registry.snapshot() for kind, registry in REGISTRIES.items()}
    try:
        point.load()
    except Exception as error:  # third-party code may raise anything
        for kind, registry in REGISTRIES.items():
            registry.restore(before[kind])
        where = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
        return BrokenPlugin(point.name, where, f"{type(error).__name__}: {error}")
    return None


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


def _backbone_facts() -> Facts:
    # frame_wise: it is its own 2D twin. own_normalisation: it normalises pixels itself, as its weights need it.
    own = {"sites": tuple[Literal["input", "residual"], ...], "frame_wise": bool, "own_normalisation": bool}
    return Facts({**dict.fromkeys(SUITED, Any), **own})


def _fusion_facts() -> Facts:
    from fer_zoo.specs import FusionSite

    return Facts({"site": FusionSite}, required=("site",))


def _dataset_facts() -> Facts:
    from fer_zoo.specs import TERMS, WeightsCard

    types = get_type_hints(WeightsCard, include_extras=True)
    return Facts(
        {
            **{term: types[term] for term in TERMS},
            "labels": tuple[str, ...],  # that it can have; from `fer_zoo.data.sources.LABELS`
            "fps": float,  # its own rate, where all of it has one
            "face": Literal["largest", "central", "all"],  # which one its videos show, where it is not the largest
            "template": str,  # beginning of the table that its user has to write, if there is one
        },
        required=TERMS,
    )


BACKBONES = Registry("backbone", ("in_channels", "input"), builtin="fer_zoo.backbones", facts=_backbone_facts)
TEMPORALS = Registry("temporal", ("in_features",), builtin="fer_zoo.temporal", facts=lambda: Facts({}))
FUSIONS = Registry("fusion", ("sites", "features", "in_features"), builtin="fer_zoo.fusion", facts=_fusion_facts)
LANDMARKERS = Registry("landmarker", builtin="fer_zoo.landmarks")
# `request`: it makes its clips itself; `root`: it reads a database below that folder.
DATASETS = Registry("dataset", ("request", "root"), builtin="fer_zoo.data", facts=_dataset_facts)
OPTIMIZERS = Registry("optimizer", ("parameters", "lr"), builtin="fer_zoo.optim", facts=lambda: Facts({}))
SCHEDULES = Registry("schedule", ("steps",), builtin="fer_zoo.optim", facts=lambda: Facts({}))
LOSSES = Registry("loss", ("class_counts",), builtin="fer_zoo.optim", facts=lambda: Facts({}))

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
