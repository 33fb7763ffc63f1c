"""Where the attacker's pictures come from: drawn people, a generator, folders, or a mixture.

The paper trains on pictures of real people together with those of a face generator (chapter 8 shows
what that adds). Each source is written as one word:

- ``synthfaces:20000-23999x5``: five pictures each of these people of SynthFaces;
- ``generator:FILE.safetensors:20000`` or ``...:20000:7``: so many faces that a generator of
  `nbnet generator train` draws, from seed 0 or 7;
- a path: a folder of people's folders, a ``.parquet`` list (its training people), tar shards.

Several are brought to one size and one framing. Whatever is drawn is drawn once and kept, so a run
that resumes sees the same pictures to the bit (another machine, or another number of threads, might
round a pixel the other way).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from tqdm import tqdm

from nbnet_lib.array_cache import cached_array
from nbnet_lib.attack.data import Pictures
from nbnet_lib.attack.training_card import merge_terms
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import require_attack, resize, to_tensor, to_uint8
from nbnet_lib.faces.framing import FRAMINGS, Framing, reframe
from nbnet_lib.files import cache_dir
from nbnet_lib.identities import parse_identities
from nbnet_lib.weights import load_card, weight_path
from synthfaces.camera import fit_similarity

IDENTITIES = "20000-22999"  # where nobody says whose pictures to draw
IN_MEMORY = 2e9  # bytes of drawn people; more are read from a file
SAMPLES = 8  # pictures of a person, where the word does not say
MAX_BEYOND = 0.15  # share of the side that may be made up beyond a picture's edge
AT_ONCE = 256  # pictures that are cut anew at once
CACHE_VERSION = 2  # of the way pictures are drawn and cut: a change makes all of them anew
SYNTHETIC = "MIT; trained on synthetic faces only"
UNKNOWN = (
    "yours to find out: trained on pictures that you brought, whose licence may forbid to pass "
    "these weights on"
)
_PEOPLE = re.compile(r"synthfaces:([0-9, -]+)(?:x(\d+))?")
_DRAWN = re.compile(r"generator:(.+?\.safetensors):(\d+)(?::(\d+))?")


@dataclass(frozen=True)
class TrainingSet:
    """Pictures to train with, and what a card says of them.

    Attributes:
        images: uint8 [N, S, S, 3]: an array, a memory map, or `Pictures` of several.
        identities: int64 [N], numbers of SynthFaces; None where not all pictures are of them (those
            that are were checked when they were read).
        framing: how the faces are cut out; None where that is not known.
        card: "data", "licence", and as it applies "renderer_version", "generator", "people" and,
            for a mixture, "sources".
        key: names all that the pictures of a single source follow from.
    """

    images: Any = field(repr=False)
    identities: Any = field(repr=False)
    framing: Framing | None
    card: dict[str, Any]
    key: str = ""


@dataclass(frozen=True)
class People:
    """Drawn people of SynthFaces, all for training.

    Raises:
        NbnetError: an identity that is kept for evaluation, none at all, or no picture of each.
    """

    identities: tuple[int, ...]
    samples: int = SAMPLES

    def __post_init__(self) -> None:
        require_attack(self.identities)
        if self.samples < 1:
            raise NbnetError(f"{self.samples} pictures of each identity: take 1 at least")

    def __str__(self) -> str:
        first, last = self.identities[0], self.identities[-1]
        return f"SynthFaces identities {first}-{last} ({len(self.identities)}) x {self.samples}"

    def framing(self) -> Framing | None:
        """Return how the faces are cut out."""
        return FRAMINGS["synthfaces"]

    def rows(self) -> np.ndarray:
        """Return int64 [N, 2], identity and sample of each picture, in the order of `read`."""
        return np.array([(i, s) for i in self.identities for s in range(self.samples)])

    def read(self, size: int, progress: bool = True) -> TrainingSet:
        """Return the pictures at ``size`` pixels."""
        from nbnet_lib.data.arrays import picture_array
        from nbnet_lib.data.listing import from_synthfaces
        from nbnet_lib.faces import RENDERER_VERSION, render_set

        card = {"data": str(self), "renderer_version": RENDERER_VERSION, "licence": SYNTHETIC}
        if len(self.identities) * self.samples * 3 * size**2 <= IN_MEMORY:
            faces = render_set(self.identities, self.samples, size=size, progress=progress)
            people = hashlib.sha256(repr(self.identities).encode()).hexdigest()
            key = f"{RENDERER_VERSION} {people} {self.samples} {size}"
            return TrainingSet(faces.images, faces.identities, self.framing(), card, key)
        source = from_synthfaces(self.identities, self.samples)
        pictures = picture_array(source, size, progress)
        return TrainingSet(pictures.images, pictures.numbers, pictures.framing, card, pictures.key)


@dataclass(frozen=True)
class Generated:
    """Faces that a generator draws.

    Raises:
        NbnetError: no such weights, weights of something else, or no face.
    """

    path: Path
    count: int
    seed: int = 0

    def __post_init__(self) -> None:
        name = (self.card().get("architecture") or {}).get("name")
        if name != "dcgan-generator" or self.count < 1:
            raise NbnetError(
                f"{self.count:,} faces of {self.path} ({name or 'no architecture in its card'}): "
                "give weights that `nbnet generator train` wrote, and draw 1 face at least"
            )

    def card(self) -> dict[str, Any]:
        """Return the card of the generator."""
        return load_card(weight_path(self.path))

    def __str__(self) -> str:
        return (
            f"{self.count:,} faces of the generator {self.path.name} (seed {self.seed}; trained "
            f"on {self.card().get('data', 'data unknown')})"
        )

    def framing(self) -> Framing | None:
        """Return how the faces are cut out: as in the pictures that the generator learnt from."""
        named = self.card().get("framing")
        return None if named is None else Framing.from_card(named)

    def read(self, size: int, progress: bool = True) -> TrainingSet:
        """Return the faces at ``size`` pixels, drawn at the generator's own and resized."""
        from nbnet_lib.attack.gan_faces import draw_faces
        from nbnet_lib.decoders import load_decoder

        card = self.card()

        def draw(first: int) -> Iterable[np.ndarray]:
            for faces in draw_faces(load_decoder(self.path), self.count, self.seed, first=first):
                yield to_uint8(resize(to_tensor(faces), size))

        images, key = _cached(
            ["generated", card["sha256"], self.count, self.seed],
            (self.count, size),
            draw,
            desc=f"drawing with {self.path.name}",
            disable=not progress,
        )
        facts = {
            "data": str(self),
            "generator": {k: card[k] for k in ("sha256", "data", "command", "seed") if k in card},
            "licence": card.get("licence", UNKNOWN),
            # Whoever the generator learnt from may be in what it draws.
            **({"people": card["people"]} if "people" in card else {}),
        }
        return TrainingSet(images, None, self.framing(), facts, key)


@dataclass(frozen=True)
class OwnPictures:
    """Pictures of one's own: what `nbnet_lib.data.listing.open_source` opens.

    Raises:
        NbnetError: nothing of that kind there.
    """

    path: Path
    manifest: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        from nbnet_lib.data.listing import open_source

        object.__setattr__(self, "manifest", open_source(self.path))

    def __str__(self) -> str:
        return str(self.manifest)

    def framing(self) -> Framing | None:
        """Return how the faces are cut out; None where that is not known."""
        return self.manifest.framing

    def read(self, size: int, progress: bool = True) -> TrainingSet:
        """Return the pictures at ``size`` pixels, without people that are kept for evaluation."""
        from nbnet_lib.data.arrays import picture_array

        # A set that nobody divided is all for training; of a divided one the tested stay out.
        split = "train" if self.manifest.table["split"].any() else None
        pictures = picture_array(self.manifest, size, progress, split=split)
        card: dict[str, Any] = {"data": pictures.source, "licence": SYNTHETIC}
        if pictures.numbers is None:
            folder, digests = self.manifest.root.name, pictures.people_digest()
            card |= {"people": {"folder": folder, "digests": digests}, "licence": UNKNOWN}
        else:
            require_attack(pictures.numbers)
        return TrainingSet(pictures.images, pictures.numbers, pictures.framing, card, pictures.key)


Source = People | Generated | OwnPictures


def parse_source(text: str | os.PathLike[str]) -> Source:
    """Return the source that a word of ``--data`` names; nothing is drawn or read yet.

    Raises:
        NbnetError: a word that is written wrongly, a generator or a path that is not there, or
            people who are kept for evaluation.
    """
    word = os.fspath(text)
    if word.startswith("synthfaces:"):
        match = _PEOPLE.fullmatch(word)
        if match is None:
            raise NbnetError(
                f"{word!r} names no people: write synthfaces:20000-23999x5, or "
                "synthfaces:20000-20009,20500"
            )
        return People(tuple(parse_identities(match[1])), int(match[2] or SAMPLES))
    if word.startswith("generator:"):
        match = _DRAWN.fullmatch(word)
        if match is None:
            raise NbnetError(
                f"{word!r} names no generator: write generator:FILE.safetensors:20000, and a seed "
                "behind a third colon if you like"
            )
        return Generated(Path(match[1]), int(match[2]), int(match[3] or 0))
    return OwnPictures(Path(word))


def choose_sources(
    data: Sequence[str] | None,
    identities: Iterable[int] | None,
    samples: int | None,
    recipe: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[Source, ...]:
    """Return the sources that ``data`` names, or the drawn people; checked, but nothing is drawn.

    Args:
        data: words of ``--data``, or None.
        identities: people to draw; None for those of the recipe, or 20,000 to 22,999.
        samples: pictures of each; None for those of the recipe, or 8.
        recipe: options of a recipe.
    """
    if data and (identities is not None or samples is not None):
        raise NbnetError(
            f"--data {data[0]} brings its own people: leave out --identities and --samples, or "
            "write them as --data synthfaces:20000-23999x5"
        )
    sources = tuple(parse_source(word) for word in data or ())
    if not data:
        people = parse_identities(recipe.get("identities", IDENTITIES))
        people = people if identities is None else list(identities)
        sources = (People(tuple(people), samples or recipe.get("samples", SAMPLES)),)
    check_sources(sources)
    return sources


def check_sources(sources: Iterable[Source]) -> Framing | None:
    """Return the framing that all sources can be brought to; nothing is drawn or read yet.

    Raises:
        NbnetError: somebody is in two sources, or the framings do not go together.
    """
    sources = list(sources)
    people = [who for s in sources if isinstance(s, People) for who in s.identities]
    numbers, counts = np.unique(people, return_counts=True)
    if (counts > 1).any():
        raise NbnetError(
            f"identity {int(numbers[counts > 1][0])} is in two of the sources: name each person "
            "once"
        )
    return common_framing([source.framing() for source in sources], [str(s) for s in sources])


def read_sources(sources: Iterable[Source], size: int, progress: bool = True) -> TrainingSet:
    """Return the pictures of all sources at ``size`` pixels, in one framing.

    Args:
        sources: from `parse_source`; a single one, or a mixture.
        size: side of the pictures.
        progress: show bars on stderr.

    Raises:
        NbnetError: a source that cannot be read, or what `check_sources` refuses.
    """
    sources = list(sources)
    framing = check_sources(sources)
    parts = [_cut(source, framing, size, progress) for source in sources]
    numbers = [part.identities for part in parts if part.identities is not None]
    return TrainingSet(
        parts[0].images if len(parts) == 1 else Pictures([part.images for part in parts]),
        np.concatenate(numbers) if len(numbers) == len(parts) else None,
        framing,
        _card(parts, size),
    )


def common_framing(framings: Sequence[Framing | None], names: Sequence[str]) -> Framing | None:
    """Return the framing that all sources can be brought to with the least that is made up.

    That is the tightest: where it shows more than a picture has, the edge pixels are repeated.

    Raises:
        NbnetError: some framings are known and others are not, or none of them fits the others.
    """
    known = [framing for framing in framings if framing is not None]
    if not known:
        return None
    if len(known) < len(framings):
        raise NbnetError(
            f"nobody knows where the faces are in {names[framings.index(None)]}, so they cannot be "
            "mixed with others: align them with `nbnet data align`"
        )
    worst = [max(_beyond(other, framing) for other in known) for framing in known]
    if min(worst) > MAX_BEYOND:
        raise NbnetError(
            f"the sources frame faces too differently ({', '.join(sorted({f.name for f in known}))}"
            ") to be mixed: align them alike with `nbnet data align`"
        )
    return known[int(np.argmin(worst))]


def _beyond(source: Framing, target: Framing) -> float:
    """Return how far a picture of ``target`` reaches beyond one of ``source``, in its sides."""
    corners = np.array([(0, 0), (0, 1), (1, 0), (1, 1)], float)
    matrix, shift = fit_similarity(np.asarray(target.points), np.asarray(source.points))
    moved = corners @ matrix.T + shift
    return float(max(0.0, -moved.min(), moved.max() - 1))


def _cut(source: Source, framing: Framing | None, size: int, progress: bool) -> TrainingSet:
    """Return a source's pictures at ``size`` pixels, cut as ``framing`` has them."""
    own = source.framing()
    if framing is None or own is None or own.points == framing.points:
        return source.read(size, progress)
    # Read so large that what is cut out has the size that is wanted, or nearly.
    matrix, _ = fit_similarity(np.asarray(framing.points), np.asarray(own.points))
    larger = min(1024, max(size, round(size / float(np.sqrt(np.linalg.det(matrix))))))
    part = source.read(larger, progress)

    def cut(first: int) -> Iterable[np.ndarray]:
        for row in range(first, len(part.images), AT_ONCE):
            images = to_tensor(part.images[row : row + AT_ONCE])
            yield to_uint8(reframe(images, own, framing, size))

    recipe = ["cut", part.key, own.to_card(), framing.to_card(), larger]
    shape = (len(part.images), size)
    images, key = _cached(recipe, shape, cut, desc="cutting", disable=not progress)
    card = {**part.card, "data": f"{part.card['data']}, cut as {framing.name} has faces"}
    return TrainingSet(images, part.identities, framing, card, key)


def _cached(
    recipe: list[Any],
    shape: tuple[int, int],
    make: Callable[[int], Iterable[np.ndarray]],
    **bar_options: Any,
) -> tuple[np.ndarray, str]:
    """Return (pictures uint8 [N, S, S, 3] from the cache, made now if need be; their key).

    Args:
        recipe: what the pictures follow from; plain values.
        shape: (how many, side in pixels).
        make: yields them from a row on.
        **bar_options: of the progress bar.
    """
    count, size = shape
    key = hashlib.sha256(json.dumps([CACHE_VERSION, *recipe, count, size]).encode()).hexdigest()

    def compute(first: int) -> Iterable[np.ndarray]:
        with tqdm(total=count, initial=first, file=sys.stderr, delay=0.3, **bar_options) as bar:
            for block in make(first):
                yield block
                bar.update(len(block))

    path = cache_dir() / "pictures" / f"{size}px-{key[:16]}" / "images.npy"
    return cached_array(path, (count, size, size, 3), np.uint8, {"key": key}, compute), key


def _card(parts: Sequence[TrainingSet], size: int) -> dict[str, Any]:
    """Return what a card says of all of them."""
    cards = [part.card for part in parts]
    data = {"data": " + ".join(card["data"] for card in cards) + f", {size} px"}
    if len(parts) == 1:
        return {**cards[0], **data}
    for name in ("renderer_version", "generator"):
        values = [card[name] for card in cards if name in card]
        if len({repr(value) for value in values}) == 1:
            data[name] = values[0]
    # The people are many, and all in "people" already.
    each = [
        {"pictures": len(part.images)} | {k: v for k, v in part.card.items() if k != "people"}
        for part in parts
    ]
    return {**data, **merge_terms(cards), "sources": each}
