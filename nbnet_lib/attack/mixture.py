"""Several sources of pictures as one training set: one size, one framing, one card (chapter 8)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nbnet_lib.attack.stored import stored_images
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import to_tensor, to_uint8
from nbnet_lib.faces.framing import Framing, reframe
from synthfaces.camera import fit_similarity

LIMIT = 0.15  # share of the side that may be made up beyond a picture's edge
AT_ONCE = 256  # pictures that are cut anew at once
TOLD_ONCE = ("renderer_version", "generator", "people", "licence")


@dataclass(frozen=True)
class Part:
    """The pictures of one source.

    Attributes:
        images: uint8 [N, S, S, 3], perhaps a memory map.
        identities: int64 [N], numbers of SynthFaces; None for other pictures.
        framing: how the faces are cut out; None where that is not known.
        card: what a card says of them.
        key: names all that the pictures follow from; other pictures have another.
    """

    images: np.ndarray = field(repr=False)
    identities: np.ndarray | None = field(repr=False)
    framing: Framing | None
    card: dict[str, Any]
    key: str


@dataclass(frozen=True)
class TrainingSet:
    """Pictures to train with, and what a card says of them.

    Attributes:
        images: uint8 [N, S, S, 3]: an array, a memory map, or `Stack` of several.
        identities: int64 [N], numbers of SynthFaces; None where not all pictures are of them (those
            that are were checked when they were read).
        framing: how the faces are cut out; None where that is not known.
        card: "data", "licence", and as it applies "renderer_version", "generator", "people" and,
            for a mixture, "sources".
    """

    images: Any = field(repr=False)
    identities: Any = field(repr=False)
    framing: Framing | None
    card: dict[str, Any]


class Stack:
    """Arrays of pictures one behind the other, without a copy of them: they may be memory maps.

    It has what training asks of an array: ``shape``, ``dtype``, ``len``, and rows by number, by
    slice or by an array of numbers.
    """

    def __init__(self, arrays: Sequence[np.ndarray]):
        self.arrays = list(arrays)
        self.starts = np.cumsum([0, *(len(array) for array in self.arrays)])
        self.shape = (int(self.starts[-1]), *self.arrays[0].shape[1:])
        self.dtype, self.ndim = self.arrays[0].dtype, len(self.shape)
        if any(a.shape[1:] != self.shape[1:] or a.dtype != self.dtype for a in self.arrays):
            raise NbnetError(
                "pictures of several sizes or types cannot be stacked: make them alike"
            )

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        wanted = (
            np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else np.asarray(rows)
        )
        flat = np.atleast_1d(wanted)
        if len(flat) and not (flat.min() >= 0 and flat.max() < len(self)):
            raise IndexError(f"rows {flat.min()} to {flat.max()} of {len(self)} pictures")
        found = np.empty((len(flat), *self.shape[1:]), self.dtype)
        of = np.searchsorted(self.starts, flat, side="right") - 1
        for number in np.unique(of):
            at = np.flatnonzero(of == number)
            found[at] = self.arrays[number][flat[at] - self.starts[number]]
        return found[0] if np.ndim(wanted) == 0 else found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


def mixture(sources: Iterable[Any], size: int, progress: bool = True) -> TrainingSet:
    """Return the pictures of sources (see `attack.sources`) at one size and in one framing."""
    sources = list(sources)
    framing = common_framing([s.framing() for s in sources], [str(s) for s in sources])
    parts = [_cut(source, framing, size, progress) for source in sources]
    numbers = [part.identities for part in parts]
    known = [each for each in numbers if each is not None]
    return TrainingSet(
        parts[0].images if len(parts) == 1 else Stack([part.images for part in parts]),
        np.concatenate(known) if len(known) == len(numbers) else None,
        framing,
        _card(parts, size),
    )


def common_framing(framings: Sequence[Framing | None], names: Sequence[str]) -> Framing | None:
    """Return the framing that all sources can be brought to with the least that is made up.

    That is the tightest: where it shows more than a picture has, the edge pixels go on.

    Raises:
        NbnetError: some framings are known and others are not, or none of them fits the others.
    """
    if all(framing is None for framing in framings):
        return None
    for framing, name in zip(framings, names, strict=True):
        if framing is None:
            raise NbnetError(
                f"nobody knows where the faces lie in {name}, so they cannot be mixed with others: "
                "align them with `nbnet data align`"
            )
    known = [framing for framing in framings if framing is not None]
    worst = [max(_beyond(other, framing) for other in known) for framing in known]
    best = int(np.argmin(worst))
    if worst[best] > LIMIT:
        told = ", ".join(sorted({framing.name for framing in known}))
        raise NbnetError(
            f"the sources frame faces too differently ({told}) to be mixed: align them alike with "
            "`nbnet data align`"
        )
    return known[best]


def _beyond(source: Framing, target: Framing) -> float:
    """Return how far a picture of ``target`` reaches beyond one of ``source``, in its sides."""
    corners = np.array([(0, 0), (0, 1), (1, 0), (1, 1)], float)
    matrix, shift = fit_similarity(np.asarray(target.points), np.asarray(source.points))
    seen = corners @ matrix.T + shift
    return float(max(0.0, -seen.min(), seen.max() - 1))


def _cut(source: Any, framing: Framing | None, size: int, progress: bool) -> Part:
    """Return a source's pictures at ``size`` pixels, cut as ``framing`` has them."""
    own = source.framing()
    if framing is None or own is None or own.points == framing.points:
        return source.read(size, progress)
    # Read so large that what is cut out has the size that is wanted, or nearly.
    matrix, _ = fit_similarity(np.asarray(framing.points), np.asarray(own.points))
    larger = min(1024, max(size, round(size / float(np.sqrt(np.linalg.det(matrix))))))
    part = source.read(larger, progress)

    def cut() -> Iterable[tuple[int, np.ndarray]]:
        for first in range(0, len(part.images), AT_ONCE):
            images = to_tensor(part.images[first : first + AT_ONCE])
            yield first, to_uint8(reframe(images, own, framing, size))

    recipe = ["cut", part.key, own.to_card(), framing.to_card(), larger]
    images, key = stored_images(recipe, (len(part.images), size), cut, "cutting", progress)
    told = {**part.card, "data": f"{part.card['data']}, cut as {framing.name} has faces"}
    return Part(images, part.identities, framing, told, key)


def _card(parts: Sequence[Part], size: int) -> dict[str, Any]:
    """Return what a card says of all of them."""
    told: dict[str, Any] = {
        "data": " + ".join(part.card["data"] for part in parts) + f", {size} px"
    }
    if len(parts) == 1:
        return {**parts[0].card, **told}
    for name in TOLD_ONCE:
        values = [part.card[name] for part in parts if name in part.card]
        if not values:
            continue
        if name == "people":
            told[name] = all_people(values)
        elif name == "licence":
            told[name] = strictest(values)
        elif len({repr(value) for value in values}) == 1:
            told[name] = values[0]
    told["sources"] = [{"pictures": len(part.images), **part.card} for part in parts]
    for source in told["sources"]:
        source.pop("people", None)  # they are many, and all in "people" already
    return told


def strictest(licences: Sequence[str]) -> str:
    """Return what holds for all: a licence that is not free of conditions comes first."""
    return next((each for each in licences if not each.startswith("MIT")), licences[0])


def all_people(values: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the people of several folders as one entry; one folder's stays what it is."""
    folders = list(dict.fromkeys(f for v in values for f in v.get("folders", [v["folder"]])))
    digests = sorted({digest for value in values for digest in value["digests"]})
    more = {"folders": folders} if len(folders) > 1 else {}
    return {"folder": folders[0], **more, "digests": digests}
