"""NbNet's speed: the fast version beside the readable one, as ratios measured in one run.

    python benchmarks/nbnet_speed.py [--repeats 7] [--threads 2] [--sizes 160 64] [--json]

Ways to run the same network of the same weights:

- textbook: `torch.cat`, `BatchNorm2d`, `ReLU`, `Conv2d`, one after the other, channels outermost in
  memory: nbnet.py as it stands;
- channels_last: the same with channels innermost in memory;
- bf16: that under autocast to bfloat16;
- fast: nbnet_lib/decoders/fast.

A training step is forward and backward of a batch, without the optimiser (the same for all).
All ways take turns (A B C D, A B C D, ...), so that a busy machine disturbs each alike; printed are
the smallest wall time, the smallest processor time summed over cores, and the median of the ratios
to textbook of each round. Peak memory is that of a training step above what the process held
before, in a process of its own. The gradients are compared: a quick wrong one would be worth
nothing. On a GPU, the readable network runs in bfloat16 in both memory formats: images per second,
and the bytes that its operations read and write per second as a share of what a copy reaches.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nbnet_lib.decoders.nbnet import NbNet

WAYS = ("textbook", "channels_last", "bf16", "fast")
BATCH = {160: 16, 112: 32, 80: 32, 64: 64, 40: 64}


def make_net(way: str, variant: str, size: int, device: str = "cpu") -> NbNet:
    """Return the network of seed 0, 128 dimensions, set up for one of `WAYS`."""
    torch.manual_seed(0)
    net = NbNet(variant, 128, size)
    net.implementation = "fast" if way == "fast" else "readable"
    kind = torch.contiguous_format if way == "textbook" else torch.channels_last
    return net.to(device, memory_format=kind)  # type: ignore[call-overload]


def make_batch(n: int, size: int, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Return n random templates [n, 128], and random weights of the pixels [n, 3, S, S]."""
    random = torch.Generator().manual_seed(1)
    templates = F.normalize(torch.randn(n, 128, generator=random), dim=1)
    return templates.to(device), torch.randn(n, 3, size, size, generator=random).to(device)


def train_step(net: NbNet, way: str, templates: Tensor, weight: Tensor) -> None:
    """Forward and backward."""
    net.zero_grad()
    with torch.autocast(templates.device.type, torch.bfloat16, enabled=way == "bf16"):
        image = net(templates)
    (image.float() * weight).mean().backward()


def infer(net: NbNet, way: str, templates: Tensor, weight: Tensor) -> None:
    """Draw the pictures."""
    net.eval()
    enabled = way == "bf16"
    with torch.no_grad(), torch.autocast(templates.device.type, torch.bfloat16, enabled=enabled):
        net(templates)
    net.train()


def median(values: list[float]) -> float:
    """Return the middle one."""
    return sorted(values)[len(values) // 2]


def take_turns(jobs: dict[str, Callable[[], None]], repeats: int) -> dict[str, dict[str, float]]:
    """Time each job ``repeats`` times in turn, after one round that does not count."""
    wall: dict[str, list[float]] = {name: [] for name in jobs}
    processor: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(repeats + 1):
        for name, job in jobs.items():
            time.sleep(0.02)  # torch's threads stop spinning
            used, began = time.process_time(), time.perf_counter()
            job()
            if turn:
                wall[name].append(time.perf_counter() - began)
                processor[name].append(time.process_time() - used)
    base = next(iter(jobs))
    return {
        name: {
            "seconds": min(wall[name]),
            "processor_seconds": min(processor[name]),
            "ratio": median([a / b for a, b in zip(wall[base], wall[name], strict=True)]),
            "processor_ratio": min(processor[base]) / min(processor[name]),
        }
        for name in jobs
    }


def gradient_difference(variant: str, size: int, n: int) -> dict[str, float]:
    """Relative distance of all gradients together from the readable network in float64."""
    templates, weight = make_batch(n, size)
    exact = make_net("textbook", variant, size).double()
    train_step(exact, "textbook", templates.double(), weight.double())
    wanted = torch.cat([p.grad.flatten() for p in exact.parameters() if p.grad is not None])
    found = {}
    for way in WAYS:
        net = make_net(way, variant, size)
        train_step(net, way, templates, weight)
        grads = torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])
        found[way] = float((grads.double() - wanted).norm() / wanted.norm())
    return found


def high_water() -> int:
    """Return the most memory this process has held, in bytes (on Linux: since `lower_water`)."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0]) * 1024
    import resource  # macOS: bytes; not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def lower_water() -> None:
    """Begin anew with `high_water`, where the system can."""
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory(way: str, variant: str, size: int, n: int) -> float:
    """Megabytes that two training steps need at most, above what is there before."""
    net = make_net(way, variant, size)
    train_step(net, way, *make_batch(1, size))  # compiled, libraries loaded
    net.zero_grad()
    templates, weight = make_batch(n, size)
    base = psutil.Process().memory_info().rss
    lower_water()
    for _ in range(2):
        train_step(net, way, templates, weight)
    return (high_water() - base) / 1e6


def peak_memory_apart(way: str, variant: str, size: int, n: int, threads: int) -> float:
    """`peak_memory` in a process of its own."""
    arguments = ["--peak", way, "--variant", variant, "--sizes", str(size), "--batch", str(n)]
    command = [sys.executable, __file__, *arguments, "--threads", str(threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


class CountBytes(TorchDispatchMode):
    """Adds up the bytes of all tensors that operations read and write (views move nothing)."""

    total = 0

    def __torch_dispatch__(
        self, operation: Any, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        """Run one operation and count it."""
        result = operation(*arguments, **(options or {}))
        if not operation.is_view:
            leaves = tree_leaves((arguments, options, result))
            self.total += sum(t.nbytes for t in leaves if isinstance(t, Tensor))
        return result


def on_gpu(variant: str, size: int, n: int, repeats: int) -> dict[str, Any]:
    """Images per second of training in bfloat16, and the share of the memory's bandwidth."""

    def timed(job: Callable[[], Any]) -> float:
        torch.cuda.synchronize()
        began = time.perf_counter()
        job()
        torch.cuda.synchronize()
        return time.perf_counter() - began

    whole = torch.empty(1 << 28, device="cuda")
    other = torch.empty_like(whole)
    bandwidth = 2 * whole.nbytes / min(timed(partial(other.copy_, whole)) for _ in range(5))
    templates, weight = make_batch(n, size, "cuda")
    result: dict[str, Any] = {"device": torch.cuda.get_device_name(), "copy_GB_s": bandwidth / 1e9}
    nets = {way: make_net(way, variant, size, "cuda") for way in ("textbook", "channels_last")}
    times: dict[str, list[float]] = {way: [] for way in nets}
    for turn in range(repeats + 3):
        for way, net in nets.items():
            took = timed(partial(train_step, net, "bf16", templates, weight))
            if turn >= 3:
                times[way].append(took)
    for way, net in nets.items():
        with CountBytes() as counted:
            train_step(net, "bf16", templates, weight)
        best = min(times[way])
        share = counted.total / best / bandwidth
        result[way] = {"images_per_second": n / best, "share_of_bandwidth": share}
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", choices=("a", "b"), default="b")
    parser.add_argument("--sizes", type=int, nargs="+", default=[160, 64], choices=sorted(BATCH))
    parser.add_argument("--batch", type=int, help="pictures (16 at 160 px, 64 at 64 px)")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peak", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.peak:
        print(peak_memory(args.peak, args.variant, args.sizes[0], args.batch))
        return
    report: dict[str, Any] = {
        "torch": torch.__version__,
        "machine": platform.processor() or platform.machine(),
        "threads": args.threads,
        "load_before": [round(x, 1) for x in psutil.getloadavg()],
        "sizes": {},
    }
    for size in args.sizes:
        n = args.batch or BATCH[size]
        nets = {way: make_net(way, args.variant, size) for way in WAYS}
        batch = make_batch(n, size)
        row: dict[str, Any] = {"batch": n}
        for name, job in (("train", train_step), ("infer", infer)):
            jobs = {way: partial(job, nets[way], way, *batch) for way in WAYS}
            row[name] = take_turns(jobs, args.repeats)
        row["peak_MB"] = {
            way: peak_memory_apart(way, args.variant, size, n, args.threads) for way in WAYS
        }
        row["gradient_difference"] = gradient_difference(args.variant, size, min(n, 4))
        report["sizes"][size] = row
        if torch.cuda.is_available():
            row["gpu"] = on_gpu(args.variant, size, 64 if size > 100 else 256, args.repeats)
    print(json.dumps(report) if args.json else as_text(report, args.variant))


def as_text(report: dict[str, Any], variant: str) -> str:
    """Return the report as a table."""
    lines = [
        f"NbNet-{variant.upper()}, {report['threads']} threads, torch {report['torch']}, "
        f"load before {report['load_before'][0]}; ratios: textbook / this, measured in turns"
    ]
    for size, row in report["sizes"].items():
        lines.append(f"\n{size} px, batch {row['batch']}")
        lines.append(f"{'':15}{'training step':>34}{'inference':>34}{'peak':>9}{'gradients':>11}")
        head = f"{'img/s':>9}{'wall x':>8}{'cpu ms':>9}{'cpu x':>8}"
        lines.append(f"{'':15}{head}{head}{'MB':>9}{'off by':>11}")
        for way in WAYS:
            cells = [f"{way:15}"]
            for name in ("train", "infer"):
                found = row[name][way]
                cells.append(f"{row['batch'] / found['seconds']:9.1f}{found['ratio']:8.2f}")
                per_image = found["processor_seconds"] / row["batch"] * 1e3
                cells.append(f"{per_image:9.1f}{found['processor_ratio']:8.2f}")
            cells.append(f"{row['peak_MB'][way]:9.0f}{row['gradient_difference'][way]:11.1e}")
            lines.append("".join(cells))
        if "gpu" in row:
            gpu = row["gpu"]
            lines.append(f"{gpu['device']}, bf16, a copy reaches {gpu['copy_GB_s']:.0f} GB/s")
            for way in ("textbook", "channels_last"):
                speed, share = gpu[way]["images_per_second"], gpu[way]["share_of_bandwidth"]
                lines.append(f"{way:15}{speed:9.0f} img/s, {share:.0%} of that bandwidth")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
