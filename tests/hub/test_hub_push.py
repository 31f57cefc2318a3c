"""Pushing weights with the real client: checked first, one commit, nothing of other users overwritten."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from fer_zoo import weights
from fer_zoo.errors import HubError, OptionError, WeightsError
from fer_zoo.hub import Pushed, pull, push
from fer_zoo.hub.plans import card_to_send, is_as_sent

from .client import api, contents
from .fixtures import ALICE, ALICE_READS, BOB
from .loopback import Hub
from .weights_folder import CLEAN, here, home, made, make_folder

__all__ = ["here", "home", "made"]


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("other") / "weights", seed=1)


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """A folder for a test to change."""
    return Path(shutil.copytree(made, tmp_path / "weights"))


def titles(hub: Hub, repo: str = "alice/m", branch: str = "main") -> list[str]:
    return [commit.title for commit in api(hub, ALICE).list_repo_commits(repo, revision=branch)]


def same(pulled: Path, folder: Path) -> bool:
    """Whether a pulled folder is the pushed one, but for what a card learns on its way."""
    ours, theirs = contents(folder), contents(pulled)
    card = theirs.pop("README.md").decode()
    return is_as_sent(card) and ours.pop("README.md") != card and ours == theirs


@pytest.mark.parametrize("way", ["xet", "lfs", "multipart"])
def test_push_and_pull_by_tag_and_branch(
    way: str, hub: Hub, made: Path, here: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", way != "xet")
    hub.state.part_size = 60_000 if way == "multipart" else None
    pushed = push(made, "alice/m", tag="v1.0", message="First")
    assert (pushed.created, pushed.private, pushed.unchanged) == (True, True, False)
    assert pushed.url == f"{here}/alice/m/tree/{pushed.commit}"
    assert titles(hub) == ["First", "initial commit"]
    assert hub.repo("alice/m").private
    assert hub.head("alice/m", "v1.0") == pushed.commit
    on_branch = push(made, "alice/m", revision="dev/exp")
    assert on_branch.unchanged
    assert hub.head("alice/m", "dev/exp") == pushed.commit
    for name in ("hf-hub:alice/m", "hf-hub:alice/m@v1.0", "hf-hub:alice/m@dev/exp"):
        assert same(pull(name), made)
    assert sorted(hub.files("alice/m")) == sorted([".gitattributes", *contents(made)])
    assert bool(hub.requests.find("PUT", "^/upload/")) == (way != "xet")


def test_an_unchanged_push_makes_no_commit_and_a_changed_one_sends_what_changed(
    hub: Hub, made: Path, other: Path, here: str
) -> None:
    first = push(made, "alice/m")
    hub.requests.clear()
    again = push(made, "alice/m", tag="v1")
    assert (again.unchanged, again.commit) == (True, first.commit)
    assert [request.path for request in hub.requests.find("POST")] == [f"/api/models/alice/m/tag/{first.commit}"]
    assert push(made, "alice/m", tag="v1").commit == first.commit
    changed = push(other, "alice/m")
    assert {file.path for file in changed.files if not file.unchanged} == {
        "README.md", "check.safetensors", "model.safetensors",
    }  # fmt: skip
    assert titles(hub) == ["Weights incres3d_tiny_lstm_lm.try"] * 2 + ["initial commit"]
    assert same(pull("hf-hub:alice/m"), other)
    assert same(pull("hf-hub:alice/m@v1"), made)
    with pytest.raises(HubError, match=rf"has a tag v1 on another commit \({first.commit}\)"):
        push(other, "alice/m", tag="v1")


def test_what_was_pulled_is_pushed_elsewhere_and_its_example_follows(hub: Hub, made: Path, here: str) -> None:
    push(made, "alice/m")
    card = hub.read("alice/m", "README.md").decode()
    assert 'create_model("hf-hub:alice/m", pretrained=True)' in card
    folder = pull("hf-hub:alice/m")
    assert push(folder, "alice/m").unchanged
    push(folder, "team/m")
    elsewhere = hub.read("team/m", "README.md").decode()
    assert 'create_model("hf-hub:team/m", pretrained=True)' in elsewhere
    assert "alice/m" not in elsewhere
    assert elsewhere == card_to_send((made / "README.md").read_text(), "team/m")


def test_a_dry_run_says_what_would_be_sent_and_changes_nothing(hub: Hub, made: Path, other: Path, here: str) -> None:
    def planned(folder: Path) -> Pushed:
        hub.requests.clear()
        plan = push(folder, "alice/m", dry_run=True, tag="v1")
        assert {request.method for request in hub.requests} <= {"GET", "HEAD"}
        assert plan.commit is None
        return plan

    plan = planned(made)
    assert ("models", "alice/m") not in hub.state.store.repos
    sent = push(made, "alice/m", tag="v1")
    assert replace(plan, commit=sent.commit, url=sent.url) == sent
    there = {path: file for path, file in hub.files("alice/m").items() if path != ".gitattributes"}
    assert {file.path: (file.size, file.lfs) for file in plan.files} == {
        path: (file.size, file.sha256 is not None) for path, file in there.items()
    }
    assert {file.path: file.sha256 for file in plan.files} == {
        path: hashlib.sha256(hub.read("alice/m", path)).hexdigest() for path in there
    }
    assert planned(made).unchanged
    with pytest.raises(HubError, match="has a tag v1"):
        planned(other)


def test_only_files_of_weights_are_sent_and_old_ones_go(hub: Hub, copy: Path, here: str) -> None:
    (copy / "secrets.env").write_text("TOKEN=hf_x")
    (copy / "checkpoint.pt").write_bytes(b"\x80")
    (copy / "logs").mkdir()
    (copy / "logs" / "config.json").write_text("{}")
    push(copy, "alice/m")
    hub.commit_behind_back(
        "alice/m", {"LICENSE": "theirs", "model-00001-of-00002.safetensors": b"x", "model.safetensors.index.json": "{}"}
    )
    pushed = push(copy, "alice/m")
    assert pushed.removed == ("model-00001-of-00002.safetensors", "model.safetensors.index.json")
    assert {*hub.files("alice/m")} == {".gitattributes", "LICENSE", *(file.path for file in pushed.files)}
    assert "secrets.env" not in str(hub.state.store.repos["models", "alice/m"].commits)


def test_shards_are_pushed_and_pulled(hub: Hub, made: Path, here: str, tmp_path: Path) -> None:
    model = weights.load_weights(made)
    card = weights.read_folder(made).card
    from fer_zoo.recipes import load_recipe

    fields = {key: value for key, value in card.model_dump().items() if key not in ("sha256", "files")}
    folder = weights.write_weights(
        tmp_path / "shards", model, load_recipe(made / "recipe.yaml"), fields, max_shard=60_000
    )
    assert len(list(folder.glob("model-*-of-*.safetensors"))) >= 3
    push(made, "alice/m")
    assert push(folder, "alice/m").removed == ("model.safetensors",)
    pulled = pull("hf-hub:alice/m")
    assert same(pulled, folder)
    expected, found = model.state_dict(), weights.load_weights(pulled).state_dict()
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    path = sorted(pulled.glob("model-*"))[1]
    path.resolve().write_bytes(path.read_bytes()[:-1] + b"\xaa")
    with pytest.raises(HubError, match=f"{path.name} of alice/m .* the card says"):
        pull("hf-hub:alice/m")
    assert same(pull("hf-hub:alice/m"), folder)


def test_a_card_that_somebody_wrote_in_is_not_overwritten(hub: Hub, made: Path, other: Path, here: str) -> None:
    push(made, "alice/m")
    theirs = hub.read("alice/m", "README.md").decode().replace("## Terms", "Ask Alice.\n\n## Terms")
    hub.commit_behind_back("alice/m", {"README.md": theirs})
    for folder in (made, other):
        with pytest.raises(HubError, match=r"Somebody has written in the README.md(.|\n)*--overwrite-card"):
            push(folder, "alice/m")
    assert hub.read("alice/m", "README.md").decode() == theirs
    # What they wrote is no obstacle for who takes it over.
    push(other, "alice/m", overwrite_card=True)
    assert is_as_sent(hub.read("alice/m", "README.md").decode())
    assert same(pull("hf-hub:alice/m"), other)


def test_a_card_in_ones_own_words_is_sent_as_it_is(hub: Hub, copy: Path, here: str) -> None:
    text = (copy / "README.md").read_text().replace("## Terms", "Made by OWNER/NAME's owner.\n\n## Terms")
    (copy / "README.md").write_text(text)
    push(copy, "alice/m")
    assert "Made by alice/m's owner." in hub.read("alice/m", "README.md").decode()
    assert (copy / "README.md").read_text() == text, "the folder stays as it was"


def test_a_pull_request_on_somebodys_repository(hub: Hub, made: Path, other: Path, here: str) -> None:
    bob = {"endpoint": here, "token": BOB}
    push(made, "alice/m", private=False)
    assert not hub.repo("alice/m").private
    with pytest.raises(HubError, match=r"You may not do this with alice/m(.|\n)*--pull-request"):
        push(other, "alice/m", **bob)
    head = hub.head("alice/m")
    offered = push(other, "alice/m", pull_request=True, **bob)
    assert offered.url == f"{here}/alice/m/discussions/1"
    assert hub.head("alice/m") == head
    assert hub.head("alice/m", "refs/pr/1") == offered.commit
    assert same(pull("hf-hub:alice/m@refs/pr/1"), other)
    assert push(made, "alice/m", pull_request=True, **bob).unchanged
    assert len(hub.repo("alice/m").pulls) == 1
    with pytest.raises(HubError, match=r"no such repository(.|\n)*for a pull request"):
        push(made, "alice/none", pull_request=True, **bob)
    with pytest.raises(OptionError, match="A tag on a pull request"):
        push(made, "alice/m", pull_request=True, tag="v1", **bob)


def test_who_may_not_write(hub: Hub, made: Path, here: str) -> None:
    for token, reason in (
        (ALICE_READS, "You may not do this"), (BOB, "You may not do this"), (False, "does not accept your token"),
        ("hf_nonsense_token_that_nobody_gave", "does not accept your token"),
    ):  # fmt: skip
        with pytest.raises(HubError, match=reason):
            push(made, "alice/m", token=token)
    assert not hub.state.store.repos
    push(made, "alice/m")
    with pytest.raises(HubError, match="You may not do this with alice/m"):
        push(made, "alice/m", token=BOB)  # private: for Bob it is not there, and not to be made
    with pytest.raises(HubError, match=r"is private, and --public was given"):
        push(made, "alice/m", private=False)


def test_somebody_was_faster(hub: Hub, made: Path, other: Path, here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from fer_zoo.hub import pushing

    push(made, "alice/m")
    refuse = pushing._refuse

    def meanwhile(*given: object, **options: object) -> None:
        refuse(*given, **options)  # type: ignore[arg-type]
        hub.commit_behind_back("alice/m", {"LICENSE": "theirs"})

    monkeypatch.setattr(pushing, "_refuse", meanwhile)
    with pytest.raises(HubError, match=r"alice/m was changed by someone else(.|\n)*push again"):
        push(other, "alice/m")
    assert hub.read("alice/m", "model.safetensors") == (made / "model.safetensors").read_bytes()


@pytest.mark.usefixtures("plain_lfs", "impatient")
def test_an_upload_that_fails_leaves_no_commit_and_is_repeated(hub: Hub, made: Path, here: str) -> None:
    hub.fail("", "PUT", status=400)
    with pytest.raises(HubError, match="What to do"):
        push(made, "alice/m", tag="v1")
    assert titles(hub) == ["initial commit"]
    hub.heal()
    hub.fail("/commit/main", "POST", hang_up="after", times=1)
    with pytest.raises(HubError, match="try again"):
        push(made, "alice/m", tag="v1")
    again = push(made, "alice/m", tag="v1")
    assert again.unchanged
    assert hub.head("alice/m", "v1") == again.commit
    assert len(titles(hub)) == 2


@pytest.mark.parametrize(
    ("card", "options", "reason"),
    [
        ({"commit": f"{CLEAN}-dirty"}, {"allow_dirty": True}, "changed tree(.|\n)*--allow-dirty"),
        ({"share_weights": "no: the form says so"}, {"despite_terms": True}, "the form says so(.|\n)*--despite-terms"),
    ],
)
def test_what_is_pushed_only_if_one_says_so(
    card: dict[str, str], options: dict[str, bool], reason: str, hub: Hub, here: str, tmp_path: Path
) -> None:
    folder = make_folder(tmp_path / "weights", **card)
    with pytest.raises(HubError, match=reason):
        push(folder, "alice/m")
    assert not hub.requests.lines(), "nobody was asked"
    assert push(folder, "alice/m", **options).commit


def change_card(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the record in the front matter."""
    _, matter, body = (folder / "README.md").read_text().split("---\n", 2)
    fields = yaml.safe_load(matter)
    change(fields["fer_zoo"])
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump(fields)}---\n{body}")


def without_metrics(folder: Path) -> None:
    change_card(folder, lambda card: card.update(metrics={}))


def without_terms(folder: Path) -> None:
    change_card(folder, lambda card: card.pop("may_use"))


def without_labels(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["model"].pop("labels")
    (folder / "config.json").write_text(json.dumps(config))


def with_other_tensors(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file({key: value + 1 for key, value in tensors.items()}, folder / "model.safetensors")


def with_other_logits(folder: Path) -> None:
    proof = load_file(folder / "check.safetensors")
    save_file({**proof, "logits": proof["logits"] + 0.1}, folder / "check.safetensors")
    change_card(
        folder, lambda card: card["beside"].update({"check.safetensors": weights.sha256(folder / "check.safetensors")})
    )


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (without_metrics, "figures|metrics"),
        (without_terms, "may_use"),
        (without_labels, "labelled|labels"),
        (lambda folder: (folder / "recipe.yaml").unlink(), "recipe.yaml"),
        (lambda folder: (folder / "check.safetensors").unlink(), "check.safetensors"),
        (lambda folder: (folder / "recipe.yaml").write_text("model: 3\n"), "recipe.yaml"),
        (with_other_tensors, "sha256|cannot be read|damaged"),
        (with_other_logits, "logit"),
    ],
)
def test_unfit_weights_are_refused_before_any_request(
    spoil: object, reason: str, hub: Hub, copy: Path, here: str
) -> None:
    assert callable(spoil)
    spoil(copy)
    with pytest.raises(WeightsError, match=reason):
        push(copy, "alice/m", allow_dirty=True, despite_terms=True, overwrite_card=True)
    assert not hub.requests.lines()


def test_a_picture_that_the_card_does_not_know_is_not_sent(hub: Hub, copy: Path, here: str, tmp_path: Path) -> None:
    """It may be a link to any file of the user."""
    (tmp_path / "secret.txt").write_text("SECRET")
    change_card(copy, lambda record: record["beside"].pop("confusion.png"))
    (copy / "confusion.png").unlink()
    (copy / "confusion.png").symlink_to(tmp_path / "secret.txt")
    pushed = push(copy, "alice/m")
    assert "confusion.png" not in {file.path for file in pushed.files}
    assert "confusion.png" not in hub.files("alice/m")


def test_a_network_that_names_files_of_this_machine_is_not_sent(
    hub: Hub, copy: Path, here: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fer_zoo.hub.pulling.local_options", lambda spec: ["detector.predictor"])
    with pytest.raises(HubError, match=r"names files of one machine: detector\.predictor"):
        push(copy, "alice/m")
    assert not hub.requests.find("POST", "repos/create")


@pytest.mark.parametrize("tag", ["main", "refs/pr/1", "a" * 40])
def test_a_tag_that_would_be_taken_for_something_else(tag: str, hub: Hub, made: Path, here: str) -> None:
    with pytest.raises(OptionError, match="taken for a branch or a commit"):
        push(made, "alice/m", tag=tag)
