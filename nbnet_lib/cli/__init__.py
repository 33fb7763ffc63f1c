"""The command line: ``nbnet`` does at length, and without a notebook, what the chapters show.

Each module offers ``add(subparsers)`` and functions that return a `Report` (or an exit status).
Exit status: 0 done, 1 a check failed, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Sequence

import nbnet_lib
from nbnet_lib.cli import (
    course,
    data,
    doctor,
    encoder,
    evaluate,
    faces,
    generator,
    progress,
    reconstruct,
    train,
)
from nbnet_lib.cli.shared import Report, note, to_json
from nbnet_lib.errors import NbnetError, is_out_of_memory

COMMANDS = (
    doctor.add,
    course.add,
    progress.add,
    faces.add,
    data.add,
    encoder.add,
    generator.add,
    train.add,
    reconstruct.add,
    evaluate.add,
    course.add_authoring,
)


def parser() -> argparse.ArgumentParser:
    """Return the parser with all commands."""
    top = argparse.ArgumentParser(
        prog="nbnet",
        description="Deep face templates: learn them, reconstruct faces from them, measure it.",
    )
    top.add_argument("--version", action="version", version=f"nbnet {nbnet_lib.__version__}")
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in COMMANDS:
        add(subparsers)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``nbnet`` with these arguments (default: the process's); return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # where it cannot show a sign, the sign is lost
            stream.reconfigure(errors="replace")
    argv = list(sys.argv[1:] if argv is None else argv)
    args = parser().parse_args(argv)
    args.argv = argv
    try:
        return _print(_run(args), getattr(args, "json", False))
    except _refusals() as error:
        note(f"error: {error}")
        return 2
    except BrokenPipeError:  # the reader of a pipe (head, say) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if is_out_of_memory(error):
            reason = (str(error) or type(error).__name__).splitlines()[0]
            note(
                f"error: memory ran out ({reason}): run it where there is more, or with less at a "
                "time (a smaller --batch-size, fewer people); finished files are kept"
            )
            return 2
        if not isinstance(error, OSError):
            raise
        where = f"{error.filename}: " if error.filename else ""
        note(f"error: {where}{error.strerror or error}")
        return 2
    except KeyboardInterrupt as interrupt:
        kept = str(interrupt) or "finished files are kept, a file in the making is not"
        note(f"\ninterrupted: {kept}")
        return 130


def _refusals() -> tuple[type[Exception], ...]:
    """Return the errors that speak for themselves, the library's and the renderer's.

    Asked for when an error is on its way: one of the renderer's cannot be before it was imported,
    which takes seconds.
    """
    renderer = sys.modules.get("synthfaces.checks")
    return (NbnetError, renderer.SynthFacesError) if renderer else (NbnetError,)


def _run(args: argparse.Namespace) -> Report | int:
    if getattr(args, "json", False):
        # Whatever a library prints must not spoil the one JSON object on stdout.
        with contextlib.redirect_stdout(sys.stderr):
            return args.run(args)
    return args.run(args)


def _print(result: Report | int, as_json: bool) -> int:
    if isinstance(result, int):
        return result
    print(to_json(result.payload) if as_json else result.text, flush=True)
    return result.status
