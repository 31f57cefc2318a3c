"""The form of a network for inference: the same outputs, and the model that was given is left as it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fer_zoo import create_model
from fer_zoo.folding import folded
from fer_zoo.model import FERModel

NAMES = [
    "incres3d_tiny_lstm_lm", "incres3d_tiny_lstm_lm_in", "incres3d_tiny_gru", "incres2d_tiny_mean",
    "incres2plus1d_tiny_mean",
]  # fmt: skip


def with_statistics(name: str) -> FERModel:
    """Return a network whose batch norms do something, as trained ones do."""
    torch.manual_seed(0)
    model = create_model(name).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    return model


@pytest.mark.parametrize("name", NAMES)
def test_the_outputs_are_the_same(name: str) -> None:
    model = with_statistics(name)
    spec = model.input_spec
    clip = torch.randn(2, 3, spec.frames, spec.size, spec.size)
    points = torch.rand(2, spec.frames, 68, 2) * spec.size
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fast = folded(model)
    with torch.inference_mode():
        expected = model(clip, points)
        np.testing.assert_allclose(fast(clip, points), expected, atol=1e-4 * (1 + float(expected.abs().max())))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    norms = [module for module in fast.modules() if isinstance(module, nn.BatchNorm3d)]
    convs = [module for module in fast.modules() if isinstance(module, nn.Conv3d)]
    assert not norms
    assert all(max(conv.kernel_size) > 1 for conv in convs)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions(dtype: torch.dtype) -> None:
    model = with_statistics("incres3d_tiny_mean").to(dtype)
    clip = torch.randn(1, 3, 10, 80, 80, dtype=dtype)
    tolerance = 1e-9 if dtype == torch.float64 else 0.05
    with torch.inference_mode():
        np.testing.assert_allclose(folded(model)(clip).double(), model(clip).double(), atol=tolerance, rtol=tolerance)


def test_autocast() -> None:
    model = with_statistics("incres3d_tiny_mean")
    clip = torch.randn(1, 3, 10, 80, 80)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_allclose(folded(model)(clip).float(), model(clip).float(), atol=0.1, rtol=0.05)


def test_a_norm_before_its_convolution_and_one_with_its_own_forward_stay() -> None:
    class Skipping(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self[1](x) + self[0](x)

    model = with_statistics("incres3d_tiny_mean")
    model.backbone.stem = nn.Sequential(nn.BatchNorm3d(3), nn.Conv3d(3, 6, 1), nn.MaxPool3d((1, 4, 4)))
    model.backbone.unit_a = Skipping(nn.Conv3d(6, 6, 3, padding=1), nn.BatchNorm3d(6))
    part, copied = model.eval().backbone, folded(model).backbone
    clip = torch.randn(1, 3, 4, 16, 16)
    with torch.inference_mode():
        np.testing.assert_allclose(copied.unit_a(copied.stem(clip)), part.unit_a(part.stem(clip)), rtol=1e-4, atol=1e-5)
