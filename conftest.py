"""For all tests and notebooks: one thread, the quick profile, no network; the browser's path."""

import os

# Before numpy and torch are imported; the kernels that tests start inherit these.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["NBNET_PROFILE"] = "quick"
os.environ["NBNET_PROGRESS"] = "off"  # what tests pass is nobody's progress
os.environ["MPLBACKEND"] = "agg"
os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # this environment's kernel, not one in the home folder
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

import ipaddress  # noqa: E402
import shutil  # noqa: E402
import socket  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402

ROOT = Path(__file__).resolve().parent

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER_FILES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
)


class NetworkUsed(RuntimeError):
    """A test tried to reach another machine."""


def _refuse_far_addresses(address: object) -> None:
    host = address[0] if isinstance(address, tuple) else None  # a str is a local (Unix) socket
    if host is None or host in ("localhost", ""):
        return
    try:
        near = ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        near = False
    if not near:
        raise NetworkUsed(f"the course works offline, but a test connects to {host}")


def _guarded(connect: Callable) -> Callable:
    def guarded(self: socket.socket, address: object) -> object:
        _refuse_far_addresses(address)
        return connect(self, address)

    return guarded


def pytest_configure() -> None:
    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that two processes end at about the same time."""
    order = {}
    for item in items:
        if item.path.suffix == ".ipynb":  # collected by nbval, see pyproject.toml
            item.add_marker("notebook")
        long = item.get_closest_marker("notebook") or item.get_closest_marker("slow")
        # Papermill's module is the longest that one process has to do alone.
        rank = 2 if not long else 1 if item.path.suffix == ".ipynb" or long.name == "slow" else 0
        order[item.path] = min(rank, order.get(item.path, 2))
    items.sort(key=lambda item: order[item.path])


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium ($NBNET_CHROMIUM names one); without one: skip, but fail in CI."""
    candidates = [os.environ.get("NBNET_CHROMIUM"), *map(shutil.which, BROWSERS), *BROWSER_FILES]
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            return candidate
    message = "no Chromium found: install one, or set NBNET_CHROMIUM to its path"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(message)
    pytest.skip(message)
