"""How fast networks predict, and how much of the machine's matrix-product rate they use, for each runtime and batch."""

from __future__ import annotations

import copy
import csv
import gc
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fer_zoo.devices import emulates_bf16, find_device
from fer_zoo.errors import OptionError, UnknownNameError, writing
from fer_zoo.exporting import RUNTIMES, export, load_exported
from fer_zoo.exporting.runtimes import SUFFIXES
from fer_zoo.factory import find_model
from fer_zoo.files import write_text
from fer_zoo.folding import folded, to_channels_last
from fer_zoo.model import FERModel
from fer_zoo.training.run_folder import checkout_commit, device_name

# Runtime and precision of each variant; the first is what the others are compared to.
VARIANTS = {
    "torch": ("torch", "float32"),
    "torch channels_last": ("torch", "float32"),
    "torch folded": ("torch", "float32"),  # as `predict` runs it on a CPU
    "torch bf16": ("torch", "bf16"),
    "torch channels_last bf16": ("torch", "bf16"),
    "onnxruntime": ("onnxruntime", "float32"),
    "openvino": ("openvino", "float32"),
    "openvino bf16": ("openvino", "bf16"),
}
_SIDE = 1024  # of the matrices; larger ones are not faster on CPUs
_AGAINST = "torchvision:"

T = TypeVar("T")


@dataclass(frozen=True)
class Measurement:
    """Speed of one network with one runtime and batch size; times are the shortest of all rounds."""

    name: str
    variant: str
    batch: int
    clips_per_s: float
    gflop: float
    """Per clip: 2 for each multiply-accumulate of convolutions and matrix products."""
    gflop_per_s: float
    matmul_share: float
    """gflop_per_s relative to a product of two 1024 x 1024 matrices in the same precision in the same rounds."""
    speed_up: float
    """Relative to the first variant of the same network and batch."""
    peak_mib: float | None
    """Memory that opening and running took at most, beside what was in use before; None where it is unknown."""
    threads: int
    clock: str
    """wall, or processor: time of the processor, which other programs on the machine change little."""
    device: str
    machine: str
    versions: str
    commit: str
    date: str


def benchmark(
    names: Sequence[FERModel | str | Path],
    *,
    against: Sequence[str] = (),
    variants: Sequence[str] | None = None,
    batches: Sequence[int] = (1, 8),
    rounds: int = 10,
    threads: int | None = None,
    device: str = "cpu",
    clock: str = "wall",
    progress: Callable[[str], None] = lambda text: None,
) -> list[Measurement]:
    """Measure networks in rounds in which all variants take turns, so that a busy moment meets them alike.

    Args:
        names: as `fer_zoo.export`.
        against: other networks in PyTorch, as "torchvision:r3d_18", on 16 frames of the size that they are made for.
        variants: names of `VARIANTS`; default: all that the device has and whose extra is installed, without bf16 where
            a CPU only emulates it.
        threads: CPU threads; default: PyTorch's.
        clock: "wall"; or "processor" for a busy machine, with one thread.

    Raises:
        OptionError: no such variant, network or clock, or a variant that the device does not have.
        MissingExtraError: the extra of a variant that was named is not installed.
    """
    where = find_device(device)
    chosen = _chosen(variants, where, clock, threads)
    networks = [*map(_own, names), *((_torchvision(name), name) for name in against)]
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    found = []
    try:
        for network, label in networks:
            ours = isinstance(network, FERModel)
            own = [v for v in chosen if ours or (VARIANTS[v][0] == "torch" and "folded" not in v)]
            with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                opened = {variant: _opened(network, variant, Path(folder), where) for variant in own}
                for batch in batches:
                    progress(f"{label}, batch {batch}")
                    found += _measure(label, network, opened, batch, rounds, where, clock)
    finally:
        torch.set_num_threads(before)
    return found


def write_csv(found: Sequence[Measurement], path: str | Path) -> None:
    """Write one row per measurement, with machine, versions and commit."""
    out = StringIO()
    writer = csv.DictWriter(out, [field.name for field in fields(Measurement)], lineterminator="\n")
    writer.writeheader()
    for one in found:
        values = asdict(one).items()
        writer.writerow({name: f"{value:.4g}" if isinstance(value, float) else value for name, value in values})
    with writing(Path(path)):
        write_text(Path(path), out.getvalue())


def table(found: Sequence[Measurement]) -> Sequence[Sequence[str]]:
    """Return the rows of a table for a terminal, its head first."""
    heads = ("network", "variant", "batch", "clips/s", "GFLOP/s", "of matmul", "speed-up", "peak MiB")
    return [heads] + [
        (
            one.name,
            one.variant,
            str(one.batch),
            f"{one.clips_per_s:.1f}",
            f"{one.gflop_per_s:.1f}",
            f"{one.matmul_share:.2f}",
            f"{one.speed_up:.2f}",
            "" if one.peak_mib is None else f"{one.peak_mib:.0f}",
        )
        for one in found
    ]


def _chosen(variants: Sequence[str] | None, where: torch.device, clock: str, threads: int | None) -> list[str]:
    device = where.type
    here = [n for n in VARIANTS if device == "cpu" or (VARIANTS[n][0] == "torch" and "folded" not in n)]
    if unknown := [name for name in variants or () if name not in here]:
        given = f"Unknown variants on {device}: {', '.join(unknown)}."
        raise OptionError(given, ", ".join(here), "choose some of these")
    if clock not in ("wall", "processor") or (clock == "processor" and (device != "cpu" or threads != 1)):
        raise OptionError(
            f"clock={clock!r} on {device} with threads={threads}.",
            "wall; or processor on the CPU with threads=1, as waiting threads take processor time too",
            "leave the clock out",
        )
    slow = {"bf16"} if emulates_bf16(where) else set()
    return list(variants or [n for n in here if _installed(VARIANTS[n][0]) and VARIANTS[n][1] not in slow])


def _installed(runtime: str) -> bool:
    needed = {"torch": (), "onnxruntime": ("onnx", "onnxscript", "onnxruntime")}
    return all(find_spec(name) for name in needed.get(runtime, ("onnx", "onnxscript", "openvino")))


def _own(name: FERModel | str | Path) -> tuple[FERModel, str]:
    model = find_model(name)
    return copy.deepcopy(model).cpu().float().eval(), model.card.name if model.card else model.spec.name


def _torchvision(name: str) -> nn.Module:
    """Return a video network of torchvision with random weights, and remember the clip that it is made for."""
    from torchvision.models import get_model, get_model_weights, list_models, video

    known = list_models(video)
    plain = name.removeprefix(_AGAINST)
    if not name.startswith(_AGAINST) or plain not in known:
        raise UnknownNameError(
            f"There is no network {name!r} to compare with.",
            ", ".join(f"{_AGAINST}{each}" for each in known),
            "choose one of these",
        )
    size = get_model_weights(plain).DEFAULT.transforms().crop_size[0]
    network: nn.Module = get_model(plain, weights=None).eval()
    network.register_buffer("example", torch.zeros(1, 3, 16, size, size), persistent=False)
    return network


def _inputs(network: nn.Module, batch: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    if not isinstance(network, FERModel):
        return (torch.randn(batch, *network.get_buffer("example").shape[1:], generator=generator),)
    spec = network.input_spec
    clip = torch.randn(batch, 3, spec.frames, spec.size, spec.size, generator=generator)
    landmarks = torch.rand(batch, spec.frames, spec.landmarks.points, 2, generator=generator) * spec.size
    return (clip, landmarks) if network.needs_landmarks else (clip,)


def _opened(network: nn.Module, variant: str, folder: Path, device: torch.device) -> Callable[[], nn.Module]:
    """Return a function that opens a network for a variant; exports, which take longer, are made here, once."""
    runtime = VARIANTS[variant][0]
    if runtime != "torch":
        assert isinstance(network, FERModel)
        path = folder / f"network{SUFFIXES[RUNTIMES[runtime].target]}"
        if not path.exists():
            export(network, path)
        return lambda: load_exported(path, runtime)

    def copied() -> nn.Module:
        own = copy.deepcopy(network).to(device)
        if "folded" in variant:
            return folded(own)
        return to_channels_last(own) if "channels_last" in variant else own

    return copied


def _measure(
    label: str,
    network: nn.Module,
    opened: Mapping[str, Callable[[], nn.Module]],
    batch: int,
    rounds: int,
    device: torch.device,
    clock: str,
) -> list[Measurement]:
    inputs = [tensor.to(device) for tensor in _inputs(network, batch)]
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(*(tensor[:1].cpu() for tensor in inputs))
    gflop = counter.get_total_flops() / 1e9
    runs: dict[str, Callable[[], object]] = {}
    peaks = {}
    for variant, open_network in opened.items():
        precision = VARIANTS[variant][1]
        matrix = torch.randn(_SIDE, _SIDE, device=device).to(torch.bfloat16 if precision == "bf16" else torch.float32)
        runs[precision] = partial(torch.matmul, matrix, matrix)
        runs[variant], peaks[variant] = _with_peak(partial(_run_once, open_network, inputs, precision), device)
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            best[name] = min(best[name], _seconds(run, device, clock))
    first = best[next(iter(opened))]
    found = []
    for variant in opened:
        rate = batch * gflop / best[variant]
        found.append(
            Measurement(
                name=label,
                variant=variant,
                batch=batch,
                clips_per_s=batch / best[variant],
                gflop=gflop,
                gflop_per_s=rate,
                matmul_share=rate / (2 * _SIDE**3 / 1e9 / best[VARIANTS[variant][1]]),
                speed_up=first / best[variant],
                peak_mib=peaks[variant],
                threads=torch.get_num_threads(),
                clock=clock,
                device=device.type,
                machine=device_name(device),
                versions=_versions(),
                commit=checkout_commit(),
                date=datetime.now(UTC).date().isoformat(),
            )
        )
    return found


def _run_once(open_network: Callable[[], nn.Module], inputs: Sequence[Tensor], precision: str) -> Callable[[], None]:
    """Open a network, compute one batch, and return a function that computes it again."""
    network, device = open_network(), inputs[0].device.type

    @torch.inference_mode()
    def run() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            network(*inputs)

    run()
    return run


def _seconds(run: Callable[[], object], device: torch.device, clock: str) -> float:
    now = time.perf_counter if clock == "wall" else time.process_time
    start = now()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return now() - start


def _with_peak(run: Callable[[], T], device: torch.device) -> tuple[T, float | None]:
    """The result of a function, and how much memory (MiB) was in use at most beside what was before."""
    gc.collect()
    if device.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        return run(), (torch.cuda.max_memory_allocated() - before) / 2**20
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts again at what is in use
    except OSError:
        return run(), None
    before = _status("VmRSS")
    return run(), (_status("VmHWM") - before) / 2**10


def _status(key: str) -> int:
    """Return a size in KiB from /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def _versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for name in ("torch", "onnxruntime", "openvino"):
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return ", ".join(found)
