"""``nbnet data list``, ``info``, ``get``, ``check`` and ``rehearse``: benchmarks, real or drawn."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbnet_lib.cli.shared import Report, add_json, add_workers, columns, identity_range, whole

if TYPE_CHECKING:
    from nbnet_lib.data.benchmarks.dataset import Checked, Dataset

WIDTH = 92


def add(commands: Any) -> None:
    """Add the commands to those of ``nbnet data``."""
    names = commands.add_parser(
        "list", help="the benchmarks, what they hold and who gives them out"
    )
    add_json(names)
    names.set_defaults(run=run_list)

    info = commands.add_parser("info", help="a benchmark: licence, how to get it, layout, notes")
    info.add_argument("name", metavar="NAME", help="of `nbnet data list`")
    add_json(info)
    info.set_defaults(run=run_info)

    get = commands.add_parser(
        "get",
        help="download a benchmark, or check and unpack what you were given",
        description="What may be downloaded is downloaded to --out; an interrupted download goes "
        "on where it stopped. What is given out on request is taken from --path: a folder is "
        "checked where it lies, archives are verified and unpacked to --out.",
    )
    get.add_argument("name", metavar="NAME", help="of `nbnet data list`")
    get.add_argument("--out", type=Path, metavar="FOLDER", help="the folder to put it in")
    get.add_argument("--path", type=Path, metavar="PATH", help="what you obtained")
    get.add_argument(
        "--accept-licence",
        action="store_true",
        help="you have read the licence (nbnet data info NAME) and agree to it",
    )
    add_json(get)
    get.set_defaults(run=run_get)

    check = commands.add_parser(
        "check",
        help="check a copy: layout, counts, checksums, readable pictures (status 1 if incomplete)",
    )
    check.add_argument("name", metavar="NAME", help="of `nbnet data list`")
    check.add_argument("path", type=Path, metavar="FOLDER")
    check.add_argument(
        "--every", action="store_true", help="open every picture (default: some 200 of all)"
    )
    add_json(check)
    check.set_defaults(run=run_check)

    rehearse = commands.add_parser(
        "rehearse",
        help="write SynthFaces in the layout of a benchmark, to try everything without it",
        description="Nobody on these pictures exists. A second run completes an interrupted one.",
    )
    rehearse.add_argument(
        "name",
        metavar="NAME",
        help="lfw, color-feret, celeba, vggface2, casia-webface, digiface-1m or folder",
    )
    rehearse.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    rehearse.add_argument(
        "--identities",
        type=identity_range,
        metavar="RANGE",
        help="who: 0-9999 where a benchmark is for evaluation, from 10000 where it is for training "
        "(default: 40 people that fit)",
    )
    rehearse.add_argument(
        "--samples", type=whole(1), metavar="N", help="pictures of each (default 6; FERET 2)"
    )
    rehearse.add_argument(
        "--seed", type=whole(0), default=0, metavar="N", help="of pairs and order"
    )
    add_workers(rehearse)
    add_json(rehearse)
    rehearse.set_defaults(run=run_rehearse)


def run_list(args: argparse.Namespace) -> Report:
    """List the benchmarks."""
    from nbnet_lib.data.benchmarks.scripts import all_datasets
    from nbnet_lib.data.rehearsal.rehearsals import REHEARSALS

    datasets = all_datasets()
    rows = [
        (
            name,
            _number(dataset.pictures),
            _number(dataset.people),
            dataset.access,
            "yes" if name in REHEARSALS else "",
            dataset.title,
        )
        for name, dataset in datasets.items()
    ]
    text = columns(rows, ("name", "pictures", "people", "access", "rehearsal", "title"))
    end = (
        "access: download = by this program; request = its owners give it out, then --path; own = "
        "yours.\nrehearsal: nbnet data rehearse NAME writes SynthFaces in its layout. "
        "Licences: nbnet data info NAME."
    )
    payload = [{**_facts(dataset), "rehearsal": n in REHEARSALS} for n, dataset in datasets.items()]
    return Report(payload, f"{text}\n\n{end}")


def run_info(args: argparse.Namespace) -> Report:
    """Tell all about a benchmark."""
    from nbnet_lib.data.benchmarks.scripts import find_dataset

    dataset = find_dataset(args.name)
    return Report(_facts(dataset), _describe(dataset))


def run_get(args: argparse.Namespace) -> Report:
    """Get a benchmark."""
    from nbnet_lib.cli.shared import note
    from nbnet_lib.data.benchmarks.obtain import get_dataset
    from nbnet_lib.data.benchmarks.scripts import find_dataset

    dataset = find_dataset(args.name)
    if args.path is None and dataset.access == "download":
        note(_wrapped(f"licence: {dataset.licence} {dataset.forbids}"))
    return _report(dataset, get_dataset(dataset, args.out, args.path, args.accept_licence))


def run_check(args: argparse.Namespace) -> Report:
    """Check a copy of a benchmark."""
    from nbnet_lib.data.benchmarks.dataset import check_dataset
    from nbnet_lib.data.benchmarks.scripts import find_dataset

    dataset = find_dataset(args.name)
    return _report(dataset, check_dataset(dataset, args.path, every=args.every))


def run_rehearse(args: argparse.Namespace) -> Report:
    """Write a rehearsal."""
    from nbnet_lib.data.rehearsal.rehearsals import rehearse

    done = rehearse(
        args.name,
        args.out,
        args.identities,
        args.samples,
        seed=args.seed,
        workers=args.workers,
    )
    payload = {
        "name": done.name,
        "folder": done.folder,
        "root": done.root,
        "folders": done.folders,
        "people": done.people,
        "pictures": done.pictures,
        "lists": done.lists,
    }
    text = (
        f"{done.pictures:,} pictures of {done.people:,} people who do not exist, as {done.name} "
        f"lies on disk, in {done.folder}\ncheck:  nbnet data check {done.name} {done.folder}\n"
        + "\n".join(f"align:  nbnet data align {folder} FOLDER" for folder in done.folders)
    )
    return Report(payload, text)


def _report(dataset: Dataset, checked: Checked) -> Report:
    payload = {
        "name": checked.name,
        "folder": checked.folder,
        "root": checked.root,
        "folders": checked.folders,
        "pictures": checked.pictures,
        "people": checked.people,
        "published": {"pictures": dataset.pictures, "people": dataset.people},
        "opened": checked.opened,
        "rehearsal": checked.rehearsal,
        "problems": checked.problems,
        "notes": checked.notes,
    }
    who = "" if checked.people is None else f" of {checked.people:,} people"
    lines = [
        f"{checked.name}: {checked.pictures:,} pictures{who}, {checked.opened:,} opened",
        *(f"pictures in {folder}" for folder in checked.folders),
        *(f"problem: {problem}" for problem in checked.problems),
        *(f"note: {note}" for note in checked.notes),
    ]
    lines.append(_verdict(dataset, checked))
    return Report(payload, "\n".join(map(_wrapped, lines)), status=1 if checked.problems else 0)


def _verdict(dataset: Dataset, checked: Checked) -> str:
    if checked.problems and not dataset.counts:  # nobody published it
        return "not all of it can be used: `nbnet data align` says of each picture which, and why"
    if checked.problems:
        return "NOT as published"
    if checked.rehearsal:
        return "as the benchmark lies on disk"
    return "as published" if dataset.counts else "usable"


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}".rjust(9)


def _facts(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "title": dataset.title,
        "home": dataset.home,
        "access": dataset.access,
        "licence": dataset.licence,
        "forbids": dataset.forbids,
        "obtain": dataset.obtain,
        "layout": dataset.layout,
        "pictures": dataset.pictures,
        "people": dataset.people,
        "parts": {
            part: {"pictures": count.pictures, "people": count.people}
            for part, count in dataset.counts.items()
        },
        "files": [
            {"name": part.file.name, "urls": part.file.urls, "checksum": part.file.checksum}
            for part in dataset.parts
        ],
        "notes": dataset.notes,
        "sources": dataset.sources,
    }


def _describe(dataset: Dataset) -> str:
    rows = [
        ("title", dataset.title),
        ("home", dataset.home),
        ("licence", dataset.licence),
        ("beware", dataset.forbids),
        ("to get it", dataset.obtain),
        ("layout", dataset.layout),
    ]
    for part, count in dataset.counts.items():
        people = "" if count.people is None else f", {count.people:,} people"
        pictures = "not checked" if count.pictures is None else f"{count.pictures:,} pictures"
        rows.append((f"holds {part}".strip(), pictures + people))
    for file in (part.file for part in dataset.parts):
        rows.append(("file", f"{file.name} ({file.checksum or 'no published checksum'})"))
    rows += [("note", note) for note in dataset.notes]
    rows.append(("sources", dataset.sources))
    width = max(len(name) for name, text in rows if text)
    return "\n".join(
        textwrap.fill(
            text,
            WIDTH,
            initial_indent=name.ljust(width + 2),
            subsequent_indent=" " * (width + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for name, text in rows
        if text
    )


def _wrapped(text: str) -> str:
    return textwrap.fill(
        text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
