"""A small Hugging Face Hub on this machine, for tests and for the examples of the documentation.

It speaks HTTP with the real client; nothing is patched. `python -m tests.hub` serves until it is killed.
"""

from __future__ import annotations

from .faults import Fault, Log, Request
from .loopback import Hub
from .store import Commit, File, Repo

__all__ = ["Commit", "Fault", "File", "Hub", "Log", "Repo", "Request"]
