"""How fast SynthFaces draws, beside a fixed piece of numpy work timed in the same run.

    python benchmarks/faces_speed.py [--json]

Images per second at 64, 112 and 160 px, everything included (each person's mesh, skin, hair and
shadows are built once per 6 pictures), with one process and with one per core.
``reference_seconds`` is the time of a fixed matrix product loop: divide by it to compare machines
or busy moments.
"""

from __future__ import annotations

import argparse
import json
import os
import time

import numpy as np

from nbnet_lib.faces import render, render_set

SIZES = (64, 112, 160)
SAMPLES = 6
IDENTITIES_PER_WORKER = 20


def reference_seconds() -> float:
    """Time 40 products of 512 x 512 float32 matrices, one after the other."""
    a = np.random.default_rng(0).standard_normal((512, 512), np.float32)
    started = time.perf_counter()
    for _ in range(40):
        a = a @ a
        a /= np.abs(a).max()
    return time.perf_counter() - started


def images_per_second(size: int, workers: int) -> float:
    """Draw a set that fills every worker twice and return the rate, caches off."""
    people = range(2 * IDENTITIES_PER_WORKER * workers)
    started = time.perf_counter()
    faces = render_set(people, SAMPLES, size, workers=workers, cache=False, progress=False)
    return len(faces) / (time.perf_counter() - started)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    workers = os.cpu_count() or 1
    render(0, 0, 64)  # compiled code is loaded before the clock starts
    if workers > 1:
        images_per_second(64, workers)
    result: dict[str, object] = {"workers": workers, "reference_seconds": reference_seconds()}
    for size in SIZES:
        one, all_of_them = images_per_second(size, 1), images_per_second(size, workers)
        result[str(size)] = {
            "one_process": round(one, 1),
            "all_processes": round(all_of_them, 1),
            "ratio": round(all_of_them / one, 2),
        }
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"reference: {result['reference_seconds']:.3f} s")
    print(f"{'size':>5} {'1 process':>12} {f'{workers} processes':>14} {'ratio':>6}")
    for size in SIZES:
        row = result[str(size)]
        assert isinstance(row, dict)
        print(
            f"{size:>5} {row['one_process']:>8} im/s {row['all_processes']:>9} im/s "
            f"{row['ratio']:>6}"
        )


if __name__ == "__main__":
    main()
