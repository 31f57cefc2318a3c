"""Blur, small sensor, codec: against independent computations and on pictures whose result is known."""

from __future__ import annotations

import pytest
import torch

from fer_zoo.data.optics import compress, gaussian_blur, jpeg, low_resolution


def picture(height: int = 32, width: int = 40) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0)) * 255


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.3])
def test_blur_is_a_convolution_with_a_gaussian(sigma: float) -> None:
    reach = max(1, -int(-2.5 * sigma // 1))
    offsets = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = torch.outer(kernel, kernel) / kernel.sum() ** 2
    padded = torch.nn.functional.pad(picture(), (reach,) * 4, mode="replicate")
    expected = torch.nn.functional.conv2d(padded, kernel.expand(3, 1, -1, -1), groups=3)
    torch.testing.assert_close(gaussian_blur(picture(), sigma), expected, atol=1e-3, rtol=0)


def test_an_even_picture_stays_as_it_is() -> None:
    even = torch.full((1, 3, 20, 28), 80.0)
    for changed in (gaussian_blur(even, 1.5), low_resolution(even, 0.3)):
        torch.testing.assert_close(changed, even)
    # 8 x 80 is a multiple of the first quantum, 40 / 8.
    torch.testing.assert_close(compress(even, 40.0), even)


def test_low_resolution_loses_detail_and_keeps_the_mean() -> None:
    small = low_resolution(picture(), 0.25)
    assert small.shape == picture().shape
    assert small.std() < 0.5 * picture().std()
    torch.testing.assert_close(small.mean(), picture().mean(), atol=1.0, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(32, 40), (30, 37)])
def test_compression_stays_within_its_quantum_and_loses_more_when_coarser(height: int, width: int) -> None:
    errors = [
        (compress(picture(height, width), step) - picture(height, width)).square().mean() for step in (1.0, 10, 50)
    ]
    assert errors[0] < errors[1] < errors[2]
    # The cosine transform keeps squares: at most (quantum / 2)^2 a pixel, and the coarsest quantum is 15 / 8 of a step.
    assert errors[0] <= (15 / 8 / 2) ** 2 * (1 if height % 8 == 0 and width % 8 == 0 else 1.5)


def test_jpeg_loses_more_at_lower_quality_and_shares_colours_between_pixels() -> None:
    # Grey, so that only the coarseness of the steps counts, and smooth as photographs are.
    smooth = gaussian_blur(picture(), 1.5)[:, :1].expand(-1, 3, -1, -1)
    errors = [float((jpeg(smooth, quality) - smooth).square().mean()) for quality in (20, 50, 90)]
    assert errors[0] > 1.5 * errors[1] > 2 * errors[2]
    assert errors[2] < 4
    assert jpeg(smooth, 50).dtype == smooth.dtype
    checks = torch.zeros(1, 3, 16, 16)
    checks[:, 0, ::2, ::2] = checks[:, 0, 1::2, 1::2] = 200
    checks[:, 2, 1::2, ::2] = checks[:, 2, ::2, 1::2] = 200
    apart = jpeg(checks, 95)[:, 0] - jpeg(checks, 95)[:, 2]
    assert apart.abs().max() < 60, "red and blue become one colour at half the sides"
    torch.testing.assert_close(jpeg(torch.full((1, 3, 9, 11), 300.0), 90), torch.full((1, 3, 9, 11), 255.0))
