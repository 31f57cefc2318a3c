"""torchvision's video networks against torchvision and its metadata; centres of time steps by gradients."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights

from fer_zoo.backbones.torchvision_video import TorchvisionVideo
from fer_zoo.compose import model_spec
from fer_zoo.errors import InputError, WeightsError
from fer_zoo.factory import create_model
from fer_zoo.info import model_info
from fer_zoo.registry import BACKBONES
from fer_zoo.specs import InputSpec
from fer_zoo.testing import check_backbone

NAMES = ("r3d_18", "r2plus1d_18", "s3d", "mvit_v2_s", "swin3d_t")
PUBLISHED_FRAMES = {"r3d_18": 16, "r2plus1d_18": 16, "s3d": 128, "mvit_v2_s": 16, "swin3d_t": 32}


def backbone_of(name: str, in_channels: int = 3) -> TorchvisionVideo:
    torch.manual_seed(0)
    built = BACKBONES.get(name).build(options={}, in_channels=in_channels, input=InputSpec())
    assert isinstance(built, TorchvisionVideo)
    return built.eval()


def clip_of(frames: int, size: int, channels: int = 3) -> Tensor:
    return torch.randn(1, channels, frames, size, size, generator=torch.Generator().manual_seed(1))


def published(name: str) -> Any:
    return get_model_weights(name)["KINETICS400_V1"]


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name != "s3d")) for name in NAMES])
def test_contract(name: str) -> None:
    check_backbone(name, size=24, frames=10)


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_those_of_the_weights(name: str) -> None:
    spec, weights = model_spec(f"{name}_lstm"), published(name)
    transforms = weights.transforms()
    assert [spec.input.size] * 2 == transforms.crop_size
    assert list(spec.input.mean) == transforms.mean
    assert list(spec.input.std) == transforms.std
    assert spec.pool == "mean"
    # Frame rate and number of frames used for its accuracy are only in its documentation.
    facts = dict(re.findall(r"`(frame_rate|clip_len)=([\d.]+)`", weights.meta["_docs"]))
    assert spec.input.fps == float(facts["frame_rate"])
    assert PUBLISHED_FRAMES[name] == int(facts["clip_len"])
    assert spec.input.frames == (32 if name == "s3d" else PUBLISHED_FRAMES[name])
    assert spec.input.frames >= weights.meta.get("min_temporal_size", 1)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_operations_match_torchvisions_metadata(name: str) -> None:
    """The metadata includes the classifier of 400 classes and counts operations for 16 frames."""
    info, meta = model_info(f"{name}_mean", frames=16), published(name).meta
    classifier = 400 * (info.features[0] + 1)
    assert info.parameters_of["backbone"] + classifier == meta["num_params"]
    assert info.gmac == pytest.approx(meta["_ops"], rel=2e-3)


def features_of_torchvision(name: str, whole: Any, clip: Tensor) -> Tensor:
    """The input of torchvision's own pooling and classifier."""
    seen: list[Tensor] = []
    last = {"mvit_v2_s": "norm", "swin3d_t": "norm", "s3d": "features"}.get(name, "layer4")
    whole.get_submodule(last).register_forward_hook(lambda module, args, out: seen.append(out))
    if name == "s3d":
        whole.avgpool = nn.Identity()  # its window is larger than a small map
    if name == "mvit_v2_s":  # torchvision fixes the grid to 16 frames of 224 pixels
        whole.pos_encoding.temporal_size, whole.pos_encoding.spatial_size = (clip.shape[2] + 1) // 2, (12, 12)
    with torch.no_grad():
        whole(clip)
    return seen[0]


@pytest.mark.parametrize("name", NAMES)
def test_features_are_torchvisions(name: str) -> None:
    backbone, clip = backbone_of(name), clip_of(9, 48)
    whole: Any = get_model(name).eval()
    whole.load_state_dict(backbone.network.state_dict(), strict=False)
    expected = features_of_torchvision(name, whole, clip)
    with torch.no_grad():
        features = backbone(clip)
    if name == "mvit_v2_s":
        expected = expected[:, 1:].transpose(1, 2).unflatten(2, (5, 2, 2))
    if name == "swin3d_t":
        expected = expected.movedim(-1, 1)
    torch.testing.assert_close(features, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_fourth_channel_initially_has_no_effect(name: str) -> None:
    three, four, clip = backbone_of(name), backbone_of(name, 4), clip_of(10, 32, 4)
    with torch.no_grad():
        assert torch.equal(four(clip), three(clip[:, :3]))


def frames_that_reach(module: Callable[[Tensor], Tensor], step: int, frames: int, size: int) -> list[int]:
    """Input frames with a gradient from one time step of a feature map (B, D, T', ...)."""
    clip = clip_of(frames, size).requires_grad_()
    (gradient,) = torch.autograd.grad(module(clip)[:, :, step].abs().sum(), clip)
    return gradient.abs().sum((0, 1, 3, 4)).nonzero().flatten().tolist()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "frames", "size"), [("r3d_18", 240, 16), ("r2plus1d_18", 240, 16), ("s3d", 240, 17)])
def test_steps_of_convolutions_have_the_declared_centres(name: str, frames: int, size: int) -> None:
    """In a clip longer than the receptive field, the middle of the field is the centre of a step."""
    backbone = backbone_of(name)
    for step in (14, 15):
        seen = frames_that_reach(backbone, step, frames, size)
        assert seen[0] > 0
        assert seen[-1] < frames - 1, "a receptive field that touches the ends has no measurable centre"
        assert (seen[0] + seen[-1]) / 2 == backbone.output.centres(step + 1)[step]


@pytest.mark.parametrize(("name", "patches"), [("mvit_v2_s", "conv_proj"), ("swin3d_t", "patch_embed.proj")])
def test_steps_of_transformers_are_centred_on_their_patches(name: str, patches: str) -> None:
    """Attention covers the whole clip or window, so a step is centred on its patch; no layer changes T'."""
    backbone = backbone_of(name)
    centres = backbone.output.centres(4)
    for step in (1, 2, 3):
        seen = frames_that_reach(backbone.network.get_submodule(patches), step, 10, 32)
        assert (seen[0] + seen[-1]) / 2 == centres[step]
    assert backbone(clip_of(10, 32)).shape[2] == 5


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_centred_on_a_frame_of_the_clip(name: str) -> None:
    with torch.device("meta"):
        backbone = backbone_of(name)
    for frames in {"s3d": (5, 6, 8, 13), "swin3d_t": (2, 4, 10)}.get(name, (1, 2, 5, 8, 9)):
        steps = backbone(torch.empty(1, 3, frames, 32, 32, device="meta")).shape[2]
        centres = backbone.output.centres(steps)
        assert 0 <= centres[0] <= centres[-1] <= frames - 1


def test_swin_needs_an_even_number_of_frames() -> None:
    with pytest.raises(InputError, match=r"clips of 5 frames[\s\S]*even[\s\S]*to 6"):
        create_model("swin3d_t_mean", size=32, frames=5)


def test_swin_responds_most_to_the_frames_of_its_patch() -> None:
    backbone, clip = backbone_of("swin3d_t"), clip_of(10, 32)
    with torch.no_grad():
        before = backbone(clip)
        for frame in (2, 5, 8):
            other = clip.clone()
            other[:, :, frame] += 1
            change = (backbone(other) - before).abs().mean((0, 1, 3, 4))
            assert int(change.argmax()) == frame // 2


@pytest.mark.slow
def test_a_clip_too_small_for_s3d_is_an_error() -> None:
    with pytest.raises(InputError, match=r"16 frames of 16 x 16[\s\S]*\n  Accepted: .*\n  What to do: "):
        create_model("s3d_mean", size=16, frames=16)


@pytest.mark.parametrize("name", NAMES)
def test_the_smallest_clip(name: str) -> None:
    """One frame of one pixel; swin3d_t needs a patch of two frames, the last pool of s3d two steps on a grid of two."""
    size, frames = {"s3d": (17, 5), "swin3d_t": (1, 2)}.get(name, (1, 1))
    info = model_info(f"{name}_mean", size=size, frames=frames)
    assert info.features[1:] == (1, 1, 1)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[nn.Module, Path]:
    """s3d with random weights, in a file at the URL of the published ones; torch's cache is empty."""
    torch.manual_seed(9)
    whole = get_model("s3d").eval()
    buffer = io.BytesIO()
    torch.save(whole.state_dict(), buffer)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    file = tmp_path / "site" / f"s3d-{digest[:8]}.pth"
    file.parent.mkdir()
    file.write_bytes(buffer.getvalue())
    monkeypatch.setattr(published("s3d").value, "url", file.as_uri())
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    return whole, file


@pytest.mark.parametrize("channels", [3, 4])
def test_published_weights(served: tuple[nn.Module, Path], channels: int) -> None:
    """torchvision downloads the file from a file:// URL and checks the hash."""
    whole, _ = served
    backbone, clip = backbone_of("s3d", channels), clip_of(16, 48, channels)
    backbone.load_pretrained()
    expected = features_of_torchvision("s3d", whole, clip[:, :3])
    with torch.no_grad():
        torch.testing.assert_close(backbone(clip), expected)
    backbone.load_pretrained()  # now from the cache


def assert_load_fails(backbone: nn.Module, message: str) -> None:
    before = {key: tensor.clone() for key, tensor in backbone.state_dict().items()}
    with pytest.raises(WeightsError, match=rf"s3d.*{message}[\s\S]*\n  Accepted: .*\n  What to do: "):
        backbone.load_pretrained()  # type: ignore[operator]
    assert all(torch.equal(tensor, before[key]) for key, tensor in backbone.state_dict().items())


def test_a_file_that_does_not_match_its_hash(served: tuple[nn.Module, Path], tmp_path: Path) -> None:
    """torch checks the hash after a download but not of a cached file; the backbone does."""
    _, file = served
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert_load_fails(backbone_of("s3d"), "invalid hash value")
    cached = tmp_path / "hub" / "checkpoints" / file.name
    cached.write_bytes(whole[:-1])
    assert_load_fails(backbone_of("s3d"), "damaged: the sha256 of .* starts with")
    cached.write_bytes(whole)
    backbone_of("s3d").load_pretrained()


def test_weights_that_cannot_be_fetched(served: tuple[nn.Module, Path]) -> None:
    served[1].unlink()
    assert_load_fails(backbone_of("s3d"), "could not be loaded: URLError")


def test_weights_of_a_different_network(served: tuple[nn.Module, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published("r3d_18").value, "url", published("s3d").url)
    with pytest.raises(WeightsError, match=r"r3d_18 could not be loaded: RuntimeError: Error.* in loading state_dict"):
        backbone_of("r3d_18").load_pretrained()


def test_a_pickle_with_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.write_text, (tmp_path / "ran", "")

    buffer = io.BytesIO()
    torch.save({"trap": Trap()}, buffer)
    file = tmp_path / f"s3d-{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}.pth"
    file.write_bytes(buffer.getvalue())
    monkeypatch.setattr(published("s3d").value, "url", file.as_uri())
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    assert_load_fails(backbone_of("s3d"), "UnpicklingError")
    assert not (tmp_path / "ran").exists()
