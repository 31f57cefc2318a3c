"""Inception-ResNet-v2 in 3D against timm's image network: layers, sizes, and the features of inflated weights."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import timm
import torch
from measured import gmac, shown_shortcuts, sizes_after
from torch import Tensor, nn

from fer_zoo.backbones.incres3d_v2 import IncRes3DV2, SteadyConv, image_name, incres3d_v2, incres3d_v2_tiny
from fer_zoo.backbones.inflate import InflationMode, inflated
from fer_zoo.errors import WeightsError
from fer_zoo.registry import BACKBONES
from fer_zoo.testing import check_backbone

STAGES = {
    "stem": (192, 35),
    "mixed_5b": (320, 35),
    "repeat": (320, 35),
    "mixed_6a": (1088, 17),
    "repeat_1": (1088, 17),
    "mixed_7a": (2080, 8),
    "repeat_2": (2080, 8),
    "block8": (2080, 8),
    "conv2d_7b": (1536, 8),
}


@pytest.fixture(scope="module")
def meta() -> IncRes3DV2:
    with torch.device("meta"):
        return incres3d_v2(3)


@pytest.fixture(scope="module")
def image() -> nn.Module:
    """timm's network with random weights and random batch-norm statistics."""
    torch.manual_seed(0)
    network = timm.create_model("inception_resnet_v2").eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.7, 1.3)
            module.bias.data.normal_(0, 0.2)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.1, 0.4)
    return network


@pytest.fixture(scope="module")
def picture() -> Tensor:
    return torch.randn(1, 3, 107, 107, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def image_features(image: nn.Module, picture: Tensor) -> Tensor:
    with torch.no_grad():
        features: Tensor = image.forward_features(picture)
    return features


@pytest.fixture(scope="module")
def empty() -> IncRes3DV2:
    """Four input channels, tensors uninitialised: drawing 67 M random numbers would dominate the test time."""
    with torch.device("meta"):
        backbone = incres3d_v2(4)
    return backbone.to_empty(device="cpu").eval()


@pytest.mark.slow
def test_contract() -> None:
    check_backbone("incres3d_v2_tiny")


def test_grid_and_channels_of_each_stage(meta: IncRes3DV2) -> None:
    assert sizes_after(meta, STAGES) == {name: (width, 10, side, side) for name, (width, side) in STAGES.items()}


def test_parameters_and_multiply_accumulates(meta: IncRes3DV2) -> None:
    assert sum(p.numel() for p in meta.parameters()) / 1e6 == pytest.approx(66.99, abs=0.005)
    assert gmac(meta) == pytest.approx(182.1, abs=0.05)


def test_landmark_sites_are_the_first_units(meta: IncRes3DV2) -> None:
    clip = torch.empty(1, 3, 10, 299, 299, device="meta")
    assert shown_shortcuts(meta, clip) == [("a", (320, 10, 35, 35)), ("b", (1088, 10, 17, 17))]


def test_only_square_kernels_after_the_stem_span_frames(meta: IncRes3DV2) -> None:
    for name, conv in meta.named_modules():
        if isinstance(conv, nn.Conv3d):
            square = conv.kernel_size[1] == conv.kernel_size[2] > 1
            assert conv.kernel_size[0] == (3 if square and not name.startswith("stem.") else 1), name
            assert conv.stride[0] == 1, name


@pytest.mark.parametrize("how", get_args(InflationMode))
def test_a_constant_clip_gives_the_image_networks_features(
    how: InflationMode, image: nn.Module, picture: Tensor, image_features: Tensor, empty: IncRes3DV2
) -> None:
    empty.load_state_dict(inflated(empty, image.state_dict(), image_name, how=how))
    fourth = torch.randn(1, 1, 3, 107, 107)  # its weights start at zero
    clip = torch.cat([picture[:, :, None].expand(-1, -1, 3, -1, -1), fourth], 1)
    with torch.no_grad():
        features = empty(clip)
    assert image_features.std() > 0.5, "features close to zero would agree trivially"
    for frame in range(3):
        torch.testing.assert_close(features[:, :, frame], image_features, atol=1e-4, rtol=0)


def test_load_pretrained_fetches_timms_weights(
    monkeypatch: pytest.MonkeyPatch, image: nn.Module, empty: IncRes3DV2
) -> None:
    requests = []

    def fetch(name: str, pretrained: bool = False) -> nn.Module:
        requests.append((name, pretrained))
        return image

    monkeypatch.setattr(timm, "create_model", fetch)
    nn.init.zeros_(empty.conv2d_7b.conv.weight)
    empty.load_pretrained()
    assert requests == [("inception_resnet_v2", False), ("inception_resnet_v2", True)]
    assert torch.equal(empty.conv2d_7b.conv.weight[:, :, 0], image.conv2d_7b.conv.weight)


@pytest.mark.parametrize("other", [{"width": 0.25}, {"stem": "light"}, {"repeat_b": 19}], ids=str)
def test_a_different_network_is_an_error_before_any_download(
    monkeypatch: pytest.MonkeyPatch, other: dict[str, Any]
) -> None:
    create = timm.create_model

    def fetch(name: str, pretrained: bool = False) -> nn.Module:
        assert not pretrained, "the weights were downloaded"
        return create(name)

    monkeypatch.setattr(timm, "create_model", fetch)
    with torch.device("meta"):
        backbone = incres3d_v2(3, **other)
    with pytest.raises(WeightsError, match="does not match"):
        backbone.load_pretrained()


def test_the_input_matches_timms_config() -> None:
    config = timm.models.get_pretrained_cfg("inception_resnet_v2")
    defaults = BACKBONES.get("incres3d_v2").defaults
    assert (3, defaults["size"], defaults["size"]) == config.input_size
    assert (defaults["mean"], defaults["std"]) == (config.mean, config.std)


def test_a_constant_clip_is_constant_at_every_layer() -> None:
    torch.manual_seed(0)
    backbone = incres3d_v2_tiny(3).eval()
    changes = []

    def watch(module: nn.Module, args: tuple[Tensor], out: Tensor) -> None:
        out = out.detach()
        changes.append(float((out - out[:, :, :1]).abs().max() / out.abs().max()))

    for module in backbone.modules():
        if isinstance(module, SteadyConv):
            module.register_forward_hook(watch)
    backbone(torch.randn(1, 3, 1, 64, 64).expand(-1, -1, 5, -1, -1))
    assert len(changes) > 40
    assert max(changes) < 1e-5


def test_motion_reaches_the_neighbouring_frames() -> None:
    torch.manual_seed(0)
    clip = torch.randn(1, 3, 1, 64, 64).repeat(1, 1, 3, 1, 1)
    moved = clip.clone()
    moved[:, :, 2] += 1
    for temporal_kernels in (True, False):
        backbone = incres3d_v2_tiny(3, temporal_kernels=temporal_kernels).eval()
        change = (backbone(moved) - backbone(clip)).abs().amax((0, 1, 3, 4))
        assert (change > 1e-6).tolist() == [temporal_kernels, temporal_kernels, True]
