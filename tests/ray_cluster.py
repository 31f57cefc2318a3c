"""A small Ray cluster for the tests of what runs on one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def ray_cluster(module: str, *, gpus: int = 0) -> Iterator[None]:
    """Two cores; tasks find functions of the test module (its `__file__`) by name, as they find those of a package."""
    if os.environ.get("CI"):  # there the extra is part of the installation, and a skip would hide that
        import ray
    else:
        ray = pytest.importorskip("ray", reason="needs the extra ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    folders = [str(Path(file).parent) for file in (module, __file__)]
    path = {"env_vars": {"PYTHONPATH": os.pathsep.join(folders)}}
    ray.init(num_cpus=2, num_gpus=gpus, include_dashboard=False, log_to_driver=False, runtime_env=path)
    yield
    ray.shutdown()
