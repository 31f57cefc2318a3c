"""Weights published by other libraries."""

from __future__ import annotations

import pytest
from torch import nn

from fer_zoo.backbones._published import timm_weights
from fer_zoo.errors import WeightsError


def test_weights_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    def offline(name: str, pretrained: bool) -> nn.Module:
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(WeightsError) as caught:
        timm_weights("inception_resnet_v2")
    assert caught.value.given.startswith(
        "The published weights of timm/inception_resnet_v2 could not be loaded: OSError"
    )
    assert "no route to host" in caught.value.given
    assert caught.value.accepted
    assert caught.value.do
