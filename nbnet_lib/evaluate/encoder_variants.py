"""The usual mistakes with somebody else's recogniser, as things to try on the same pictures.

A network that gets its colours in the wrong order, its pixels in the wrong range or its faces cut
out in another way gives templates all the same, only worse ones. What it was trained on cannot be
read from its weights, but it can be tried: `encoder_check` compares how well it recognises people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nbnet_lib.encoders.base import Aligned
from nbnet_lib.faces.framing import FRAMINGS, Framing
from nbnet_lib.faces.transforms import to_tensor

# What networks are fed, as (mean, std) of pixels from 0 to 255 in the order red, green, blue.
RANGES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "pixels from -1 to 1": ((127.5,) * 3, (127.5,) * 3),
    "pixels from 0 to 1": ((0.0,) * 3, (255.0,) * 3),
    "pixels from 0 to 255": ((0.0,) * 3, (1.0,) * 3),
    "pixels less ImageNet's mean, by its deviation": (
        (123.675, 116.28, 103.53),
        (58.395, 57.12, 57.375),
    ),
    "FaceNet's (pixel - 127.5) / 128": ((127.5,) * 3, (128.0,) * 3),
}
ALIKE = 0.02  # ranges whose ends differ by less than this share of their width cannot be told apart
BATCH = 64


@dataclass(frozen=True)
class Input:
    """Pictures on their way to templates: everything that may be wrong, as it is now.

    Attributes:
        encoder: from `create_encoder`, or a variant of one.
        framing: how the faces in the pictures are cut out; None where nobody knows.
        turn: "", "upside down", "mirrored" or "rows and columns swapped": what is done to the
            pictures first.
    """

    encoder: Any
    framing: Framing | None
    turn: str = ""

    def align(self, images: np.ndarray) -> Iterator[Aligned]:
        """Yield uint8 [N, S, S, 3] as the encoder takes them, batch by batch."""
        for start in range(0, len(images), BATCH):
            pixels = _TURNS[self.turn](to_tensor(images[start : start + BATCH]))
            yield self.encoder.align(pixels, self.framing)

    def same_alignment(self, other: Input) -> bool:
        """Whether both make the same pixels of a picture, up to colours and range."""
        mine, yours = (
            (i.encoder.framing.points, i.encoder.alignment, i.turn) for i in (self, other)
        )
        return mine == yours and self.framing == other.framing


_TURNS: dict[str, Callable[[Tensor], Tensor]] = {
    "": lambda images: images,
    "upside down": lambda images: images.flip(2),
    "mirrored": lambda images: images.flip(3),
    "rows and columns swapped": lambda images: images.transpose(2, 3),
}


@dataclass(frozen=True)
class Variant:
    """One thing done otherwise.

    Attributes:
        kind: "channels", "range", "framing", "alignment" or "orientation".
        name: what it is, as "BGR" or "framing arcface".
        remedy: what to do if it fits better.
        entries: what to write into the encoder's card; empty where that is not the remedy.
        change: from the input as it is to the one that is tried.
    """

    kind: str
    name: str
    remedy: str
    entries: dict[str, Any]
    change: Callable[[Input], Input]


def variants(now: Input) -> list[Variant]:
    """Return what can be tried on an encoder; see `Variant.kind`.

    Where the encoder's preprocessing is fixed (dlib), colours, range and framing are left out.
    """
    found: list[Variant] = []
    if now.encoder.preprocess is not None:
        found += [*_channels(now), *_ranges(now), *_framings(now)]
    found.append(_alignment(now))
    for turn in _TURNS:
        if turn != now.turn:
            turned = turn or "as they are"
            remedy = f"have the pictures {turned} before templates are made of them"
            found.append(Variant("orientation", f"pictures {turned}", remedy, {}, _turned(turn)))
    return found


def _written(entries: dict[str, Any]) -> str:
    """Return "set channels: bgr in its card"."""
    told = ", ".join(f"{key}: {value}" for key, value in entries.items())
    return f"set {told} in its card"


def _changed(entries: dict[str, Any]) -> Callable[[Input], Input]:
    return lambda now: Input(now.encoder.with_preprocess(**entries), now.framing, now.turn)


def _turned(turn: str) -> Callable[[Input], Input]:
    return lambda now: Input(now.encoder, now.framing, turn)


def _channels(now: Input) -> Iterator[Variant]:
    preprocess = now.encoder.preprocess
    order = "rgb" if preprocess.channels == "bgr" else "bgr"
    entries: dict[str, Any] = {"channels": order}
    # Each colour keeps its own mean: they stand in the order of the channels.
    for name in ("mean", "std"):
        values = getattr(preprocess, name)
        if len(set(values)) > 1:
            entries[name] = list(values[::-1])
    yield Variant("channels", order.upper(), _written(entries), entries, _changed(entries))


def _ranges(now: Input) -> Iterator[Variant]:
    preprocess = now.encoder.preprocess
    order = slice(None, None, -1 if preprocess.channels == "bgr" else 1)
    tried = [_ends(preprocess.mean, preprocess.std)]
    for name, (mean, std) in RANGES.items():
        ends = _ends(mean[order], std[order])
        if any(_alike(ends, other) for other in tried):
            continue
        tried.append(ends)
        entries = {"mean": _short(mean[order]), "std": _short(std[order])}
        yield Variant("range", name, _written(entries), entries, _changed(entries))


def _short(values: tuple[float, ...]) -> float | list[float]:
    return values[0] if len(set(values)) == 1 else list(values)


def _ends(mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    """Return what pixels 0 and 255 become, float64 [2, 3]."""
    return (np.array([[0.0], [255.0]]) - np.array(mean)) / np.array(std)


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    width = np.abs(b[1] - b[0]).min()
    return bool(np.abs(a - b).max() < ALIKE * width)


def _framings(now: Input) -> Iterator[Variant]:
    for name, framing in FRAMINGS.items():
        if framing.points == now.encoder.framing.points:
            continue
        entries: dict[str, Any] = {"framing": name}
        tried = dict(entries)
        if now.framing is None:  # from where to warp? only a detector can tell
            tried["alignment"] = "detect"
        remedy = _written(entries)
        if now.framing is None:
            remedy += f" and align the pictures (nbnet data align IN OUT --framing {name})"
        yield Variant("framing", f"framing {name}", remedy, entries, _changed(tried))


def _alignment(now: Input) -> Variant:
    if now.encoder.alignment == "detect":
        entries = {"alignment": "framing"}
        name = "no detection, one fixed transform"
        remedy = _written(entries) + " (--alignment framing)"
    else:
        entries = {"alignment": "detect"}
        name = "the face looked for in each picture"
        remedy = (
            "align the pictures (nbnet data align IN OUT --encoder NAME), or "
            + _written(entries)
            + " (--alignment detect)"
        )
    return Variant("alignment", name, remedy, entries, _changed(entries))


def templates(now: Input, aligned: list[Aligned]) -> Tensor:
    """Return the templates of aligned pictures, float32 [N, d] on the CPU."""
    return torch.cat([now.encoder(batch.pixels).cpu() for batch in aligned])
