"""FERModel: shapes are checked, landmarks are required where they are used, pooling is as named."""

from __future__ import annotations

import pytest
import torch

import fer_zoo
from fer_zoo.errors import InputError
from fer_zoo.model import feature_shape, pool_grid

SIZE = 48


@pytest.fixture(scope="module")
def model() -> fer_zoo.FERModel:
    torch.manual_seed(0)
    return fer_zoo.create_model("incres3d_tiny_lstm_lm", size=SIZE).eval()


@pytest.fixture(scope="module")
def clip() -> torch.Tensor:
    return torch.randn(2, 3, 10, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "shape", [(2, 3, 9, SIZE, SIZE), (2, 3, 10, SIZE, 47), (3, 10, SIZE, SIZE), (2, 1, 10, SIZE, SIZE)]
)
def test_refuses_other_clips(model: fer_zoo.FERModel, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError) as caught:
        model(torch.zeros(shape), None)
    assert f"A clip of shape {shape} was given." in str(caught.value)
    assert "(batch, 3, 10, 48, 48)" in str(caught.value)


@pytest.mark.parametrize("points", [None, (2, 10, 66, 2), (1, 10, 68, 2), (2, 10, 68, 3)])
def test_refuses_other_landmarks(model: fer_zoo.FERModel, clip: torch.Tensor, points: tuple[int, ...] | None) -> None:
    with pytest.raises(InputError, match="landmarks"):
        model(clip, None if points is None else torch.zeros(points))


def test_features_then_head_is_forward(model: fer_zoo.FERModel, clip: torch.Tensor) -> None:
    landmarks = torch.rand(2, 10, 68, 2) * SIZE
    features = model.forward_features(clip, landmarks)
    assert tuple(features.shape[1:]) == feature_shape(model.backbone, model.input_spec)
    torch.testing.assert_close(model.forward_head(features), model(clip, landmarks))


def test_landmarks_change_the_answer(model: fer_zoo.FERModel, clip: torch.Tensor) -> None:
    landmarks = torch.rand(2, 10, 68, 2) * SIZE
    assert not torch.allclose(model(clip, landmarks), model(clip, landmarks * 0.5))


def test_a_clip_without_faces_equals_no_fusion(model: fer_zoo.FERModel, clip: torch.Tensor) -> None:
    plain = fer_zoo.create_model("incres3d_tiny_lstm", size=SIZE).eval()
    plain.load_state_dict(model.state_dict())
    assert torch.equal(model(clip, torch.full((2, 10, 68, 2), torch.nan)), plain(clip))


def test_pool_grid() -> None:
    features = torch.arange(2 * 3 * 4 * 5 * 6.0).reshape(2, 4, 3, 5, 6)
    assert pool_grid(features, "mean").shape == (2, 4, 3)
    flat = pool_grid(features, "flatten")
    assert flat.shape == (2, 4, 3 * 5 * 6)
    assert torch.equal(flat[1, 2], features[1, 2].flatten())
    torch.testing.assert_close(pool_grid(features, "mean")[1, 2], features[1, 2].mean((1, 2)))


def test_feature_shape_leaves_the_backbone_alone(model: fer_zoo.FERModel) -> None:
    before = {key: value.clone() for key, value in model.backbone.state_dict().items()}
    feature_shape(model.backbone, model.input_spec)
    assert all(torch.equal(before[key], value) for key, value in model.backbone.state_dict().items())
