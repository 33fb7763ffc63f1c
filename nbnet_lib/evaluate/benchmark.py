"""The default benchmark: the attack on 300 persons that neither side was trained on (chapter 4)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nbnet_lib.attack import reconstruct
from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.attack import AttackResult, evaluate_attack
from nbnet_lib.faces import render_set, require_evaluation


def run_benchmark(
    encoder: Any,
    decoder: nn.Module,
    identities: Sequence[int] = range(300),
    samples: int = 6,
    seed: int = 0,
    fars: Sequence[float] = (0.01, 0.001),
    resamples: int = 1000,
    image_size: int | None = None,
    progress: bool = True,
) -> AttackResult:
    """Render, embed, reconstruct, embed again, measure.

    Args:
        encoder: the attacked system, from `create_encoder`.
        decoder: the attacker's, from `load_decoder`.
        identities: SynthFaces identities, all of the evaluation range 0 to 9,999 (checked).
        samples: pictures per identity, at least 2.
        seed: of the bootstrap; the pictures themselves depend on (identity, sample) only.
        fars: see `evaluate_attack`.
        resamples: see `evaluate_attack`.
        image_size: edge at which the originals are drawn; the encoder's own by default.
        progress: show progress bars on stderr.

    Returns:
        `AttackResult`; its JSON gains samples, comparisons and seconds (of each stage).

    Raises:
        NbnetError: an identity of the training range, fewer than two samples, or an encoder and a
            decoder whose templates differ in length.
    """
    identities = list(identities)
    require_evaluation(identities)
    if len(set(identities)) < 2 or samples < 2:
        raise NbnetError(
            f"{len(set(identities))} identities with {samples} samples each: "
            "the benchmark needs at least 2 of both"
        )
    if encoder.template_dim != decoder.template_dim:
        raise NbnetError(
            f"the encoder makes templates of length {encoder.template_dim} but the decoder takes "
            f"{decoder.template_dim}: give the decoder that was trained against this encoder"
        )
    clock = _Clock()
    faces = render_set(
        identities, samples, size=image_size or encoder.image_size, progress=progress
    )
    clock.stage("render")
    originals = encoder.embed(faces.images, progress=progress)
    clock.stage("embed")
    reconstructed = embed_reconstructions(encoder, decoder, originals)
    clock.stage("attack")
    result = evaluate_attack(
        originals,
        faces.identities,
        reconstructed,
        fars=fars,
        seed=seed,
        resamples=resamples,
        decoder=str(getattr(decoder, "name", type(decoder).__name__)),
        encoder=str(encoder.name),
    )
    clock.stage("measure")
    result.extra = {"samples": samples, **result.extra, "seconds": clock.seconds}
    return result


def embed_reconstructions(
    encoder: Any, decoder: nn.Module, templates: Tensor, batch_size: int = 256
) -> Tensor:
    """Reconstruct and embed again, float32 [N, d] -> [N, d], holding one batch of pictures."""
    parts = [encoder.embed(reconstruct(decoder, part)) for part in templates.split(batch_size)]
    return torch.cat([part.cpu() for part in parts])


class _Clock:
    """Wall seconds of consecutive stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def stage(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = round(now - self._last, 2)
        self._last = now
