"""Shared by all tests."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

# Test processes share the cores; more threads than one each would only get in each other's way.
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)
# What is imported and collected stays until the end; searching it for garbage again and again takes as long as a tenth
# of the tests.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], nn.Module]:
    """An empty Hugging Face cache, the client offline; call it to put random weights for a timm model where it looks.

    Returns the network, with its classifier, whose weights were put there.
    """
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def publish(name: str) -> nn.Module:
        import timm
        from safetensors.torch import save_file

        torch.manual_seed(7)
        network: nn.Module = timm.create_model(name)
        repository = str(network.pretrained_cfg["hf_hub_id"])  # type: ignore[index,union-attr]
        folder = tmp_path / "hub" / f"models--{repository.replace('/', '--')}"
        snapshot = folder / "snapshots" / ("0" * 40)
        snapshot.mkdir(parents=True)
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text("0" * 40)
        save_file(network.state_dict(), snapshot / "model.safetensors")
        return network.eval()

    return publish
