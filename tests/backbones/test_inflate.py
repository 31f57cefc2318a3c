"""Inflation: kernels against the 2D convolution they come from, and strict mapping of names."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn

from fer_zoo.backbones.inflate import InflationMode, inflate_kernel, inflated
from fer_zoo.errors import WeightsError


@pytest.mark.parametrize("how", get_args(InflationMode))
@pytest.mark.parametrize("length", [1, 3, 5])
def test_a_constant_clip_gives_the_images_convolution(how: InflationMode, length: int) -> None:
    torch.manual_seed(0)
    kernel, image = torch.randn(4, 3, 3, 5), torch.randn(2, 3, 9, 9)
    inflated = inflate_kernel(kernel, length, how)
    assert inflated.shape == (4, 3, length, 3, 5)
    clip = image[:, :, None].expand(-1, -1, length, -1, -1)
    torch.testing.assert_close(
        nn.functional.conv3d(clip, inflated)[:, :, 0], nn.functional.conv2d(image, kernel), atol=1e-5, rtol=1e-5
    )


def test_centre_uses_the_middle_frame_and_mean_all_frames() -> None:
    kernel = torch.randn(2, 3, 3, 3)
    centre, mean = inflate_kernel(kernel, 3, "centre"), inflate_kernel(kernel, 3, "mean")
    assert [bool(centre[:, :, t].any()) for t in range(3)] == [False, True, False]
    assert torch.equal(centre[:, :, 1], kernel)
    assert torch.equal(mean[:, :, 0], mean[:, :, 1])
    assert torch.equal(mean[:, :, 0], mean[:, :, 2])


def pair(in_channels: int = 3) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    image = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    image[1].running_mean.normal_()
    return nn.Sequential(nn.Conv3d(in_channels, 4, (3, 3, 3)), nn.BatchNorm3d(4)), image


def test_added_input_channels_start_at_zero() -> None:
    module, image = pair(in_channels=4)
    module.load_state_dict(inflated(module, image.state_dict(), str))
    frame, extra = torch.randn(2, 3, 9, 9), torch.randn(2, 1, 9, 9)
    clip = torch.cat([frame, extra], 1)[:, :, None].expand(-1, -1, 3, -1, -1)
    expected = image.eval()(frame)
    torch.testing.assert_close(module.eval()(clip)[:, :, 0], expected, atol=1e-5, rtol=1e-5)


def test_tensors_mapped_to_none_are_ignored() -> None:
    module, image = pair()
    state = {**image.state_dict(), "classifier.weight": torch.zeros(2, 4)}
    module.load_state_dict(inflated(module, state, lambda name: None if name.startswith("classifier.") else name))
    assert torch.equal(module[0].weight[:, :, 1], image[0].weight)
    assert torch.equal(module[1].running_mean, image[1].running_mean)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda state: state.pop("0.bias"), "0.bias is missing"),
        (lambda state: state.update(extra=torch.zeros(1)), "extra is unexpected"),
        (lambda state: state.update(duplicate=torch.zeros(4)), "0.bias is given 2 times"),
        (lambda state: state.update({"0.bias": torch.zeros(5)}), r"0.bias is \(5,\), expected \(4,\)"),
        (
            lambda state: state.update({"0.weight": torch.zeros(4, 5, 3, 3)}),
            r"0.weight is \(4, 5, 3, 3\), expected \(4, 3, 3, 3, 3\)",
        ),
    ],
)
def test_a_mismatch_is_an_error_and_nothing_is_loaded(change, problem: str) -> None:
    module, image = pair()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = dict(image.state_dict())
    change(state)
    with pytest.raises(WeightsError, match=problem) as caught:
        inflated(module, state, lambda name: "0.bias" if name == "duplicate" else name)
    assert caught.value.accepted
    assert caught.value.do
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
