"""torchvision's video networks as backbones, with its weights for Kinetics-400.

Size, normalisation, frame rate and number of frames are those of the weights, from their `transforms` and
documentation; only `s3d`, which was evaluated on 128 frames, has another default number of frames.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from fer_zoo.backbones._published import adopt, not_loaded, widened
from fer_zoo.errors import InputError, WeightsError
from fer_zoo.registry import register_backbone
from fer_zoo.specs import InputSpec, Shortcut, Site

# Normalisation of the networks trained by torchvision itself.
_MEAN, _STD = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)


class TorchvisionVideo(nn.Module):
    """A torchvision video network without its head: a clip (B, C, T, H, W) gives features (B, D, T', H', W').

    `network` has torchvision's module names. Weights of channels beyond RGB are initially zero.
    """

    def __init__(
        self, name: str, network: nn.Module, in_channels: int, output: Site, stages: Mapping[str, Sequence[str]]
    ) -> None:
        super().__init__()
        self.name = name
        self.network = network
        self.first_conv, conv = next((n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv3d))
        conv.weight = nn.Parameter(widened(conv.weight.detach(), in_channels))
        conv.in_channels = in_channels
        self.output = output
        self.residual_sites: Mapping[str, Site] = {}
        self.stages: Mapping[str, Sequence[str]] = {
            stage: [f"network.{prefix}" for prefix in prefixes] for stage, prefixes in stages.items()
        }

    def forward(self, clip: Tensor, shortcut: Shortcut | None = None) -> Tensor:
        """Map a clip (B, C, T, H, W) to features (B, D, T', H', W')."""
        features: Tensor = self.network(clip)
        return features

    def load_pretrained(self) -> None:
        """Load the KINETICS400_V1 weights strictly, with a hash check; torchvision downloads and caches them.

        Raises:
            WeightsError: they cannot be downloaded, or do not match the hash in their file name.
        """
        from torchvision.models import get_model, get_model_weights

        weights: Any = get_model_weights(self.name)["KINETICS400_V1"]
        _check_cached(self.name, str(weights.url))
        try:
            state = weights.get_state_dict(progress=False, check_hash=True, map_location="cpu", weights_only=True)
            whole: nn.Module = get_model(self.name)
            whole.load_state_dict(state)
        except Exception as error:  # no network, a damaged file, a different network: many types
            raise not_loaded(self.name, error) from error
        adopt(self.network, whole.state_dict(), {self.first_conv}, self.name)


class MViTTrunk(nn.Module):
    """torchvision's MViT for clips of any shape; returns the tokens on their grid.

    torchvision fixes the grid to 16 frames of 224 pixels, though the network does not need it: positions are relative,
    and their tables are interpolated to the actual grid (Li et al. 2022, arXiv 2112.01526, section 4.2).
    """

    def __init__(self, whole: nn.Module) -> None:
        super().__init__()
        self.conv_proj = whole.get_submodule("conv_proj")
        self.pos_encoding = whole.get_submodule("pos_encoding")
        self.blocks = cast(nn.ModuleList, whole.get_submodule("blocks"))
        self.norm = whole.get_submodule("norm")

    def forward(self, clip: Tensor) -> Tensor:
        """Map a clip (B, C, T, H, W) to features (B, 768, T / 2, H / 32, W / 32), rounded up."""
        patches: Tensor = self.conv_proj(clip)
        grid = cast(tuple[int, int, int], tuple(patches.shape[2:]))
        tokens: Tensor = self.pos_encoding(patches.flatten(2).transpose(1, 2))
        for block in self.blocks:
            tokens, grid = block(tokens, grid)
        normed: Tensor = self.norm(tokens)
        return normed[:, 1:].transpose(1, 2).reshape(len(normed), normed.shape[2], *grid)


@register_backbone("r3d_18", size=112, frames=16, fps=15.0, mean=_MEAN, std=_STD, pool="mean", sites=("input",))
def r3d_18(in_channels: int) -> TorchvisionVideo:
    """ResNet-18 with 3 x 3 x 3 kernels (Tran et al. 2018, arXiv 1711.11248): (B, 512, T / 8, H / 16, W / 16)."""
    return _video_resnet("r3d_18", in_channels)


@register_backbone("r2plus1d_18", size=112, frames=16, fps=15.0, mean=_MEAN, std=_STD, pool="mean", sites=("input",))
def r2plus1d_18(in_channels: int) -> TorchvisionVideo:
    """R(2+1)D-18, each kernel factorised into space and time (arXiv 1711.11248): (B, 512, T / 8, H / 16, W / 16)."""
    return _video_resnet("r2plus1d_18", in_channels)


@register_backbone("s3d", size=224, frames=32, fps=15.0, mean=_MEAN, std=_STD, pool="mean", sites=("input",))
def s3d(in_channels: int) -> TorchvisionVideo:
    """Separable 3D Inception (Xie et al. 2018, arXiv 1712.04851): (B, 1024, T / 8, H / 32, W / 32)."""
    layers = {
        "stem": range(0, 5),
        "mixed3": range(5, 7),
        "mixed4": range(7, 13),
        "mixed5": range(13, 16),
    }
    # Time: three strides of 2; the last has windows of two frames without padding, so its centres are between frames.
    stages = _numbered("features", layers)
    return TorchvisionVideo("s3d", _parts("s3d", "features"), in_channels, Site(1024, 2, 8), stages)


@register_backbone(
    "mvit_v2_s",
    size=224,
    frames=16,
    fps=7.5,
    mean=(0.45, 0.45, 0.45),
    std=(0.225, 0.225, 0.225),
    pool="mean",
    sites=("input",),
)
def mvit_v2_s(in_channels: int) -> TorchvisionVideo:
    """Multiscale vision transformer v2, small (Li et al. 2022, arXiv 2112.01526): (B, 768, T / 2, H / 32, W / 32)."""
    layers = {"stage1": range(0, 1), "stage2": range(1, 3), "stage3": range(3, 14), "stage4": range(14, 16)}
    stages = {"stem": ["conv_proj", "pos_encoding"], **_numbered("blocks", layers), "norm": ["norm"]}
    return TorchvisionVideo("mvit_v2_s", MViTTrunk(_whole("mvit_v2_s")), in_channels, Site(768, 0, 2), stages)


@register_backbone(
    "swin3d_t",
    size=224,
    frames=32,
    fps=15.0,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    pool="mean",
    sites=("input",),
)
def swin3d_t(in_channels: int, input: InputSpec) -> TorchvisionVideo:
    """Video Swin transformer, tiny (Liu et al. 2021, arXiv 2106.13230): (B, 768, T / 2, H / 32, W / 32).

    Raises:
        InputError: `frames` is odd: a patch spans two frames, and torchvision would pad the last with zeros.
    """
    if input.frames % 2:
        raise InputError(
            f"swin3d_t was given clips of {input.frames} frames, but its patches span two.",
            "an even number of frames",
            f"set `frames` (input.frames) to {input.frames + 1}",
        )
    from torchvision.ops import Permute

    network = _parts("swin3d_t", "patch_embed", "pos_drop", "features", "norm")
    network.append(Permute([0, 4, 1, 2, 3]))  # (B, T, H, W, D) to (B, D, T, H, W)
    layers = {"stage1": (0,), "stage2": (1, 2), "stage3": (3, 4), "stage4": (5, 6)}
    stages = {"stem": ["patch_embed"], **_numbered("features", layers), "norm": ["norm"]}
    # A patch spans two frames.
    return TorchvisionVideo("swin3d_t", network, in_channels, Site(768, 0.5, 2), stages)


def _numbered(parent: str, layers: Mapping[str, Iterable[int]]) -> dict[str, list[str]]:
    return {stage: [f"{parent}.{i}" for i in numbers] for stage, numbers in layers.items()}


def _video_resnet(name: str, in_channels: int) -> TorchvisionVideo:
    parts = ("stem", "layer1", "layer2", "layer3", "layer4")
    stages = {part: [part] for part in parts}
    # Time: three strides of 2 with odd, padded kernels, so the steps are centred on every eighth frame.
    return TorchvisionVideo(name, _parts(name, *parts), in_channels, Site(512, 0, 8), stages)


def _whole(name: str) -> nn.Module:
    from torchvision.models import get_model

    network: nn.Module = get_model(name)
    return network


def _parts(name: str, *parts: str) -> nn.Sequential:
    """Return the named children of a torchvision network in sequence, with their names."""
    whole = _whole(name)
    return nn.Sequential(OrderedDict((part, whole.get_submodule(part)) for part in parts))


def _check_cached(name: str, url: str) -> None:
    """Check a cached file against the sha256 prefix in its name; torch does so only after a download."""
    cached = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    if not cached.exists():
        return
    with cached.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    expected = cached.stem.rpartition("-")[2]
    if not digest.startswith(expected):
        raise WeightsError(
            f"The cached weights of {name} are damaged: the sha256 of {cached} starts with {digest[: len(expected)]}.",
            f"the published file, whose sha256 starts with {expected}",
            "delete the file and re-run to download it again",
        )
