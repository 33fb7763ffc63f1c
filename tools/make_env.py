"""Make ``.venv`` with everything in pyproject.toml; every target of the Makefile calls this first.

A stamp inside ``.venv`` is written after a complete install only and names what it was made from
(pyproject.toml, the Python's version, the folder), so a second call returns at once, and an
interrupted install, an edited pyproject.toml or a moved folder leads to a new one.
Standard library only: nothing is installed yet.

On Linux the package index has torch with its GPU libraries only, 3 GB that a machine without an
NVIDIA driver cannot use. There torch comes from PyTorch's own index of CPU builds where that
answers. NBNET_TORCH=cpu or gpu forces one or the other.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "nbnet-install-complete"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LARGE_DOWNLOAD_MB = 30
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
ANSWER_SECONDS = 5  # how long that index may take to answer at all


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Let a second `make` in the same folder wait; the lock goes with its process."""
    with open(ROOT / ".venv.lock", "w") as file:
        if os.name != "nt":  # on Windows two at once are at the user's own risk
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fingerprint() -> str:
    """Return what the environment depends on, as one line."""
    digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    return "{} {} {}.{}".format(digest, ROOT, *sys.version_info)


def stamp() -> tuple[str, str]:
    """Return the fingerprint of the finished install and its torch, "cpu" or "gpu"; else empty."""
    try:
        made, torch = STAMP.read_text(encoding="utf-8").rsplit(" torch:", 1)
    except (OSError, ValueError):
        return "", ""
    return made, torch


def ready() -> bool:
    """Return whether a complete environment for the present pyproject.toml is there."""
    made, torch = stamp()
    return made == fingerprint() and torch_choice() in ("auto", torch) and PYTHON.exists()


def torch_choice() -> str:
    """Return what NBNET_TORCH asks for: "auto" where it is not set."""
    choice = os.environ.get("NBNET_TORCH") or "auto"
    if choice not in ("auto", "cpu", "gpu"):
        sys.exit(f"error: NBNET_TORCH={choice} is not known: set cpu, gpu or auto")
    return choice


def cpu_torch_wanted() -> bool:
    """Return whether torch should come from the index of CPU builds.

    On Windows and macOS the package index has the CPU build itself.
    """
    if torch_choice() != "auto":
        return torch_choice() == "cpu"
    if platform.system() != "Linux":
        return False
    try:
        driver = subprocess.run(["nvidia-smi", "-L"], capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return True
    return driver.returncode != 0


def install_cpu_torch() -> bool:
    """Install torch and torchvision from the index of CPU builds; return whether that was done."""
    try:
        urllib.request.urlopen(f"{CPU_INDEX}/torch/", timeout=ANSWER_SECONDS).close()
    except (OSError, http.client.HTTPException) as error:
        if torch_choice() == "cpu":
            sys.exit(
                f"error: NBNET_TORCH=cpu, and {CPU_INDEX} does not answer ({error}): without "
                "NBNET_TORCH torch comes from the package index, with its GPU libraries"
            )
        print(
            f"  {CPU_INDEX} does not answer: torch comes from the package index, with GPU "
            "libraries (about 3 GB)",
            flush=True,
        )
        return False
    print(f"  torch without GPU libraries, from {CPU_INDEX}", flush=True)
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    packages = re.findall(r'"((?:torch|torchvision)>=[^";]+)"', text)
    # What they need comes with the rest: that index has old copies of a few packages only.
    pip_install("--no-compile", "--no-deps", *packages, index=CPU_INDEX)
    return True


def make_venv() -> None:
    """Make an empty ``.venv``, or keep one of this Python version that pip can continue with.

    One that was made in another folder is no good: its scripts name that folder's Python.
    """
    made_for = "{} {}.{}".format(VENV, *sys.version_info)
    note = VENV / "nbnet-made-for"
    if PYTHON.exists() and note.is_file() and note.read_text(encoding="utf-8") == made_for:
        probe = subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True)
        if probe.returncode == 0:
            return
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", VENV], capture_output=True, text=True
    )
    if made.returncode:
        sys.exit(
            f"{(made.stdout + made.stderr).strip()}\n"
            f"error: {sys.executable} cannot make a virtual environment in {VENV}: check that you "
            "may write there and that Python's venv module is complete (Debian and Ubuntu: "
            "apt install python3-venv)"
        )
    note.write_text(made_for, encoding="utf-8")


def own_environment() -> dict[str, str]:
    """Return this process's environment without what would install or import elsewhere.

    Where somebody works with a mirror of the package index, their pip.conf names it, so that file
    is read; but `user = true` in it, or in PIP_USER, forbids an install into ``.venv``.
    """
    elsewhere = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONPATH", "PYTHONHOME")
    kept = {name: value for name, value in os.environ.items() if name not in elsewhere}
    return kept | {"PIP_USER": "0", "PYTHONNOUSERSITE": "1"}


def require_known_machine() -> None:
    """Refuse a machine for which there is no torch, before anything is downloaded."""
    if (platform.system(), platform.machine()) == ("Darwin", "x86_64"):
        sys.exit(
            "error: torch has no release for Macs with Intel processors since 2.3, and the course "
            "needs 2.4: use another machine, or Linux in a virtual machine on this one"
        )


def pip_install(*arguments: str, index: str | None = None) -> None:
    """Run pip; show large downloads and the last step only, and its last lines if it fails."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    environment = own_environment()
    if index:  # alone: the user's other places may have the same package in another build
        environment |= {f"PIP_{n}": index for n in ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS")}
    process = subprocess.Popen(
        [*command, "--progress-bar", "off", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        env=environment,
        text=True,
        errors="replace",
    )
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line.rstrip())
        download = re.match(r"\s*Downloading (\S+) \(([\d.]+) (MB|GB)\)", line)
        if download:
            name, amount, unit = download.groups()
            if unit == "GB" or float(amount) >= LARGE_DOWNLOAD_MB:
                short = "-".join(name.rsplit("/", 1)[-1].split("-")[:2])
                print(f"  downloading {short} ({amount} {unit})", flush=True)
        elif line.startswith("Installing collected packages"):
            print(f"  unpacking {line.count(',') + 1} packages", flush=True)
    if process.wait():
        print("\n".join(lines[-40:]), file=sys.stderr)
        sys.exit(
            "error: pip could not install the packages (its last lines are above): check that a "
            "package index is reachable and 7 GB of disk are free, then run the command again"
        )


def compile_renderer() -> None:
    """Draw some faces: numba compiles the renderer now, half a minute, not in the first command."""
    code = "from nbnet_lib.faces.bench import warm_up; warm_up(1)"
    done = subprocess.run(
        [PYTHON, "-c", code], cwd=ROOT, env=own_environment(), capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(
            f"{done.stderr.strip()}\nerror: the installed packages cannot draw a face (see above): "
            "run `make clean`, then the same command again"
        )


def main() -> None:
    """Bring ``.venv`` up to date, or return at once when it is."""
    if ready():
        return
    require_known_machine()
    with only_one():
        if ready():  # another make was faster
            return
        free = shutil.disk_usage(ROOT).free / 1e9
        if free < 8 and not STAMP.exists():
            print(f"note: {free:.1f} GB of disk are free; the install takes up to 6.5 GB")
        print("Setting up .venv (once; the first time downloads 1 to 3 GB) ...", flush=True)
        started = time.monotonic()
        installed = stamp()[1]
        if installed and torch_choice() not in ("auto", installed):
            shutil.rmtree(VENV)  # pip would take the one build of torch for the other
        STAMP.unlink(missing_ok=True)
        make_venv()
        # A pip of before 21.3, as some Python 3.10 bring, cannot do editable installs.
        pip_install("--quiet", "--upgrade", "pip")
        torch = "cpu" if cpu_torch_wanted() and install_cpu_torch() else "gpu"
        # Thousands of modules are never imported; Python compiles the others when they are.
        pip_install("--no-compile", "--editable", ".[test]")
        compile_renderer()
        STAMP.write_text(f"{fingerprint()} torch:{torch}", encoding="utf-8")
        print(f"Ready after {time.monotonic() - started:.0f} s.", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted: run the same command again to continue the install")
    except OSError as error:
        sys.exit(f"error: {error.filename or VENV}: {error.strerror or error}")
