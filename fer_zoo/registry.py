"""Registries: names to factories, with the factory's signature as schema.

A factory's positional parameters are injected by the composer; its keyword-only parameters are what a recipe may say.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from fer_zoo.errors import DuplicateNameError, OptionError, UnknownNameError

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """One registered factory: its name, what a recipe may set, and defaults of the composed model."""

    kind: str
    name: str
    factory: Callable[..., Any]
    options: Mapping[str, inspect.Parameter]
    types: Mapping[str, Any]
    defaults: Mapping[str, Any]

    @property
    def summary(self) -> str:
        """First line of the factory's docstring."""
        return (inspect.getdoc(self.factory) or "").split("\n")[0]

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
            try:
                # Strict: `pool: 1` must not become "1", nor `bidirectional: 2` True.
                adapter = TypeAdapter(self.types[key], config=ConfigDict(strict=True))
                adapter.validate_python(value)
            except ValidationError as error:
                reason = error.errors()[0]["msg"]
                found.append(f"{key}: {value!r} is wrong for {self.kind} {self.name!r}: {reason}")
        missing = [
            name
            for name, parameter in self.options.items()
            if parameter.default is inspect.Parameter.empty and name not in options
        ]
        return found + [f"{name}: required option of {self.kind} {self.name!r} is missing" for name in missing]

    def build(self, *injected: Any, options: Mapping[str, Any]) -> Any:
        """Call the factory with checked options.

        Raises:
            OptionError: an option is unknown or of the wrong type.
        """
        if problems := self.problems(options):
            raise OptionError("; ".join(problems), _listed(self.options), "correct the options named above")
        return self.factory(*injected, **options)


class Registry:
    """A table of named factories of one kind (backbone, temporal head, ...)."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def register(self, name: str, **defaults: Any) -> Callable[[F], F]:
        """Return a decorator that registers a factory under `name`.

        `defaults` are facts the composer reads (for a backbone: `size`, `frames`).

        Raises:
            DuplicateNameError: the name is taken.
            OptionError: the factory takes `*args` or `**kwargs`, so its signature would be no schema.
        """

        def decorate(factory: F) -> F:
            if name in self._entries:
                raise DuplicateNameError(
                    f"{self.kind} {name!r} is registered already.", "a name that is not taken", "choose another name"
                )
            parameters = inspect.signature(factory).parameters
            if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters.values()):
                raise OptionError(
                    f"{self.kind} {name!r} takes *args or **kwargs.",
                    "named parameters only: the signature is the recipe schema",
                    "spell the parameters out",
                )
            hints = get_type_hints(factory.__init__ if inspect.isclass(factory) else factory, include_extras=True)
            options = {key: p for key, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
            types = {key: hints.get(key, Any) for key in options}
            self._entries[name] = Entry(self.kind, name, factory, options, types, defaults)
            return factory

        return decorate

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def names(self) -> list[str]:
        """All registered names, sorted."""
        return sorted(self._entries)

    def get(self, name: str) -> Entry:
        """Return the entry of `name`.

        Raises:
            UnknownNameError: there is none; the text names the closest matches.
        """
        if name not in self._entries:
            raise unknown_name(self.kind, name, self.names(), f'fer_zoo.list_components("{self.kind}") lists them')
        return self._entries[name]


def unknown_name(kind: str, name: str, known: Iterable[str], do: str) -> UnknownNameError:
    """Build the error for a name that is not in `known`, with the closest matches first."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    accepted = f"did you mean {' or '.join(map(repr, close))}?" if close else _listed(known)
    return UnknownNameError(f"Unknown {kind} {name!r}.", accepted, do)


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    shown = ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
    return shown or "nothing"


BACKBONES = Registry("backbone")
TEMPORALS = Registry("temporal")
FUSIONS = Registry("fusion")
LANDMARKERS = Registry("landmarker")
DATASETS = Registry("dataset")

REGISTRIES = {registry.kind: registry for registry in (BACKBONES, TEMPORALS, FUSIONS, LANDMARKERS, DATASETS)}

register_backbone = BACKBONES.register
register_temporal = TEMPORALS.register
register_fusion = FUSIONS.register
register_landmarker = LANDMARKERS.register
register_dataset = DATASETS.register
