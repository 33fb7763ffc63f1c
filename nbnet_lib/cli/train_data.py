"""The pictures that training learns from: drawn people, a generator's, one's own, or a mixture.

Used by `nbnet train` and `nbnet generator train`; see `nbnet_lib.attack.sources`.
"""

from __future__ import annotations

import argparse
from typing import Any

from nbnet_lib.cli.shared import add_identities, note

IDENTITIES, SAMPLES = "10000-12999", 8


def add(parser: argparse.ArgumentParser) -> None:
    """Add ``--data``, ``--identities`` and ``--samples``."""
    parser.add_argument(
        "--data",
        action="append",
        metavar="SOURCE",
        help="synthfaces:20000-23999x5 (people x pictures of each), "
        "generator:FILE.safetensors:20000 (faces drawn by `nbnet generator train`; a seed may "
        "follow a colon), or aligned pictures of your own: a folder of people's folders, a "
        ".parquet list (its training people, see nbnet data split) or a folder of shards. Several "
        "--data are mixed (default: SynthFaces by --identities and --samples)",
    )
    add_identities(parser, IDENTITIES, SAMPLES)
    # Whether they were given is known only if nothing stands there by itself.
    parser.set_defaults(identities=None, samples=None)


def check(args: argparse.Namespace) -> None:
    """Refuse what is wrong before anything is drawn or read, and leave ``args.sources``.

    Raises:
        NbnetError: both sources and identities, a source that is written wrongly or not there,
            identities that are kept for evaluation or named twice, or framings that cannot be
            brought to one.
    """
    from nbnet_lib.attack.sources import People, check_sources, parse_source
    from nbnet_lib.cli.shared import identity_range
    from nbnet_lib.errors import NbnetError

    if args.data:
        if args.identities is not None or args.samples is not None:
            raise NbnetError(
                f"--data {args.data[0]} brings its own people: leave --identities and --samples "
                "away, or write them as --data synthfaces:20000-23999x5"
            )
        args.sources = [parse_source(word) for word in args.data]
    else:
        people = args.identities or identity_range(IDENTITIES)
        args.sources = [People(tuple(people), args.samples or SAMPLES)]
    check_sources(args.sources)


def read(args: argparse.Namespace, size: int) -> Any:
    """Return the pictures at ``size`` pixels, a `TrainingSet`; `check` comes first.

    Raises:
        NbnetError: a source that cannot be read.
    """
    from nbnet_lib.attack.sources import read_sources

    for source in args.sources:
        note(f"pictures: {source}, {size} px")
    return read_sources(args.sources, size)


def other_people(args: argparse.Namespace) -> list[str]:
    """Return the options of `nbnet evaluate` that measure on people who were not trained with."""
    from nbnet_lib.attack.sources import Own

    own = [source for source in args.sources if isinstance(source, Own)]
    if not own:
        return []
    if len(own) == 1 and own[0].path.suffix == ".parquet":  # it knows who was left out
        return ["--protocol", str(own[0].path)]
    return ["--protocol", "folder", "--data", "PICTURES-OF-OTHER-PEOPLE"]
