"""The same network in the form that computes fastest on a CPU."""

from __future__ import annotations

import copy

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fer_zoo.model import FERModel, Network

_CONVS, _NORMS = (nn.Conv2d, nn.Conv3d), (nn.BatchNorm2d, nn.BatchNorm3d)


def fused(model: Network) -> Network:
    """Return a copy of a model on the CPU with the same outputs up to rounding; another network is returned as it is.

    Batch norms become part of the convolutions before them, the layout is channels-last, and convolutions of one pixel
    are products of matrices, for which PyTorch would leave that layout.
    """
    if not isinstance(model, FERModel) or next(model.parameters()).device.type != "cpu":
        return model
    copied = copy.deepcopy(model).eval().requires_grad_(False)
    for block in copied.modules():
        if isinstance(block, nn.Sequential) and type(block).forward is nn.Sequential.forward:
            _fold_norms(block)
    for parent in list(copied.modules()):
        for name, conv in parent.named_children():
            if type(conv) in _CONVS and _is_pointwise(conv):
                setattr(parent, name, _Pointwise(conv))
    return copied.channels_last()


def _fold_norms(block: nn.Sequential) -> None:
    for index in range(len(block) - 1):
        conv, norm = block[index], block[index + 1]
        if type(conv) in _CONVS and type(norm) in _NORMS and norm.running_mean is not None:
            block[index], block[index + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()


def _is_pointwise(conv: nn.Module) -> bool:
    ones = {*conv.kernel_size, *conv.stride, conv.groups} == {1}
    return ones and conv.padding in ((0,) * len(conv.kernel_size), "valid")


class _Pointwise(nn.Module):
    """A convolution whose kernel is one pixel, as a product of matrices."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.weight = nn.Parameter(conv.weight.flatten(1), requires_grad=False)
        self.bias = conv.bias

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x.movedim(1, -1), self.weight, self.bias).movedim(-1, 1)
