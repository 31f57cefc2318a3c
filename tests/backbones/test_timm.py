"""timm models as per-frame encoders, compared with timm itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.models import get_pretrained_cfg
from torch import Tensor, nn

import fer_zoo
from fer_zoo.backbones.timm import TimmEncoder
from fer_zoo.errors import IncompatibleComponentsError, InputError, UnknownNameError, WeightsError
from fer_zoo.names import parse_name, split_tag
from fer_zoo.registry import BACKBONES
from fer_zoo.specs import InputSpec
from fer_zoo.testing import check_backbone

TINY = timm.list_models("test_*")
KINDS = ("byobnet", "coatnet", "convnext", "efficientnet", "mambaout", "maxvit", "nfnet", "resnet", "vit")
REAL = {
    "resnet18": (64, (512, 2, 2)),
    "mobilenetv3_small_050": (64, (288, 2, 2)),
    "efficientnet_b0": (64, (1280, 2, 2)),
    "vit_tiny_patch16_224.augreg_in21k_ft_in1k": (64, (192, 4, 4)),
    "swin_tiny_patch4_window7_224": (64, (768, 2, 2)),
    "convnext_atto": (64, (320, 2, 2)),
    "inception_resnet_v2": (107, (1536, 2, 2)),
}


def encoder(name: str, size: int, in_channels: int = 3) -> TimmEncoder:
    torch.manual_seed(0)
    entry = BACKBONES.get(f"timm/{name}")
    built = entry.build(options={}, in_channels=in_channels, input=InputSpec(frames=2, size=size))
    assert isinstance(built, TimmEncoder)
    return built.eval()


def clip_of(size: int, channels: int = 3) -> Tensor:
    return torch.randn(1, channels, 2, size, size, generator=torch.Generator().manual_seed(1))


def test_there_are_tiny_models_of_every_kind() -> None:
    assert {kind for kind in KINDS if f"test_{kind}" in TINY} == set(KINDS)


# One of each kind is fast; others of a kind have other norms, positions or sizes.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name[5:] in (*KINDS, "vit_relpos") else pytest.mark.slow) for name in TINY]
)
def test_contract(name: str) -> None:
    check_backbone(f"timm/{name}", size=32, frames=2)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size", "shape"), [(name, *facts) for name, facts in REAL.items()])
def test_real_models(name: str, size: int, shape: tuple[int, int, int]) -> None:
    backbone = encoder(name, size)
    with torch.no_grad():
        features = backbone(clip_of(size))
    assert tuple(features.shape) == (1, shape[0], 2, *shape[1:])
    assert features.isfinite().all()
    assert backbone.output.channels == shape[0]


# A convolution's (N, D, H, W), a model with channels last, class and patch tokens, patch tokens alone.
@pytest.mark.parametrize("name", ["test_resnet", "test_mambaout", "test_vit", "test_vit_relpos", "test_vit3"])
def test_each_frame_gives_timms_features(name: str) -> None:
    """timm's own conversion of intermediate features to (N, D, H, W), which the encoder does not use."""
    backbone, clip = encoder(name, 64), clip_of(64)
    network: Any = backbone.network
    with torch.no_grad():
        features = backbone(clip)
        for frame in range(2):
            options: dict[str, Any] = {"indices": 1, "norm": True, "intermediates_only": True, "output_fmt": "NCHW"}
            (expected,) = network.forward_intermediates(clip[:, :, frame], **options)
            torch.testing.assert_close(features[:, :, frame], expected)


@pytest.mark.parametrize("name", ["test_vit", "test_convnext", "mobilenetv3_small_050"])
def test_parameters_after_the_features_are_removed(name: str) -> None:
    backbone = encoder(name, 64)
    sized = {"img_size": 64} if "vit" in name else {}
    whole: Any = timm.create_model(name, **sized).eval()
    own = backbone.network.state_dict()
    assert own.keys() < whole.state_dict().keys()
    whole.load_state_dict(own, strict=False)
    clip = clip_of(64)
    with torch.no_grad():
        expected = whole.forward_features(clip[:, :, 0])
        features = backbone(clip)[:, :, 0]
    if expected.ndim == 3:
        expected = expected[:, 1:].transpose(1, 2).unflatten(2, (4, 4))
    torch.testing.assert_close(features, expected)


def test_defaults_are_those_of_the_weights() -> None:
    for name in ("resnet18", "resnet18.fb_swsl_ig1b_ft_in1k", "vit_tiny_patch16_384", "inception_resnet_v2"):
        cfg, spec = get_pretrained_cfg(name), fer_zoo.compose.model_spec(f"timm/{name}_gru")
        assert (3, spec.input.size, spec.input.size) == cfg.input_size
        assert (spec.input.mean, spec.input.std) == (cfg.mean, cfg.std)
        assert spec.pool == "mean"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("timm/resnet18_lstm_lm_in", ("timm/resnet18", "lstm", "lm_in")),
        ("timm/resnet18.a1_in1k_gru", ("timm/resnet18.a1_in1k", "gru", "none")),
        ("timm/vit_tiny_patch16_224_mean", ("timm/vit_tiny_patch16_224", "mean", "none")),
    ],
)
def test_model_names(name: str, parts: tuple[str, str, str]) -> None:
    assert tuple(entry.name for entry in parse_name(name)) == parts
    assert split_tag(name) == (name, "")
    with torch.device("meta"):
        model = fer_zoo.create_model(name, size=64)
    assert model.spec.name == name
    assert next(iter(model.stages())) == "stem"


def test_stages_of_a_resnet_are_its_layers() -> None:
    stages = encoder("resnet18", 64).stages
    assert list(stages) == ["stem", "stage1", "stage2", "stage3", "stage4"]
    assert {name.split(".")[1] for name in stages["stem"]} == {"conv1", "bn1"}
    assert {name.split(".")[1] for name in stages["stage3"]} == {"layer3"}


def test_an_unknown_name_suggests_the_closest() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'timm/resnet18' or"):
        BACKBONES.get("timm/resnet19")
    with pytest.raises(UnknownNameError, match=r"did you mean 'timm/resnet18' or"):
        fer_zoo.create_model("timm/resnet18x_gru")


@pytest.mark.parametrize(
    ("name", "kind"), [("crossvit_9_240", "a list of features"), ("coat_lite_tiny", r"features \(1, 50, 320\)")]
)
def test_a_model_without_a_single_feature_map_is_an_error(name: str, kind: str) -> None:
    with pytest.raises(IncompatibleComponentsError, match=rf"{name} returns {kind}.*\n  Accepted: .*\n  What to do: "):
        encoder(name, BACKBONES.get(f"timm/{name}").defaults["size"])


@pytest.mark.parametrize(
    ("name", "size", "reason"), [("test_vit", 100, "divisible by patch size"), ("inception_resnet_v2", 40, "Kernel")]
)
def test_a_size_that_timm_does_not_support_is_an_error(name: str, size: int, reason: str) -> None:
    with pytest.raises(
        InputError, match=rf"not support frames of {size} x {size} .*{reason}.*\n  Accepted: .*\n  What to do: "
    ):
        encoder(name, size)


def columns_with_gradient(backbone: TimmEncoder, size: int) -> Tensor:
    clip = clip_of(size).requires_grad_()
    (gradient,) = torch.autograd.grad(backbone(clip).square().sum(), clip)
    return gradient.abs().sum((0, 1, 2, 3)) > 0


@pytest.mark.parametrize(
    ("name", "size", "left", "nearest"),
    [
        ("vit_tiny_patch16_224", 100, 4, "96 or 112"),
        ("swin_tiny_patch4_window7_224", 50, 2, "48 or 52"),
        ("test_convnext", 50, 2, "48 or 52"),
        ("vit_tiny_patch16_224", 12, 12, "16"),
    ],
)
def test_a_size_not_covered_by_patches_is_an_error(name: str, size: int, left: int, nearest: str) -> None:
    with pytest.raises(InputError) as caught:
        encoder(name, size)
    assert f"timm's {name} would ignore the last {left} rows and columns" in caught.value.given
    assert caught.value.do == f"set `size` (input.size) to {nearest}"
    if left < size:
        for accepted in map(int, nearest.split(" or ")):
            assert columns_with_gradient(encoder(name, accepted), accepted).all()


@pytest.mark.parametrize(("name", "size"), [("davit_tiny", 50), ("pvt_v2_b0", 50), ("test_resnet", 51)])
def test_networks_with_padding_accept_any_size(name: str, size: int) -> None:
    assert columns_with_gradient(encoder(name, size), size).all()


@pytest.mark.slow
def test_the_size_of_the_weights_is_accepted_even_if_patches_do_not_cover_it() -> None:
    with torch.device("meta"):
        backbone = encoder("vit_so400m_patch14_siglip_384", 384)
    assert backbone(torch.empty(1, 3, 1, 384, 384, device="meta")).shape[3:] == (27, 27)


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_vit", "test_efficientnet"])
def test_published_weights(name: str, hub_cache: Callable[[str], nn.Module]) -> None:
    size = get_pretrained_cfg(name).input_size[-1]
    backbone, clip = encoder(name, size), clip_of(size)
    before = backbone(clip)
    whole: Any = hub_cache(name)
    backbone.load_pretrained()
    with torch.no_grad():
        expected = whole.forward_features(clip[:, :, 1])
        features = backbone(clip)
    if expected.ndim == 3:
        expected = expected[:, 1:].transpose(1, 2).unflatten(2, features.shape[3:])
    torch.testing.assert_close(features[:, :, 1], expected)
    assert not torch.allclose(features, before, atol=1e-3)


def test_a_fourth_channel_initially_has_no_effect(hub_cache: Callable[[str], nn.Module]) -> None:
    whole: Any = hub_cache("test_vit")
    backbone, clip = encoder("test_vit", 160, in_channels=4), clip_of(160, 4)
    backbone.load_pretrained()
    with torch.no_grad():
        expected = whole.forward_features(clip[:, :3, 0])[:, 1:].transpose(1, 2)
        torch.testing.assert_close(backbone(clip)[:, :, 0].flatten(2), expected)


def test_timm_resamples_positions_at_other_sizes(hub_cache: Callable[[str], nn.Module]) -> None:
    hub_cache("test_vit")
    backbone, clip = encoder("test_vit", 96), clip_of(96)
    backbone.load_pretrained()
    whole: Any = timm.create_model("test_vit", pretrained=True, img_size=96).eval()
    with torch.no_grad():
        expected = whole.forward_features(clip[:, :, 0])[:, 1:].transpose(1, 2)
        torch.testing.assert_close(backbone(clip)[:, :, 0].flatten(2), expected)


def test_missing_weights(hub_cache: Callable[[str], nn.Module]) -> None:
    with pytest.raises(WeightsError, match=r"timm/test_resnet could not .*\n  Accepted: a network .*\n  What to do: "):
        encoder("test_resnet", 64).load_pretrained()


def test_a_model_without_published_weights(hub_cache: Callable[[str], nn.Module]) -> None:
    untrained = next(name for name in timm.list_models("resnet*") if not get_pretrained_cfg(name).has_weights)
    with pytest.raises(WeightsError, match=f"timm/{untrained} could not be loaded: .*No pretrained weights exist"):
        encoder(untrained, 64).load_pretrained()


def test_a_file_with_a_missing_tensor(hub_cache: Callable[[str], nn.Module], tmp_path: Path) -> None:
    hub_cache("test_resnet")
    (file,) = tmp_path.rglob("model.safetensors")
    tensors = load_file(file)
    del tensors["layer1.0.conv1.weight"]
    save_file(tensors, file)
    backbone = encoder("test_resnet", 64)
    before = {key: tensor.clone() for key, tensor in backbone.state_dict().items()}
    with pytest.raises(WeightsError, match="could not be loaded"):
        backbone.load_pretrained()
    assert all(torch.equal(tensor, before[key]) for key, tensor in backbone.state_dict().items())
