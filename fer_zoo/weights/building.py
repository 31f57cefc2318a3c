"""Building the network of a config that a stranger may have written: counted while it is built, refused in time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from fer_zoo.compose import build
from fer_zoo.errors import FerZooError, WeightsError
from fer_zoo.model import FERModel
from fer_zoo.specs import ModelSpec

MOST_NUMBERS, MOST_TENSORS = 2 * 10**9, 100_000
# Up to these (80 MB) a network is built at once; the first use of the meta device would take seconds.
_FEW_NUMBERS = 20 * 10**6


class _TooLargeError(Exception):
    """The network being built has more numbers or tensors than allowed."""


def check_size(spec: ModelSpec) -> None:
    """Build a network without memory, to see that it can be built and has no absurd number of parameters.

    Raises:
        WeightsError: it cannot be built, or has more than `MOST_NUMBERS` numbers.
    """
    _on_meta(spec)


def build_to_fill(spec: ModelSpec) -> FERModel:
    """Build a network whose tensors are to be read: what they hold until then is anything.

    Its size is checked before its memory is taken. A large one is not filled with random numbers first, which takes
    seconds, and in a recurrent layer several times its memory.

    Raises:
        WeightsError: as `check_size`.
    """
    try:
        with _at_most(_FEW_NUMBERS):
            return build(spec)
    except Exception:  # whatever a component says of absurd sizes: the way without memory judges
        pass  # and goes on outside, where the error no longer holds what was built so far
    model = _on_meta(spec)
    return (
        _built(spec, MOST_NUMBERS) if _has_hidden_tensors(model) else model.to_empty(device=torch.get_default_device())
    )


def _on_meta(spec: ModelSpec) -> FERModel:
    with torch.device("meta"):
        return _built(spec, MOST_NUMBERS)


def _has_hidden_tensors(model: FERModel) -> bool:
    """Whether a network has tensors that are not in its state, so that no file would fill them."""
    if {name for name, _ in model.named_buffers()} - model.state_dict().keys():
        return True
    for module in model.modules():
        for key, value in vars(module).items():
            if key.startswith(("_parameters", "_buffers", "_modules", "_flat_weights")):
                continue
            inside = (
                value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
            )
            if any(isinstance(item, Tensor) for item in inside):
                return True
    return False


def _built(spec: ModelSpec, numbers: int) -> FERModel:
    try:
        with _at_most(numbers):
            return build(spec)
    except _TooLargeError as error:
        raise WeightsError(
            f"The network {spec.name} cannot be built: it would have more than {numbers:.0e} numbers.",
            "a network that a computer can hold",
            "do not use it: its config.json is wrong",
        ) from error
    except FerZooError as error:
        raise WeightsError(
            f"The network {spec.name} cannot be built: {error.given}", error.accepted, "update fer_zoo"
        ) from error
    except (RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError, LookupError, AssertionError) as error:
        raise WeightsError(
            f"The network {spec.name} cannot be built: {type(error).__name__}: {error}",
            "options that fit together",
            "do not use it: its config.json is wrong",
        ) from error


@contextmanager
def _at_most(numbers: int) -> Iterator[None]:
    """Stop this thread at the module in which the parameters and buffers become too many."""
    mine, seen = threading.get_ident(), [0, 0]

    def count(module: nn.Module, name: str, tensor: Tensor | None) -> None:
        if tensor is not None and threading.get_ident() == mine:
            seen[0] += tensor.numel()
            seen[1] += 1
            if seen[0] > numbers or seen[1] > MOST_TENSORS:
                raise _TooLargeError

    hooks = [register_module_parameter_registration_hook(count), register_module_buffer_registration_hook(count)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
