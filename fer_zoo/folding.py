"""Memory layout for fast convolutions, and the form in which a network computes fastest on a CPU."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, channels_last, channels_last_3d, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

Module = TypeVar("Module", bound=nn.Module)

_CONVS, _NORMS = (nn.Conv2d, nn.Conv3d), (nn.BatchNorm2d, nn.BatchNorm3d)
_LAYOUTS = {4: channels_last, 5: channels_last_3d}


def folded(network: Module) -> Module:
    """Return a copy for inference with the same outputs up to rounding.

    Batch norms become part of the convolutions before them, and the layout is channels-last. For one clip or on one
    thread PyTorch often takes slow kernels, with copies: here all 3D convolutions are sent to oneDNN, and convolutions
    of one pixel are products of matrices.
    """
    copied = copy.deepcopy(network).eval().requires_grad_(False)
    for block in copied.modules():
        if isinstance(block, nn.Sequential) and type(block).forward is nn.Sequential.forward:
            _fold_norms(block)
    for parent in list(copied.modules()):
        for name, conv in parent.named_children():
            if isinstance(conv, _CONVS) and _is_pointwise(conv):
                setattr(parent, name, _Pointwise(conv))
            elif type(conv) is nn.Conv3d and conv.padding_mode == "zeros" and not isinstance(conv.padding, str):
                setattr(parent, name, _Conv3d(conv))
    return to_channels_last(copied)


def to_channels_last(network: Module) -> Module:
    """Convert the weights of 2D and 3D convolutions to channels-last layout, and return the network.

    `.to(memory_format=torch.channels_last_3d)` refuses networks with both.
    """
    for parameter in network.parameters():
        if parameter.ndim in _LAYOUTS:
            parameter.data = parameter.data.contiguous(memory_format=_LAYOUTS[parameter.ndim])
    return network


def _fold_norms(block: nn.Sequential) -> None:
    for index in range(len(block) - 1):
        conv, norm = block[index], block[index + 1]
        exact = type(conv) in _CONVS and type(norm) in _NORMS
        if exact and isinstance(conv, _CONVS) and isinstance(norm, _NORMS) and norm.running_mean is not None:
            block[index], block[index + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()


def _is_pointwise(conv: nn.Conv2d | nn.Conv3d) -> bool:
    ones = {*conv.kernel_size, *conv.stride, conv.groups} == {1}
    return type(conv) in _CONVS and ones and conv.padding in ("valid", (0,) * len(conv.kernel_size))


class _Conv3d(nn.Module):
    """A convolution by oneDNN, whatever PyTorch would choose, where oneDNN has it."""

    def __init__(self, conv: nn.Conv3d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv
        if x.dtype != torch.float32 or torch.is_autocast_enabled("cpu") or not torch._C._has_mkldnn:
            result: Tensor = conv(x)
            return result
        assert not isinstance(conv.padding, str)
        return torch.mkldnn_convolution(
            x, conv.weight, conv.bias, conv.padding, conv.stride, conv.dilation, conv.groups
        )


class _Pointwise(nn.Module):
    """A convolution whose kernel is one pixel, as a product of matrices."""

    def __init__(self, conv: nn.Conv2d | nn.Conv3d) -> None:
        super().__init__()
        self.weight = nn.Parameter(conv.weight.flatten(1), requires_grad=False)
        self.bias = conv.bias

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x.movedim(1, -1), self.weight, self.bias).movedim(-1, 1)
