"""`python -m tests.hub --user me:hf_me`: a hub until it is killed; its endpoint is the first line it prints."""

from __future__ import annotations

import argparse
import signal
import tempfile
from pathlib import Path
from threading import Event

from .loopback import Hub


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.hub", description=__doc__)
    parser.add_argument("--folder", type=Path, help="of the contents; a temporary one if none is given")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cdn-port", type=int, default=0)
    parser.add_argument("--part-size", type=int, help="upload LFS objects larger than this in parts of it")
    parser.add_argument("--no-xet", action="store_true", help="refuse Xet tokens and announce no Xet hashes")
    parser.add_argument("--user", action="append", default=[], metavar="NAME:TOKEN[:read]")
    parser.add_argument(
        "--repo", action="append", default=[], metavar="ID=FOLDER", help="a repository with these files"
    )
    options = parser.parse_args()
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with tempfile.TemporaryDirectory(prefix="test-hub-") as temporary:
        folder = options.folder or Path(temporary)
        hub = Hub(
            folder, port=options.port, cdn_port=options.cdn_port, part_size=options.part_size, xet=not options.no_xet
        )
        with hub:
            for user in options.user:
                name, token, *role = user.split(":")
                hub.add_user(name, token, "read" if role == ["read"] else "write")
            for repo in options.repo:
                repo_id, _, source = repo.partition("=")
                hub.create(repo_id, {p.relative_to(source).as_posix(): p for p in files_below(Path(source))})
            print(hub.endpoint, flush=True)
            stop.wait()


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
