"""Encoders of transformers, compared with transformers itself on its own preprocessing; small models made here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hub.fixtures import hub, impatient
from hub.weights_folder import here, home
from torch import Tensor

import fer_zoo
from fer_zoo.backbones.transformers import TransformersEncoder
from fer_zoo.compose import build, model_spec, resolved
from fer_zoo.errors import FerZooError, HubError, InputError, OptionError, UnknownNameError, WeightsError
from fer_zoo.hub.published import address_of
from fer_zoo.registry import BACKBONES
from fer_zoo.specs import InputSpec
from fer_zoo.testing import check_backbone, check_model
from fer_zoo.video.crop import normalise

__all__ = ["here", "home", "hub", "impatient"]

SMALL = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
WIDE = {**SMALL, "intermediate_size": 32, "patch_size": 8}
# Type: config, frames of a clip, name of the config in transformers, and its preprocessing.
TYPES: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "videomae": (WIDE, 4, "videomae", "VideoMAEImageProcessor"),
    "vjepa2": ({**SMALL, "patch_size": 8, "mlp_ratio": 2.0}, 4, "vjepa2", "VideoMAEImageProcessor"),
    "timesformer": (WIDE, 4, "timesformer", "VideoMAEImageProcessor"),
    "vivit": (
        {**SMALL, "intermediate_size": 32, "tubelet_size": [2, 8, 8]},
        4,
        "vivit",
        "VivitImageProcessor",
    ),
    "clip": (WIDE, 3, "clip_vision_model", "CLIPImageProcessor"),
    "siglip": (WIDE, 3, "siglip_vision_model", "SiglipImageProcessor"),
    "dinov2": ({**SMALL, "patch_size": 8}, 3, "dinov2", "BitImageProcessor"),
    "dinov2_with_registers": ({**SMALL, "patch_size": 8}, 3, "dinov2_with_registers", "BitImageProcessor"),
    "dinov3_vit": ({**WIDE, "num_register_tokens": 2}, 3, "dinov3_vit", "BitImageProcessor"),
    "vit": (WIDE, 3, "vit", "ViTImageProcessor"),
}
FAST = ("videomae", "clip")
EACH = [pytest.param(name, marks=[] if name in FAST else pytest.mark.slow) for name in TYPES]
SIZE = 32


def options(name: str) -> dict[str, Any]:
    config, frames, *_ = TYPES[name]
    return {"config": config, "size": SIZE, "frames": frames}


def publish(folder: Path, name: str, *, size: int = SIZE) -> Any:
    """Write a random small model with its preprocessing as a Hub repository has it; return the model."""
    config, frames, kind, processor = TYPES[name]
    shape = {"crop_size" if name == "vjepa2" else "image_size": size, "num_frames": frames, "frames_per_clip": frames}
    own = transformers.CONFIG_MAPPING[kind]()
    config = {**config, **{key: value for key, value in shape.items() if hasattr(own, key)}}
    config |= {"pred_hidden_size": 12, "pred_num_attention_heads": 1} if name == "vjepa2" else {}
    torch.manual_seed(5)
    model = transformers.AutoModel.from_config(transformers.CONFIG_MAPPING[kind](**config)).eval()
    for parameter in model.parameters():  # positions and layer scales are often initialised with constants
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    getattr(transformers, processor)(do_resize=False, do_center_crop=False).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n\n# Small\n")
    return model


def pixels(name: str, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (1, TYPES[name][1], size, size, 3), np.uint8)


def expected_tokens(model: Any, folder: Path, frames: np.ndarray, **arguments: Any) -> Tensor:
    """What transformers makes of frames: its own preprocessing, each frame alone for image encoders."""
    fields = json.loads((folder / "preprocessor_config.json").read_text())
    processor = getattr(transformers, fields["image_processor_type"]).from_pretrained(folder)
    given = list(frames[0])
    prepared = torch.as_tensor(np.array(processor(given, return_tensors="np")["pixel_values"]))
    key = "pixel_values_videos" if model.config.model_type == "vjepa2" else "pixel_values"
    with torch.no_grad():
        if model.config.model_type == "vjepa2":
            arguments["skip_predictor"] = True
        return model(**{key: prepared}, **arguments).last_hidden_state


@pytest.mark.parametrize("name", EACH)
def test_contract(name: str) -> None:
    config, frames, *_ = TYPES[name]
    check_backbone(f"transformers/{name}", size=SIZE, frames=frames, config=config)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n == "vivit" else pytest.mark.slow) for n in TYPES])
def test_published_weights_give_transformers_own_tokens(name: str, tmp_path: Path) -> None:
    whole = publish(tmp_path, name)
    frames = pixels(name)
    spec = {"size": SIZE, "frames": frames.shape[1], "hub": f"local-dir:{tmp_path}"}
    model = fer_zoo.create_model(f"transformers/{name}_mean", backbone_weights=True, **spec).eval()
    with torch.no_grad():
        features = model.forward_features(normalise(torch.from_numpy(frames), model.input_spec))[0]
    tokens = expected_tokens(whole, tmp_path, frames)
    steps, side = features.shape[1], features.shape[2]
    if not name.startswith(("video", "vjepa", "times", "vivit")):
        own = tokens[:, -side * side :].unflatten(1, (side, side)).permute(3, 0, 1, 2)
    elif name == "timesformer":
        own = tokens[0, 1:].unflatten(0, (side, side, steps)).permute(3, 2, 0, 1)
    else:
        own = tokens[0, -steps * side * side :].unflatten(0, (steps, side, side)).permute(3, 0, 1, 2)
    torch.testing.assert_close(features, own, atol=2e-4, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vit", "clip", "siglip"])
def test_positions_are_resampled_as_transformers_does(name: str, tmp_path: Path) -> None:
    whole, frames = publish(tmp_path, name), pixels(name, 48)
    spec = {"size": 48, "frames": frames.shape[1], "hub": f"local-dir:{tmp_path}"}
    model = fer_zoo.create_model(f"transformers/{name}_mean", backbone_weights=True, **spec).eval()
    with torch.no_grad():
        features = model.forward_features(normalise(torch.from_numpy(frames), model.input_spec))[0]
    tokens = expected_tokens(whole, tmp_path, frames, interpolate_pos_encoding=True)
    torch.testing.assert_close(features, tokens[:, -36:].unflatten(1, (6, 6)).permute(3, 0, 1, 2), atol=2e-4, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("fusion", ["lm_in", "lm_attn", "lm_traj"])
@pytest.mark.parametrize("name", ["videomae", "clip"])
def test_landmark_fusions(name: str, fusion: str) -> None:
    check_model(model_spec(f"transformers/{name}_mean_{fusion}", **options(name)))


@pytest.mark.slow
def test_a_fourth_channel_initially_has_no_effect(tmp_path: Path) -> None:
    publish(tmp_path, "videomae")
    spec = {"size": SIZE, "frames": 4, "hub": f"local-dir:{tmp_path}", "backbone_weights": True}
    clip = torch.randn(1, 3, 4, SIZE, SIZE)
    plain = fer_zoo.create_model("transformers/videomae_mean", **spec).eval()
    fused = fer_zoo.create_model("transformers/videomae_mean_lm_in", **spec).eval()
    with torch.no_grad():
        torch.testing.assert_close(
            fused.forward_features(clip, torch.rand(1, 4, 68, 2) * SIZE), plain.forward_features(clip)
        )


@pytest.fixture
def hub_model(hub: Any, here: str, tmp_path: Path) -> Callable[[str], str]:
    """Upload a small model of a type to the Hub on this machine; returns its commit."""

    def upload(name: str) -> str:
        folder = tmp_path / name
        publish(folder, name)
        return str(hub.create(f"alice/{name}", {path.name: path for path in folder.iterdir()}).id)

    return upload


def test_a_hub_name_gives_config_commit_and_licence(
    hub: Any, hub_model: Callable[[str], str], tmp_path: Path, impatient: None
) -> None:
    commit = hub_model("videomae")
    name, spec = "transformers/videomae_mean", {"size": SIZE, "frames": 4, "hub": "alice/videomae"}
    model = fer_zoo.create_model(name, backbone_weights=True, **spec).eval()
    stated = model.spec.backbone.options
    assert (stated["hub"], stated["licence"]) == (f"hf-hub:alice/videomae@{commit}", "cc-by-nc-4.0")
    assert (stated["config"]["hidden_size"], stated["config"]["num_frames"]) == (24, 4)
    hub.stop()  # the spec alone builds the network
    again = build(model.spec).eval()
    again.load_state_dict(model.state_dict())
    clip = torch.randn(1, 3, 4, SIZE, SIZE)
    with torch.no_grad():
        assert torch.equal(again(clip), model(clip))
        # Without a network the cache knows the model by its branch.
        cached = fer_zoo.create_model(name, backbone_weights=True, **spec).eval()
        assert torch.equal(cached.forward_features(clip), model.forward_features(clip))
    hub.start()


def test_what_is_no_encoder_or_no_model(hub: Any, hub_model: Callable[[str], str], impatient: None) -> None:
    hub.create("alice/text", {"config.json": '{"model_type": "bert"}'})
    hub.create("alice/code", {"config.json": '{"model_type": "mine", "auto_map": {"AutoModel": "mine.Mine"}}'})
    hub.create("alice/pickle", {"config.json": '{"model_type": "vit"}', "pytorch_model.bin": b"\x80"})
    hub.create("alice/empty", {"README.md": "nothing"})
    indexes = ['{"weight_map": null}', '{"weight_map": {"x": "../model.safetensors"}}']
    for number, index in enumerate(indexes):
        files = {"config.json": '{"model_type": "vit"}', "model.safetensors.index.json": index}
        hub.create(f"alice/index-{number}", files)
    cases: list[tuple[str, str, type[FerZooError], str]] = [
        ("videomae", "alice/text", OptionError, "is a model of type 'bert'; transformers/videomae cannot be built"),
        ("vit", "alice/code", OptionError, "type 'mine', whose code is in the repository and is never run"),
        ("clip", "alice/pickle", OptionError, "a model of type 'vit'"),
        ("vit", "alice/pickle", HubError, r"has no model.safetensors \(pickled weights are not read\)"),
        *(("vit", f"alice/index-{k}", HubError, "all files that its index names") for k in range(len(indexes))),
        ("vit", "alice/empty", HubError, "has no config.json"),
        ("vit", "alice/absent", HubError, "has no repository alice/absent"),
        ("vit", "no such name", OptionError, "cannot exist on a Hub"),
        ("vit", "local-dir:/no/such/folder", OptionError, "has no config.json"),
    ]
    for kind, given, error, message in cases:
        with pytest.raises(error, match=rf"(?s){message}.*\n  What to do: "):
            fer_zoo.create_model(f"transformers/{kind}_mean", hub=given, backbone_weights=True)
    with hub.down(), pytest.raises(HubError, match=r"could not be used.*\n  Accepted: .*\n  What to do: "):
        fer_zoo.create_model("transformers/vit_mean", hub="alice/new")


@pytest.mark.parametrize(
    ("name", "given", "message", "do"),
    [
        ("videomae", {"size": 48}, "positions cannot be resampled", "set frames=4 and size=32"),
        ("videomae", {"frames": 6}, "positions cannot be resampled", "set frames=4 and size=32"),
        ("vjepa2", {"frames": 5}, "patches span 2 frames", r"set `frames` \(input.frames\) to 6"),
        ("vit", {"size": 37}, "which patches of 8 x 8 do not cover", r"set `size` \(input.size\) to 32 or 40"),
        ("dinov2", {"size": 4}, "do not cover", r"set `size` \(input.size\) to 8"),
    ],
)  # fmt: skip
def test_a_clip_that_does_not_fit(name: str, given: dict[str, int], message: str, do: str) -> None:
    spec = options(name)
    sizes = {"image_size": SIZE, "num_frames": 4} if name == "videomae" else {}
    with pytest.raises(InputError, match=rf"{message}.*\n  Accepted: .*\n  What to do: {do}"):
        fer_zoo.create_model(f"transformers/{name}_mean", **{**spec, "config": {**spec["config"], **sizes}, **given})


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("vit", {"hidden": 24}, "unknown settings: hidden"),
        ("vit", {**WIDE, "hidden_size": "wide"}, "config is wrong: .*hidden_size"),
        ("vit", {**WIDE, "hidden_act": "no_such"}, "cannot build vit with this config: KeyError"),
        ("vit", {**WIDE, "num_channels": 1}, "num_channels=1"),
        ("timesformer", {**WIDE, "attention_type": "space_only"}, "cannot build timesformer with this config"),
    ],
)  # fmt: skip
def test_a_config_that_is_wrong(name: str, config: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=rf"{message}.*\n  Accepted: .*\n  What to do: "):
        fer_zoo.create_model(f"transformers/{name}_mean", config=config, size=SIZE, frames=4)


@pytest.mark.slow
def test_weights_with_another_config(tmp_path: Path) -> None:
    publish(tmp_path, "vit")
    spec = {"size": SIZE, "frames": 3, "hub": f"local-dir:{tmp_path}", "backbone_weights": True}
    for changed in ({"num_attention_heads": 3}, {"hidden_act": "relu"}):
        with pytest.raises(
            WeightsError, match=rf"{next(iter(changed))} is .*, published .*\n  Accepted: .*\n  What to do: "
        ):
            fer_zoo.create_model("transformers/vit_mean", config={**WIDE, **changed}, **spec)
    with pytest.raises(WeightsError, match="was given no Hub model to start from"):
        fer_zoo.create_model("transformers/vit_mean", config=WIDE, size=SIZE, frames=3, backbone_weights=True)


def test_names_and_addresses() -> None:
    with pytest.raises(UnknownNameError, match="transformers/videomae"):
        BACKBONES.get("transformers/videomea")
    for name in ("google/vit", "hf-hub:google/vit", "google/vit@refs/pr/3"):
        assert address_of(name).repo == "google/vit"  # type: ignore[union-attr]
    entry = BACKBONES.get("transformers/vit")
    assert entry.problems({"hub": "../vit"})
    assert entry.problems({"normalisation": {"mean": [0.5]}})
    assert entry.problems({"normalisation": {"mean": [0.5] * 3, "std": [0.0] * 3}})


def test_a_resolved_spec_is_final() -> None:
    spec = resolved(model_spec("transformers/vit_mean", **options("vit")))
    assert resolved(spec) == spec
    assert resolved(spec, weights=True) == spec
    encoder = build(spec).backbone
    assert isinstance(encoder, TransformersEncoder)
    assert encoder.output.channels == 24
    assert InputSpec() == InputSpec.model_validate(spec.input.model_dump(include={"fps", "mean", "std"}))
