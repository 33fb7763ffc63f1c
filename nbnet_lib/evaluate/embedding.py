"""Templates of a protocol's originals and reconstructions, for one recogniser or several at once.

The attacked recogniser and the judges (`judges.py`) look at the same pictures: each batch is drawn
or read, and each reconstruction made, once for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from nbnet_lib.attack import reconstruct
from nbnet_lib.encoders.base import embed_counted
from nbnet_lib.encoders.recorded import Recorded, look_up, nothing_recorded
from nbnet_lib.evaluate.protocols import Pictures
from nbnet_lib.evaluate.protocols.pictures import Drawn
from nbnet_lib.faces.framing import Framing

BATCH = 256


@dataclass
class Embedded:
    """Templates by one recogniser, in batches, and what its detector found.

    Attributes:
        encoder: the recogniser.
        batches: float32 [n, d] on the CPU, in order.
        n_attempted: pictures in which its detector looked for a face.
        n_detected: those of them with a face; 0 of 0 for a recogniser without a detector.
        note: what of it was recorded before; "" for nothing.
    """

    encoder: Any
    batches: list[Tensor] = field(default_factory=list)
    n_attempted: int = 0
    n_detected: int = 0
    note: str = ""

    def add(self, pictures: Tensor | np.ndarray, framing: Framing | None) -> None:
        """Embed a batch; the recogniser brings it into its own framing."""
        batch = embed_counted(self.encoder, pictures, framing)
        self.batches.append(batch.templates.cpu())
        self.n_attempted += batch.n_attempted
        self.n_detected += batch.n_detected

    def fill_in(self, recorded: Recorded, known: np.ndarray) -> None:
        """Put recorded templates of ``known`` pictures, bool [N], between those that were asked."""
        templates = torch.from_numpy(recorded.templates)
        if not known.all():
            templates[torch.from_numpy(~known)] = self.templates
        self.batches = [templates]
        # Only recognisers with a detector are slow enough to be recorded.
        self.n_attempted += int(known.sum())
        self.n_detected += int(recorded.found[known].sum())

    @property
    def templates(self) -> Tensor:
        """All of them, float32 [N, d]."""
        return torch.cat(self.batches)

    def notes(self, what: str) -> list[str]:
        """Return notes: what was recorded, and where a face was not found in some of ``what``."""
        missed = self.n_attempted - self.n_detected
        recorded = [f"{what}: {self.note}"] if self.note else []
        if not missed:
            return recorded
        return [
            *recorded,
            f"the detector of {self.encoder.name} found no face in {missed:,} of "
            f"{self.n_attempted:,} pictures of {what}: their templates were taken where the "
            "framing puts the face",
        ]


def embed_originals(
    encoders: Mapping[str, Any], pictures: Pictures, progress: bool = False
) -> dict[str, Embedded]:
    """Embed all pictures of a protocol with each recogniser.

    Each gets them in its own size: SynthFaces are drawn at it, files resized to it. Drawn pictures
    whose templates are recorded (`encoders.recorded`) are neither drawn nor asked for.

    Args:
        encoders: {name: recogniser}; lengths of templates may differ.
        pictures: N of them.
        progress: show bars on stderr.
    """
    embedded = {name: Embedded(encoder) for name, encoder in encoders.items()}
    for size in dict.fromkeys(encoder.image_size for encoder in encoders.values()):
        of_size = [e for e in embedded.values() if e.encoder.image_size == size]
        recorded = [_recorded(e.encoder, pictures) for e in of_size]
        known = np.logical_and.reduce([r.known for r in recorded])  # by all: pictures are shared
        if not known.all():
            rest = pictures.of_rows(np.flatnonzero(~known)) if known.any() else pictures
            for batch in rest.batches(size, BATCH, progress=progress):
                for templates in of_size:
                    templates.add(batch, pictures.framing)
        for templates, record in zip(of_size, recorded, strict=True):
            if known.any():
                templates.fill_in(record, known)
            if known.any() or not record.known.any():
                templates.note = record.note
    return embedded


def _recorded(encoder: Any, pictures: Pictures) -> Recorded:
    where = pictures.where
    if not isinstance(where, Drawn):
        return nothing_recorded(len(pictures), encoder.template_dim)
    return look_up(encoder, where.numbers, where.samples, encoder.image_size)


def embed_attack(
    encoders: Mapping[str, Any],
    decoder: nn.Module,
    templates: Tensor,
    batch_size: int = BATCH,
    progress: bool = False,
) -> dict[str, Embedded]:
    """Reconstruct from templates, and embed the reconstructions with each recogniser.

    Args:
        encoders: {name: recogniser}.
        decoder: the attack.
        templates: float32 [N, d], stolen from the target.
        batch_size: pictures in memory.
        progress: show a bar on stderr.
    """
    embedded = {name: Embedded(encoder) for name, encoder in encoders.items()}
    framing: Any = decoder.framing
    name = getattr(decoder, "name", type(decoder).__name__)
    for batch in tqdm(
        templates.split(batch_size), f"reconstructions ({name})", delay=0.3, disable=not progress
    ):
        pictures = reconstruct(decoder, batch)
        for by_encoder in embedded.values():
            by_encoder.add(pictures, framing)
    return embedded


def embed_reconstructions(
    encoder: Any,
    decoder: nn.Module,
    templates: Tensor,
    batch_size: int = BATCH,
    progress: bool = False,
) -> Tensor:
    """Reconstruct and embed again, float32 [N, d] -> [N, d], holding one batch of pictures."""
    return embed_attack({"": encoder}, decoder, templates, batch_size, progress)[""].templates
