"""Compile, export, autocast, memory formats, devices, and two processes: the same logits, the same gradients."""

from __future__ import annotations

import copy
import os
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import fer_zoo
from fer_zoo import FERModel

# One network per fusion site, and every temporal head once.
NAMES = [
    "incres3d_tiny_lstm_lm",
    "incres3d_tiny_gru_lm_gate",
    "incres2d_tiny_attn_lm_in",
    "incres3d_deep_tiny_transformer_lm_attn",
    "incres2plus1d_tiny_tcn_lm_traj",
    "incres3d_v2_tiny_mean_lm_add",
    "timm/test_resnet_lstm_lm_traj",
    "r3d_18_mean_lm_in",
]
SIZE = 64
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
MPS = pytest.mark.skipif(not torch.backends.mps.is_available(), reason="needs an Apple GPU")


def make(name: str) -> tuple[FERModel, Tensor, Tensor]:
    torch.manual_seed(0)
    model = fer_zoo.create_model(name, size=SIZE, frames=10, pool="mean").eval()
    landmarks = torch.rand(2, 10, 68, 2) * SIZE
    landmarks[1, 3] = torch.nan
    return model, torch.randn(2, 3, 10, SIZE, SIZE), landmarks


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_compiles(name: str) -> None:
    """To one graph, but for recurrences, at which torch itself breaks the graph."""
    model, clip, landmarks = make(name)
    recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=not recurrent)
    torch.testing.assert_close(compiled(clip, landmarks), model(clip, landmarks), atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:The tensor attributes:UserWarning")  # torch's own, of every LSTM and GRU
def test_exports(name: str) -> None:
    model, clip, landmarks = make(name)
    batch = torch.export.Dim("batch", min=2, max=16)
    program = torch.export.export(model, (clip, landmarks), dynamic_shapes=({0: batch}, {0: batch}))
    more = torch.cat([clip, clip.flip(4)])[:3], torch.cat([landmarks, landmarks])[:3]
    torch.testing.assert_close(program.module()(*more), model(*more), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_channels_last_gives_the_same(name: str) -> None:
    model, clip, landmarks = make(name)
    expected = model(clip, landmarks)
    got = model.channels_last()(clip.to(memory_format=torch.channels_last_3d), landmarks)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


# Without bfloat16 in the processor a 3D ResNet takes minutes.
HEAVY = pytest.param(NAMES[-1], marks=[pytest.mark.slow, pytest.mark.timeout(900)])


@pytest.mark.parametrize("name", [*NAMES[:-1], HEAVY])
def test_autocast_stays_close_and_trains(name: str) -> None:
    model, clip, landmarks = make(name)
    expected = model(clip, landmarks)
    with torch.autocast("cpu", torch.bfloat16):
        got = model(clip, landmarks)
    assert (got.float() - expected).abs().max() < 0.15 * (1 + expected.abs().max())
    got.float().square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=GPU), pytest.param("mps", marks=MPS)])
@pytest.mark.parametrize("name", NAMES)
def test_devices_agree_with_the_cpu(name: str, device: str) -> None:
    model, clip, landmarks = make(name)
    expected = model(clip, landmarks)
    got = model.to(device)(clip.to(device), landmarks.to(device))
    torch.testing.assert_close(got.cpu(), expected, atol=1e-2, rtol=1e-2)


@pytest.mark.slow
def test_two_processes_give_the_gradients_of_one(tmp_path: Path) -> None:
    """DistributedDataParallel over gloo, half the batch each; no batch norm, whose statistics are per process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(_worker, (port, str(tmp_path)), nprocs=2)
    model, clip, landmarks = _ddp_case()
    _loss(model(clip, landmarks)).backward()
    whole = {name: p.grad for name, p in model.named_parameters()}
    for rank in range(2):
        gradients = load_file(tmp_path / f"{rank}.safetensors")
        assert gradients.keys() == whole.keys()
        for name, gradient in gradients.items():
            torch.testing.assert_close(gradient, whole[name], atol=1e-5, rtol=1e-3)


def _ddp_case() -> tuple[FERModel, Tensor, Tensor]:
    torch.manual_seed(0)
    model = fer_zoo.create_model("incres3d_tiny_lstm_lm_gate", size=48, norm="none", head_norm="none", dropout=0.0)
    return model, torch.randn(4, 3, 10, 48, 48), torch.rand(4, 10, 68, 2) * 48


def _loss(logits: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits, torch.arange(len(logits)) % 7)


def _worker(rank: int, port: int, folder: str) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    model, clip, landmarks = _ddp_case()
    target = torch.arange(4) % 7
    parallel = nn.parallel.DistributedDataParallel(copy.deepcopy(model))
    rows = slice(2 * rank, 2 * rank + 2)
    nn.functional.cross_entropy(parallel(clip[rows], landmarks[rows]), target[rows]).backward()
    gradients = {name.removeprefix("module."): p.grad for name, p in parallel.named_parameters()}
    save_file({name: g for name, g in gradients.items() if g is not None}, f"{folder}/{rank}.safetensors")
    dist.destroy_process_group()
