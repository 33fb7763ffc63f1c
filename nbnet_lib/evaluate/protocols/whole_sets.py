"""All pictures of a set against each other: SynthFaces, and any set of one's own.

Both are one trial: every picture is compared with every other, and the people outside of a gallery
of two thirds set the thresholds of the open set (see `types.gallery_trial`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from nbnet_lib.data.listing import open_source
from nbnet_lib.data.manifest import Manifest, load_manifest
from nbnet_lib.data.reading import Reader
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols.pictures import Drawn, Folder, Packed, Pictures
from nbnet_lib.evaluate.protocols.types import Protocol, gallery_trial
from nbnet_lib.faces import RENDERER_VERSION, require_evaluation
from synthfaces.checks import whole_numbers

MAX_PICTURES = 10_000  # that are compared all with all: 50 million pairs


def synthfaces(identities: Iterable[int] = range(300), samples: int = 6) -> Protocol:
    """Return all pairs of ``samples`` pictures of each identity: the default protocol.

    For identification, picture 0 of the first two thirds of the people is enrolled. Rows run person
    by person, pictures in order; nothing is drawn yet.

    Args:
        identities: SynthFaces identities of the evaluation range, 0 to 9,999, each once.
        samples: pictures of each person, 0 to samples - 1; at least 2.

    Raises:
        NbnetError: an identity of the training range or named twice, or fewer than two of either.
    """
    people = whole_numbers(identities, "identity")
    require_evaluation(people)
    if len(np.unique(people)) < len(people):
        raise NbnetError("an identity is named twice: give each identity once")
    if len(people) < 2 or samples < 2:
        raise NbnetError(
            f"{len(people)} identities with {samples} samples each: "
            "the benchmark needs at least 2 of both"
        )
    codes = np.repeat(np.arange(len(people)), samples)
    sample = np.tile(np.arange(samples), len(people))
    pictures = Pictures(
        names=tuple(f"{people[c]}-{s}" for c, s in zip(codes, sample, strict=True)),
        identities=codes,
        people=tuple(str(p) for p in people),
        where=Drawn(people[codes], sample),
    )
    trial = gallery_trial(codes < len(people) - len(people) // 3, sample == 0)
    source = (
        f"SynthFaces, renderer {RENDERER_VERSION}: {len(people)} identities "
        f"({people.min()} to {people.max()}), {samples} pictures each"
    )
    return Protocol("synthfaces", pictures, (trial,), "bootstrap", source)


def own_pictures(
    source: str | os.PathLike[str] | Manifest,
    root: str | os.PathLike[str] | None = None,
    most: int = MAX_PICTURES,
    seed: int = 0,
) -> Protocol:
    """Compare all pictures of a folder, a manifest or tar shards with each other.

    Where the set is divided, its evaluation side is taken, otherwise all of it. Pictures of unknown
    people are left out. Of a set with more than ``most`` pictures as many people as fit are drawn
    at random, with all their pictures; the protocol's ``source`` says what was done.

    For identification, the first picture of two thirds of the people is enrolled, drawn at random.

    Args:
        source: what `nbnet_lib.data.listing.open_source` opens.
        root: folder of the pictures of a manifest file, where they are elsewhere than it says.
        most: pictures that are compared all with all.
        seed: of the choice of people.

    Raises:
        NbnetError: a set that cannot be opened, one that is for training only, fewer than two
            people, or nobody with two pictures.
    """
    if root is None:
        manifest = open_source(source)
    elif isinstance(source, Manifest) or Path(source).suffix.lower() != ".parquet":
        raise NbnetError(f"{source} knows where its pictures are: name no folder besides it")
    else:
        manifest = load_manifest(source, root)
    manifest, left_out = _tested(manifest)
    rng = np.random.default_rng([seed, 7])
    people, codes = np.unique(manifest.identities, return_inverse=True)
    chosen = _drawn_people(codes, most, rng)
    if len(chosen) < 2:
        raise NbnetError(
            f"{manifest.source} has fewer than two people with up to {most:,} pictures together: "
            "give more people, or fewer pictures of each"
        )
    if len(chosen) < len(people):
        manifest = manifest.select(np.isin(codes, chosen))
        left_out.append(
            f"{len(chosen):,} of {len(people):,} people drawn (seed {seed}), because {most:,} "
            "pictures are the limit"
        )
        codes = np.unique(manifest.identities, return_inverse=True)[1]
    known = np.zeros(len(chosen), bool)
    known[rng.permutation(len(chosen))[: len(chosen) - len(chosen) // 3]] = True
    first = np.zeros(len(codes), bool)
    first[np.unique(codes, return_index=True)[1]] = True
    trial = gallery_trial(known[codes], first)
    about = ", ".join([manifest.source, *left_out])
    return Protocol(manifest.source, _pictures(manifest), (trial,), "bootstrap", about)


def _tested(manifest: Manifest) -> tuple[Manifest, list[str]]:
    """Return the pictures that may be tested on, and what was left out."""
    left_out = []
    splits = np.array(manifest.splits)
    if (splits == "evaluation").any():
        left_out.append("its evaluation split")
        manifest = manifest.part("evaluation")
    elif (splits == "train").all():
        raise NbnetError(
            f"{manifest.source} is for training, all of it: give its evaluation side, or "
            "divide it with `nbnet data split`"
        )
    elif (splits == "train").any():
        left_out.append("its training pictures left out")
        manifest = manifest.select(splits == "")
    known = np.array([bool(person) for person in manifest.identities])
    if not known.any():
        raise NbnetError(
            f"{manifest.source} does not say who is on its pictures: nothing can be compared"
        )
    if not known.all():
        left_out.append(f"{int((~known).sum()):,} pictures of unknown people left out")
        manifest = manifest.select(known)
    return manifest, left_out


def _drawn_people(codes: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return everybody, or as many people as fit with all their pictures."""
    counts = np.bincount(codes)
    if len(codes) <= most:
        return np.arange(len(counts))
    order = rng.permutation(len(counts))
    return order[np.cumsum(counts[order]) <= most]


def _pictures(manifest: Manifest) -> Pictures:
    where: Drawn | Folder
    if manifest.drawn is not None:
        reader = Reader(manifest)
        where = Drawn(reader.numbers, reader.samples)
    elif any(".tar/" in image.lower() for image in manifest.images):
        where = Packed(manifest.root, manifest.images, manifest.framing, manifest=manifest)
    else:
        where = Folder(manifest.root, manifest.images, manifest.framing)
    if manifest.numbers is not None:
        require_evaluation(manifest.numbers)
    people, codes = np.unique(manifest.identities, return_inverse=True)
    return Pictures(manifest.images, codes.astype(np.int64), tuple(people.tolist()), where)
