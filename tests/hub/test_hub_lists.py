"""Infos, trees, paths, commits, pull requests and cards, as the real client reads them."""

from __future__ import annotations

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.hf_api import RepoFile, RepoFolder

from .card import check_card, metadata_of
from .client import api, download, noise
from .fixtures import ALICE, BOB
from .loopback import Hub

CARD = """---
license: cc-by-nc-4.0
library_name: fer-zoo
pipeline_tag: video-classification
language: en
datasets: [dfew]
tags: [facial-expression-recognition, video]
model-index:
- name: incres3d
  results:
  - task: {type: video-classification}
    dataset: {type: dfew, name: DFEW}
    metrics:
    - {type: WAR, value: 0.61}
---
# A model, see https://arxiv.org/abs/1705.07871
"""


def test_the_card_becomes_tags_and_figures(hub: Hub) -> None:
    commit = hub.create("alice/m", {"README.md": CARD, "model.safetensors": noise(10)})
    info = api(hub).model_info("alice/m", files_metadata=True)
    assert (info.sha, info.pipeline_tag, info.library_name) == (commit.id, "video-classification", "fer-zoo")
    assert info.tags == [
        "fer-zoo", "safetensors", "video-classification", "facial-expression-recognition", "video", "model-index",
        "en", "dataset:dfew", "arxiv:1705.07871", "license:cc-by-nc-4.0", "region:us",
    ]  # fmt: skip
    assert info.card_data is not None
    assert [(result.metric_type, result.metric_value) for result in info.card_data.eval_results or []] == [
        ("WAR", 0.61)
    ]
    sizes = {sibling.rfilename: (sibling.size, bool(sibling.lfs)) for sibling in info.siblings or []}
    assert sizes["model.safetensors"] == (10, True)
    assert sizes["README.md"] == (len(CARD), False)
    hub.create("bob/n", {"README.md": "no metadata"})
    listed = api(hub).list_models(filter=["fer-zoo", "video"])
    assert [model.id for model in listed] == ["alice/m"]
    assert [model.id for model in api(hub).list_models(author="bob")] == ["bob/n"]


@pytest.mark.parametrize(
    ("text", "errors", "warnings"),
    [
        ("---\nlicense: mit\n---\n", [], []),
        ("# no metadata", [], ["empty or missing yaml metadata in repo card"]),
        ("---\n---\n", [], ["empty or missing yaml metadata in repo card"]),
        ("---\na: [\n---\n", ["YAML Metadata Error"], []),
        ("---\n- a\n---\n", ["the metadata must be a mapping"], []),
        ("---\ntags: video\n---\n", ['"tags" must be an array of strings'], []),
        ("---\nlicense: [mit]\n---\n", ['"license" must be a string'], []),
        ("---\ndatasets: 7\n---\n", ['"datasets" must be a string or an array of strings'], []),
        ("---\nmodel-index: x\n---\n", ['"model-index" must be an array'], []),
        ("---\nmodel-index: [{}]\n---\n", ['"model-index[0].name" is required'], []),
        (CARD.replace("type: WAR, ", ""), ['"model-index[0].results[0].metrics[0].type" is required'], []),
        (CARD.replace(", name: DFEW", ""), ['"model-index[0].results[0].dataset.name" is required'], []),
        (CARD, [], []),
    ],
)
def test_what_is_wrong_with_a_card(text: str, errors: list[str], warnings: list[str]) -> None:
    _, found, warned = check_card(text)
    assert (len(found), warned) == (len(errors), warnings), found
    assert all(error in problem for error, problem in zip(errors, found, strict=True))


def test_a_broken_card_is_refused_before_and_at_the_commit(hub: Hub) -> None:
    hub.create("alice/m", {"README.md": CARD})
    broken = b"---\ntags: [\n---\n"
    assert metadata_of(broken.decode()) == {}
    alice = api(hub, ALICE)
    with pytest.raises(ValueError, match="Invalid metadata in README"):
        alice.upload_file(repo_id="alice/m", path_in_repo="README.md", path_or_fileobj=broken)
    hub.fail("validate-yaml", status=200, body=b"{}")
    with pytest.raises(HfHubHTTPError, match="Invalid metadata in README"):
        alice.upload_file(repo_id="alice/m", path_in_repo="README.md", path_or_fileobj=broken)
    assert hub.read("alice/m", "README.md").decode() == CARD


def test_a_tree_is_listed_in_pages(hub: Hub) -> None:
    hub.state.page_size = 2
    first = hub.create("alice/m", {"a/1": "1", "a/b/2": "2", "c": "3", "w.safetensors": noise(30)}).id
    second = hub.commit_behind_back("alice/m", {"a/b/2": "changed"}).id
    hub.requests.clear()
    found = {entry.path: entry for entry in api(hub).list_repo_tree("alice/m", recursive=True, expand=True)}
    assert list(found) == [".gitattributes", "a", "a/1", "a/b", "a/b/2", "c", "w.safetensors"]
    assert len(hub.requests) == 4
    last = {path: entry.last_commit.oid for path, entry in found.items() if entry.last_commit}
    assert (last["a"], last["a/b/2"], last["a/1"], last["c"]) == (second, second, first, first)
    weights = found["w.safetensors"]
    assert isinstance(weights, RepoFile)
    assert weights.lfs is not None
    assert (weights.size, weights.lfs.sha256) == (30, hub.files("alice/m")["w.safetensors"].sha256)
    assert [entry.path for entry in api(hub).list_repo_tree("alice/m", "a")] == ["a/1", "a/b"]
    with pytest.raises(HfHubHTTPError, match="Entry Not Found"):
        list(api(hub).list_repo_tree("alice/m", "nope"))


def test_infos_of_paths_leave_out_what_is_not_there(hub: Hub) -> None:
    hub.create("alice/m", {"a/1": "1", "c": "3"})
    found = api(hub).get_paths_info("alice/m", ["a", "c", "nope"])
    assert [(type(entry), entry.path) for entry in found] == [(RepoFolder, "a"), (RepoFile, "c")]


def test_a_copy_within_a_repository(hub: Hub) -> None:
    hub.create("alice/m", {"a": "1", "w.safetensors": noise(30)})
    copies = [CommitOperationCopy("a", "b"), CommitOperationCopy("w.safetensors", "v.safetensors")]
    api(hub, ALICE).create_commit("alice/m", copies, commit_message="Copy")
    assert hub.read("alice/m", "b") == b"1"
    assert hub.read("alice/m", "v.safetensors") == noise(30)


@pytest.mark.parametrize("way", ["commit", "folder"])
def test_a_pull_request_is_read_and_merged(way: str, hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> None:
    before = hub.create("alice/m", {"a": "1"}).id
    bob, folder = api(hub, BOB), tmp_path_factory.mktemp("folder")
    (folder / "b.txt").write_bytes(b"2")
    if way == "commit":
        operations = [CommitOperationAdd("b.txt", str(folder / "b.txt"))]
        info = bob.create_commit("alice/m", operations, commit_message="Add b", create_pr=True)
    else:
        info = bob.upload_folder(repo_id="alice/m", folder_path=folder, commit_message="Add b", create_pr=True)
    assert (info.pr_num, info.pr_revision, info.pr_url) == (1, "refs/pr/1", f"{hub.endpoint}/alice/m/discussions/1")
    assert hub.head("alice/m") == before
    assert download(hub, folder / "cache", "alice/m", "b.txt", revision="refs/pr/1").read_text() == "2"
    assert [ref.name for ref in bob.list_repo_refs("alice/m", include_pull_requests=True).pull_requests or []] == [
        "refs/pr/1"
    ]
    with pytest.raises(HfHubHTTPError, match="403"):
        bob.merge_pull_request("alice/m", 1)
    hub.commit_behind_back("alice/m", {"c": "3"})
    api(hub, ALICE).merge_pull_request("alice/m", 1)
    assert sorted(hub.files("alice/m")) == [".gitattributes", "a", "b.txt", "c"]
    (discussion,) = bob.get_repo_discussions("alice/m", discussion_type="pull_request")
    assert (discussion.title, discussion.author, discussion.status) == ("Add b", "bob", "merged")
    assert bob.get_discussion_details("alice/m", 1).merge_commit_oid == hub.head("alice/m")
