"""The whole walk in one call: every solution notebook, then the attack's benchmark.

This is what ``make course`` and ``nbnet course`` do. Notebooks run several at a time where asked
for; the executed notebook and a page of HTML are written beside a ``summary.json``, which also
holds the seconds and the memory each one took. A notebook whose executed copy is already there is
not run again, so a walk that was interrupted continues where it was.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
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
from nbnet_lib.files import atomic_path, require_writable_folder, sha256_file

ENCODER, DECODER = "synth", "nbnet-b-64"
# Identities of the closing benchmark; the table of the README is the one with 300.
BENCHMARK_IDENTITIES = {"quick": 30, "laptop": 300, "gpu": 300, "paper": 300}
EVERY = 10  # seconds between two lines about what runs, where they are not a terminal's
CLEAR = "\r\033[K"  # back to the start of the line, and empty it
# What the cells import from the clone: a change in one of these makes every notebook run again.
LIBRARY = Path(nbnet_lib.__file__).parents[1]
SOURCES = ("nbnet_lib", "synthfaces", "course_checks")
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
    *,
    force: bool = False,
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
        force: run also those whose executed copy in ``output`` is up to date.

    Returns:
        what ``summary.json`` holds: profile, seed, device, jobs, versions, notebooks (a list of
        title, file, status, executed, seconds, peak_mb, error), seconds, and attack (the
        benchmark's JSON, or None). `executed` is the time (ISO 8601) at which the notebook was
        run, which may be in an earlier call.

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
    reports = _run_notebooks(notebooks, parameters, folder, jobs, force)
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
    notebooks: dict[str, nbformat.NotebookNode],
    parameters: dict[str, Any],
    folder: Path,
    jobs: int,
    force: bool,
) -> list[dict[str, Any]]:
    """Run them and write their pages; return what the summary says of each, in order."""
    stems = list(notebooks)
    titles = [first_heading(notebooks[stem]) or stem for stem in stems]
    names = [f"[{i}/{len(titles)}] {title}" for i, title in enumerate(titles, 1)]
    library = library_digest()
    keys = []
    for notebook in notebooks.values():
        cells = [[cell.cell_type, cell.source] for cell in notebook.cells]
        keys.append(hashlib.sha256(json.dumps([cells, parameters, library]).encode()).hexdigest())
    reports: dict[int, dict[str, Any]] = {}
    for index, key in enumerate(keys):
        done = None if force else _up_to_date(folder, stems[index], key)
        if done:
            reports[index] = done
            when = f"{datetime.fromisoformat(done['executed']):%Y-%m-%d %H:%M}"
            _say(f"{names[index]}: unchanged since {when} ({done['seconds']:.1f} s), not run again")
    due = [index for index in range(len(stems)) if index not in reports]
    with _shown([names[index] for index in due]) as screen:
        for place, run in run_all(
            [notebooks[stems[i]] for i in due], parameters, jobs, screen.begins
        ):
            index = due[place]
            report = {
                "title": titles[index],
                "file": f"{stems[index]}.ipynb",
                "status": "ok" if run.error is None else "failed",
                "executed": datetime.now().astimezone().isoformat(timespec="seconds"),
                "seconds": round(run.seconds, 1),
                "peak_mb": run.peak_mb,
                "error": run.error,
            }
            reports[index] = report
            if run.error is None:  # one that failed runs again
                run.notebook.metadata["nbnet"] = {"key": keys[index], "report": report}
            _write_pages(folder, stems[index], titles[index], run)
            took = f"{run.seconds:.1f} s, {run.peak_mb:,} MB"
            screen.ended(place, f"FAILED: {run.error}" if run.error else took)
    return [reports[index] for index in sorted(reports)]


def library_digest() -> str:
    """Return a digest of what every notebook rests on.

    That is every file of the library (code, weights, recorded answers) and what is installed.
    """
    packages = sorted(f"{d.name} {d.version}" for d in metadata.distributions())
    digest = hashlib.sha256(json.dumps([platform.python_version(), packages]).encode())
    files = [p for source in SOURCES for p in (LIBRARY / source).rglob("*") if p.is_file()]
    for path in sorted(p for p in files if "__pycache__" not in p.parts):
        digest.update(f"{path.relative_to(LIBRARY).as_posix()} {sha256_file(path)}\n".encode())
    return digest.hexdigest()


def _up_to_date(folder: Path, stem: str, key: str) -> dict[str, Any] | None:
    """Return the report of an executed notebook with this key and its page, if they are there."""
    path = folder / f"{stem}.ipynb"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))["metadata"]["nbnet"]
    except (OSError, ValueError, KeyError):
        return None
    return stored["report"] if stored["key"] == key and path.with_suffix(".html").exists() else None


class _Screen:
    """Which cell of which notebook runs now, and for how long it has."""

    def __init__(self, names: Sequence[str]):
        self.names, self.terminal = names, sys.stderr.isatty()
        self.running: dict[int, tuple[float, str]] = {}  # when it began, what it does
        self.lock = threading.Lock()

    def begins(self, place: int, cell: int, cells: int, section: str) -> None:
        """Note that a cell begins."""
        with self.lock:
            since = self.running.get(place, (time.perf_counter(), ""))[0]
            self.running[place] = (since, f"cell {cell} of {cells}, {section}")

    def ended(self, place: int, outcome: str) -> None:
        """Print the one line that stays."""
        with self.lock:
            self.running.pop(place)
            _say(f"{CLEAR if self.terminal else ''}{self.names[place]}: {outcome}")

    def show(self) -> None:
        """Print what runs."""
        with self.lock:
            lines = [
                f"{self.names[place]}: {time.perf_counter() - since:.0f} s, {what}"
                for place, (since, what) in sorted(self.running.items())
            ]
            if self.terminal and lines:
                width = shutil.get_terminal_size().columns - 1
                _say(CLEAR + " | ".join(lines)[:width], end="")
            elif lines:
                _say("\n".join(lines))


@contextmanager
def _shown(names: Sequence[str]) -> Iterator[_Screen]:
    """Show what runs: a line that is rewritten each second on a terminal, else one every ten."""
    screen, over = _Screen(names), threading.Event()

    def tick() -> None:
        while not over.wait(1 if screen.terminal else EVERY):
            screen.show()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield screen
    finally:
        over.set()
        thread.join()


def times_table(summary: dict[str, Any]) -> str:
    """Return the seconds and the peak memory of each notebook as text."""
    notebooks = summary["notebooks"]
    rows = [[n["title"], n["seconds"], n["peak_mb"], n["status"]] for n in notebooks]
    seconds = round(sum(n["seconds"] for n in notebooks), 1)
    rows.append(["together", seconds, max((n["peak_mb"] for n in notebooks), default=0), ""])
    table = columns(rows, ["chapter", "seconds", "peak MB", "status"])
    return f"{table}\nwall time {summary['seconds']:.1f} s, everything included"


def recorded_table() -> str:
    """Return the attack on dlib as text: recorded, for its training takes longer than a walk."""
    recorded = json.loads(Path(__file__).with_name("dlib.json").read_text(encoding="utf-8"))
    kinds = ("type1", "type2", "original")
    rows = [
        [row["decoder"], row["accepted_by"]]
        + ["{:.1f} [{:.1f}, {:.1f}]".format(*(100 * x for x in row[kind])) for kind in kinds]
        for row in recorded["rows"]
    ]
    header = ["templates of dlib, drawn by", "accepted by", "type-I", "type-II", "honest users"]
    return (
        f"A real recogniser as the target: TAR (%), {recorded['protocol']}\n"
        f"{columns(rows, header)}\n"
        f"Recorded {recorded['recorded']}, not computed now:\n  "
        + "\n  ".join(recorded["commands"])
    )


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
