"""`fer-zoo push`, `download`, `cache`: weights to and from the Hugging Face Hub."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fer_zoo.errors import HubError, OptionError

if TYPE_CHECKING:
    from fer_zoo.cli.arguments import Verbs
    from fer_zoo.hub import Pushed


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verbs `push`, `download` and `cache`."""
    push = verbs.add_parser("push", parents=[common], help="publish trained weights on the Hugging Face Hub")
    push.add_argument("folder", metavar="FOLDER", help="a weights folder, usually RUN/weights")
    push.add_argument("repo", metavar="OWNER/NAME", help="Hub repository; created if missing, private unless --public")
    push.add_argument("--tag", metavar="TAG", help="tag the commit, e.g. v1.0; an existing tag is never moved")
    push.add_argument("--public", action="store_true", help="create the repository as public")
    push.add_argument("--pull-request", action="store_true", help="open a pull request instead of a commit")
    push.add_argument("--dry-run", action="store_true", help="print what would be uploaded without uploading it")
    push.add_argument("--allow-dirty", action="store_true", help="allow weights trained with uncommitted changes")
    push.add_argument(
        "--despite-terms", action="store_true", help="upload even if the card says that the weights may not be shared"
    )
    push.add_argument("--overwrite-card", action="store_true", help="overwrite a model card that was edited on the Hub")
    push.add_argument("--revision", metavar="BRANCH", help="branch, created if missing; default: main")
    push.add_argument("--message", metavar="TEXT", help="commit message")
    push.set_defaults(verb=_push, writes_files=True)

    download = verbs.add_parser("download", parents=[common], help="download weights into the cache")
    download.add_argument("names", nargs="*", metavar="NAME", help="MODEL.TAG, or hf-hub:OWNER/NAME[@REVISION]")
    download.add_argument("--all", action="store_true", help="download all published weights")
    download.add_argument("--list", action="store_true", help="print what would be downloaded without downloading it")
    download.set_defaults(verb=_download, writes_files=True)

    cache = verbs.add_parser("cache", parents=[common], help="list or verify downloaded weights")
    inside = cache.add_subparsers(title="verbs", required=True, metavar="VERB")
    listed = inside.add_parser("list", parents=[common], help="list names, sizes and folders")
    listed.set_defaults(verb=_cache_list)
    verify = inside.add_parser("verify", parents=[common], help="verify the checksum of every file")
    verify.add_argument("--remove", action="store_true", help="delete damaged files, so that they are downloaded again")
    verify.set_defaults(verb=_cache_verify)


def _push(arguments: argparse.Namespace) -> None:
    from fer_zoo.hub import push

    pushed = push(
        arguments.folder,
        arguments.repo,
        private=not arguments.public,
        revision=arguments.revision,
        tag=arguments.tag,
        pull_request=arguments.pull_request,
        message=arguments.message,
        dry_run=arguments.dry_run,
        allow_dirty=arguments.allow_dirty,
        despite_terms=arguments.despite_terms,
        overwrite_card=arguments.overwrite_card,
    )
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


def _download(arguments: argparse.Namespace) -> None:
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
            print(f"{name}  {_where(name) if arguments.list else _downloaded(name)}")
        except HubError as error:
            failed.append(f"{name}: {error}")
    if failed:
        raise HubError("\n".join(failed))


def _downloaded(name: str) -> str:
    from fer_zoo.hub import names, pull
    from fer_zoo.weights_table import find

    return str(pull(name) if name.startswith(names.HUB) else find(*_model_and_tag(name)))


def _where(name: str) -> str:
    from fer_zoo.hub import names, parse
    from fer_zoo.weights_table import bundled, find_name, published

    if name.startswith(names.HUB):
        return str(parse(name))
    found = find_name(*_model_and_tag(name))
    return "comes with the package" if found in bundled() else str(published()[found].name)


def _model_and_tag(name: str) -> tuple[str, str | None]:
    from fer_zoo.names import parse_name, split_tag

    model, tag = split_tag(name)
    parse_name(model)
    return model, tag or None


def _cache_list(arguments: argparse.Namespace) -> None:
    from fer_zoo.hub.cache import held

    for one in held():
        print(f"{one.name}  {', '.join(one.revisions) or '-'}  {one.size}  {one.snapshot.folder}")


def _cache_verify(arguments: argparse.Namespace) -> None:
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
