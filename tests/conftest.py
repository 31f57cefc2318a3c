"""Shared by all tests."""

from __future__ import annotations

import os

import torch

# Test processes share the cores; more threads than one each would only get in each other's way.
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)
