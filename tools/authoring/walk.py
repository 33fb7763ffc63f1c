"""The whole walk in one call: every solution notebook, then the attack's benchmark.

This is what ``make course`` and ``nbnet course`` do. Notebooks run several at a time where asked
for; the executed notebook and a page of HTML are written beside a ``summary.json``, which also
holds the seconds and the memory each one took.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat

import nbnet_lib
from authoring.pages import single_page
from authoring.running import Run, run_all
from authoring.sources import (
    chapter_sources,
    course_root,
    drop_widgets,
    first_heading,
    read_stored,
)
from nbnet_lib.cli.shared import columns
from nbnet_lib.course.profile import resolve_profile
from nbnet_lib.device import resolve_device
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path, require_writable_folder

ENCODER, DECODER = "synth", "nbnet-b-64"
# Identities of the closing benchmark; the table of the README is the one with 300.
BENCHMARK_IDENTITIES = {"quick": 30, "laptop": 300, "gpu": 300, "paper": 300}
PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn", "jupyterlab", "papermill", "nbval")


def run_course(
    profile: str = "laptop",
    only: Sequence[str] | None = None,
    output: str | Path = Path("build/course"),
    seed: int = 7,
    device: str = "auto",
    benchmark: bool = True,
    root: str | Path | None = None,
    jobs: int = 1,
) -> dict[str, Any]:
    """Run the solution notebooks and the attack benchmark; write everything to ``output``.

    A line for each notebook goes to stderr, and at the end a table where one failed.

    Args:
        profile: "quick", "laptop", "gpu", "paper", or "auto".
        only: numbers or names of chapters; None for all. The benchmark runs with all of them.
        output: folder for NN_title.ipynb, NN_title.html and summary.json.
        seed: handed to every notebook.
        device: handed to every notebook and to the benchmark.
        benchmark: False leaves the benchmark out.
        root: folder that holds ``solutions/``; found where it is None.
        jobs: how many notebooks run at the same time; their kernels share the cores.

    Returns:
        what ``summary.json`` holds: profile, seed, device, jobs, versions, notebooks (a list of
        title, file, status, seconds, peak_mb, error), seconds, and attack (the benchmark's JSON, or
        None).

    Raises:
        NbnetError: no sources, a folder that cannot be written, and, at the end, when the summary
            is written and the other notebooks ran, notebooks that failed.
    """
    profile, device = resolve_profile(profile), resolve_device(device)
    sources = chapter_sources(course_root(root), only)
    folder = require_writable_folder(output)
    started = time.perf_counter()
    notebooks = {s.stem: read_stored(s.with_suffix(".ipynb")) for s in sources}
    parameters = {"profile": profile, "seed": seed, "device": device}
    reports = _run_notebooks(notebooks, parameters, folder, jobs)
    summary = {
        **parameters,
        "jobs": jobs,
        "versions": _versions(),
        "notebooks": reports,
        "attack": _benchmark(profile, device) if benchmark and not only else None,
        "seconds": round(time.perf_counter() - started, 1),
    }
    with atomic_path(folder / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    failed = [f"{r['file']}: {r['error']}" for r in reports if r["error"]]
    if failed:
        _say(times_table(summary))
        raise NbnetError(
            f"{len(failed)} of {len(reports)} notebooks failed ({'; '.join(failed)}); "
            f"see {folder / 'summary.json'}"
        )
    return summary


def _run_notebooks(
    notebooks: dict[str, nbformat.NotebookNode], parameters: dict[str, Any], folder: Path, jobs: int
) -> list[dict[str, Any]]:
    """Run them and write their pages; return what the summary says of each, in order."""
    stems = list(notebooks)
    titles = [first_heading(notebooks[stem]) or stem for stem in stems]
    names = [f"[{i}/{len(titles)}] {title}" for i, title in enumerate(titles, 1)]
    one_by_one = jobs == 1  # one line for each, begun when it begins; else whole lines only

    def started(index: int) -> None:
        _say(f"{names[index]} ... " if one_by_one else f"{names[index]}: begun\n", end="")

    reports: dict[int, dict[str, Any]] = {}
    for index, run in run_all(list(notebooks.values()), parameters, jobs, started):
        _write_pages(folder, stems[index], titles[index], run)
        reports[index] = {
            "title": titles[index],
            "file": f"{stems[index]}.ipynb",
            "status": "ok" if run.error is None else "failed",
            "seconds": round(run.seconds, 1),
            "peak_mb": run.peak_mb,
            "error": run.error,
        }
        outcome = (
            f"FAILED: {run.error}" if run.error else f"{run.seconds:.1f} s, {run.peak_mb:,} MB"
        )
        _say(outcome if one_by_one else f"{names[index]}: {outcome}")
    return [reports[index] for index in sorted(reports)]


def times_table(summary: dict[str, Any]) -> str:
    """Return the seconds and the peak memory of each notebook as text."""
    notebooks = summary["notebooks"]
    rows = [[n["title"], n["seconds"], n["peak_mb"], n["status"]] for n in notebooks]
    seconds = round(sum(n["seconds"] for n in notebooks), 1)
    rows.append(["together", seconds, max((n["peak_mb"] for n in notebooks), default=0), ""])
    table = columns(rows, ["chapter", "seconds", "peak MB", "status"])
    return f"{table}\nwall time {summary['seconds']:.1f} s, everything included"


def _write_pages(folder: Path, stem: str, title: str, run: Run) -> None:
    notebook = run.notebook
    drop_widgets(notebook)
    with atomic_path(folder / f"{stem}.ipynb") as temporary:
        temporary.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    with atomic_path(folder / f"{stem}.html") as temporary:
        temporary.write_text(single_page(notebook, title), encoding="utf-8")


def _benchmark(profile: str, device: str) -> dict[str, Any]:
    """Attack identities that neither the encoder nor the decoder ever saw, with shipped weights."""
    from nbnet_lib.decoders import load_decoder
    from nbnet_lib.encoders import create_encoder
    from nbnet_lib.evaluate import run_protocol, synthfaces

    count = BENCHMARK_IDENTITIES[profile]
    _say(f"attack benchmark: {DECODER} on identities 0-{count - 1} ... ", end="")
    started = time.perf_counter()
    encoder = create_encoder(ENCODER, device=device)
    decoder = load_decoder(DECODER, device=device)
    # One line says what happens, as for the notebooks.
    result = run_protocol(synthfaces(range(count), 6), encoder, [decoder], progress=False)
    _say(f"{time.perf_counter() - started:.1f} s")
    return result.to_dict()


def _say(text: str, end: str = "\n") -> None:
    """Progress goes to stderr: stdout belongs to the result, which may be JSON."""
    print(text, end=end, flush=True, file=sys.stderr)


def _versions() -> dict[str, str]:
    versions = {"nbnet": nbnet_lib.__version__, "python": platform.python_version()}
    return versions | {name: metadata.version(name) for name in PACKAGES}
