"""Plug-ins: other distributions add components through the entry-point group `fer_zoo.plugins`.

An entry point names a module; importing it registers its components. Plug-ins are loaded one by one, when a component
is first asked for or listed. One that fails is undone, kept as broken with its reason, and hides no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from fer_zoo.registry import REGISTRIES

GROUP = "fer_zoo.plugins"


@dataclass(frozen=True)
class BrokenPlugin:
    """A plug-in that failed to load: its entry point, the distribution that brought it, and why it failed."""

    name: str
    distribution: str
    reason: str

    def __str__(self) -> str:
        return f"The plug-in {self.name!r} of {self.distribution} failed to load: {self.reason}"


@dataclass
class _State:
    loaded: bool = False
    broken: tuple[BrokenPlugin, ...] = ()


_state = _State()


def load() -> None:
    """Load all installed plug-ins, once; what fails is listed by `broken`."""
    if _state.loaded:
        return
    _state.loaded = True  # first: a plug-in that looks up a component while it is loading must not start this again
    import fer_zoo.factory  # noqa: F401  (the built-ins come first: their names cannot be taken)

    broken = [_load(point) for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))]
    _state.broken = tuple(plugin for plugin in broken if plugin)


def broken() -> tuple[BrokenPlugin, ...]:
    """Return the plug-ins that failed to load."""
    load()
    return _state.broken


def _load(point: EntryPoint) -> BrokenPlugin | None:
    before = {kind: registry.snapshot() for kind, registry in REGISTRIES.items()}
    try:
        point.load()
    except Exception as error:  # whatever a stranger's module raises
        for kind, registry in REGISTRIES.items():
            registry.restore(before[kind])
        where = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
        return BrokenPlugin(point.name, where, f"{type(error).__name__}: {error}")
    return None
