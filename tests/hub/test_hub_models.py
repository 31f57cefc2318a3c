"""from_pretrained, save_pretrained and push_to_hub: the same checks as by their longer names, against the hub."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from weights_folders import card_fields, small_recipe

from fer_zoo import FERModel, create_model, weights
from fer_zoo.errors import HubError, OptionError, WeightsError

from .client import api
from .fixtures import ALICE
from .loopback import Hub
from .weights_folder import CLEAN, here, home, made, make_folder

__all__ = ["here", "home", "made"]


def equal(model: FERModel, folder: Path) -> bool:
    expected = weights.load_weights(folder).state_dict()
    return all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


def test_pushed_and_loaded_by_the_names_of_the_hub(hub: Hub, made: Path, here: str, tmp_path: Path) -> None:
    model = FERModel.from_pretrained(made)
    pushed = model.push_to_hub("alice/m", commit_message="Happy faces", tag="v1.0")
    assert (pushed.private, pushed.commit) == (True, hub.head("alice/m", "v1.0"))
    assert api(hub, ALICE).list_repo_commits("alice/m")[0].title == "Happy faces"
    for name, revision in (("alice/m", None), ("alice/m", "v1.0"), ("hf-hub:alice/m", pushed.commit)):
        loaded = FERModel.from_pretrained(name, revision=revision)
        assert equal(loaded, made)
        assert loaded.card == model.card
    assert model.push_to_hub("alice/m").unchanged
    assert FERModel.from_pretrained("alice/m", labels=("a", "b")).classifier_is_untrained
    assert FERModel.from_pretrained("alice/m", num_classes=0).labels == ()
    # What was pulled is written, and pushed from there by a new model.
    folder = loaded.save_pretrained(tmp_path / "copy")
    weights.check_folder(folder)
    assert FERModel.from_pretrained(str(folder)).push_to_hub("alice/n", dry_run=True).created
    with pytest.raises(WeightsError, match="exists"):
        loaded.save_pretrained(folder)
    assert loaded.save_pretrained(folder, overwrite=True) == folder


def test_weights_that_have_changed_need_a_recipe_and_a_card(hub: Hub, made: Path, here: str, tmp_path: Path) -> None:
    model = FERModel.from_pretrained(made)
    with torch.no_grad():
        next(model.parameters()).add_(0.5)
    for send in (lambda: model.push_to_hub("alice/m"), lambda: model.save_pretrained(tmp_path / "w")):
        with pytest.raises(WeightsError, match="other weights"):
            send()
    assert not (tmp_path / "w").exists()
    assert not hub.state.store.repos
    fields = card_fields(name="incres3d_tiny_lstm_lm.changed")
    with pytest.raises(OptionError, match="recipe"):
        model.save_pretrained(tmp_path / "w", card=fields)
    assert equal(model, model.save_pretrained(tmp_path / "w", recipe=small_recipe(), card=fields))
    assert model.push_to_hub("alice/m", recipe=small_recipe(), card=fields).created
    assert equal(FERModel.from_pretrained("alice/m"), tmp_path / "w")


def test_without_weights_there_is_nothing_to_share(here: str, tmp_path: Path) -> None:
    model = create_model("incres3d_tiny_lstm_lm", width=0.05)
    with pytest.raises(WeightsError, match="not loaded"):
        model.push_to_hub("alice/m")
    with pytest.raises(WeightsError, match="not loaded"):
        model.save_pretrained(tmp_path / "w")


def test_a_new_classifier_is_not_shared_as_the_old_one(made: Path, tmp_path: Path) -> None:
    model = FERModel.from_pretrained(made)
    model.reset_classifier(("a", "b"))
    with pytest.raises(WeightsError, match="new classifier"):
        model.save_pretrained(tmp_path / "w")


@pytest.mark.parametrize(
    ("card", "message", "allowed"),
    [
        ({"commit": f"{CLEAN}-dirty"}, "changed tree", "allow_dirty"),
        ({"share_weights": "no"}, "terms", "despite_terms"),
    ],
)
def test_push_refuses_what_the_command_refuses(
    card: dict[str, str], message: str, allowed: str, hub: Hub, here: str, tmp_path: Path
) -> None:
    model = FERModel.from_pretrained(make_folder(tmp_path / "w", **card))
    with pytest.raises(HubError, match=message):
        model.push_to_hub("alice/m")
    assert not hub.state.store.repos
    assert model.push_to_hub("alice/m", **{allowed: True}).created


@pytest.mark.parametrize(("name", "revision"), [("incres3d_tiny_lstm_lm", "v1"), ("hf-hub:a/b@v1", "v2")])
def test_a_revision_of_something_else_is_refused(name: str, revision: str) -> None:
    with pytest.raises(OptionError, match="revision"):
        FERModel.from_pretrained(name, revision=revision)


def test_names_of_the_zoo_and_of_families_are_not_taken_for_repositories() -> None:
    assert FERModel.from_pretrained("incres3d_tiny_lstm_lm").card is not None
    with pytest.raises(WeightsError, match="timm"):  # no weights of such a network, and no request to a Hub
        FERModel.from_pretrained("timm/resnet18_mean")
