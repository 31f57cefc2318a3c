"""The device of a process, the other processes that train with it, and what they share, through accelerate."""

from __future__ import annotations

import os
import warnings
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from fer_zoo.devices import emulates_bf16, find_device
from fer_zoo.errors import TrainingError
from fer_zoo.model import FERModel
from fer_zoo.specs import TrainSpec

if TYPE_CHECKING:
    from accelerate import Accelerator, PartialState

# The first process may render the clips while the others wait for it.
_TIMEOUT = timedelta(hours=6)


def join(device: str | None) -> PartialState:
    """Find this process's device and join the other processes of a launch by torchrun or `accelerate launch`.

    Raises:
        OptionError: no such device.
        TrainingError: one device named for several processes.
    """
    from accelerate import PartialState
    from accelerate.utils import patch_environment

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    # Not on the first GPU from every process: each would keep some of its memory.
    find_device(f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if device == "cuda" else device)
    where = torch.device(device)
    others = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if others and where.index is not None:
        raise TrainingError(
            f"Device {device!r} for {os.environ['WORLD_SIZE']} processes.",
            "cpu or cuda: each process takes the device of its own number",
            "leave the number out, or start one process",
        )
    # accelerate's state is one for the whole Python process, which may have trained on another device before.
    PartialState._reset_state()
    if others:
        return PartialState(cpu=where.type == "cpu", timeout=_TIMEOUT)
    with patch_environment(ACCELERATE_TORCH_DEVICE=where):
        return PartialState(cpu=where.type == "cpu")


def is_first() -> bool:
    """Whether this process is the one that writes and prints, of all that were launched together."""
    return os.environ.get("RANK", "0") == "0"


def leave() -> None:
    """End the communication with other processes, if there are any."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def make_accelerator(spec: TrainSpec, state: PartialState) -> Accelerator:
    """Make what wraps a network for this process's device, the other processes and the recipe's precision.

    Warns and computes in fp32 instead of bf16 on a CPU that only emulates it.

    Raises:
        TrainingError: the launcher asks for more than data-parallel training, or the precision needs a GPU.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import DistributedDataParallelKwargs

    if spec.precision == "fp16" and state.device.type == "cpu":
        raise TrainingError(
            "Precision fp16 on a CPU.", "fp32 or bf16 on a CPU; fp16 on a GPU", "set train.precision (pretrain, too)"
        )
    precision = spec.precision
    if precision == "bf16" and emulates_bf16(state.device):
        warnings.warn("bf16 is about ten times slower than fp32 on this CPU; training in fp32", stacklevel=2)
        precision = "fp32"
    # As in `join`; the frames stage may have another precision.
    AcceleratorState._reset_state()
    accelerator = Accelerator(
        mixed_precision="no" if precision == "fp32" else precision,
        cpu=state.device.type == "cpu",
        dynamo_backend="inductor" if spec.compile else "no",
        # `share_statistics` does it once per step rather than at every call of the network.
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )
    # Micro batches are the recipe's, not the launcher's.
    accelerator.gradient_accumulation_steps = 1
    if accelerator.distributed_type.value not in ("NO", "MULTI_CPU", "MULTI_GPU"):
        raise TrainingError(
            f"The launcher asks for {accelerator.distributed_type.value}.",
            "plain data-parallel training: the whole network on every device",
            "launch without FSDP, DeepSpeed and the like",
        )
    return accelerator


def wrapped(model: FERModel, accelerator: Accelerator) -> nn.Module:
    """The network as training calls it: in the recipe's precision, compiled, with gradients shared.

    It is wrapped in another module, as the network itself is evaluated and saved as it is.
    """
    if accelerator.num_processes > 1:
        # The strides of a 1 x 1 x 1 kernel can be written in two ways that mean the same.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides", UserWarning)
    with warnings.catch_warnings():
        # Newer versions of torch have another name for `broadcast_buffers`, which accelerate does not know.
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        whole: nn.Module = accelerator.prepare_model(_Wrapper(model))
    return whole


class _Wrapper(nn.Module):
    def __init__(self, model: FERModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, clip: Tensor, landmarks: Tensor) -> Tensor:
        return self.model(clip, landmarks)


def has_batch_norm(model: nn.Module) -> bool:
    """Whether a network normalises by the statistics of a batch."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())


def with_joint_batch_norm(model: FERModel, state: PartialState) -> FERModel:
    """Let batch norms use the statistics of all processes' clips together, which torch can do on GPUs only."""
    if not joint_batch_norm(state):
        return model
    # timm's, as torch's own would drop the activations that are built into timm's norms.
    from timm import layers

    converted: FERModel = layers.convert_sync_batchnorm(model)  # type: ignore
    return converted


def joint_batch_norm(state: PartialState) -> bool:
    """Whether batch norms see the clips of all processes."""
    return bool(state.num_processes > 1 and state.device.type == "cuda")


@torch.no_grad()
def share_statistics(model: nn.Module, accelerator: Accelerator) -> None:
    """Give every process the mean of all processes' running statistics, so that all have the same network."""
    floats = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
    if accelerator.num_processes == 1 or not floats:
        return
    mean = accelerator.reduce(torch.cat([buffer.flatten() for buffer in floats]), "mean")
    for buffer, part in zip(floats, mean.split([buffer.numel() for buffer in floats]), strict=True):
        buffer.copy_(part.view_as(buffer))
