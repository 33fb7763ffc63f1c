"""The pictures that `nbnet train` learns from: drawn people, or a set of one's own."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbnet_lib.cli.shared import add_identities, note

IDENTITIES, SAMPLES = "10000-12999", 8
IN_MEMORY = 2e9  # bytes of drawn pictures; more are read from a file


@dataclass(frozen=True)
class TrainingSet:
    """Pictures and what a card says of them.

    Attributes:
        images: uint8 [N, S, S, 3], perhaps a memory map.
        identities: int64 [N], numbers of SynthFaces; None for pictures of one's own.
        framing: how the faces are cut out; None where that is not known.
        card: what the decoder's card says of the data.
    """

    images: Any
    identities: Any
    framing: Any
    card: dict[str, Any]


def add(parser: argparse.ArgumentParser) -> None:
    """Add ``--data``, ``--identities`` and ``--samples``."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="SOURCE",
        help="aligned pictures of your own: a folder of people's folders, a .parquet list (its "
        "training people, see nbnet data split) or a folder of shards (default: SynthFaces)",
    )
    add_identities(parser, IDENTITIES, SAMPLES)
    # Whether they were given is known only if nothing stands there by itself.
    parser.set_defaults(identities=None, samples=None)


def read(args: argparse.Namespace, size: int) -> TrainingSet:
    """Return the pictures at ``size`` pixels.

    Raises:
        NbnetError: both a source and identities, a source that cannot be read or names no people
            for training, or identities that are kept for evaluation.
    """
    return _drawn(args, size) if args.data is None else _own(args, size)


def check(args: argparse.Namespace) -> None:
    """Refuse what is wrong before anything is drawn or read; see `read`."""
    from nbnet_lib.cli.shared import identity_range
    from nbnet_lib.errors import NbnetError
    from nbnet_lib.faces import require_training

    if args.data is not None:
        if args.identities is not None or args.samples is not None:
            raise NbnetError(
                f"--data {args.data} brings its own people: leave --identities and --samples away"
            )
        return
    args.identities = args.identities or identity_range(IDENTITIES)
    args.samples = args.samples or SAMPLES
    require_training(args.identities)


def _drawn(args: argparse.Namespace, size: int) -> TrainingSet:
    from nbnet_lib.data.sets.arrays import picture_array
    from nbnet_lib.data.sets.sources import from_synthfaces
    from nbnet_lib.faces import RENDERER_VERSION, render_set
    from nbnet_lib.faces.framing import FRAMINGS

    people = args.identities
    note(f"faces: {len(people):,} identities x {args.samples}, {size} px")
    if len(people) * args.samples * 3 * size**2 <= IN_MEMORY:
        faces: Any = render_set(people, args.samples, size=size)
        images, identities = faces.images, faces.identities
    else:
        faces = picture_array(from_synthfaces(people, args.samples), size)
        images, identities = faces.images, faces.numbers
    card = {
        "data": f"SynthFaces identities {people[0]}-{people[-1]} ({len(people)}) x "
        f"{args.samples}, {size} px",
        "renderer_version": RENDERER_VERSION,
        "licence": "MIT; trained on synthetic faces only",
    }
    return TrainingSet(images, identities, FRAMINGS["synthfaces"], card)


def _own(args: argparse.Namespace, size: int) -> TrainingSet:
    from nbnet_lib.data.sets.arrays import picture_array
    from nbnet_lib.data.sets.sources import open_source

    source = open_source(args.data)
    # A set that nobody divided is all for training; of a divided one the tested people stay out.
    split = "train" if source.table["split"].any() else None
    pictures = picture_array(source, size, split=split)
    note(f"pictures: {pictures.source}, {size} px")
    card: dict[str, Any] = {"data": f"{pictures.source}, {size} px"}
    if pictures.numbers is None:
        card["people"] = {"folder": source.root.name, "digests": pictures.people_digest()}
        card["licence"] = (
            "yours to find out: trained on pictures that you brought, whose licence may forbid to "
            "pass these weights on"
        )
    else:
        card["licence"] = "MIT; trained on synthetic faces only"
    return TrainingSet(pictures.images, pictures.numbers, pictures.framing, card)
