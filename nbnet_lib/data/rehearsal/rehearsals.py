"""The rehearsals by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from nbnet_lib.data.rehearsal.celeba import write_celeba
from nbnet_lib.data.rehearsal.feret import write_feret
from nbnet_lib.data.rehearsal.folders import (
    write_casia,
    write_digiface,
    write_folder,
    write_vggface2,
)
from nbnet_lib.data.rehearsal.lfw import write_lfw
from nbnet_lib.data.rehearsal.rehearse import Rehearsal
from nbnet_lib.errors import NbnetError

REHEARSALS: dict[str, Callable[..., Rehearsal]] = {
    "lfw": write_lfw,
    "color-feret": write_feret,
    "celeba": write_celeba,
    "vggface2": write_vggface2,
    "casia-webface": write_casia,
    "digiface-1m": write_digiface,
    "folder": write_folder,
}


def rehearse(
    name: str,
    folder: str | Path,
    identities: Iterable[int] | None = None,
    samples: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> Rehearsal:
    """Write SynthFaces as a benchmark lies on disk.

    Args:
        name: one of `REHEARSALS`.
        folder: where.
        identities: who; None for some 40 that fit the benchmark's purpose.
        samples: pictures of each person; None for 6 (2 for color FERET).
        seed: of what is drawn by lot: pairs, the order of pictures.
        workers: how many draw at once; None for one per core.
        progress: show a bar on stderr.

    Raises:
        NbnetError: no rehearsal of that name, or what it refuses.
    """
    if name not in REHEARSALS:
        raise NbnetError(
            f"there is no rehearsal of {name!r}: choose one of {', '.join(REHEARSALS)}"
        )
    given: dict[str, Any] = {"seed": seed, "workers": workers, "progress": progress}
    if identities is not None:
        given["identities"] = identities
    if samples is not None:
        given["samples"] = samples
    return REHEARSALS[name](folder, **given)
