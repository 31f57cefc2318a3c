"""What a user sees when something is wrong: one error type each, the whole text, nothing left changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import fer_zoo
from fer_zoo.errors import (
    FerZooError,
    IncompatibleComponentsError,
    InputError,
    OptionError,
    RecipeError,
    UnknownNameError,
    WeightsError,
)
from fer_zoo.recipes import load_recipe

OPTIONS = (
    "backbone.width, backbone.norm, backbone.stem, backbone.temporal_kernels, temporal.hidden, temporal.layers, "
    "temporal.bidirectional, temporal.state, fusion.points, fusion.kernel, fusion.radius, "
    "input.frames, input.size, input.fps, input.sampling, input.crop, input.mean, input.std, "
    "input.local_contrast, input.landmarks, "
    "model.pool, model.head_norm, model.dropout, labels, num_classes"
)
MODEL_SPEC = "valid values for the settings backbone, temporal, fusion, pool, head_norm, dropout, labels, input"


def create(name: str, **options: object) -> Callable[[], object]:
    return lambda: fer_zoo.create_model(name, **options)  # type: ignore[arg-type]


def run(clip: tuple[int, ...], landmarks: tuple[int, ...] | None) -> Callable[[], object]:
    def forward() -> object:
        model = fer_zoo.create_model("incres3d_tiny_lstm_lm")
        return model(torch.zeros(clip), None if landmarks is None else torch.zeros(landmarks))

    return forward


CASES: dict[str, tuple[Callable[[], object], type[FerZooError], str]] = {
    "unknown model": (
        create("incres3d_lstm_ln"),
        UnknownNameError,
        "Unknown model 'incres3d_lstm_ln'.\n"
        "  Accepted: did you mean 'incres3d_lstm_lm' or 'incres3d_lstm_lm_in' or 'incres3d_lstm'?\n"
        "  What to do: fer_zoo.list_models() lists them",
    ),
    "unknown component": (
        lambda: fer_zoo.compose.parse_name("incres4d_lstm"),
        UnknownNameError,
        "Unknown model 'incres4d_lstm'.\n"
        "  Accepted: did you mean 'incres3d_lstm' or 'incres2d_lstm' or 'incres3d_v2_lstm'?\n"
        "  What to do: fer_zoo.list_models() lists them",
    ),
    "unknown member of a family": (
        create("timm/resnet19_lstm"),
        UnknownNameError,
        "Unknown backbone 'timm/resnet19'.\n"
        "  Accepted: did you mean 'timm/resnet18' or 'timm/resnet61q' or 'timm/resnet51q'?\n"
        '  What to do: fer_zoo.list_components("backbone", "timm/*") lists them; a model adds _TEMPORAL[_FUSION]',
    ),
    "member of a family without its family": (
        create("resnet18_gru"),
        UnknownNameError,
        "Unknown model 'resnet18_gru'.\n"
        "  Accepted: did you mean 'timm/resnet18_gru'?\n"
        "  What to do: write timm/ before it",
    ),
    "member of a family without a head": (
        create("timm/resnet18"),
        UnknownNameError,
        "Unknown model 'timm/resnet18'.\n"
        "  Accepted: did you mean 'timm/resnet18_tcn' or 'timm/resnet18_gru' or 'timm/resnet18_mean'?\n"
        '  What to do: fer_zoo.list_models("timm/resnet18_*", family="timm") lists them',
    ),
    "option misspelt": (
        create("incres3d_tiny_lstm_lm", widht=1.0),
        OptionError,
        "No part has an option 'widht' (did you mean 'width'?).\n"
        f"  Accepted: {OPTIONS}\n"
        "  What to do: use one of these; the name of the part may be omitted if only one part has the option",
    ),
    "option of two parts": (
        create("incres3d_tiny_transformer_lm_attn", heads=2),
        OptionError,
        "Option 'heads' is ambiguous: temporal and fusion have it.\n"
        "  Accepted: temporal.heads, fusion.heads\n"
        '  What to do: write **{"temporal.heads": ...}',
    ),
    "option of the wrong type": (
        create("incres3d_tiny_lstm_lm", hidden="many"),
        OptionError,
        "hidden: 'many' is wrong for temporal 'lstm': Input should be a valid integer\n"
        "  Accepted: hidden, layers, bidirectional, state\n"
        "  What to do: correct the options named above",
    ),
    "option out of range": (
        create("incres3d_tiny_lstm_lm", radius=-1),
        OptionError,
        "radius: -1 is wrong for fusion 'lm': Input should be greater than or equal to 0\n"
        "  Accepted: points, kernel, radius\n"
        "  What to do: correct the options named above",
    ),
    "impossible pair": (
        create("r3d_18_lstm_lm"),
        IncompatibleComponentsError,
        "r3d_18_lstm_lm cannot be built: fusion 'lm' works on residual shortcuts; backbone 'r3d_18' has none.\n"
        "  Accepted: with 'r3d_18': lm_attn, lm_in, lm_traj, none\n"
        "  What to do: choose another backbone or fusion",
    ),
    "labels with duplicates": (
        create("incres3d_tiny_lstm", labels=["joy", "fear", "joy"]),
        OptionError,
        "labels: ('joy', 'fear', 'joy') is wrong: labels ['joy'] are duplicates; each label names one class\n"
        f"  Accepted: {MODEL_SPEC}\n"
        "  What to do: correct the values named above",
    ),
    "frames too small": (
        create("incres3d_tiny_lstm", size=16),
        InputError,
        "A clip of 10 frames of 16 x 16 does not fit this backbone.\n"
        "  Accepted: at least 5 frames of 25 x 25\n"
        "  What to do: raise `frames` or `size` (input.frames, input.size)",
    ),
    "no weights": (
        create("incres3d_lstm_lm", pretrained=True),
        WeightsError,
        "There are no weights for 'incres3d_lstm_lm'.\n"
        "  Accepted: names with weights: incres2d_tiny_mean_lm_in.synth10, incres3d_tiny_lstm_lm.synth7, "
        "incres3d_tiny_lstm_lm_in.synth7\n"
        "  What to do: create it with pretrained=False and train it (`fer-zoo train RECIPE`), or choose a name that "
        "has weights",
    ),
    "clip of the wrong rank": (
        run((3, 10, 80, 80), None),
        InputError,
        "A clip of shape (3, 10, 80, 80) was given.\n"
        "  Accepted: (batch, 3, 10, 80, 80): batch, channel, frame, height, width\n"
        "  What to do: crop and resize as in `model.input_spec`, or create the model with other `frames` and `size`",
    ),
    "clip of the wrong frame count": (
        run((1, 3, 16, 80, 80), None),
        InputError,
        "A clip of shape (1, 3, 16, 80, 80) was given.\n"
        "  Accepted: (batch, 3, 10, 80, 80): batch, channel, frame, height, width\n"
        "  What to do: crop and resize as in `model.input_spec`, or create the model with other `frames` and `size`",
    ),
    "landmarks missing": (
        run((1, 3, 10, 80, 80), None),
        InputError,
        "incres3d_tiny_lstm_lm was given no landmarks.\n"
        "  Accepted: (1, 10, 68, 2): batch, frame, landmark, (x, y) in clip pixels; NaN where no face was found\n"
        "  What to do: pass `model(clip, landmarks)`, or use a model without landmark fusion",
    ),
    "landmarks of the wrong count": (
        run((1, 3, 10, 80, 80), (1, 10, 5, 2)),
        InputError,
        "incres3d_tiny_lstm_lm was given landmarks of shape (1, 10, 5, 2).\n"
        "  Accepted: (1, 10, 68, 2): batch, frame, landmark, (x, y) in clip pixels; NaN where no face was found\n"
        "  What to do: give landmarks of that shape, for every frame of the clip",
    ),
    "unknown recipe": (
        lambda: load_recipe("quickstat"),
        UnknownNameError,
        "Unknown recipe 'quickstat'.\n"
        "  Accepted: did you mean 'quickstart'?\n"
        "  What to do: give a path to a YAML file or one of these names",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_whole_text(case: str) -> None:
    attempt, error, text = CASES[case]
    with pytest.raises(FerZooError) as caught:
        attempt()
    assert type(caught.value) is error
    assert str(caught.value) == text


def test_a_recipe_with_a_pair_that_cannot_be(tmp_path: Path) -> None:
    path = tmp_path / "pair.yaml"
    path.write_text("extends: quickstart\nmodel: {backbone: r3d_18}\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(f"Recipe '{path}' has 1 problem:\n    - model.fusion")
    assert "fusion 'lm' works on residual shortcuts; backbone 'r3d_18' has none" in str(caught.value)
