"""Composing models: names are unambiguous; incompatible parts are an error, before anything is built."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import fer_zoo
from fer_zoo import compose
from fer_zoo.compose import build, feature_shape, model_spec
from fer_zoo.errors import IncompatibleComponentsError, OptionError, UnknownNameError
from fer_zoo.names import model_names, parse_name
from fer_zoo.registry import BACKBONES, FUSIONS, TEMPORALS
from fer_zoo.specs import InputSpec, Site


class Bare(nn.Module):
    """A backbone that accepts RGB only and has no residual units."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 4, 1)
        self.output = Site(4)
        self.residual_sites: dict[str, Site] = {}
        self.stages = {"conv": ("conv",)}

    def forward(self, clip: Tensor, shortcut: None = None) -> Tensor:
        """Map (B, 3, T, H, W) to (B, 4, T, H, W)."""
        out: Tensor = self.conv(clip)
        return out


@pytest.fixture
def bare() -> Iterator[None]:
    before = BACKBONES.snapshot()
    BACKBONES.register("bare", size=8, pool="mean")(Bare)
    yield
    BACKBONES.restore(before)


class Halved(Bare):
    """A backbone that may be registered under the same name in place of the other."""

    def forward(self, clip: Tensor, shortcut: None = None) -> Tensor:
        """Map (B, 3, T, H, W) to (B, 4, T, H / 2, W / 2)."""
        return super().forward(clip)[..., ::2, ::2]


def test_a_shape_is_found_once_for_each_backbone_and_input(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[int, ...]] = []

    def noted(*given: Any) -> tuple[int, ...]:
        found.append(feature_shape(*given))
        return found[-1]

    monkeypatch.setattr(compose, "feature_shape", noted)
    before = BACKBONES.snapshot()
    try:
        for backbone in (Bare, Halved):
            BACKBONES.register("bare", size=8, pool="flatten")(backbone)
            for size in (8, 8, 6):
                model = build(model_spec("bare_mean", frames=2, size=size, num_classes=3))
                assert model(torch.zeros(1, 3, 2, size, size)).shape == (1, 3), "a head for the features of its own"
            BACKBONES.restore(before)
    finally:
        BACKBONES.restore(before)
    assert found == [(4, 2, 8, 8), (4, 2, 6, 6), (4, 2, 4, 4), (4, 2, 3, 3)]


def test_every_listed_name_is_parsed_into_its_parts() -> None:
    for name in model_names():
        backbone, temporal, fusion = parse_name(name)
        suffix = "" if fusion.name == "none" else f"_{fusion.name}"
        assert f"{backbone.name}_{temporal.name}{suffix}" == name


def test_the_list_has_exactly_the_compatible_combinations(bare: None) -> None:
    names = set(fer_zoo.list_models())
    site = {name: FUSIONS.get(name).defaults["site"] for name in FUSIONS.names()}
    assert {name for name in names if name.startswith("bare_lstm")} == {
        "bare_lstm" if name == "none" else f"bare_lstm_{name}"
        for name in site
        if site[name] not in ("input", "residual")
    }
    assert {name for name in names if name.startswith("incres3d_gru")} == {
        "incres3d_gru" if name == "none" else f"incres3d_gru_{name}" for name in site
    }


@pytest.mark.parametrize(
    ("fusion", "reason"),
    [
        ("lm", "fusion 'lm' works on residual shortcuts; backbone 'bare' has none"),
        ("lm_in", "fusion 'lm_in' adds input channels; backbone 'bare' accepts only three (RGB)"),
    ],
)
def test_an_incompatible_pair_is_an_error_with_the_reason(bare: None, fusion: str, reason: str) -> None:
    with pytest.raises(IncompatibleComponentsError) as caught:
        fer_zoo.create_model(f"bare_lstm_{fusion}")
    assert str(caught.value) == (
        f"bare_lstm_{fusion} cannot be built: {reason}.\n"
        "  Accepted: with 'bare': lm_attn, lm_traj, none\n"
        "  What to do: choose another backbone or fusion"
    )


def test_a_bare_backbone_composes_with_the_rest(bare: None) -> None:
    assert build(model_spec("bare_lstm_lm_traj", hidden=3)).needs_landmarks
    assert not build(model_spec("bare_mean")).needs_landmarks


def test_an_ambiguous_name() -> None:
    backbones, temporals = BACKBONES.snapshot(), TEMPORALS.snapshot()
    try:
        BACKBONES.register("incres3d_bi")(Bare)
        TEMPORALS.register("bi_lstm")(type("BiLSTM", (Bare,), {}))
        with pytest.raises(OptionError) as caught:
            fer_zoo.create_model("incres3d_bi_lstm")
    finally:
        BACKBONES.restore(backbones)
        TEMPORALS.restore(temporals)
    message = str(caught.value)
    assert "incres3d + bi_lstm + none" in message
    assert "incres3d_bi + lstm + none" in message


def test_an_unknown_name_suggests_the_closest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        fer_zoo.create_model("incres3d_lstn_lm")
    assert "did you mean 'incres3d_lstm_lm'" in str(caught.value)


def test_a_plugin_cannot_make_a_built_in_name_ambiguous() -> None:
    before = TEMPORALS.snapshot()
    try:
        TEMPORALS.register("lstm_lm")(type("Theirs", (Bare,), {}))
        assert [entry.name for entry in parse_name("incres3d_tiny_lstm_lm")] == ["incres3d_tiny", "lstm", "lm"]
    finally:
        TEMPORALS.restore(before)


class Hidden(nn.Module):
    """A fusion with an option that the temporal head has too."""

    extra_channels = 0

    def __init__(self, *, hidden: int = 3) -> None:
        super().__init__()
        self.hidden = hidden


def test_defaults_for_the_head_do_not_reach_a_fusion() -> None:
    before = FUSIONS.snapshot()
    try:
        FUSIONS.register("theirs", site="input")(Hidden)
        spec = model_spec("incres3d_tiny_lstm_theirs")
        assert (spec.temporal.options, spec.fusion.options) == ({"hidden": 40}, {})
        with pytest.raises(OptionError, match="Option 'hidden' is ambiguous: temporal and fusion have it"):
            model_spec("incres3d_tiny_lstm_theirs", hidden=3)
    finally:
        FUSIONS.restore(before)


def test_options_override_input_which_overrides_backbone_defaults() -> None:
    spec = model_spec("r3d_18_lstm", input={"size": 64, "frames": 8}, frames=12).input
    assert (spec.size, spec.frames, spec.fps, spec.mean[0]) == (64, 12, 15.0, 0.43216)
    assert model_spec("r3d_18_lstm", input=InputSpec(size=64)).input == InputSpec(size=64), (
        "a complete spec replaces all defaults"
    )
    assert model_spec("r3d_18_lstm", crop={"scale": 1.5}).input.crop.scale == 1.5


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"hidden": 50, "temporal.hidden": 60}, "'hidden' and 'temporal.hidden' are the same option."),
        ({"backbone.name": "x"}, "No part has an option 'backbone.name'"),
        ({"input": 5}, "input=5."),
        ({"size": "80"}, "size: '80' is wrong: Input should be a valid integer"),
        ({"frames": True}, "frames: True is wrong"),
        ({"std": (0.0, 1.0, 1.0)}, "std.0: 0.0 is wrong: Input should be greater than 0"),
    ],
)
def test_invalid_options(options: dict[str, object], text: str) -> None:
    with pytest.raises(OptionError) as caught:
        model_spec("incres3d_tiny_lstm", **options)  # type: ignore[arg-type]
    assert str(caught.value).startswith(text)


def test_dropout_of_a_transformer_and_of_the_model_are_distinguished() -> None:
    with pytest.raises(OptionError, match="Option 'dropout' is ambiguous: temporal and model have it"):
        model_spec("incres3d_tiny_transformer", dropout=0.5)
    spec = model_spec("incres3d_tiny_transformer", **{"model.dropout": 0.5, "temporal.dropout": 0.3})
    assert (spec.dropout, spec.temporal.options["dropout"]) == (0.5, 0.3)
