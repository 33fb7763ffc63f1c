"""What a comparison costs: this library beside plain numpy and FAISS, at 1,000,000 x 10,000.

    python benchmarks/scores.py [--gallery 1000000] [--probes 10000] [--dim 128] [--json]

Every method gets the same random templates in a process of its own, on all cores, and computes

- compare_sets: all genuine scores and the histogram of all impostor scores (any rate, any curve);
- numpy: the same from chunks of `probes @ gallery.T`, counted with `numpy.bincount`;
- search: the rank of every probe's person, top score and top identity;
- FAISS: `IndexFlatIP`, the ten nearest templates of every probe (pip install faiss-cpu).

Printed: nanoseconds per comparison (wall time / probes / gallery; templates are there already),
the same of processor time summed over cores, which other programs disturb less, the peak memory of
the process with the gallery in it, and how many cores other programs used meanwhile. The answers
are compared: a quick wrong one would be worth nothing. With 1,000 probes some two minutes on two
cores, with 10,000 ten times as long.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from nbnet_lib.errors import NbnetError

ABOVE = 0.25  # a threshold on the grid: all methods must count the same impostors above it
NOISE = 0.2  # of each coordinate of a probe: then not every person comes first


def make_templates(
    gallery: int, probes: int, dim: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (gallery [G, d], probes [P, d], whose picture each probe is), a person per row."""
    rng = np.random.default_rng(0)
    templates = np.empty((gallery, dim), np.float32)
    for start in range(0, gallery, 10_000):  # chunks: peak memory is measured
        part = templates[start : start + 10_000]
        rng.standard_normal(out=part, dtype=np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    owners = rng.integers(0, gallery, probes)
    queries = templates[owners] + NOISE * rng.standard_normal((probes, dim), dtype=np.float32)
    return templates, queries / np.linalg.norm(queries, axis=1, keepdims=True), owners


Answer = dict[str, float]
Method = Callable[[np.ndarray, np.ndarray, np.ndarray], Answer]


def with_compare_sets(gallery: np.ndarray, probes: np.ndarray, owners: np.ndarray) -> Answer:
    """Ask this library for scores."""
    from nbnet_lib.evaluate.scores import compare_sets

    genuine, impostor = compare_sets(probes, owners, gallery, np.arange(len(gallery)))
    return {
        "genuine": float(genuine.scores.mean(dtype=np.float64)),
        "impostors": int(impostor.count_above(ABOVE)),
    }


def with_numpy(gallery: np.ndarray, probes: np.ndarray, owners: np.ndarray) -> Answer:
    """Count with what numpy has, as one would without a library."""
    bins = 2**20
    counts, genuine = np.zeros(bins + 1, np.int64), np.empty(len(probes), np.float32)
    for a in range(0, len(probes), 1024):
        owner = owners[a : a + 1024]
        for b in range(0, len(gallery), 8192):
            score = probes[a : a + 1024] @ gallery[b : b + 8192].T
            here = np.flatnonzero((owner >= b) & (owner < b + 8192))
            genuine[a + here] = score[here, owner[here] - b]
            score[here, owner[here] - b] = -1  # into the lowest bin, which nothing else reaches
            place = np.ceil(score * (bins // 2)).astype(np.int32) + bins // 2
            counts += np.bincount(place.ravel(), minlength=bins + 1)
    edge = int((ABOVE + 1) * bins / 2)
    return {
        "genuine": float(genuine.mean(dtype=np.float64)),
        "impostors": int(counts[edge + 1 :].sum()),
    }


def with_search(gallery: np.ndarray, probes: np.ndarray, owners: np.ndarray) -> Answer:
    """Ask this library for ranks."""
    from nbnet_lib.evaluate.identification import search

    found = search(probes, owners, gallery, np.arange(len(gallery)))
    return {"rank1": found.rank_rate(1), "rank10": found.rank_rate(10)}


def with_faiss(gallery: np.ndarray, probes: np.ndarray, owners: np.ndarray) -> Answer:
    """Ask FAISS for the ten nearest.

    Raises:
        NbnetError: it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise NbnetError("FAISS is not installed: pip install faiss-cpu") from error
    index = faiss.IndexFlatIP(gallery.shape[1])
    index.add(gallery)
    _, nearest = index.search(probes, min(10, len(gallery)))
    hit = nearest == owners[:, None]
    return {"rank1": float(hit[:, 0].mean()), "rank10": float(hit.any(1).mean())}


METHODS: dict[str, Method] = {
    "compare_sets": with_compare_sets,
    "numpy": with_numpy,
    "search": with_search,
    "FAISS": with_faiss,
}


def peak_memory() -> float:
    """Return the most memory that this process has held, MB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would include the process that started this one
        return int(re.findall(r"VmHWM:\s+(\d+)", status.read_text())[0]) / 1024
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS: bytes


def measure(name: str, gallery: int, probes: int, dim: int) -> dict[str, Any]:
    """Run one method in this process; compiled and warmed up on a few templates first."""
    templates, queries, owners = make_templates(gallery, probes, dim)
    few = min(2000, gallery)
    METHODS[name](templates[:few], templates[: min(few, 64)], np.arange(min(few, 64)))
    machine, own, started = _busy(), _own(), time.perf_counter()
    answer = METHODS[name](templates, queries, owners)
    seconds = time.perf_counter() - started
    own = _own() - own
    others = max(0.0, _busy() - machine - own) / seconds
    return {
        "method": name,
        "seconds": round(seconds, 2),
        "ns_per_comparison": round(1e9 * seconds / gallery / probes, 3),
        "core_ns_per_comparison": round(1e9 * own / gallery / probes, 3),
        "peak_mb": round(peak_memory()),
        "cores_used_by_others": round(others, 2),
        "answer": answer,
    }


def _busy() -> float:
    """Return the processor seconds that the whole machine has spent."""
    times = psutil.cpu_times()
    return times.user + times.system + getattr(times, "nice", 0.0)


def _own() -> float:
    times = psutil.Process().cpu_times()
    return times.user + times.system


def disagreement(results: list[dict[str, Any]]) -> str:
    """Return how the answers differ, or nothing: 1 in 10,000 may fall across a rounding."""
    seen: dict[str, tuple[str, float]] = {}
    for result in results:
        for what, value in result["answer"].items():
            other, before = seen.setdefault(what, (result["method"], value))
            if abs(value - before) > 1e-4 * max(1, abs(before)):
                return f"{what}: {other} says {before:g}, {result['method']} {value:g}"
    return ""


def main() -> int:
    """Run from the command line; 1 when the answers differ, 2 when the input is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gallery", type=int, default=1_000_000, help="templates")
    parser.add_argument("--probes", type=int, default=10_000, help="templates to compare with all")
    parser.add_argument("--dim", type=int, default=128, help="length of a template")
    parser.add_argument("--method", choices=METHODS, help="only this one, in this process")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    sizes = args.gallery, args.probes, args.dim
    if min(sizes) < 1:
        print(f"--gallery, --probes, --dim are {sizes}: give 1 or more", file=sys.stderr)
        return 2
    if args.method:
        try:
            print(json.dumps(measure(args.method, *sizes)))
        except NbnetError as error:
            print(error, file=sys.stderr)
            return 2
        return 0
    if not args.json:
        print(
            f"gallery {args.gallery:,}, probes {args.probes:,}, {args.dim}-D float32: "
            f"{args.gallery * args.probes:.2g} comparisons, {psutil.cpu_count()} cores\n"
            f"{'method':14s} {'ns/comparison':>13s} {'core ns':>8s} {'seconds':>9s} "
            f"{'peak MB':>8s}  other load"
        )
    results = []
    for name in METHODS:
        command = [sys.executable, __file__, "--method", name]
        for option, value in zip(("--gallery", "--probes", "--dim"), sizes, strict=True):
            command += [option, str(value)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 2:
            print(f"{name} was not measured. {done.stderr.strip()}", file=sys.stderr)
            continue
        if done.returncode:
            print(f"{name} failed:\n{done.stderr}", file=sys.stderr)
            return 1
        result = json.loads(done.stdout)
        results.append(result)
        if not args.json:
            print(
                f"{name:14s} {result['ns_per_comparison']:13.2f} "
                f"{result['core_ns_per_comparison']:8.2f} {result['seconds']:9.1f} "
                f"{result['peak_mb']:8,d}  {result['cores_used_by_others']:.1f} cores",
                flush=True,
            )
    if args.json:
        print(json.dumps({"gallery": sizes[0], "probes": sizes[1], "dim": sizes[2], "of": results}))
    different = disagreement(results)
    if different:
        print(f"the answers differ: {different}", file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
