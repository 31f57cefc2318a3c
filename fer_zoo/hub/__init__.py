"""Weights on the Hugging Face Hub: pull what the card promises and nothing else, push what others can trust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fer_zoo.hub.names import HubName, parse

if TYPE_CHECKING:
    from fer_zoo.hub.plans import Pushed
    from fer_zoo.hub.pulling import pull
    from fer_zoo.hub.pushing import push

__all__ = ["HubName", "Pushed", "parse", "pull", "push"]

# Imported when first used: a list of names needs no torch.
_MODULES = {"pull": "pulling", "push": "pushing", "Pushed": "plans"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
