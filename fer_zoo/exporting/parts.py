"""Which component of a network cannot be exported, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fer_zoo.errors import ExportError
from fer_zoo.model import FERModel

Attempt = Callable[[nn.Module, tuple[Tensor, ...]], None]
_LONGEST = 300


def component_error(
    network: FERModel, inputs: tuple[Tensor, ...], target: str, attempt: Attempt, error: Exception
) -> ExportError:
    """Return the error for a network whose export failed: each component is tried alone, to name the one at fault."""
    components = {"backbone": network.spec.backbone, "fusion": network.spec.fusion, "temporal": network.spec.temporal}
    what = "its components together"
    for kind, (part, tensors) in _calls(network, inputs).items():
        try:
            attempt(part, tensors)
        except Exception as own:  # exporters raise many classes, also ones of their own
            what = f"its {'temporal head' if kind == 'temporal' else kind} {components[kind].name!r}"
            error = own
            break
    return ExportError(
        f"{network.spec.name} cannot be exported to {target} because of {what}: {_reason(error)}",
        "networks of components that can be exported; docs/export.md lists the built-in ones",
        "choose another component or target, or run the network with PyTorch (--runtime torch)",
    )


def _reason(error: BaseException) -> str:
    """Return the first line of the error at the root, which says more than those of the exporter's stages."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:_LONGEST] if lines else ''}"


class _Call(nn.Module):
    """A component with all arguments that are not tensors fixed."""

    def __init__(self, part: nn.Module, arguments: tuple[Any, ...]) -> None:
        super().__init__()
        self.part, self.arguments = part, arguments

    def forward(self, *tensors: Tensor) -> Tensor:
        left = iter(tensors)
        result: Tensor = self.part(*(next(left) if isinstance(a, Tensor) else a for a in self.arguments))
        return result


def _calls(network: FERModel, inputs: tuple[Tensor, ...]) -> dict[str, tuple[nn.Module, tuple[Tensor, ...]]]:
    """Return each component with the tensors of its first call in the network."""
    found: dict[str, tuple[Any, ...]] = {}
    hooks = [
        getattr(network, kind).register_forward_pre_hook(
            lambda part, arguments, kind=kind: found.setdefault(kind, arguments) and None
        )
        for kind in ("temporal", "fusion", "backbone")
    ]
    try:
        with torch.no_grad():
            network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    calls: dict[str, tuple[nn.Module, tuple[Tensor, ...]]] = {}
    for kind, arguments in found.items():
        # A backbone with a fusion inside calls it back; without it, each shortcut stays as it is.
        fixed = tuple((lambda site, shortcut: shortcut) if callable(a) else a for a in arguments)
        tensors = tuple(a for a in fixed if isinstance(a, Tensor))
        calls[kind] = (_Call(getattr(network, kind), fixed).eval(), tensors)
    return calls
