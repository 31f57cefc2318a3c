"""The public contract kit: a component that breaks a rule fails.

That every registered component passes it is checked by the tests of its kind, networks by tests/test_product.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import Tensor, nn

from fer_zoo import testing
from fer_zoo.errors import RecipeError
from fer_zoo.registry import BACKBONES, FUSIONS, REGISTRIES, TEMPORALS
from fer_zoo.specs import Shortcut, Site


@pytest.fixture
def forget() -> Iterator[None]:
    before = {kind: registry.snapshot() for kind, registry in REGISTRIES.items()}
    yield
    for kind, registry in REGISTRIES.items():
        registry.restore(before[kind])


class Good(nn.Module):
    """A valid backbone."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_channels, 4, 3, padding=1)
        self.output = Site(4)
        self.residual_sites = {"unit": Site(4)}
        self.stages = {"all": ("conv",)}

    def forward(self, clip: Tensor, shortcut: Shortcut | None = None) -> Tensor:
        """Map (B, C, T, H, W) to (B, 4, T, H, W)."""
        x: Tensor = self.conv(clip)
        return x if shortcut is None else shortcut("unit", x)


class WrongChannels(Good):
    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels)
        self.output = Site(5)


class WrongCentres(Good):
    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels)
        self.output = Site(4, first_frame=2)


class DependsOnTheBatch(Good):
    def forward(self, clip: Tensor, shortcut: Shortcut | None = None) -> Tensor:
        return super().forward(clip - clip.mean(0), shortcut)


class IdleLayer(Good):
    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels)
        self.idle = nn.Linear(2, 2)


class MissingStage(Good):
    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels)
        self.stages = {"all": ("con",)}


class HiddenSite(Good):
    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels)
        self.residual_sites = {}


class WrongSite(Good):
    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels)
        self.residual_sites = {"unit": Site(3)}


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (WrongChannels, "output declares 5 channels, but forward returns 4"),
        (WrongCentres, "output: 10 steps are centred on frames 2 to 11 of 10"),
        (DependsOnTheBatch, "a result depends on other items in the batch"),
        (IdleLayer, "no gradient reaches idle.weight, idle.bias"),
        (MissingStage, "parameter conv.weight is in 0 stages, expected 1"),
        (HiddenSite, "register it with sites="),
        (WrongSite, "site unit declares 3 channels, but the shortcut has 4"),
    ],
)
def test_a_backbone_that_breaks_a_rule(forget: None, backbone: type[Good], message: str) -> None:
    backbone.__doc__ = "A backbone."
    BACKBONES.register("good", sites=("residual",))(Good)
    BACKBONES.register("wrong", sites=("residual",))(backbone)
    testing.check_backbone("good", size=8)
    with pytest.raises(AssertionError, match=message.replace("(", r"\(")):
        testing.check_backbone("wrong", size=8)


class LastStep(nn.Module):
    """A temporal head that reads padding."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.out_features = in_features

    def forward(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the last step, even if it is padding."""
        return sequence[:, -1]


def test_a_temporal_head_that_reads_padding(forget: None) -> None:
    TEMPORALS.register("last_step")(LastStep)
    with pytest.raises(AssertionError, match=r"1 padded steps of 0.0 change the result"):
        testing.check_temporal("last_step")


class Dazzled(nn.Module):
    """A fusion that propagates NaN."""

    def __init__(self) -> None:
        super().__init__()

    extra_channels = 0

    def forward(self, clip: Tensor, landmarks: Tensor, clip_size: tuple[int, int]) -> Tensor:
        """Add the mean landmark to the clip."""
        return clip + landmarks.mean()


def test_a_fusion_that_propagates_nan(forget: None) -> None:
    FUSIONS.register("dazzled", site="input")(Dazzled)
    with pytest.raises(AssertionError, match="is not finite"):
        testing.check_fusion("dazzled")


def test_no_docstring(forget: None) -> None:
    def silent(in_features: int) -> nn.Module:
        return LastStep(in_features)

    TEMPORALS.register("silent")(silent)
    with pytest.raises(AssertionError, match="temporal 'silent' has no docstring"):
        testing.check_temporal("silent")


def test_check_recipe(tmp_path: Path) -> None:
    testing.check_recipe("quickstart")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("extends: quickstart\nmodel: {temporal: {name: lstm, hiden: 3}}\n")
    with pytest.raises(RecipeError, match="unknown option of temporal 'lstm'"):
        testing.check_recipe(wrong)
