"""The paper's 3D network with factorised kernels, as in R(2+1)D (Tran et al. 2018, arXiv 1711.11248).

Each k x k x k convolution becomes 1 x k x k, then k x 1 x 1, both followed by norm and ReLU, with as many channels
between them as after them. R(2+1)D uses more, to keep the number of parameters; here fewer parameters are the aim,
since face video databases have only a few hundred clips.
"""

from __future__ import annotations

from torch import nn

from fer_zoo.backbones._blocks import TINY, Kernel, MakeConv, Norm, Stem, Width, plain_conv
from fer_zoo.backbones.incres3d import IncRes3D
from fer_zoo.registry import register_backbone


@register_backbone("incres2plus1d", size=299, frames=10, sites=("input", "residual"))
def incres2plus1d(
    in_channels: int, *, width: Width = 1.0, norm: Norm = "batch", stem: Stem = "paper", temporal_kernels: bool = True
) -> IncRes3D:
    """The paper's network with factorised k x k x k kernels: 8.03 M convolution weights, 45.5 GMAC per clip.

    The original has 13.35 M and 88.1 GMAC. A clip (B, 3, 10, 299, 299) gives features (B, 1072, 6, 8, 8), and every
    stage has the size of the original. The 2D twin, without `temporal_kernels`, keeps the second convolution as
    1 x 1 x 1.
    """
    return IncRes3D(in_channels, width, norm, stem, temporal_kernels, make_conv=factorised_conv)


@register_backbone("incres2plus1d_tiny", **TINY, sites=("input", "residual"))
def incres2plus1d_tiny(
    in_channels: int, *, width: Width = 0.25, norm: Norm = "batch", stem: Stem = "light", temporal_kernels: bool = True
) -> IncRes3D:
    """`incres2plus1d` at a quarter of the width for 80 px clips: 0.48 M parameters, 0.40 GMAC per clip."""
    return IncRes3D(in_channels, width, norm, stem, temporal_kernels, make_conv=factorised_conv)


def factorised_conv(norm: Norm, temporal_kernels: bool) -> MakeConv:
    """Return a factory that replaces a convolution over k frames by a 1 x k x k and a k x 1 x 1 convolution."""
    plain = plain_conv(norm, temporal_kernels)

    def conv(cin: int, cout: int, kernel: Kernel, *, stride: int = 1, valid: bool = False) -> nn.Module:
        length, height, width = kernel
        if length == 1:
            return plain(cin, cout, kernel, stride=stride, valid=valid)
        return nn.Sequential(
            plain(cin, cout, (1, height, width), stride=stride, valid=valid),
            plain(cout, cout, (length, 1, 1), valid=valid),
        )

    return conv
