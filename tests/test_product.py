"""Every backbone with every temporal head and every fusion, at tiny size: works, or is an error with the reason.

Works means: builds, runs forward and backward on a 10-frame clip, saves, loads, and gives identical logits.
"""

from __future__ import annotations

import itertools

import pytest

from fer_zoo.compose import build, model_spec
from fer_zoo.errors import IncompatibleComponentsError
from fer_zoo.registry import BACKBONES, FUSIONS, TEMPORALS
from fer_zoo.testing import check_model

# One member represents the family: timm's tiny test network.
BACKBONE_NAMES = [*BACKBONES.names(), "timm/test_resnet"]
NARROW = {"incres3d", "incres2d", "incres3d_deep", "incres2plus1d", "incres3d_v2"}
WITHOUT_SHORTCUTS = {"r3d_18", "r2plus1d_18", "s3d", "mvit_v2_s", "swin3d_t", "timm/test_resnet"}
ON_SHORTCUTS = {"lm", "lm_gate", "lm_add"}
PRODUCT = list(itertools.product(BACKBONE_NAMES, TEMPORALS.names(), FUSIONS.names()))
# `make test` walks every backbone but the heaviest with drawn landmarks, and all heads and fusions on two light ones;
# `make test-slow` does the rest.
LIGHT = {"incres3d_tiny", "timm/test_resnet"}
FAST_FUSIONS = {"lm_in"}
HEAVY = {"mvit_v2_s", "swin3d_t", "r2plus1d_18", "r3d_18"}
CASES = [
    pytest.param(*one)
    if one[0] in LIGHT or (one[1] == "mean" and one[2] in FAST_FUSIONS and one[0] not in HEAVY)
    else pytest.param(*one, marks=pytest.mark.slow)
    for one in PRODUCT
]


def tiny(backbone: str) -> dict[str, object]:
    """Options for a small clip, and for a narrow network if the full one is large; its stem needs larger frames."""
    narrow = {"size": 80, "width": 0.0625} if backbone in NARROW else {"size": 32}
    return {"frames": 10, "pool": "mean", **narrow}


@pytest.mark.parametrize(("backbone", "temporal", "fusion"), CASES)
def test_works_or_is_a_clear_error(backbone: str, temporal: str, fusion: str) -> None:
    name = "_".join([backbone, temporal] if fusion == "none" else [backbone, temporal, fusion])
    hidden = {"hidden": 8} if "hidden" in TEMPORALS.get(temporal).options else {}
    spec = model_spec(name, **tiny(backbone), **hidden)
    if backbone in WITHOUT_SHORTCUTS and fusion in ON_SHORTCUTS:
        with pytest.raises(IncompatibleComponentsError) as caught:
            build(spec)
        reason = f"fusion {fusion!r} works on residual shortcuts; backbone {backbone!r} has none"
        assert str(caught.value).startswith(f"{name} cannot be built: {reason}.")
    else:
        check_model(spec)


def test_the_number_of_combinations() -> None:
    """The count is written out, so that a component missing from the registry is noticed."""
    assert len(CASES) == len(set(PRODUCT)) == 16 * 6 * 7
    refused = [one for one in PRODUCT if one[0] in WITHOUT_SHORTCUTS and one[2] in ON_SHORTCUTS]
    assert len(refused) == 6 * 6 * 3
