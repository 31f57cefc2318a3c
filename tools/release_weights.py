"""Publish weights of the zoo and pin them: `python tools/release_weights.py OWNER`, by an owner with a token.

Every folder in fer_zoo/zoo, and every FOLDER given besides, goes to the repository OWNER/MODEL.TAG, in public, tagged
with the version of fer_zoo. Then fer_zoo/zoo/published.json has their commits and sha256, by which every user gets just
these; commit that file. What is there already, unchanged, is pinned where it is. `--dry-run` prints what would be sent.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fer_zoo import __version__, weights
from fer_zoo.errors import FerZooError
from fer_zoo.hub import Pushed, pull, push
from fer_zoo.hub.names import HubName
from fer_zoo.weights_table import TABLE, Published, published, write_table


def release(folder: Path, owner: str, tag: str, *, private: bool, dry_run: bool) -> Pushed:
    """Push one folder and pull it back: what is pinned is what anybody gets."""
    card = weights.read_folder(folder).card
    pushed = push(folder, f"{owner}/{card.name}", private=private, tag=tag, dry_run=dry_run)
    if pushed.commit is not None:
        pull(HubName(pushed.repo, pushed.commit), sha256=card.sha256)
    return pushed


def main(arguments: Sequence[str] | None = None, table: Path = TABLE) -> None:
    """Publish all, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("owner", help="user or organisation on the Hub")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="weights that are too large to ship")
    parser.add_argument("--tag", default=f"v{__version__}", help="default %(default)s")
    parser.add_argument("--private", action="store_true", help="to try it")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args(arguments)
    entries = published(table)
    try:
        for folder in [*weights.bundled().values(), *options.folders]:
            done = release(folder, options.owner, options.tag, private=options.private, dry_run=options.dry_run)
            for file in done.files:
                print(
                    f"{'same' if file.unchanged else 'send'}  {file.size:>11}  {file.sha256}  {done.repo}/{file.path}"
                )
            if done.commit is not None:
                entry = Published(repo=done.repo, commit=done.commit, sha256=done.card.sha256)
                entries[done.card.name] = entry
                # After each: what was published stays pinned, whatever happens to the next.
                write_table(entries, table)
                print(done.url)
    except FerZooError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
