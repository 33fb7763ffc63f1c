"""``nbnet data``: benchmarks and folders of one's own, from the archive to training pictures."""

from __future__ import annotations

import argparse
import textwrap
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbnet_lib.cli import data_sets
from nbnet_lib.cli.shared import (
    Report,
    add_json,
    add_workers,
    columns,
    identity_range,
    note,
    open_encoder,
    whole,
)

if TYPE_CHECKING:
    from nbnet_lib.data.alignment import AlignReport
    from nbnet_lib.data.benchmarks import Benchmark, Checked

EXAMPLES = 5  # failed pictures that are named for each reason

_fill = partial(textwrap.fill, width=92, break_long_words=False, break_on_hyphens=False)


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    data = subparsers.add_parser(
        "data",
        help="get, check, align, list and divide face data of your own",
        description="From what you are allowed to use to what can be trained and tested on: "
        "get or check a benchmark, align its faces, list who is on them, divide the people.",
    )
    commands = data.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_benchmarks(commands)
    _add_align(commands)
    data_sets.add(commands)


def _add_benchmarks(commands: Any) -> None:
    def add_command(name: str, run: Any, help: str, description: str | None = None) -> Any:
        parser = commands.add_parser(name, help=help, description=description)
        parser.set_defaults(run=run)
        if name != "list":
            which = ", those with a rehearsal" if name == "rehearse" else ""
            parser.add_argument("name", metavar="NAME", help=f"of `nbnet data list`{which}")
        add_json(parser)
        return parser

    add_command("list", run_list, "the benchmarks, what they hold and who gives them out")
    add_command("info", run_info, "a benchmark: licence, how to get it, layout, notes")
    get = add_command(
        "get",
        run_get,
        "download a benchmark, or check and unpack what you were given",
        "What may be downloaded is downloaded to --out; an interrupted download resumes. What is "
        "given out on request is taken from --path: a folder is checked where it is, archives are "
        "verified and unpacked to --out.",
    )
    option = get.add_argument
    option("--out", type=Path, metavar="FOLDER", help="the folder to put it in")
    option("--path", type=Path, metavar="PATH", help="what you obtained")
    text = "you have read the licence (nbnet data info NAME) and agree to it"
    option("--accept-licence", action="store_true", help=text)
    check = add_command(
        "check",
        run_check,
        "check a copy: layout, counts, checksums, readable pictures (status 1 if incomplete)",
    )
    check.add_argument("path", type=Path, metavar="FOLDER")
    text = "open every picture (default: some 200 of all)"
    check.add_argument("--every", action="store_true", help=text)
    rehearse = add_command(
        "rehearse",
        run_rehearse,
        "write SynthFaces in the layout of a benchmark, to try everything without it",
        "Nobody on these pictures exists. A second run completes an interrupted one.",
    )
    option = rehearse.add_argument
    option("--out", type=Path, required=True, metavar="FOLDER")
    text = (
        "who: 0-9999 where a benchmark is for evaluation, from 10000 where it is for training "
        "(default: 40 people that fit)"
    )
    option("--identities", type=identity_range, metavar="RANGE", help=text)
    option("--samples", type=whole(1), metavar="N", help="pictures of each (default 6)")
    option("--seed", type=whole(0), default=0, metavar="N", help="of the pairs")
    add_workers(rehearse)


def _add_align(commands: Any) -> None:
    align = commands.add_parser(
        "align",
        help="cut out the faces of a folder so that eyes, nose and mouth are in fixed places",
        description="Find the face on every picture of a folder (MTCNN), and turn, scale and cut "
        "it out as a recogniser expects it. What an earlier run has done is kept: the same command "
        "resumes. OUT/alignment.parquet says which pictures failed, and why.",
    )
    option = align.add_argument
    option("source", type=Path, metavar="IN", help="folder of pictures")
    option("out", type=Path, metavar="OUT", help="folder for the aligned ones")
    where = align.add_mutually_exclusive_group()
    text = "where the faces are put: synthfaces (default), arcface, facenet or dlib"
    where.add_argument("--framing", metavar="NAME", help=text)
    text = "take framing and size from this encoder, named as for `nbnet train`"
    where.add_argument("--encoder", metavar="NAME", help=text)
    option("--encoder-weights", metavar="FILE", help="its weights, if it ships none")
    option("--encoder-card", metavar="FILE.yaml", help="its card")
    text = "side of an aligned picture (default 160, or what --encoder takes)"
    option("--size", type=whole(1), metavar="PIXELS", help=text)
    text = "of several faces: the central one, the largest, or fail (default central)"
    option("--faces", choices=("central", "largest", "only"), default="central", help=text)
    text = "no face found: fail, or take the middle of the picture (default fail)"
    option("--missing", choices=("fail", "centre"), default="fail", help=text)
    text = (
        "smallest face to look for (default: an eighth of the picture's shorter side; where there "
        "is none, a fortieth)"
    )
    option("--min-face", type=whole(12), metavar="PIXELS", help=text)
    text = (
        "take only pictures whose path in IN fits, for example '*/data/images/*' of color FERET, "
        "which holds every picture in three sizes"
    )
    option("--only", metavar="PATTERN", help=text)
    add_workers(align, "processes")
    align.add_argument("--device", default="cpu", help="where the detector runs (default cpu)")
    add_json(align)
    align.set_defaults(run=run_align, alignment=None)


def run_list(args: argparse.Namespace) -> Report:
    """List the benchmarks."""
    from nbnet_lib.data.benchmarks import benchmarks
    from nbnet_lib.data.rehearsal import PLANS

    rows, payload = [], []
    for name, benchmark in benchmarks().items():
        payload.append({**_facts(benchmark), "rehearsal": name in PLANS})
        numbers = (benchmark.pictures, benchmark.people)
        pictures, people = ("" if n is None else f"{n:,}".rjust(9) for n in numbers)
        rehearsal = "yes" if name in PLANS else ""
        rows.append((name, pictures, people, benchmark.access, rehearsal, benchmark.title))
    text = columns(rows, ("name", "pictures", "people", "access", "rehearsal", "title"))
    end = (
        "access: download = by this program; request = its owners give it out, then --path; own = "
        "yours.\nrehearsal: nbnet data rehearse NAME writes SynthFaces in its layout. "
        "Licences: nbnet data info NAME."
    )
    return Report(payload, f"{text}\n\n{end}")


def run_info(args: argparse.Namespace) -> Report:
    """Describe a benchmark."""
    from nbnet_lib.data.benchmarks import find_benchmark

    benchmark = find_benchmark(args.name)
    rows = [
        ("title", benchmark.title),
        ("home", benchmark.home),
        ("licence", benchmark.licence),
        ("beware", benchmark.forbids),
        ("to get it", benchmark.obtain),
        ("layout", benchmark.layout),
    ]
    for part, count in benchmark.counts.items():
        people = "" if count.people is None else f", {count.people:,} people"
        pictures = "not checked" if count.pictures is None else f"{count.pictures:,} pictures"
        rows.append((f"holds {part}".strip(), pictures + people))
    for file in (part.file for part in benchmark.parts):
        rows.append(("file", f"{file.name} ({file.checksum or 'no published checksum'})"))
    rows += [("note", note) for note in benchmark.notes]
    rows.append(("sources", benchmark.sources))
    width = 2 + max(len(name) for name, text in rows if text)
    lines = [
        _fill(text, initial_indent=name.ljust(width), subsequent_indent=" " * width)
        for name, text in rows
        if text
    ]
    return Report(_facts(benchmark), "\n".join(lines))


def _facts(benchmark: Benchmark) -> dict[str, Any]:
    facts = {**vars(benchmark), "pictures": benchmark.pictures, "people": benchmark.people}
    facts["parts"] = {part: count._asdict() for part, count in facts.pop("counts").items()}
    facts["files"] = [
        {"name": part.file.name, "urls": part.file.urls, "checksum": part.file.checksum}
        for part in benchmark.parts
    ]
    return {name: fact for name, fact in facts.items() if name not in ("look", "size", "terms")}


def run_get(args: argparse.Namespace) -> Report:
    """Get a benchmark."""
    from nbnet_lib.data.benchmarks import find_benchmark, get_benchmark

    benchmark = find_benchmark(args.name)
    if args.path is None and benchmark.access == "download":
        note(_fill(f"licence: {benchmark.licence} {benchmark.forbids}", subsequent_indent="  "))
    return _checked(benchmark, get_benchmark(benchmark, args.out, args.path, args.accept_licence))


def run_check(args: argparse.Namespace) -> Report:
    """Check a copy of a benchmark."""
    from nbnet_lib.data.benchmarks import check_benchmark, find_benchmark

    benchmark = find_benchmark(args.name)
    return _checked(benchmark, check_benchmark(benchmark, args.path, every=args.every))


def _checked(benchmark: Benchmark, checked: Checked) -> Report:
    published = {"pictures": benchmark.pictures, "people": benchmark.people}
    people = "" if checked.people is None else f" of {checked.people:,} people"
    if checked.problems and not benchmark.counts:  # nobody published it
        verdict = "not all can be used: `nbnet data align` says of each picture which, and why"
    elif checked.problems:
        verdict = "NOT as published"
    elif checked.rehearsal:
        verdict = "in the layout of the benchmark"
    else:
        verdict = "as published" if benchmark.counts else "usable"
    lines = [
        f"{checked.name}: {checked.pictures:,} pictures{people}, {checked.opened:,} opened",
        *(f"pictures in {folder}" for folder in checked.folders),
        *(f"problem: {problem}" for problem in checked.problems),
        *(f"note: {note}" for note in checked.notes),
        verdict,
    ]
    text = "\n".join(_fill(line, subsequent_indent="  ") for line in lines)
    return Report({**vars(checked), "published": published}, text, 1 if checked.problems else 0)


def run_rehearse(args: argparse.Namespace) -> Report:
    """Write a rehearsal."""
    from nbnet_lib.data.rehearsal import rehearse

    done = rehearse(
        args.name,
        args.out,
        args.identities,
        args.samples or 6,
        seed=args.seed,
        workers=args.workers,
    )
    text = (
        f"{done.pictures:,} pictures of {done.people:,} people who do not exist, in the layout of "
        f"{done.name}, in {done.folder}\ncheck:  nbnet data check {done.name} {done.folder}\n"
        + "\n".join(f"align:  nbnet data align {folder} FOLDER" for folder in done.folders)
    )
    return Report(vars(done), text)


def run_align(args: argparse.Namespace) -> Report:
    """Align a folder."""
    from nbnet_lib.data.alignment import AlignOptions, align
    from nbnet_lib.device import resolve_device
    from nbnet_lib.faces.framing import find_framing

    framing, size = find_framing(args.framing or "synthfaces"), args.size or 160
    if args.encoder:
        encoder = open_encoder(args)
        framing, size = encoder.framing, args.size or encoder.image_size
    options = AlignOptions(
        framing, size, args.faces, args.missing, args.min_face, resolve_device(args.device)
    )
    done = align(args.source, args.out, options, only=args.only, workers=args.workers)
    payload = {
        "folder": done.folder,
        **done.counts,
        "foreign": done.foreign,
        "doubtful_pictures": done.doubtful,
        "kept": done.kept,
        "seconds": round(done.seconds, 1),
        "images_per_second": round(done.speed, 1),
        "failures": [
            {key: row[key] for key in ("image", "reason", "detail")} for row in done.failures
        ],
    }
    # Nothing to continue with is a failure; a few pictures without a face are what data is like.
    return Report(payload, _aligned(done), status=0 if done.counts["aligned"] else 1)


def _aligned(done: AlignReport) -> str:
    counts = done.counts
    lines = [
        f"{counts['pictures']:,} pictures: {counts['aligned']:,} aligned, "
        f"{counts['failed']:,} failed; {counts['skipped']:,} other files skipped"
    ]
    if done.foreign:
        lines.append(
            f"{len(done.foreign):,} of the skipped are pictures in formats that are not read: "
            f"convert them first ({_examples(done.foreign)})"
        )
    if counts["centred"]:
        lines.append(
            f"{counts['centred']:,} of the aligned ones are the middle of a picture without a face"
        )
    if counts["reasons"]:
        failed = {
            reason: [row["image"] for row in done.failures if row["reason"] == reason]
            for reason in counts["reasons"]
        }
        rows = [(len(names), reason, _examples(names)) for reason, names in failed.items()]
        lines += ["", columns(rows, ("failed", "reason", "pictures"))]
    if counts["notes"]:
        notes = [(number, note) for note, number in counts["notes"].items()]
        lines += ["", columns(notes, ("pictures", "note"))]
    if done.doubtful:
        lines += ["", f"look at these, which may lie on their side: {_examples(done.doubtful)}"]
    speed = f", {done.speed:.0f} images/s" if done.speed else ""
    lines += [
        "",
        f"{done.folder}: {done.kept:,} kept from earlier, {done.seconds:,.1f} s{speed}; "
        "every picture has a row in alignment.parquet",
        f"next: nbnet data split {done.folder} --out people.parquet  (or nbnet evaluate, of a "
        "benchmark)",
    ]
    return "\n".join(lines)


def _examples(names: Any) -> str:
    return ", ".join(names[:EXAMPLES]) + (", ..." if len(names) > EXAMPLES else "")
