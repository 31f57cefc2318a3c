"""Weights to a Hub: checked first, in one commit, without overwriting what others wrote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fer_zoo._version import __version__
from fer_zoo.errors import HubError, OptionError, hide_secrets
from fer_zoo.hub.client import LIBRARY, Client
from fer_zoo.hub.names import is_commit, parse_repo, parse_revision
from fer_zoo.hub.plans import Pushed, card_is_ours_to_replace, look_at, make_plan
from fer_zoo.hub.pulling import refuse_local
from fer_zoo.hub.refusals import hub_errors
from fer_zoo.weights.checking import check_folder
from fer_zoo.weights.files import CARD, RECIPE
from fer_zoo.weights.folder import WeightsFolder, read_recipe
from fer_zoo.weights.local_paths import local_paths, portable

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo


def push(
    folder: str | Path,
    repo: str,
    *,
    private: bool = True,
    revision: str | None = None,
    tag: str | None = None,
    pull_request: bool = False,
    message: str | None = None,
    dry_run: bool = False,
    allow_dirty: bool = False,
    despite_terms: bool = False,
    overwrite_card: bool = False,
    token: str | bool | None = None,
    endpoint: str | None = None,
) -> Pushed:
    """Send a weights folder to `OWNER/NAME`, in one commit, if it is fit to be trusted.

    Args:
        private: of a repository that has to be created; an existing one stays as it is.
        revision: branch, created if missing; default main.
        tag: of the commit; an existing tag is never moved.
        pull_request: open a pull request on a repository that others own.
        dry_run: change nothing; the result says what would be sent.
        allow_dirty: allow weights trained from a source tree with uncommitted changes.
        despite_terms: push even if the card says that its weights may not be shared.
        overwrite_card: replace the README.md there even if it was edited.

    Raises:
        WeightsError: the folder is incomplete, or the network's logits are not those that were written.
        HubError: the folder must not be shared, or the Hub refuses it.
        OptionError: a name is not valid, or options contradict each other.
    """
    repo = parse_repo(repo)
    branch = parse_revision(revision) if revision else "main"
    if tag is not None:
        parse_revision(tag, "tag")
        if tag == "main" or tag.startswith("refs/") or is_commit(tag):
            raise OptionError(f"The tag {tag!r}: it would be taken for a branch or a commit.", "another", "e.g. v1.0")
    if pull_request and tag is not None:
        raise OptionError("A tag on a pull request.", "one of them", "tag the commit once it is merged")
    found = fit_to_push(folder, allow_dirty=allow_dirty, despite_terms=despite_terms)
    client = Client(token, endpoint)
    plan = make_plan(client, found, repo, branch, private=private)
    _refuse(client, plan, private=private, tag=tag, pull_request=pull_request, overwrite_card=overwrite_card)
    if dry_run:
        return plan
    commit, url = _send(client, plan, pull_request, message or f"Weights {found.card.name}")
    if tag is not None and (plan.there is None or tag not in plan.there.tags):
        with hub_errors(client.address, repo, tag):
            client.api.create_tag(repo, tag=tag, revision=commit)
    return replace(plan, commit=commit, url=url)


def fit_to_push(folder: str | Path, *, allow_dirty: bool = False, despite_terms: bool = False) -> WeightsFolder:
    """Check all that others have to rely on when they load a folder; returns it.

    Raises:
        WeightsError: labels, terms, metrics, recipe or a file are missing, the weights do not load strictly, or their
            logits differ from those that were stored with them.
        HubError: the terms forbid it, the working tree was changed when it was trained, or a file names local paths.
    """
    found = check_folder(folder)
    refuse_local(found.spec, f"config.json of {found.path}")
    named = list(local_paths(found))  # they reveal user names and folders
    if portable(recipe := read_recipe(found.path)) != recipe:
        named = named or [f"{RECIPE}: folders in data.stores or split.file"]
    if named:
        more = f"; and {len(named) - 5} more" if len(named) > 5 else ""
        raise HubError(
            f"{found.path} names paths of this machine: {'; '.join(named[:5])}{more}.",
            "files without absolute or home-relative paths",
            f"edit {CARD} if it is named; fer_zoo.weights.rewrite({str(found.path)!r}, NEW_FOLDER) writes the recipe "
            "with base names",
        )
    card = found.card
    if card.commit.endswith("-dirty") and not allow_dirty:
        raise HubError(
            f"{found.path} was trained from a changed tree ({card.commit}), which others cannot reproduce.",
            "weights of a clean commit",
            "commit and train again, or allow it with --allow-dirty",
        )
    if card.share_weights.startswith("no") and not despite_terms:
        raise HubError(
            f"The terms of the data do not allow the weights in {found.path} to be shared: {card.share_weights}. "
            f"Source: {card.terms_source}.",
            "weights that may be shared",
            "keep them, or, if the owner of the data gave you permission, use --despite-terms",
        )
    return found


def _refuse(
    client: Client, plan: Pushed, *, private: bool, tag: str | None, pull_request: bool, overwrite_card: bool
) -> None:
    """Refuse what would fail half-way, or would overwrite what others rely on."""
    there, where = plan.there, plan.url
    if pull_request and (there is None or not there.has_branch):
        what = "no such repository that you may read" if there is None else f"no branch {plan.branch}"
        raise HubError(
            f"{where}: {what}.",
            "an existing repository and branch, for a pull request",
            "check the name, or push your own",
        )
    if there is None:
        return
    if there.private and not private:
        raise HubError(
            f"{where} is private, and --public was given.",
            "a repository that does not exist yet, or is public",
            "make it public in its settings, or leave --public out",
        )
    if tag in there.tags and not (plan.unchanged and there.tags[tag] == there.head):
        raise HubError(
            f"{plan.repo} has a tag {tag} on another commit ({there.tags[tag]}).",
            "a new tag: others rely on existing ones",
            "choose another --tag",
        )
    if not overwrite_card and not card_is_ours_to_replace(client, plan):
        raise HubError(
            f"Somebody has written in the {CARD} of {plan.repo} since it was pushed.",
            "a card that is as `fer-zoo push` left it",
            f"take over what you want to keep into {plan.folder / CARD}, then push with --overwrite-card",
        )


def _send(client: Client, plan: Pushed, pull_request: bool, message: str) -> tuple[str, str]:
    """Create what is missing and commit; returns the commit and its address."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    there, api = plan.there, client.api
    if plan.unchanged and there is not None and there.has_branch:
        return there.head, f"{plan.url}/tree/{there.head}"
    with hub_errors(client.address, plan.repo, plan.branch):
        if there is None:
            api.create_repo(plan.repo, private=plan.private)
    there = there or look_at(client, plan.repo, plan.branch)
    if there is None:
        raise HubError(f"{plan.repo} was created and is not there.", "a Hub that keeps what it creates", "try again")
    with hub_errors(client.address, plan.repo, plan.branch):
        if not there.has_branch:
            api.create_branch(plan.repo, branch=plan.branch, revision=there.head)
        if plan.unchanged:
            return there.head, f"{plan.url}/tree/{there.head}"
        operations: list[CommitOperationAdd | CommitOperationDelete] = []
        for file in plan.files:
            if file.unchanged:
                continue
            content = plan.readme if file.path == CARD else str(plan.folder / file.path)
            operations.append(addition := CommitOperationAdd(file.path, content))
            if addition.upload_info.sha256.hex() != file.sha256:
                given = f"{plan.folder / file.path} has changed since it was checked."
                raise HubError(given, "a folder that stays as it is during the push", "push again")
        done: CommitInfo = api.create_commit(
            plan.repo,
            operations=[*operations, *map(CommitOperationDelete, plan.removed)],
            commit_message=message,
            commit_description=f"Pushed by {LIBRARY} {__version__}",
            revision=plan.branch,
            create_pr=pull_request,
            parent_commit=there.head,
        )
    return done.oid, (done.pr_url and hide_secrets(done.pr_url)) or f"{plan.url}/tree/{done.oid}"
