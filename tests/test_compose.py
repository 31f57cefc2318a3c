"""Composer: names are read one way, impossible pairs are refused with the reason, before anything is built."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from torch import Tensor, nn

import fer_zoo
from fer_zoo.compose import build, model_names, model_spec, parse_name
from fer_zoo.errors import IncompatibleComponentsError, OptionError, UnknownNameError
from fer_zoo.registry import BACKBONES, FUSIONS, TEMPORALS
from fer_zoo.specs import Site


class Bare(nn.Module):
    """A backbone that takes RGB only and has no residual units."""

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


def test_every_listed_name_is_read_as_its_parts() -> None:
    for name in model_names():
        backbone, temporal, fusion = parse_name(name)
        suffix = "" if fusion.name == "none" else f"_{fusion.name}"
        assert f"{backbone.name}_{temporal.name}{suffix}" == name


def test_the_list_holds_all_that_fits_and_nothing_else(bare: None) -> None:
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
        ("lm", "fusion 'lm' works on residual shortcuts; backbone 'bare' offers none"),
        ("lm_in", "fusion 'lm_in' adds input channels; backbone 'bare' takes three, RGB"),
    ],
)
def test_an_impossible_pair_is_refused_with_the_reason(bare: None, fusion: str, reason: str) -> None:
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


def test_a_name_that_can_be_read_in_two_ways() -> None:
    backbones, temporals = BACKBONES.snapshot(), TEMPORALS.snapshot()
    try:
        BACKBONES.register("incres3d_bi")(Bare)
        TEMPORALS.register("bi_lstm")(type("BiLSTM", (Bare,), {}))
        with pytest.raises(OptionError) as caught:
            fer_zoo.create_model("incres3d_bi_lstm")
    finally:
        BACKBONES.restore(backbones)
        TEMPORALS.restore(temporals)
    said = str(caught.value)
    assert "incres3d + bi_lstm + none" in said
    assert "incres3d_bi + lstm + none" in said


def test_an_unknown_name_lists_the_closest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        fer_zoo.create_model("incres3d_lstn_lm")
    assert "did you mean 'incres3d_lstm_lm'" in str(caught.value)
