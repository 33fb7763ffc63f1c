"""The whole walk in one call: every solution notebook, then the attack's benchmark.

This is what ``make course`` and ``nbnet course`` do. Each notebook goes through papermill with one
line of progress; the executed notebook and a page of HTML are written beside a ``summary.json``.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat

import nbnet_lib
from nbnet_lib.course.notebooks import Run, drop_widgets, execute, first_heading
from nbnet_lib.course.profile import resolve_device, resolve_profile
from nbnet_lib.course.source import chapter_sources, course_root
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path, require_writable_folder

ENCODER, DECODER = "synth", "nbnet-b-64"
# Identities of the closing benchmark; the table of the README is the one with 300.
BENCHMARK_IDENTITIES = {"quick": 30, "laptop": 300, "gpu": 300, "paper": 300}
PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn", "jupyterlab", "papermill", "nbval")


def run_course(
    profile: str = "laptop",
    only: str | list[str] | None = None,
    output: str | Path = Path("build/course"),
    progress: bool = True,
    seed: int = 7,
    device: str = "auto",
    benchmark: bool = True,
    root: str | Path | None = None,
) -> dict[str, Any]:
    """Run the solution notebooks and the attack benchmark; write everything to ``output``.

    Args:
        profile: "quick", "laptop", "gpu", "paper", or "auto".
        only: numbers or names of chapters; None for all. The benchmark runs with all of them.
        output: folder for NN_title.ipynb, NN_title.html and summary.json.
        progress: print one line for each notebook.
        seed: handed to every notebook.
        device: handed to every notebook and to the benchmark.
        benchmark: False leaves the benchmark out.
        root: folder that holds ``solutions/``; found where it is None.

    Returns:
        what ``summary.json`` holds: profile, seed, device, versions, notebooks (a list of title,
        file, status, seconds, error), seconds, and attack (the benchmark's JSON, or None).

    Raises:
        NbnetError: no sources, a folder that cannot be written, and, at the end, when the summary
            is written and the other notebooks ran, notebooks that failed.
    """
    profile, device = resolve_profile(profile), resolve_device(device)
    base = course_root(root)
    sources = chapter_sources(base, only)
    folder = require_writable_folder(output)
    started = time.perf_counter()
    reports = []
    for position, source in enumerate(sources, 1):
        notebook = _read_solution(source.with_suffix(".ipynb"))
        title = first_heading(notebook) or source.stem
        if progress:
            _say(f"[{position}/{len(sources)}] {title} ... ", end="")
        parameters = {"profile": profile, "seed": seed, "device": device}
        run = execute(notebook, parameters)
        _write_pages(folder, source.stem, title, run)
        reports.append(
            {
                "title": title,
                "file": f"{source.stem}.ipynb",
                "status": "ok" if run.error is None else "failed",
                "seconds": round(run.seconds, 1),
                "error": run.error,
            }
        )
        if progress:
            _say(f"{run.seconds:.1f} s" if run.error is None else f"FAILED: {run.error}")
    attack = None
    if benchmark and not only:
        attack = _benchmark(profile, device, progress)
    summary = {
        "profile": profile,
        "seed": seed,
        "device": device,
        "versions": _versions(),
        "notebooks": reports,
        "attack": attack,
        "seconds": round(time.perf_counter() - started, 1),
    }
    with atomic_path(folder / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    failed = [f"{r['file']}: {r['error']}" for r in reports if r["error"]]
    if failed:
        raise NbnetError(
            f"{len(failed)} of {len(reports)} notebooks failed ({'; '.join(failed)}); "
            f"see {folder / 'summary.json'}"
        )
    return summary


def _read_solution(path: Path) -> nbformat.NotebookNode:
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError as error:
        raise NbnetError(f"{path} is missing: run `nbnet build` to make it") from error
    except ValueError as error:
        raise NbnetError(f"{path} is not a notebook ({error}): run `nbnet build`") from error


def _write_pages(folder: Path, stem: str, title: str, run: Run) -> None:
    from nbconvert import HTMLExporter

    notebook = run.notebook
    drop_widgets(notebook)
    with atomic_path(folder / f"{stem}.ipynb") as temporary:
        temporary.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    # The pages load nothing from elsewhere, so that they can be read with the network cut.
    exporter = HTMLExporter(mathjax_url="", require_js_url="", jquery_url="", mermaid_js_url="")
    html, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    with atomic_path(folder / f"{stem}.html") as temporary:
        temporary.write_text(html, encoding="utf-8")


def _benchmark(profile: str, device: str, progress: bool) -> dict[str, Any]:
    """Attack identities that neither the encoder nor the decoder ever saw, with shipped weights."""
    from nbnet_lib.decoders import load_decoder
    from nbnet_lib.encoders import create_encoder
    from nbnet_lib.evaluate import run_protocol, synthfaces

    count = BENCHMARK_IDENTITIES[profile]
    if progress:
        _say(f"attack benchmark: {DECODER} on identities 0-{count - 1} ... ", end="")
    started = time.perf_counter()
    encoder = create_encoder(ENCODER, device=device)
    decoder = load_decoder(DECODER, device=device)
    # One line says what happens, as for the notebooks.
    result = run_protocol(synthfaces(range(count), 6), encoder, [decoder], seed=0, progress=False)
    if progress:
        _say(f"{time.perf_counter() - started:.1f} s")
    return result.to_dict()


def _say(text: str, end: str = "\n") -> None:
    """Progress goes to stderr: stdout belongs to the result, which may be JSON."""
    print(text, end=end, flush=True, file=sys.stderr)


def _versions() -> dict[str, str]:
    versions = {"nbnet": nbnet_lib.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions
