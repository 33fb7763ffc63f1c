"""``nbnet lab``: JupyterLab on the chapters, with this very Python."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from nbnet_lib.errors import NbnetError


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "lab",
        help="open the chapters in JupyterLab",
        description="What follows -- goes to JupyterLab, for example: nbnet lab -- --no-browser",
    )
    parser.add_argument("arguments", nargs="*", metavar="-- ARGUMENT", help="for JupyterLab")
    parser.set_defaults(run=run)


def chapters_folder() -> Path:
    """Return the repository's ``chapters`` folder.

    Raises:
        NbnetError: neither the working folder nor the installed package has one beside it.
    """
    for root in (Path.cwd(), Path(__file__).resolve().parents[2]):
        if (root / "chapters").is_dir():
            return root / "chapters"
    raise NbnetError(
        f"no chapters folder in {Path.cwd()}: run this in the course's repository (git clone)"
    )


def run(args: argparse.Namespace) -> int:
    """Run JupyterLab until it is closed and return its exit status."""
    folder = chapters_folder()
    command = [sys.executable, "-m", "jupyterlab", str(folder), *args.arguments]
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # JupyterLab got it too and asks its own question
            continue
