"""`timm/NAME`: any timm image model as a per-frame encoder (Wightman 2019, PyTorch Image Models)."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fer_zoo.backbones._published import adopt, remove_unused, timm_weights
from fer_zoo.errors import FerZooError, IncompatibleComponentsError, InputError
from fer_zoo.registry import BACKBONES
from fer_zoo.specs import InputSpec, Shortcut, Site

# Raised by timm's models for an image size or a number of channels that they do not support.
_REFUSALS = (AssertionError, ArithmeticError, IndexError, RuntimeError, TypeError, ValueError)


@functools.cache
def _names() -> tuple[str, ...]:
    import timm

    return (*timm.list_models(), *timm.list_pretrained())


def _suited(name: str) -> Mapping[str, Any]:
    """Return input size and normalisation of a model's published weights, from timm's pretrained config."""
    cfg = _record(name)
    return {"size": min(cfg.input_size[1:]), "mean": tuple(cfg.mean), "std": tuple(cfg.std), "pool": "mean"}


def _record(name: str) -> Any:
    from timm.models import PretrainedCfg, get_pretrained_cfg

    # timm has none for some untrained architectures and uses its defaults, as here.
    return get_pretrained_cfg(name) or PretrainedCfg()


class TimmEncoder(nn.Module):
    """A timm model applied to each frame: a clip (B, C, T, H, W) gives its last feature maps (B, D, T', H', W').

    The patch tokens of transformers are placed on their grid; class and register tokens are dropped. Parameters after
    the features (a classifier, a norm or layer after pooling) are removed. The stages are timm's coarse layer groups.

    Raises:
        InputError: the model does not support this frame size, or its patches would not cover the whole frame.
        IncompatibleComponentsError: the model has no single feature map on a square grid.
    """

    def __init__(self, name: str, in_channels: int, input: InputSpec) -> None:
        super().__init__()
        import timm

        self.name = name
        # Models that timm marks as fixed-size need the size when they are built; others adapt to the input.
        self.sized: dict[str, Any] = {"img_size": input.size} if _record(name).fixed_input_size else {}
        try:
            self.network: nn.Module = timm.create_model(name, num_classes=0, in_chans=in_channels, **self.sized)
            with _whole_frame(self.network, name, input.size):
                features = remove_unused(self, (in_channels, 1, input.size, input.size))
        except FerZooError:
            raise
        except _REFUSALS as error:
            raise InputError(
                f"timm's {name} does not support frames of {input.size} x {input.size} with {in_channels} channels: "
                f"{type(error).__name__}: {error}",
                f"the size of its published weights, {_suited(name)['size']}, and others that timm supports for it",
                "set `size` (input.size); if it fails on the channels only, choose a fusion at another site",
            ) from error
        self.output = Site(features.shape[1])
        self.residual_sites: Mapping[str, Site] = {}
        self.stages: Mapping[str, Sequence[str]] = _stages(self.network)

    def forward(self, clip: Tensor, shortcut: Shortcut | None = None) -> Tensor:
        """Map a clip (B, C, T, H, W) to features (B, D, T, H', W')."""
        frames = clip.transpose(1, 2)
        features = self._map(self.network.forward_features(frames.flatten(0, 1)))  # type: ignore[operator]
        return features.reshape(*frames.shape[:2], *features.shape[1:]).transpose(1, 2)

    def load_pretrained(self) -> None:
        """Load the published weights strictly; timm downloads and caches them. Weights of channels beyond RGB are 0.

        Raises:
            WeightsError: timm cannot load them, has none for this model, or they do not match at this size.
        """
        published = timm_weights(self.name, **self.sized)
        first = _record(self.name).first_conv or ()
        adopt(self.network, published, (first,) if isinstance(first, str) else first, f"timm/{self.name}")

    def _map(self, features: Any) -> Tensor:
        """Convert timm's features (N, D, H', W'), (N, H', W', D) or tokens (N, L, D) to maps (N, D, H', W')."""
        tensor = features if isinstance(features, Tensor) else torch.empty(0, device="meta")
        if tensor.ndim == 4:
            channels_last = str(getattr(self.network, "output_fmt", "NCHW")).endswith("NHWC")
            return tensor.permute(0, 3, 1, 2) if channels_last else tensor
        patches = tensor.shape[1] - int(getattr(self.network, "num_prefix_tokens", 0)) if tensor.ndim == 3 else 0
        side = math.isqrt(patches)
        if not side or side * side != patches:
            kind = f"features {tuple(tensor.shape)}" if tensor.numel() else f"a {type(features).__name__} of features"
            raise IncompatibleComponentsError(
                f"timm's {self.name} returns {kind}, which is not a map on a square grid.",
                "models that return (N, D, H, W), (N, H, W, D), or prefix tokens and a square grid of patch tokens",
                'choose another model: fer_zoo.list_components("backbone", "timm/*") lists them',
            )
        return tensor[:, -patches:].transpose(1, 2).reshape(len(tensor), tensor.shape[2], side, side)


@contextlib.contextmanager
def _whole_frame(network: nn.Module, name: str, size: int) -> Iterator[None]:
    """In this block, raise an error if the patches of `network` do not cover the last rows and columns of a frame.

    Some published weights were trained that way (siglip's 384 pixels in patches of 14): that size is always accepted.
    """

    def refuse(conv: nn.Conv2d, args: tuple[Tensor, ...]) -> None:
        left = args[0].shape[3] % conv.stride[1]
        if args[0].shape[3] != size or not left or size == _suited(name)["size"]:
            return
        below, patch = size - left, conv.stride[1]
        raise InputError(
            f"timm's {name} would ignore the last {left} rows and columns of frames of {size} x {size}, since it "
            f"divides them into patches of {patch} x {patch}.",
            f"multiples of {patch}",
            f"set `size` (input.size) to {f'{below} or ' if below else ''}{below + patch}",
        )

    # timm's own subclasses of Conv2d pad by themselves.
    convs = [module for module in network.modules() if type(module) is nn.Conv2d]
    patches = [c for c in convs if c.kernel_size == c.stride != (1, 1) and c.padding in ((0, 0), "valid")]
    handles = [conv.register_forward_pre_hook(refuse) for conv in patches]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _stages(network: nn.Module) -> dict[str, Sequence[str]]:
    """Group parameters by timm's coarse layer groups, from input to output; by child module if a model has none."""
    from timm.models import group_parameters

    try:
        groups = group_parameters(network, network.group_matcher(coarse=True))  # type: ignore[operator]
    except (AttributeError, AssertionError, NotImplementedError):
        children = dict.fromkeys(name.partition(".")[0] for name, _ in network.named_parameters())
        return {name: (f"network.{name}",) for name in children}
    names = ("stem", *(f"stage{i}" for i in range(1, len(groups))))
    return {stage: [f"network.{name}" for name in groups[i]] for i, stage in enumerate(names)}


@BACKBONES.register_family("timm", _names, _suited, sites=("input",), frame_wise=True)
def timm_encoder(name: str, in_channels: int, input: InputSpec) -> TimmEncoder:
    """Any timm image model, applied per frame, with the input size and normalisation of its published weights."""
    return TimmEncoder(name, in_channels, input)
