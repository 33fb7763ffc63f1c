"""The default protocol: people who do not exist, drawn on the spot."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nbnet_lib.errors import NbnetError
from nbnet_lib.evaluate.protocols.pictures import Drawn, Pictures
from nbnet_lib.evaluate.protocols.types import Protocol, Trial
from nbnet_lib.faces import RENDERER_VERSION, require_evaluation
from nbnet_lib.faces.drawing import whole_numbers


def synthfaces(identities: Iterable[int] = range(300), samples: int = 6) -> Protocol:
    """Return all pairs of ``samples`` pictures of each identity; one trial.

    For identification, picture 0 of the first two thirds of the people is enrolled. Probe sets:
    "enrolled" (these very pictures: a question for reconstructions only, as partition fa of FERET),
    "others" (their other pictures) and "strangers" (all pictures of the last third, whom the
    gallery does not know; they set the thresholds of the open set). Rows run person by person,
    pictures in order; nothing is drawn yet.

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
    rows = np.arange(len(codes))
    pictures = Pictures(
        names=tuple(f"{people[c]}-{s}" for c, s in zip(codes, sample, strict=True)),
        identities=codes,
        people=tuple(str(p) for p in people),
        where=Drawn(people[codes], sample),
    )
    known = codes < len(people) - len(people) // 3
    probes = {
        "enrolled": rows[known & (sample == 0)],
        "others": rows[known & (sample > 0)],
        "strangers": rows[~known],
    }
    trial = Trial(
        rows,
        gallery=probes["enrolled"],
        probes={name: chosen for name, chosen in probes.items() if len(chosen)},
    )
    return Protocol(
        "synthfaces",
        pictures,
        (trial,),
        "bootstrap",
        f"SynthFaces, renderer {RENDERER_VERSION}: {len(people)} identities "
        f"({people.min()} to {people.max()}), {samples} pictures each",
    )
