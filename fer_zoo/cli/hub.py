"""`fer-zoo push`, `download`, `cache`: weights to and from the Hugging Face Hub."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from fer_zoo.cli.arguments import picked
from fer_zoo.cli.usage import Parser
from fer_zoo.errors import HubError, OptionError

if TYPE_CHECKING:
    from fer_zoo.hub import Pushed


def add(top: Parser) -> None:
    """Add the commands `push`, `download` and `cache`."""
    option = top.command(
        "push", "publish trained weights on the Hugging Face Hub", _push, writes_files=True
    ).add_argument
    option("folder", metavar="FOLDER", help="a weights folder, usually RUN/weights")
    option("repo", metavar="OWNER/NAME", help="Hub repository; created if missing, private unless --public")
    option("--tag", metavar="TAG", help="tag the commit, e.g. v1.0; an existing tag is never moved")
    option("--public", dest="private", action="store_false", help="create the repository as public")
    option("--pull-request", action="store_true", help="open a pull request instead of a commit")
    option("--dry-run", action="store_true", help="print what would be uploaded without uploading it")
    option("--allow-dirty", action="store_true", help="allow weights trained with uncommitted changes")
    despite = "upload even if the card says that the weights may not be shared"
    option("--despite-terms", action="store_true", help=despite)
    option("--overwrite-card", action="store_true", help="overwrite a model card that was edited on the Hub")
    option("--revision", metavar="BRANCH", help="branch, created if missing; default: main")
    option("--message", metavar="TEXT", help="commit message")

    option = top.command("download", "download weights into the cache", _download, writes_files=True).add_argument
    option("names", nargs="*", metavar="NAME", help="MODEL.TAG, or hf-hub:OWNER/NAME[@REVISION]")
    option("--all", action="store_true", help="download all published weights")
    option("--list", action="store_true", help="print what would be downloaded without downloading it")

    cache = top.command("cache", "list or verify downloaded weights")
    cache.command("list", "list names, sizes and folders", _cache_list)
    verify = cache.command("verify", "verify the checksum of every file", _cache_verify)
    verify.add_argument("--remove", action="store_true", help="delete damaged files, so that they are downloaded again")


def _push(arguments: Namespace) -> None:
    from fer_zoo.hub import push

    switches = ("private", "pull_request", "dry_run", "allow_dirty", "despite_terms", "overwrite_card")
    options = picked(arguments, "revision", "tag", "message", *switches)
    pushed = push(arguments.folder, arguments.repo, **options)
    if arguments.dry_run:
        _print_plan(pushed, arguments.tag)
        return
    print(pushed.url)
    if pushed.unchanged:
        print("Nothing has changed: no commit was created.")
    if arguments.pull_request and not pushed.unchanged:
        print("Others can use it after the owner has merged it.")
        return
    print(f"fer_zoo.create_model('hf-hub:{pushed.repo}@{pushed.commit}', pretrained=True)")


def _print_plan(plan: Pushed, tag: str | None) -> None:
    visible = "private" if plan.private else "public"
    print(f"{plan.url} ({visible}, {'will be created' if plan.created else 'exists'})")
    for file in plan.files:
        way = "lfs" if file.lfs else "git"
        print(f"{'unchanged' if file.unchanged else 'upload   '}  {file.size:>11}  {way}  {file.sha256}  {file.path}")
    for path in plan.removed:
        print(f"remove     {path}")
    print(f"May the weights be shared: {plan.card.share_weights}. Licence: {plan.card.licence}.")
    if tag:
        print(f"The commit would be tagged {tag}.")
    print("Nothing was uploaded.")


def _download(arguments: Namespace) -> None:
    from fer_zoo.weights_table import published

    names: list[str] = [*arguments.names, *(published() if arguments.all else ())]
    if not names and not arguments.all:
        raise OptionError(
            "`fer-zoo download` needs a name.",
            "model.tag, hf-hub:OWNER/NAME, or --all",
            "`fer-zoo models --pretrained` lists the names of the zoo",
        )
    if not names:
        print("The zoo's table of published weights is empty; the weights in the package need no download.")
    failed = []
    for name in names:
        # The others are of use without it.
        try:
            print(f"{name}  {_found(name, download=not arguments.list)}")
        except HubError as error:
            failed.append(f"{name}: {error}")
    if failed:
        raise HubError("\n".join(failed))


def _found(name: str, *, download: bool) -> str:
    """Return the folder of weights after a download, or what would be downloaded."""
    from fer_zoo.hub import names, parse, pull
    from fer_zoo.names import parse_name, split_tag
    from fer_zoo.weights_table import bundled, find, find_name, published

    if name.startswith(names.HUB):
        return str(pull(name) if download else parse(name))
    model, tag = split_tag(name)
    parse_name(model)
    if download:
        return str(find(model, tag or None))
    found = find_name(model, tag or None)
    return "comes with the package" if found in bundled() else str(published()[found].name)


def _cache_list(arguments: Namespace) -> None:
    from fer_zoo.hub.cache import held

    for one in (found := list(held())):
        print(f"{one.name}  {', '.join(one.revisions) or '-'}  {one.size}  {one.snapshot.folder}")
    if not found:
        print("no downloaded weights", file=sys.stderr)


def _cache_verify(arguments: Namespace) -> None:
    from fer_zoo.hub.cache import held

    wrong = 0
    for one in held():
        problem = one.problem()
        print(f"{one.name}  {problem.given if problem else 'ok'}")
        if problem is not None:
            wrong += 1
            if arguments.remove:
                one.remove()
    if wrong:
        raise HubError(
            f"{wrong} of the weights in the cache {'is' if wrong == 1 else 'are'} damaged"
            + (", and were removed." if arguments.remove else "."),
            "files as they were downloaded",
            "use them by name: they are downloaded again" if arguments.remove else "`fer-zoo cache verify --remove`",
        )
