"""Any set of one's own: a folder of identity folders, a manifest, tar shards."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nbnet_lib.data.sets.manifest import Manifest, load_manifest
from nbnet_lib.data.sets.reading import Reader
from nbnet_lib.data.sets.sources import open_source
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols.pictures import Drawn, Folder, Pictures
from nbnet_lib.evaluate.protocols.types import Protocol, Trial
from nbnet_lib.faces import require_evaluation
from nbnet_lib.faces.framing import Framing

MOST_PICTURES = 10_000  # that are compared all with all: 50 million pairs


@dataclass(frozen=True, eq=False)
class Packed:
    """The source of pictures that lie in tar shards.

    Attributes:
        manifest: the set.
        framing: how the faces are cut out; None where nothing tells.
    """

    manifest: Manifest = field(repr=False)
    framing: Framing | None
    _readers: list[Reader] = field(default_factory=list, repr=False)

    @property
    def path(self) -> Path:
        """The folder of the shards."""
        return self.manifest.root

    def read(self, rows: np.ndarray, size: int) -> np.ndarray:
        """Return uint8 [n, size, size, 3]."""
        if not self._readers:
            self._readers.append(Reader(self.manifest))
        reader = self._readers[0]
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            images = list(pool.map(lambda row: reader.read(int(row), size), rows))
        return np.stack(images) if images else np.empty((0, size, size, 3), np.uint8)

    def prepare(self, size: int, progress: bool) -> None:
        """Nothing to do: pictures are read when they are needed."""

    def __str__(self) -> str:
        return str(self.path)


def own_pictures(
    source: str | os.PathLike[str] | Manifest,
    root: str | os.PathLike[str] | None = None,
    most: int = MOST_PICTURES,
    seed: int = 0,
) -> Protocol:
    """Compare all pictures of a set with each other; one trial.

    Where the set is divided, its evaluation side is taken, otherwise all of it. Pictures of unknown
    people are left out. Of a set with more than ``most`` pictures as many people as fit are drawn
    at random, with all their pictures; what was done is told in the protocol's ``source``.

    For identification, the first picture of two thirds of the people is enrolled, drawn at random.
    Probe sets: "enrolled" (these very pictures: a question for reconstructions only), "others"
    (their other pictures) and "strangers" (all pictures of the other people, whom the gallery does
    not know; they set the thresholds of the open set).

    Args:
        source: what `nbnet_lib.data.sets.sources.open_source` opens.
        root: folder of the pictures of a manifest file, where they lie elsewhere than it says.
        most: pictures that are compared all with all.
        seed: of the choice of people.

    Raises:
        NbnetError: a set that cannot be opened, one that is for training only, fewer than two
            people, or nobody with two pictures.
    """
    manifest, left_out = _tested(_open(source, root))
    rng = np.random.default_rng([seed, 7])
    kept = _draw(manifest, most, rng)
    if len(kept) < len(manifest):
        people = len(set(manifest.identities))
        chosen = manifest.select(kept)
        left_out.append(
            f"{len(set(chosen.identities)):,} of {people:,} people drawn (seed {seed}), for "
            f"{most:,} pictures are the limit"
        )
        manifest = chosen
    pictures = _pictures(manifest)
    trial = _trial(pictures.identities, len(pictures.people), rng)
    about = ", ".join([manifest.source, *left_out])
    return Protocol(manifest.source, pictures, (trial,), "bootstrap", about)


def _open(
    source: str | os.PathLike[str] | Manifest, root: str | os.PathLike[str] | None
) -> Manifest:
    if root is None:
        return open_source(source)
    if isinstance(source, Manifest) or Path(source).suffix.lower() != ".parquet":
        raise NbnetError(f"{source} knows where its pictures lie: name no folder beside it")
    return load_manifest(source, root)


def _tested(manifest: Manifest) -> tuple[Manifest, list[str]]:
    """Return the pictures that may be tested on, and what was left out."""
    told = []
    splits = np.array(manifest.splits)
    if (splits == "evaluation").any():
        told.append("its evaluation split")
        manifest = manifest.part("evaluation")
    elif (splits == "train").any():
        if not (splits == "").any():
            raise NbnetError(
                f"{manifest.source} is for training, all of it: give its evaluation side, or "
                "divide it with `nbnet data split`"
            )
        told.append("its training pictures left out")
        manifest = manifest.select(splits == "")
    known = np.array([bool(person) for person in manifest.identities])
    if not known.any():
        raise NbnetError(
            f"{manifest.source} does not say who is on its pictures: nothing can be compared"
        )
    if not known.all():
        told.append(f"{int((~known).sum()):,} pictures of unknown people left out")
        manifest = manifest.select(known)
    return manifest, told


def _draw(manifest: Manifest, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return the rows that are compared: of everybody, or of as many people as fit."""
    people, codes = np.unique(manifest.identities, return_inverse=True)
    if len(codes) <= most:
        return np.arange(len(codes))
    counts = np.bincount(codes)
    order = rng.permutation(len(people))
    fitting = np.cumsum(counts[order]) <= most
    chosen = order[fitting]
    if len(chosen) < 2:
        raise NbnetError(
            f"two people of {manifest.source} have more than {most:,} pictures: take a part of "
            f"their pictures, {most:,} are the limit"
        )
    return np.flatnonzero(np.isin(codes, chosen))


def _pictures(manifest: Manifest) -> Pictures:
    people, codes = np.unique(manifest.identities, return_inverse=True)
    where: Drawn | Folder | Packed
    if manifest.drawn is not None:
        reader = Reader(manifest)
        where = Drawn(reader.numbers, reader.samples)
    elif any(".tar/" in image.lower() for image in manifest.images):
        where = Packed(manifest, manifest.framing)
    else:
        where = Folder(manifest.root, manifest.images, manifest.framing)
    if manifest.numbers is not None:
        require_evaluation(manifest.numbers)
    return Pictures(manifest.images, codes.astype(np.int64), tuple(people.tolist()), where)


def _trial(codes: np.ndarray, people: int, rng: np.random.Generator) -> Trial:
    if people < 2:
        raise NbnetError("all pictures show one person: at least two people are compared")
    known = np.zeros(people, bool)
    known[rng.permutation(people)[: people - people // 3]] = True
    rows = np.arange(len(codes))
    first = np.zeros(len(codes), bool)
    first[np.unique(codes, return_index=True)[1]] = True
    probes = {
        "enrolled": rows[known[codes] & first],
        "others": rows[known[codes] & ~first],
        "strangers": rows[~known[codes]],
    }
    return Trial(
        rows,
        gallery=probes["enrolled"],
        probes={name: chosen for name, chosen in probes.items() if len(chosen)},
    )
