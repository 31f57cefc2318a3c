"""The fixtures for the tests of the hub itself."""

from __future__ import annotations

from .fixtures import hub, impatient, plain_lfs

__all__ = ["hub", "impatient", "plain_lfs"]
