"""``nbnet doctor``: what is wrong with this machine, and how to fix it."""

from __future__ import annotations

import argparse
from typing import Any

from nbnet_lib.cli.shared import Report, add_json


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("doctor", help="check this machine and installation")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> Report:
    """Check everything; status 1 when something must be fixed."""
    from nbnet_lib.doctor import examine

    findings = examine()
    failed = sum(f.status == "fail" for f in findings)
    warned = sum(f.status == "warn" for f in findings)
    lines = [f.line() for f in findings]
    lines.append(f"{failed} to fix, {warned} to know, {len(findings) - failed - warned} in order")
    payload = {"ok": failed == 0, "checks": [f.to_dict() for f in findings]}
    return Report(payload, "\n".join(lines), 1 if failed else 0)
