"""FERModel: checks of shapes and landmarks, pooling, lengths, classifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import fer_zoo
from fer_zoo.compose import build, feature_shape
from fer_zoo.errors import InputError, OptionError
from fer_zoo.model import local_contrast, pool_grid

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
def test_clips_of_the_wrong_shape_are_an_error(model: fer_zoo.FERModel, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError) as caught:
        model(torch.zeros(shape), None)
    assert f"A clip of shape {shape} was given." in str(caught.value)
    assert "(batch, 3, 10, 48, 48)" in str(caught.value)


@pytest.mark.parametrize("points", [None, (2, 10, 66, 2), (1, 10, 68, 2), (2, 10, 68, 3)])
def test_landmarks_of_the_wrong_shape_are_an_error(
    model: fer_zoo.FERModel, clip: torch.Tensor, points: tuple[int, ...] | None
) -> None:
    with pytest.raises(InputError, match="landmarks"):
        model(clip, None if points is None else torch.zeros(points))


def test_features_then_head_is_forward(model: fer_zoo.FERModel, clip: torch.Tensor) -> None:
    landmarks = torch.rand(2, 10, 68, 2) * SIZE
    features = model.forward_features(clip, landmarks)
    assert tuple(features.shape[1:]) == feature_shape(model.backbone, model.input_spec)
    torch.testing.assert_close(model.forward_head(features), model(clip, landmarks))


@pytest.mark.parametrize("name", ["incres3d_tiny_lstm_lm", "incres3d_tiny_mean_lm_traj"])
def test_embed_gives_what_the_classifier_reads(name: str, clip: torch.Tensor) -> None:
    """Also with a fusion of the embedding, and the same as a model without a classifier."""
    model = fer_zoo.create_model(name, size=SIZE).eval()
    landmarks = torch.rand(2, 10, 68, 2) * SIZE
    embedding = model.embed(clip, landmarks)
    assert embedding.shape == (2, model.num_features)
    torch.testing.assert_close(model.classifier(embedding), model(clip, landmarks))
    model.reset_classifier(num_classes=0)
    torch.testing.assert_close(model(clip, landmarks), embedding)


def test_landmarks_change_the_logits(model: fer_zoo.FERModel, clip: torch.Tensor) -> None:
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


def test_feature_shape_does_not_change_the_backbone(model: fer_zoo.FERModel) -> None:
    before = {key: value.clone() for key, value in model.backbone.state_dict().items()}
    feature_shape(model.backbone, model.input_spec)
    assert all(torch.equal(before[key], value) for key, value in model.backbone.state_dict().items())


@pytest.mark.parametrize("head", ["lstm", "gru", "mean", "attn", "transformer", "tcn"])
def test_padded_frames_are_ignored_by_per_frame_backbones(head: str) -> None:
    torch.manual_seed(0)
    long = fer_zoo.create_model(f"incres2d_tiny_{head}_lm", size=SIZE).eval()
    short = fer_zoo.create_model(f"incres2d_tiny_{head}_lm", size=SIZE, frames=6).eval()
    short.load_state_dict(long.state_dict())
    clip, landmarks = torch.randn(2, 3, 10, SIZE, SIZE), torch.rand(2, 10, 68, 2) * SIZE
    got = long(clip, landmarks, torch.tensor([6, 10]))
    torch.testing.assert_close(got[0], short(clip[:1, :, :6], landmarks[:1, :6])[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(got[1], long(clip, landmarks)[1], atol=1e-4, rtol=1e-4)


def test_landmarks_of_padded_frames_are_ignored() -> None:
    torch.manual_seed(0)
    model = fer_zoo.create_model("incres3d_tiny_mean_lm_traj", size=SIZE).eval()
    clip, landmarks = torch.randn(1, 3, 10, SIZE, SIZE), torch.rand(1, 10, 68, 2) * SIZE
    other = landmarks.clone()
    other[:, 7:] = torch.rand(1, 3, 68, 2) * SIZE
    lengths = torch.tensor([7])
    assert torch.equal(model(clip, landmarks, lengths), model(clip, other, lengths))
    assert not torch.allclose(model(clip, landmarks), model(clip, other))


@pytest.mark.parametrize("lengths", [[6], [0, 10], [3, 11], [1.0, 2.0], [[1], [2]]])
def test_wrong_lengths_are_an_error(model: fer_zoo.FERModel, clip: torch.Tensor, lengths: list[object]) -> None:
    with pytest.raises(InputError) as caught:
        model(clip, torch.rand(2, 10, 68, 2) * SIZE, torch.tensor(lengths))
    assert str(caught.value) == (
        f"The lengths {torch.tensor(lengths).tolist()} were given.\n"
        "  Accepted: 2 integers on cpu, each from 1 to 10: the number of real frames of each clip\n"
        "  What to do: omit `lengths` if no clip is padded"
    )


def test_reset_classifier_keeps_the_rest(clip: torch.Tensor) -> None:
    model = fer_zoo.create_model("incres3d_tiny_lstm_lm", pretrained=True)
    before = {key: value.clone() for key, value in model.state_dict().items() if not key.startswith("classifier")}
    model.reset_classifier(labels=["pain", "no pain", "unsure"])
    assert model.labels == ("pain", "no pain", "unsure")
    assert model.card is None
    assert model.spec.name == "incres3d_tiny_lstm_lm"
    assert model(torch.randn(1, 3, 10, 80, 80), torch.rand(1, 10, 68, 2) * 80).shape == (1, 3)
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in before.items())
    model.reset_classifier(num_classes=2)
    assert model.labels == ("class_0", "class_1")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "Neither labels nor num_classes were given."),
        ({"labels": ["a", "b"], "num_classes": 2}, "Both labels and num_classes were given."),
        ({"labels": ["a"]}, "labels: ('a',) is wrong: 1 label(s) given; a classifier needs two or more"),
        ({"labels": ["a", "b", "a"]}, "labels ['a'] are duplicates; each label names one class"),
        ({"labels": "ab"}, "labels='ab' is not a list of names.\n  Accepted: a list or tuple of class names"),
        ({"labels": {"a", "b"}}, "Accepted: a list or tuple of class names, in the order of the logits"),
        ({"labels": ["a", " "]}, "a label is blank; each label names one class"),
        ({"num_classes": "7"}, "num_classes='7' is not a number of classes.\n  Accepted: an integer >= 2; 0"),
        ({"num_classes": True}, "num_classes=True is not a number of classes."),
        ({"num_classes": -3}, "num_classes=-3 is not a number of classes."),
    ],
)
def test_reset_classifier_errors(wrong: dict[str, object], message: str) -> None:
    model = fer_zoo.create_model("incres3d_tiny_mean", size=SIZE)
    with pytest.raises(OptionError) as caught:
        model.reset_classifier(**wrong)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "Accepted: " in str(caught.value)
    assert "What to do: " in str(caught.value)
    assert len(model.labels) == model.classifier.out_features == 7, "an error must change nothing"


POINTS = torch.rand(2, 10, 68, 2, generator=torch.Generator().manual_seed(1)) * SIZE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda clip, points: (clip.numpy(), points), "A clip of type ndarray was given."),
        (lambda clip, points: (None, points), "A clip of type NoneType was given."),
        (lambda clip, points: (clip.byte(), points), "A clip of torch.uint8 on cpu was given."),
        (lambda clip, points: (clip.double(), points), "A clip of torch.float64 on cpu was given."),
        (lambda clip, points: (clip.to("meta"), points), "A clip of torch.float32 on meta was given."),
        (lambda clip, points: (clip, points.numpy()), "was given landmarks of type ndarray"),
        (lambda clip, points: (clip, points.long()), "was given landmarks of torch.int64 on cpu."),
        (lambda clip, points: (clip, points.half()), "was given landmarks of torch.float16 on cpu."),
        (lambda clip, points: (clip, points.to("meta")), "was given landmarks of torch.float32 on meta."),
        (lambda clip, points: (clip, points, [5, 10]), "The lengths of type list were given."),
        (lambda clip, points: (clip, points, 5), "The lengths of type int were given."),
    ],
)
def test_arguments_of_the_wrong_type_are_an_error(
    model: fer_zoo.FERModel, clip: torch.Tensor, change: Callable[..., tuple[Any, ...]], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        model(*change(clip, POINTS))
    assert message in str(caught.value)
    assert "Accepted: " in str(caught.value)
    assert "What to do: " in str(caught.value)


@pytest.mark.parametrize("features", [torch.zeros(2, 3), torch.zeros(2, 5, 6, 2, 2), None])
def test_features_of_the_wrong_shape_are_an_error(model: fer_zoo.FERModel, features: Any) -> None:
    with pytest.raises(InputError, match=r"\(batch, 268, T', H', W'\), as returned by forward_features"):
        model.forward_head(features)


def test_half_precision_takes_half_precision_clips_and_float32_landmarks(clip: torch.Tensor) -> None:
    torch.manual_seed(0)
    exact = fer_zoo.create_model("incres3d_tiny_lstm_lm", size=SIZE).eval()
    expected = exact(clip, POINTS)
    half = exact.to(torch.bfloat16)
    assert (half(clip.bfloat16(), POINTS).float() - expected).abs().max() < 0.1
    with torch.autocast("cpu", torch.bfloat16):
        assert half.to(torch.float32)(clip, POINTS).isfinite().all()


@pytest.mark.parametrize(("pool", "start"), [("flatten", 1 / 16), ("mean", 1.0)])
def test_initial_weight_of_the_norm_before_the_head(pool: str, start: float) -> None:
    model = fer_zoo.create_model("incres3d_tiny_lstm", pool=pool)  # 4 x 4 cells
    weight = model.head_norm.weight
    assert weight.tolist() == [start] * len(weight)


def test_local_contrast_is_the_same_in_another_light_and_colour(clip: torch.Tensor) -> None:
    seen = local_contrast(clip)
    assert seen.shape == clip.shape
    assert (seen[:, 1:] == seen[:, :1]).all()
    assert local_contrast(torch.zeros_like(clip)).abs().max() == 0
    torch.testing.assert_close(local_contrast(clip + torch.tensor([0.3, -0.1, 0.4]).view(3, 1, 1, 1)), seen)
    torch.testing.assert_close(local_contrast(clip[:, [2, 0, 1]]), seen)
    brighter = local_contrast(3 * clip)
    assert torch.corrcoef(torch.stack([brighter.flatten(), seen.flatten()]))[0, 1] > 0.99
    # A frame's contrast is its own.
    torch.testing.assert_close(local_contrast(clip[:, :, 3:4]), seen[:, :, 3:4])


def test_a_network_of_local_contrast_is_blind_to_colour(clip: torch.Tensor) -> None:
    spec = fer_zoo.create_model("incres2d_tiny_mean", size=SIZE).spec
    for contrast in (True, False):
        seen = spec.input.model_copy(update={"local_contrast": contrast})
        torch.manual_seed(0)
        model = build(spec.model_copy(update={"input": seen})).eval()
        with torch.inference_mode():
            assert torch.allclose(model(clip), model(clip[:, [2, 0, 1]]), atol=1e-5) == contrast
