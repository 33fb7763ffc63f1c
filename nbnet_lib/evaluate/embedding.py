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
from nbnet_lib.encoders.base import CountedTemplates, embed_counted
from nbnet_lib.evaluate.protocols import Pictures

BATCH = 256
ORIGINALS = "the originals"


@dataclass
class Seen:
    """What one recogniser made of the pictures.

    Attributes:
        encoder: the recogniser.
        templates: float32 [N, d], of the originals.
        attacks: {attack: float32 [R, N, d]}, of the R reconstructions of each.
        faces: {what: (pictures in which its detector looked for a face, those without one)}.
    """

    encoder: Any
    templates: Tensor
    attacks: dict[str, np.ndarray] = field(default_factory=dict)
    faces: dict[str, tuple[int, int]] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """Return a note for each kind of pictures in which a face was not found."""
        return [
            f"the detector of {self.encoder.name} found no face in {missed:,} of {asked:,} "
            f"pictures of {what}: their templates were taken where the framing puts the face"
            for what, (asked, missed) in self.faces.items()
            if missed
        ]


def see_originals(
    encoders: Mapping[str, Any], pictures: Pictures, progress: bool = False
) -> dict[str, Seen]:
    """Embed all pictures of a protocol with each recogniser.

    Each gets them in its own size: SynthFaces are drawn at it, files resized to it.

    Args:
        encoders: {name: recogniser}; lengths of templates may differ.
        pictures: N of them.
        progress: show bars on stderr.
    """
    parts: dict[str, list[Tensor]] = {name: [] for name in encoders}
    faces = dict.fromkeys(encoders, (0, 0))
    for size in dict.fromkeys(encoder.image_size for encoder in encoders.values()):
        these = {name: one for name, one in encoders.items() if one.image_size == size}
        for batch in pictures.batches(size, BATCH, progress=progress):
            for name, encoder in these.items():
                _append(parts, faces, name, embed_counted(encoder, batch, pictures.framing))
    return {
        name: Seen(encoder, torch.cat(parts[name]), faces={ORIGINALS: faces[name]})
        for name, encoder in encoders.items()
    }


def see_reconstructions(
    seen: Mapping[str, Seen], target: str, decoders: Mapping[str, nn.Module], progress: bool = False
) -> None:
    """Show every recogniser what each decoder makes of the target's templates.

    With several decoders there is also the attack with one try of each.

    Args:
        seen: from `see_originals`; what is found is written into it.
        target: whose templates leaked.
        decoders: {name: attack}.
        progress: show bars on stderr.
    """
    encoders = {name: one.encoder for name, one in seen.items()}
    stolen = seen[target].templates
    for name, decoder in decoders.items():
        made, faces = _embed(encoders, decoder, stolen, BATCH, progress)
        for who, found in made.items():
            seen[who].attacks[name] = found.numpy()[None]
            seen[who].faces[f"the reconstructions of {name}"] = faces[who]
    if len(decoders) > 1:
        for one in seen.values():
            one.attacks[f"any of the {len(decoders)}"] = np.concatenate(list(one.attacks.values()))


def embed_reconstructions(
    encoder: Any,
    decoder: nn.Module,
    templates: Tensor,
    batch_size: int = BATCH,
    progress: bool = False,
) -> Tensor:
    """Reconstruct and embed again, float32 [N, d] -> [N, d], holding one batch of pictures."""
    return _embed({"": encoder}, decoder, templates, batch_size, progress)[0][""]


def _embed(
    encoders: Mapping[str, Any],
    decoder: nn.Module,
    templates: Tensor,
    batch_size: int,
    progress: bool,
) -> tuple[dict[str, Tensor], dict[str, tuple[int, int]]]:
    """Return {name: float32 [N, d of that recogniser] on the CPU} and {name: `Seen.faces`' pair}.

    One batch of pictures is held at a time. Each recogniser brings the reconstructions into its own
    framing.
    """
    batches = tqdm(
        templates.split(batch_size),
        desc=f"reconstructions ({getattr(decoder, 'name', type(decoder).__name__)})",
        delay=0.3,
        disable=not progress,
    )
    framing: Any = decoder.framing
    parts: dict[str, list[Tensor]] = {name: [] for name in encoders}
    faces = dict.fromkeys(encoders, (0, 0))
    for batch in batches:
        pictures = reconstruct(decoder, batch)
        for name, encoder in encoders.items():
            _append(parts, faces, name, embed_counted(encoder, pictures, framing))
    return {name: torch.cat(found) for name, found in parts.items()}, faces


def _append(
    parts: dict[str, list[Tensor]],
    faces: dict[str, tuple[int, int]],
    name: str,
    batch: CountedTemplates,
) -> None:
    """Add the templates of a batch, and its counts (searched, without a face)."""
    parts[name].append(batch.templates.cpu())
    searched, missed = faces[name]
    missed += batch.n_attempted - batch.n_detected
    faces[name] = searched + batch.n_attempted, missed
