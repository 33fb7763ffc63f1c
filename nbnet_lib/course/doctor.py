"""``nbnet doctor``: one finding per line, with what is wrong and how to mend it.

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
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import nbnet_lib
import synthfaces
from nbnet_lib.files import cache_dir, sha256_file

DISTRIBUTION = "nbnet-lib"
REINSTALL = "run `make course`, or `python -m pip install -e .` in the repository"
LABELS = {"ok": "[ok]  ", "warn": "[warn]", "fail": "[FAIL]"}
# Import names that differ from the distribution's.
IMPORTS = {"beautifulsoup4": "bs4", "pillow": "PIL", "pyyaml": "yaml", "scikit-learn": "sklearn"}
# Recognisers that the course does without: (what, module, extra).
EXTRAS = (("dlib's recogniser", "dlib", "dlib"), ("ONNX files", "onnxruntime", "onnx"))
WARN_MEMORY_GB, WARN_DISK_GB, FAIL_DISK_GB = 4.0, 3.0, 0.5


@dataclass(frozen=True)
class Finding:
    """One checked thing.

    Attributes:
        name: what was checked.
        status: "ok", "warn" (the course works, but ...) or "fail" (mend it).
        message: what was found.
        mend: how to mend it, where something is to be mended.
    """

    name: str
    status: str
    message: str
    mend: str = ""

    def line(self) -> str:
        """Return the finding as one line of text."""
        text = f"{LABELS[self.status]} {self.name}: {self.message}"
        return f"{text}: {self.mend}" if self.mend else text

    def to_dict(self) -> dict[str, str]:
        """Return the finding for ``--json``."""
        return asdict(self)


def examine() -> list[Finding]:
    """Check everything, in an order in which a first problem explains later ones."""
    checks: list[Callable[[], Iterator[Finding]]] = [
        _python,
        _packages,
        _extras,
        _machine,
        _gpu,
        _kernel,
        _folders,
        _weights,
        _assets,
    ]
    findings: list[Finding] = []
    for check in checks:
        try:
            findings.extend(check())
        except Exception as error:  # a broken package must not silence the other checks
            name = check.__name__.strip("_")
            findings.append(
                Finding(name, "fail", f"{type(error).__name__}: {_first_line(error)}", REINSTALL)
            )
    return findings


def _python() -> Iterator[Finding]:
    version = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info < (3, 10):  # noqa: UP036 - whoever installed with force wants to know
        yield Finding("Python", "fail", version, "install Python 3.10 or newer")
    else:
        yield Finding("Python", "ok", version)


def _packages() -> Iterator[Finding]:
    try:
        requirements = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield Finding(DISTRIBUTION, "fail", "not installed in this Python", REINSTALL)
        return
    from packaging.requirements import Requirement

    for text in requirements:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": "authoring"}):
            yield _package(requirement.name, requirement.specifier)


def _package(name: str, wanted: object) -> Finding:
    """Compare a package's version with ``wanted`` (a SpecifierSet) and import it."""
    mend = f'python -m pip install "{name}{wanted}"'
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(name, "fail", "not installed", mend)
    if not wanted.contains(version, prereleases=True):  # type: ignore[attr-defined]
        return Finding(name, "fail", f"version {version}, but {wanted} is needed", mend)
    try:
        importlib.import_module(IMPORTS.get(name.lower(), name.replace("-", "_")))
    except Exception as error:
        reason = f"version {version} cannot be imported ({_first_line(error)})"
        return Finding(name, "fail", reason, f"{mend} --force-reinstall")
    return Finding(name, "ok", version)


def _extras() -> Iterator[Finding]:
    for what, module, extra in EXTRAS:
        there = importlib.util.find_spec(module) is not None
        how = f'not installed, not needed (python -m pip install -e ".[{extra}]")'
        yield Finding(what, "ok", "installed" if there else how)


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores and cores > 1:
        yield Finding("cores", "ok", str(cores))
    else:
        yield Finding("cores", "warn", str(cores), "expect about twice the stated times")

    import psutil

    memory = psutil.virtual_memory()
    free, total = memory.available / 2**30, memory.total / 2**30
    told = f"{free:.1f} of {total:.1f} GiB free"
    if free < WARN_MEMORY_GB:
        yield Finding("memory", "warn", told, f"close programs until {WARN_MEMORY_GB:.0f} are free")
    else:
        yield Finding("memory", "ok", told)

    free = shutil.disk_usage(Path.cwd()).free / 2**30
    told = f"{free:.1f} GiB free in {Path.cwd()}"
    if free < FAIL_DISK_GB:
        yield Finding("disk", "fail", told, f"free at least {WARN_DISK_GB:.0f} GiB")
    elif free < WARN_DISK_GB:
        yield Finding("disk", "warn", told, "enough for the course, little for training runs")
    else:
        yield Finding("disk", "ok", told)


def _gpu() -> Iterator[Finding]:
    import torch

    if torch.cuda.is_available():
        yield Finding("GPU", "ok", torch.cuda.get_device_name(0))
    else:
        yield Finding("GPU", "ok", "none that torch can use; the course does not need one")


def _kernel() -> Iterator[Finding]:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    mend = "run `python -m ipykernel install --sys-prefix` with this Python"
    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        yield Finding("kernel", "fail", "no Jupyter kernel named python3", mend)
        return
    program = spec.argv[0]
    # Jupyter replaces a bare "python" by the Python that it runs in itself.
    if Path(program).name == program or _same_program(program, sys.executable):
        yield Finding("kernel", "ok", "python3 runs this Python")
    else:
        yield Finding(
            "kernel",
            "fail",
            f"{spec.resource_dir} runs {program}, not this Python",
            mend,
        )


def _same_program(first: str, second: str) -> bool:
    """Compare paths, not link targets: a virtual environment's python links to the base's."""
    return os.path.normcase(os.path.abspath(first)) == os.path.normcase(os.path.abspath(second))


def _folders() -> Iterator[Finding]:
    places = [
        ("working folder", Path.cwd(), "run nbnet in a folder of your own"),
        ("build folder", Path.cwd() / "build", "give yourself write access, or delete it"),
        ("cache folder", cache_dir(), "set NBNET_CACHE to a folder of your own"),
    ]
    for name, folder, mend in places:
        existing = folder
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        try:
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            reason = f"cannot write to {folder} ({error.strerror or error})"
            yield Finding(name, "fail", reason, mend)
        else:
            yield Finding(name, "ok", f"{folder} can be written")


def _weights() -> Iterator[Finding]:
    folder = Path(nbnet_lib.__file__).parent / "weights"
    files = sorted(folder.glob("*.safetensors"))
    mend = "restore it with `git checkout nbnet_lib/weights`"
    if not files:
        yield Finding("weights", "fail", f"no weights in {folder}", mend)
    for path in files:
        name = f"weights {path.stem}"
        try:
            expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["sha256"]
        except (OSError, ValueError, KeyError) as error:
            yield Finding(name, "fail", f"the card cannot be read ({_first_line(error)})", mend)
            continue
        if sha256_file(path) == expected:
            yield Finding(name, "ok", f"{path.stat().st_size / 1e6:.1f} MB, checksum right")
        else:
            yield Finding(name, "fail", f"{path} does not match its card", mend)


def _assets() -> Iterator[Finding]:
    path = Path(synthfaces.__file__).parent / "assets" / "head_model.npz"
    mend = "restore it with `git checkout synthfaces/assets`"
    if not path.is_file():
        yield Finding("head model", "fail", f"{path} is missing", mend)
        return
    from nbnet_lib.faces import render

    render(0, 0, size=32)
    yield Finding("head model", "ok", f"{path.stat().st_size / 1e6:.1f} MB, draws a face")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
