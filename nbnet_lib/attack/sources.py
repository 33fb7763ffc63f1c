"""Where the attacker's pictures come from: drawn people, a generator, folders, or a mixture.

The paper trains on pictures of real people together with those of a face generator (chapter 8 shows
what that adds). Each source is written as one word:

- ``synthfaces:20000-23999x5``: five pictures each of these people of SynthFaces;
- ``generator:FILE.safetensors:20000`` or ``...:20000:7``: so many faces that a generator of
  `nbnet generator train` draws, from seed 0 or 7;
- a path: a folder of people's folders, a ``.parquet`` list (its training people), tar shards.

Whatever is drawn is drawn once and kept, so a run that resumes sees the same pictures to the bit.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nbnet_lib.attack.mixture import Part, TrainingSet, mixture
from nbnet_lib.attack.stored import stored_images
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import require_training
from nbnet_lib.faces.framing import FRAMINGS, Framing
from nbnet_lib.weights import load_card, weight_path

IN_MEMORY = 2e9  # bytes of drawn people; more are read from a file
SAMPLES = 8  # pictures of a person, where nothing else is said
MOST = 10_000_000  # people or faces of one source
SYNTHETIC = "MIT; trained on synthetic faces only"
UNKNOWN = (
    "yours to find out: trained on pictures that you brought, whose licence may forbid to pass "
    "these weights on"
)
_PEOPLE = re.compile(r"synthfaces:([0-9, -]+)(?:x(\d+))?")
_DRAWN = re.compile(r"generator:(.+?\.safetensors):(\d+)(?::(\d+))?")


@dataclass(frozen=True)
class People:
    """Drawn people of SynthFaces, all for training.

    Raises:
        NbnetError: an identity that is kept for evaluation, none at all, or no picture of each.
    """

    identities: tuple[int, ...]
    samples: int = SAMPLES

    def __post_init__(self) -> None:
        require_training(self.identities)
        if self.samples < 1:
            raise NbnetError(f"{self.samples} pictures of each identity: take 1 at least")

    def __str__(self) -> str:
        first, last = self.identities[0], self.identities[-1]
        return f"SynthFaces identities {first}-{last} ({len(self.identities)}) x {self.samples}"

    def framing(self) -> Framing | None:
        """Return how the faces are cut out."""
        return FRAMINGS["synthfaces"]

    def read(self, size: int, progress: bool = True) -> Part:
        """Return the pictures at ``size`` pixels."""
        from nbnet_lib.data.sets.arrays import picture_array
        from nbnet_lib.data.sets.sources import from_synthfaces
        from nbnet_lib.faces import RENDERER_VERSION, render_set

        card = {"data": str(self), "renderer_version": RENDERER_VERSION, "licence": SYNTHETIC}
        if len(self.identities) * self.samples * 3 * size**2 <= IN_MEMORY:
            faces = render_set(self.identities, self.samples, size=size, progress=progress)
            people = hashlib.sha256(repr(self.identities).encode()).hexdigest()
            key = f"{RENDERER_VERSION} {people} {self.samples} {size}"
            return Part(faces.images, faces.identities, self.framing(), card, key)
        source = from_synthfaces(self.identities, self.samples)
        pictures = picture_array(source, size, progress)
        return Part(pictures.images, pictures.numbers, pictures.framing, card, pictures.key)


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
        name = (self._card().get("architecture") or {}).get("name")
        if name != "dcgan-generator":
            raise NbnetError(
                f"{self.path} holds no face generator ({name or 'no architecture in its card'}): "
                "give weights that `nbnet generator train` wrote"
            )
        if not 1 <= self.count <= MOST:
            raise NbnetError(f"{self.count:,} faces of {self.path}: draw 1 to {MOST:,}")

    def _card(self) -> dict[str, Any]:
        return load_card(weight_path(self.path))

    def __str__(self) -> str:
        made_of = self._card().get("data", "data unknown")
        return (
            f"{self.count:,} faces of the generator {self.path.name} (seed {self.seed}; trained "
            f"on {made_of})"
        )

    def framing(self) -> Framing | None:
        """Return how the faces are cut out: as in the pictures that the generator learnt from."""
        named = self._card().get("framing")
        return None if named is None else Framing.from_card(named)

    def read(self, size: int, progress: bool = True) -> Part:
        """Return the faces at ``size`` pixels, drawn at the generator's own and resized."""
        from nbnet_lib.attack.gan_faces import draw_faces
        from nbnet_lib.decoders import load_decoder
        from nbnet_lib.faces import resize, to_tensor, to_uint8

        card = self._card()
        generator: Any = load_decoder(self.path)

        def draw() -> Iterable[tuple[int, np.ndarray]]:
            for first, faces in draw_faces(generator, self.count, self.seed):
                yield first, to_uint8(resize(to_tensor(faces), size))

        images, key = stored_images(
            ["generated", card["sha256"], self.count, self.seed],
            (self.count, size),
            draw,
            f"drawing with {self.path.name}",
            progress,
        )
        told = {
            "data": str(self),
            "generator": {k: card[k] for k in ("sha256", "data", "command", "seed") if k in card},
            "licence": card.get("licence", UNKNOWN),
            # Whoever the generator learnt from may be in what it draws.
            **({"people": card["people"]} if "people" in card else {}),
        }
        return Part(images, None, self.framing(), told, key)


@dataclass(frozen=True)
class Own:
    """Pictures of one's own: what `nbnet_lib.data.sets.sources.open_source` opens.

    Raises:
        NbnetError: nothing of that kind there.
    """

    path: Path

    def __post_init__(self) -> None:
        from nbnet_lib.data.sets.sources import open_source

        # What is listed is needed twice, for the framing and for the pictures.
        object.__setattr__(self, "_manifest", open_source(self.path))

    def __str__(self) -> str:
        return str(self.manifest)

    @property
    def manifest(self) -> Any:
        """The list of the pictures."""
        return self._manifest  # type: ignore[attr-defined]

    def framing(self) -> Framing | None:
        """Return how the faces are cut out; None where that is not known."""
        return self.manifest.framing

    def read(self, size: int, progress: bool = True) -> Part:
        """Return the pictures at ``size`` pixels, without people that are kept for evaluation."""
        from nbnet_lib.data.sets.arrays import picture_array

        # A set that nobody divided is all for training; of a divided one the tested stay out.
        split = "train" if self.manifest.table["split"].any() else None
        pictures = picture_array(self.manifest, size, progress, split=split)
        card: dict[str, Any] = {"data": pictures.source, "licence": SYNTHETIC}
        if pictures.numbers is None:
            folder, digests = self.manifest.root.name, pictures.people_digest()
            card |= {"people": {"folder": folder, "digests": digests}, "licence": UNKNOWN}
        else:
            require_training(pictures.numbers)
        return Part(pictures.images, pictures.numbers, pictures.framing, card, pictures.key)


Source = People | Generated | Own


def parse_source(text: str | os.PathLike[str]) -> Source:
    """Return the source that a word of ``--data`` names; nothing is drawn or read yet.

    Raises:
        NbnetError: a word that is written wrongly, a generator or a path that is not there, or
            people who are kept for evaluation.
    """
    word = os.fspath(text)
    kind = word.partition(":")[0]
    if kind == "synthfaces":
        match = _PEOPLE.fullmatch(word)
        if match is None:
            raise NbnetError(
                f"{word!r} names no people: write synthfaces:20000-23999x5, or "
                "synthfaces:20000-20009,20500"
            )
        return People(_numbers(match[1], word), int(match[2]) if match[2] else SAMPLES)
    if kind == "generator":
        match = _DRAWN.fullmatch(word)
        if match is None:
            raise NbnetError(
                f"{word!r} names no generator: write generator:FILE.safetensors:20000, and a seed "
                "behind a third colon if you like"
            )
        return Generated(Path(match[1]), int(match[2]), int(match[3] or 0))
    return Own(Path(word))


def _numbers(text: str, word: str) -> tuple[int, ...]:
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise NbnetError(
                f"{part.strip()!r} in {word!r} is no range of identities: write 20000-23999"
            )
        low, high = int(match[1]), int(match[2] or match[1])
        if len(numbers) + high - low >= MOST:
            raise NbnetError(f"{word!r} names more than {MOST:,} identities: take fewer")
        numbers += range(low, high + 1)
    if len(set(numbers)) < len(numbers):
        raise NbnetError(f"{word!r} names an identity twice: name each once")
    return tuple(numbers)


def check_sources(sources: Iterable[Source]) -> None:
    """Raise when somebody is in two sources, or the framings cannot be brought to one.

    What can be known before anything is drawn or read.

    Raises:
        NbnetError: see above.
    """
    from nbnet_lib.attack.mixture import common_framing

    sources = list(sources)
    seen: set[int] = set()
    for source in sources:
        if isinstance(source, People):
            again = seen & set(source.identities)
            if again:
                raise NbnetError(
                    f"identity {min(again)} is in two of the sources: name each person once"
                )
            seen |= set(source.identities)
    common_framing([source.framing() for source in sources], [str(s) for s in sources])


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
    check_sources(sources)
    return mixture(sources, size, progress)
