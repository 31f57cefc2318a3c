"""create_model and the lists: names, options, and error messages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import fer_zoo
from fer_zoo import create_model, weights
from fer_zoo.compose import model_spec
from fer_zoo.errors import InputError, OptionError, UnknownNameError, WeightsError
from fer_zoo.factory import find_folder, find_model, load_backbone_weights
from fer_zoo.inference import predict_video
from fer_zoo.recipes import list_recipes, load_recipe
from fer_zoo.registry import BACKBONES, FUSIONS, TEMPORALS
from fer_zoo.specs import SEVEN_LABELS


@pytest.mark.parametrize("name", ["a" * 300, "x/" + "a" * 300, "x/" * 3000, "~no-such-user/a"])
def test_names_that_the_system_refuses_as_paths(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"Accepted: [\s\S]*What to do: "):
        find_folder(name)
    with pytest.raises(WeightsError, match=r"There is no folder[\s\S]*What to do: "):
        find_model(Path(name))


def test_list_models_by_patterns() -> None:
    names = fer_zoo.list_models()
    assert names == sorted(set(names))
    assert "incres3d_lstm_lm" in names
    assert fer_zoo.list_models("*lstm*") == [name for name in names if "lstm" in name]
    assert fer_zoo.list_models(["incres3d_lstm*", "*_mean"]) == [
        name for name in names if name.startswith("incres3d_lstm") or name.endswith("_mean")
    ]
    without = fer_zoo.list_models("incres3d*", exclude="*tiny*")
    assert without == [name for name in names if name.startswith("incres3d") and "tiny" not in name]
    assert fer_zoo.list_models("incres3d*", exclude=["*tiny*", "*lstm*", "*gru*"]) == [
        name for name in without if "lstm" not in name and "gru" not in name
    ]
    assert fer_zoo.list_models("nothing*") == []


def test_list_weights() -> None:
    both = ["incres3d_tiny_lstm_lm.synth7", "incres3d_tiny_lstm_lm_in.synth7"]
    known = ["incres2d_tiny_mean_lm_in.synth10", *both]
    assert fer_zoo.list_weights() == fer_zoo.list_models(pretrained=True) == known
    assert fer_zoo.list_weights("incres3d_tiny_lstm_lm") == ["incres3d_tiny_lstm_lm.synth7"]
    assert fer_zoo.list_models("*synth7", pretrained=True) == both
    assert fer_zoo.list_models("incres3d*", pretrained=True, exclude="*_lm") == both[1:]
    assert fer_zoo.list_models(pretrained=True, exclude="*_lm*") == []
    assert fer_zoo.list_weights("incres3d_lstm_lm") == []


def test_list_components() -> None:
    assert fer_zoo.list_components("fusion", "lm*") == [name for name in FUSIONS.names() if name != "none"]
    assert fer_zoo.list_components("temporal") == TEMPORALS.names()
    backbones = fer_zoo.list_components("backbone")
    assert backbones == [*BACKBONES.names(), "timm/NAME", "transformers/NAME"]
    assert "timm/resnet18" in fer_zoo.list_components("backbone", "timm/resnet*")
    with pytest.raises(UnknownNameError) as caught:
        fer_zoo.list_components("fusions")
    assert str(caught.value) == (
        "Unknown kind of component 'fusions'.\n  Accepted: did you mean 'fusion'?\n  What to do: use one of these"
    )


def test_names_of_a_family_are_listed_on_request() -> None:
    assert not any(name.startswith("timm/") for name in fer_zoo.list_models())
    names = fer_zoo.list_models("timm/resnet18_*", family="timm")
    assert "timm/resnet18_lstm_lm_traj" in names
    assert "timm/resnet18_lstm_lm" not in names, "it has no shortcut to offer"
    with pytest.raises(UnknownNameError, match="Unknown family of backbones 'tim'"):
        fer_zoo.list_models(family="tim")


def test_create_model_of_a_recipe() -> None:
    model = fer_zoo.create_model(recipe="quickstart")
    assert model.spec == load_recipe("quickstart").model
    assert model.card is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Neither a model name nor a recipe was given."),
        ({"name": "incres3d_mean", "recipe": "quickstart"}, "The model 'incres3d_mean' and the recipe 'quickstart'"),
        ({"recipe": "quickstart", "hidden": 3}, "A recipe ('quickstart') was given with other options."),
        ({"recipe": "quickstart", "pretrained": True}, "A recipe ('quickstart') was given with other options."),
    ],
)
def test_a_name_or_a_recipe(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        fer_zoo.create_model(**given)
    assert str(caught.value).startswith(message)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["incres3d_tiny_lstm_lm", "incres3d_v2_tiny_transformer_lm_attn", "incres3d_tiny_lstm_lm_in.synth7"]
)
def test_a_tiny_model_is_created_sooner_than_torch_is_imported(name: str) -> None:
    """In a new process: the first model waits for no other half of torch and no reader of datasets."""
    code = f"""if True:
        import sys, time
        start = time.process_time()
        import torch
        torch_s = time.process_time() - start
        import fer_zoo
        make, before, start = fer_zoo.create_model, set(sys.modules), time.process_time()
        make({name!r})
        print(*set(sys.modules) - before)
        print(time.process_time() - start, torch_s)"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    imported = ran[-2].split()
    heavy = ("timm", "torch._dynamo", "torch._inductor", "torchvision", "sympy", "fer_zoo.data.", "fer_zoo.training.")
    assert not [module for module in imported if module.startswith(heavy)]
    took, torch_s = map(float, ran[-1].split())
    assert took < torch_s / 2  # a quarter was measured; in seconds it depends on the machine


def test_options_reach_their_component() -> None:
    spec = model_spec("incres3d_tiny_lstm_lm", width=0.5, hidden=9, radius=1, size=64, pool="flatten", dropout=0.0)
    assert spec.backbone.options == {"width": 0.5}
    assert spec.temporal.options == {"hidden": 9}
    assert spec.fusion.options == {"radius": 1}
    assert (spec.input.size, spec.pool, spec.dropout) == (64, "flatten", 0.0)
    assert model_spec("incres3d_tiny_lstm_lm", **{"backbone.width": 0.5}).backbone.options == {"width": 0.5}
    assert model_spec("incres3d_tiny_lstm_lm", **{"temporal.hidden": 5}).temporal.options == {"hidden": 5}


def test_a_name_gives_the_network_of_its_release_recipe() -> None:
    """Otherwise `create_model(name)` and `create_model(name, pretrained=True)` would differ."""
    for recipe in (name for name in list_recipes() if name.startswith("release/")):
        spec = load_recipe(recipe).model
        detector = spec.input.landmarks.model_dump()  # of the weights, not of the network
        own = {"width": 0.4, "frames": 1, "local_contrast": True} if "incres2d" in recipe else {}  # docs/concepts.md
        assert model_spec(recipe.removeprefix("release/"), landmarks=detector, **own) == spec


def test_given_options_override_defaults() -> None:
    assert model_spec("incres3d_tiny_lstm").temporal.options == {"hidden": 40}
    assert model_spec("incres3d_tiny_lstm", hidden=7).temporal.options == {"hidden": 7}
    assert model_spec("incres3d_tiny_mean").temporal.options == {}
    assert model_spec("incres3d_lstm_lm").fusion.options == {}, "the paper's network has the paper's defaults"


def test_two_tags_are_an_error() -> None:
    with pytest.raises(OptionError, match="one tag"):
        fer_zoo.create_model("incres3d_tiny_lstm_lm.a", pretrained="b")


def test_num_classes_and_labels() -> None:
    assert fer_zoo.create_model("incres3d_tiny_mean", num_classes=3).labels == ("class_0", "class_1", "class_2")
    with pytest.raises(OptionError, match="one of them"):
        fer_zoo.create_model("incres3d_tiny_mean", num_classes=3, labels=["a", "b", "c"])


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("incres3d_lstm_ln", {}, UnknownNameError, "did you mean 'incres3d_lstm_lm'"),
        ("incres3d", {}, UnknownNameError, "fer_zoo.list_models() lists them"),
        ("incres3d_tiny_lstm", {"widht": 1}, OptionError, "No part has an option 'widht'"),
        ("incres3d_tiny_lstm", {"hidden": "many"}, OptionError, "'many' is wrong for temporal 'lstm'"),
        ("incres3d_tiny_lstm", {"width": -1.0}, OptionError, "-1.0 is wrong for backbone"),
        ("incres3d_tiny_lstm", {"labels": ["a", "a"]}, OptionError, "are duplicates"),
        ("incres3d_tiny_lstm", {"pool": "max"}, OptionError, "pool"),
        ("incres3d_tiny_lstm", {"size": 16}, InputError, "does not fit this backbone"),
        ("incres3d_tiny_lstm", {"frames": 4}, InputError, "does not fit this backbone"),
        ("incres3d_tiny_lstm", {"frames": 0}, OptionError, "frames"),
    ],
)
def test_errors_name_the_problem(name: str, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        fer_zoo.create_model(name, **options)
    assert message in str(caught.value)
    assert "What to do:" in str(caught.value)


@pytest.mark.parametrize("pretrained", [None, 0, 1, ""])
def test_pretrained_is_a_bool_or_a_tag(pretrained: Any) -> None:
    with pytest.raises(OptionError, match="for pretrained False, True or a tag"):
        fer_zoo.create_model("incres3d_tiny_lstm_lm", pretrained)


@pytest.mark.parametrize(("name", "error"), [(5, OptionError), ("incres3d_tiny_lstm_lm.", UnknownNameError)])
def test_invalid_names(name: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        fer_zoo.create_model(name)


def test_a_pattern_that_starts_with_a_family_lists_it() -> None:
    assert fer_zoo.list_models("timm/resnet18_lstm*") == fer_zoo.list_models("timm/resnet18_lstm*", family="timm") != []
    assert "incres3d_mean" in fer_zoo.list_models(["timm/resnet18_mean", "incres3d_*"])
    assert fer_zoo.list_models("timm/resnet18", family="timm") == []
    assert fer_zoo.list_models(pretrained=True, family="timm") == []


@pytest.mark.parametrize("pattern", [5, None, [5]])
def test_a_pattern_is_a_string(pattern: Any) -> None:
    with pytest.raises(OptionError, match="a string with"):
        fer_zoo.list_models(pattern)
    with pytest.raises(OptionError, match="a string with"):
        fer_zoo.list_components("backbone", pattern)


SHIPPED = "incres3d_tiny_lstm_lm_in"


@pytest.fixture
def clip() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(2, 3, 10, 80, 80), torch.rand(2, 10, 68, 2) * 80


@pytest.mark.parametrize("how", ["name", "tag", "local-dir"])
def test_pretrained_with_labels_of_ones_own(how: str, clip: tuple[torch.Tensor, torch.Tensor]) -> None:
    """All but the classifier is that of the weights, and the model says that its classifier is untrained."""
    folder = weights.find(SHIPPED)
    name = {"name": SHIPPED, "tag": folder.name, "local-dir": f"local-dir:{folder}"}[how]
    whole = fer_zoo.create_model(name, pretrained=True)
    model = fer_zoo.create_model(name, pretrained=True, labels=["bored", "interested", "unsure"])
    assert model.labels == ("bored", "interested", "unsure")
    assert (model.card, model.started_from, model.classifier_is_untrained) == (None, folder.name, True)
    assert f"started from {folder.name}, classifier untrained" in repr(model).replace("\n", " ")
    with torch.inference_mode():
        assert model(*clip).shape == (2, 3)
        embeddings = fer_zoo.create_model(name, pretrained=True, num_classes=0)(*clip)
        assert torch.equal(whole.classifier(embeddings), whole(*clip))
    of_weights = whole.state_dict()
    same = {key for key, value in model.state_dict().items() if torch.equal(value, of_weights[key])}
    assert of_weights.keys() - same == {"classifier.weight", "classifier.bias"}


def test_num_classes_names_the_classes_and_the_labels_of_the_weights_change_nothing() -> None:
    model = fer_zoo.create_model(SHIPPED, pretrained=True, num_classes=3)
    assert model.labels == ("class_0", "class_1", "class_2")
    whole = fer_zoo.create_model(SHIPPED, pretrained=True, labels=SEVEN_LABELS)
    assert whole.card is not None
    assert not whole.classifier_is_untrained


def test_a_trained_classifier_is_no_longer_untrained(tmp_path: Path) -> None:
    model = fer_zoo.create_model(SHIPPED, pretrained=True, num_classes=2)
    recipe, card = weights.read_recipe(weights.find(SHIPPED)), weights.read_folder(weights.find(SHIPPED)).card
    fields = card.model_dump(mode="json", exclude={"sha256", "files", "beside"})
    with pytest.raises(WeightsError, match="has an untrained classifier"):
        weights.write_weights(tmp_path / "w", model, recipe, fields)
    assert not (tmp_path / "w").exists()
    copy = deepcopy(model).half()
    assert copy.classifier_is_untrained
    model.classifier(torch.randn(4, model.num_features)).sum().backward()
    torch.optim.SGD(model.classifier.parameters(), 1e-3).step()
    assert not model.classifier_is_untrained
    assert "classifier untrained" not in repr(model)
    assert copy.classifier_is_untrained


@pytest.mark.parametrize("pretrained", [False, True])
def test_embeddings(pretrained: bool, clip: tuple[torch.Tensor, torch.Tensor], tmp_path: Path) -> None:
    model = fer_zoo.create_model(SHIPPED, pretrained, num_classes=0).eval()
    assert model.labels == ()
    assert model(*clip).shape == (2, model.num_features)
    assert "embeddings" in repr(model)
    assert fer_zoo.model_info(model).labels == ()
    with pytest.raises(OptionError, match="has no classifier"):
        predict_video(model, tmp_path / "no.mp4")
    model.reset_classifier(num_classes=2)
    assert model(*clip).shape == (2, 2)


def test_options_that_change_the_network_are_refused_beside_weights() -> None:
    for options in ({"width": 0.5}, {"size": 96}, {"hidden": 8}):
        with pytest.raises(OptionError, match="no options but labels and num_classes"):
            fer_zoo.create_model(SHIPPED, pretrained=True, **options)
    with pytest.raises(OptionError, match="one of them"):
        fer_zoo.create_model(SHIPPED, pretrained=True, labels=["a", "b"], num_classes=2)
    with pytest.raises(OptionError, match="2; 0 for embeddings"):
        fer_zoo.create_model("hf-hub:alice/never-asked", num_classes=1)


PARTS = r"\n  Accepted: .*\n  What to do: "


def holds(model: nn.Module, whole: nn.Module) -> bool:
    published = whole.state_dict()
    network = model.get_submodule("backbone.network").state_dict()
    return all(torch.equal(tensor, published[key]) for key, tensor in network.items())


def test_create_model_loads_them_into_the_backbone_only(hub_cache: Callable[[str], nn.Module]) -> None:
    whole = hub_cache("test_resnet")
    torch.manual_seed(3)
    plain = create_model("timm/test_resnet_gru", size=64)
    torch.manual_seed(3)
    loaded = create_model("timm/test_resnet_gru", size=64, backbone_weights=True)
    assert not holds(plain, whole)
    assert holds(loaded, whole)
    for part in ("temporal", "classifier"):
        for one, other in zip(
            plain.get_submodule(part).parameters(), loaded.get_submodule(part).parameters(), strict=True
        ):
            assert torch.equal(one, other)
    assert loaded.card is None


def test_a_backbone_without_published_weights() -> None:
    with pytest.raises(WeightsError, match=f"Backbone 'incres3d_tiny' has no published weights.{PARTS}"):
        load_backbone_weights(create_model("incres3d_tiny_mean", size=48))


@pytest.mark.parametrize(
    ("key", "expected"), [("mean", r"\(0.43216, 0.394666, 0.37645\)"), ("std", r"\(0.22803, .*\)")]
)
def test_a_different_normalisation_is_an_error(key: str, expected: str) -> None:
    model = create_model("r3d_18_mean", size=32, **{key: (0.5, 0.5, 0.5)})
    reason = rf"{key} is \(0.5, 0.5, 0.5\); the published weights of 'r3d_18' were trained with {expected}"
    with pytest.raises(
        WeightsError, match=f"clip normalisation of r3d_18_mean does not match its backbone weights: {reason}.{PARTS}"
    ):
        load_backbone_weights(model)


def test_a_backbone_that_registers_only_one_of_mean_and_std() -> None:
    """incres3d_v2 is registered with a std and the default mean; the mean is checked too."""
    with torch.device("meta"):
        model = create_model("incres3d_v2_mean", size=80, mean=(0.4, 0.4, 0.4))
    with pytest.raises(WeightsError, match=r"mean is \(0.4, .*\); .* trained with \(0.5, 0.5, 0.5\)"):
        load_backbone_weights(model)


@pytest.mark.parametrize(
    "requested", [{"pretrained": True}, {"name": "incres3d_tiny_lstm_lm.synth7"}, {"pretrained": "synth7"}]
)
def test_trained_weights_and_backbone_weights_exclude_each_other(requested: dict[str, bool | str]) -> None:
    with pytest.raises(OptionError, match=f"trained weights and with backbone_weights.{PARTS}"):
        create_model(**{"name": "incres3d_tiny_lstm_lm", **requested}, backbone_weights=True)  # type: ignore[arg-type]


def test_not_with_a_recipe(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"A recipe .* was given with other options"):
        create_model(recipe=tmp_path / "recipe.yaml", backbone_weights=True)
