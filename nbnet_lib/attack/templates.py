"""Ask the target for the templates of many pictures, once: on disk, and resumable.

A slow recogniser (dlib: some pictures a second) needs hours for a large set. Its answers stay in a
file, so a run that was stopped, even by ``kill -9``, resumes behind the last full batch. A checksum
of the pictures is stored next to it: another set of as many pictures, or one picture exchanged, is
noticed before templates and pictures are mixed up. Used by `nbnet train`.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from nbnet_lib.array_cache import cached_array, read_note
from nbnet_lib.encoders.base import embed_counted
from nbnet_lib.encoders.origin import NAME, origin_in, origin_of, require_same_origin
from nbnet_lib.encoders.recorded import Recorded, nothing_recorded
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import Framing

AT_ONCE = 256  # pictures between two notes of how far it is
PROBES = 2  # pictures embedded again at a resume: is it still the same recogniser?
SAME = 0.999  # cosine from which two answers count as the same; other devices round otherwise


def extract_templates(
    encoder: Any,
    images: Any,
    path: str | os.PathLike[str],
    framing: Framing | None = None,
    progress: bool = True,
    tally: dict[str, int] | None = None,
    recorded: Recorded | None = None,
) -> np.ndarray:
    """Return the templates of all pictures; those that ``path`` holds already are not made again.

    Args:
        encoder: from `create_encoder`.
        images: uint8 [N, S, S, 3]; a memory map is fine.
        path: the ``.npy`` file to fill; see `nbnet_lib.array_cache.cached_array`.
        framing: of the pictures; None for the encoder's own.
        progress: show a bar on stderr.
        tally: gets "n_attempted" and "n_detected", in how many of all pictures the encoder's
            detector looked for a face and found one, also in an earlier run.
        recorded: templates of some pictures that need not be asked for; ``images`` are the others.

    Returns:
        float32 [N, d], unit length, a private memory map of the file; those that are recorded in
        their places.

    Raises:
        NbnetError: the file holds templates of other pictures, of another recogniser or of another
            alignment, the folder is not writable, the disk is full, or a template is not finite.
    """
    path = Path(path)
    recorded = recorded or nothing_recorded(len(images), encoder.template_dim)
    count, known = len(recorded.known), recorded.known
    row_of = np.flatnonzero(~known)  # of each of the images
    checksum = 0
    for first in range(0, len(images), AT_ONCE):
        block = np.ascontiguousarray(images[first : first + AT_ONCE])
        checksum = zlib.crc32(block.data, checksum)
    made_from = {
        "pictures": checksum,
        "alignment": getattr(encoder, "alignment", None),
        "framing": None if framing is None else framing.to_card(),
    }
    made_from |= _known_origin(encoder, path, progress)
    if known.any():
        made_from["recorded"] = zlib.crc32(recorded.templates.data, zlib.crc32(known.data))
    tally = {} if tally is None else tally
    tally |= {"n_attempted": 0, "n_detected": 0}
    probed = False

    def embed(done: int) -> Iterable[np.ndarray]:
        nonlocal probed
        _require_same_encoder(encoder, images, path, framing, row_of[row_of < done])
        probed = True
        with tqdm(
            total=count,
            initial=done,
            desc=f"templates ({encoder.name})",
            unit="image",
            file=sys.stderr,
            delay=0.3,
            disable=not progress,
        ) as bar:
            for first in range(done, count, AT_ONCE):
                rows = slice(first, min(first + AT_ONCE, count))
                block = recorded.templates[rows].copy()
                tally["n_attempted"] += int(known[rows].sum())
                tally["n_detected"] += int(recorded.found[rows].sum())
                asked = slice(*np.searchsorted(row_of, (rows.start, rows.stop)))
                if asked.stop > asked.start:
                    # A copy: torch takes no read-only maps.
                    batch = np.array(images[asked], order="C")
                    templates, n_attempted, n_detected = embed_counted(encoder, batch, framing)
                    tally["n_attempted"] += n_attempted
                    tally["n_detected"] += n_detected
                    bad = (~torch.isfinite(templates)).any(dim=1).nonzero()
                    if len(bad):
                        raise NbnetError(
                            f"the encoder {encoder.name} answers picture "
                            f"{row_of[asked][int(bad[0])]} with NaN or infinity: take that picture "
                            "out, or fix the encoder"
                        )
                    block[row_of[asked] - first] = templates.numpy()
                yield block
                bar.update(len(block))

    shape = (count, encoder.template_dim)
    cached_array(path, shape, np.float32, made_from, embed, replace=False, tally=tally)
    if not probed:
        _require_same_encoder(encoder, images, path, framing, row_of)
    return np.load(path, mmap_mode="c")  # torch takes only what may be written to


def _known_origin(encoder: Any, path: Path, progress: bool) -> dict[str, Any]:
    """Return what the note is to say of the recogniser; refuse to mix templates of two.

    A file that does not say it, and one of the same weights under another name, keep what they say:
    pictures that are asked again decide.
    """
    target = origin_of(encoder)
    then = read_note(path).get("made_from")
    if not isinstance(then, dict):
        return target.entries()
    require_same_origin(f"{path} holds templates of", origin_in(then), target)
    if NAME not in then and progress:
        print(
            f"note: {path} does not say which recogniser made it (an earlier version of nbnet "
            f"wrote it): {PROBES} of its pictures are shown to {target} again",
            file=sys.stderr,
        )
    return {key: then[key] for key in target.entries() if key in then}


def _require_same_encoder(
    encoder: Any, images: Any, path: Path, framing: Framing | None, rows: np.ndarray
) -> None:
    """Raise unless the recogniser answers some of the first images as the file has them.

    ``rows``, int [n], are those of the first n images in the file.
    """
    if not len(rows):
        return
    some = np.unique(np.linspace(0, len(rows) - 1, PROBES).astype(int))
    again = encoder.embed(np.stack([images[one] for one in some]), framing=framing).numpy()
    closeness = (again * np.load(path, mmap_mode="r")[rows[some]]).sum(1)
    if not (closeness > SAME).all():
        row = int(rows[some[closeness.argmin()]])
        raise NbnetError(
            f"{path} holds another template of picture {row} (cosine {closeness.min():.3f}) than "
            f"the encoder {encoder.name} gives: it belongs to another recogniser, choose another "
            "folder or move the file away"
        )
