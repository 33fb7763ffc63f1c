"""Ask the target for the templates of many pictures, once: on disk, and resumable.

A slow recogniser (dlib: some pictures a second) needs hours for a large set. What it has answered
stays in a file, so a run that was stopped, even by ``kill -9``, goes on behind the last full batch.
A checksum of the pictures that were asked lies beside it: another set of as many pictures, or one
picture exchanged, is told from them before templates and pictures are mixed up. Used by
`nbnet train`.
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from nbnet_lib.encoders.base import embed_counted
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.framing import Framing
from nbnet_lib.files import atomic_path, require_free_space, require_writable_folder

AT_ONCE = 256  # pictures between two notes of how far it is
PROBES = 2  # pictures asked again at a resume: is it still the same recogniser?
SAME = 0.999  # cosine from which two answers count as the same; other devices round otherwise


def extract_templates(
    encoder: Any,
    images: np.ndarray,
    path: str | os.PathLike[str],
    framing: Framing | None = None,
    progress: bool = True,
) -> np.ndarray:
    """Return the templates of all pictures; those that ``path`` holds already are not asked again.

    Args:
        encoder: from `create_encoder`.
        images: uint8 [N, S, S, 3]; a memory map is fine.
        path: the ``.npy`` file to fill. Beside it lies ``path`` with the ending ``.json``, which
            says how many rows are done, of which pictures, how they were aligned, and in how many
            of them the encoder's detector looked for a face and found one.
        framing: of the pictures; None for the encoder's own.
        progress: show a bar on stderr.

    Returns:
        float32 [N, d], unit length, a private memory map of the file.

    Raises:
        NbnetError: the file holds templates of other pictures, of another recogniser or of another
            alignment, the folder is not writable, the disk is full, or a template is not finite.
    """
    path = Path(path)
    if path.suffix != ".npy":
        raise NbnetError(f"templates are kept in a .npy file, not {path.name}")
    require_writable_folder(path.parent)
    shape = (len(images), encoder.template_dim)
    aligned = _alignment(encoder, framing)
    done, checksum = _done(path, shape, aligned)
    n_attempted, n_detected = detection_counts(path) if done else (0, 0)
    if done:
        _require_same_pictures(images, path, done, checksum)
        _require_same_encoder(encoder, images, path, framing, done)
        table = np.lib.format.open_memmap(path, mode="r+")
    else:
        require_free_space(path.parent, 4 * shape[0] * shape[1])
        table = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    with tqdm(
        total=len(images),
        initial=done,
        desc=f"templates ({encoder.name})",
        unit="image",
        delay=0.3,
        disable=not progress,
    ) as bar:
        while done < len(images):
            # A copy: torch takes no read-only maps.
            batch = np.array(images[done : done + AT_ONCE], order="C")
            templates, attempted, detected = embed_counted(encoder, batch, framing)
            bad = (~torch.isfinite(templates)).any(dim=1).nonzero()
            if len(bad):
                raise NbnetError(
                    f"the encoder {encoder.name} answers picture {done + int(bad[0])} with NaN or "
                    "infinity: take that picture out, or mend the encoder"
                )
            table[done : done + len(batch)] = templates.numpy()
            table.flush()  # the rows first, then the note that they are there
            done += len(batch)
            checksum = zlib.crc32(batch.data, checksum)
            n_attempted, n_detected = n_attempted + attempted, n_detected + detected
            counts = {"n_attempted": n_attempted, "n_detected": n_detected}
            _note(path, done, checksum, shape, aligned | counts)
            bar.update(len(batch))
    del table
    return np.load(path, mmap_mode="c")  # torch takes only what may be written to


def detection_counts(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return in how many pictures of `extract_templates` a face was looked for, and found.

    0 and 0 for files of versions that did not count.
    """
    note = json.loads(Path(path).with_suffix(".json").read_text(encoding="utf-8"))
    return int(note.get("n_attempted", 0)), int(note.get("n_detected", 0))


def _alignment(encoder: Any, framing: Framing | None) -> dict[str, Any]:
    """Return how pictures of ``framing`` reach the encoder, as the note keeps it."""
    known = None if framing is None else framing.to_card()
    return {"alignment": getattr(encoder, "alignment", None), "framing": known}


def _done(path: Path, shape: tuple[int, int], aligned: dict[str, Any]) -> tuple[int, int]:
    """Return how many rows ``path`` holds and the checksum of their pictures.

    0 and 0 where there is no such file, or none that fits.
    """
    note = path.with_suffix(".json")
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        rows, width, done, checksum = (
            int(known[key]) for key in ("rows", "template_dim", "done", "checksum")
        )
        before = {key: known[key] for key in aligned}
        stored = np.load(path, mmap_mode="r").shape
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0
    if (rows, width) != shape or stored != shape:
        raise NbnetError(
            f"{path} holds templates of {rows:,} pictures, {width} numbers each, not of "
            f"{shape[0]:,} and {shape[1]}: choose another folder or delete it"
        )
    for key, value in aligned.items():
        if before[key] != value:
            raise NbnetError(
                f"{path} holds templates of pictures with {key} {before[key]}, not {value}: "
                "choose another folder or delete it"
            )
    return min(done, rows), checksum


def _note(
    path: Path, done: int, checksum: int, shape: tuple[int, int], others: dict[str, Any]
) -> None:
    note = {"rows": shape[0], "template_dim": shape[1], "done": done, "checksum": checksum}
    with atomic_path(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(note | others) + "\n", encoding="utf-8")


def _require_same_pictures(images: np.ndarray, path: Path, done: int, checksum: int) -> None:
    """Raise unless the pictures whose templates are there are those that were asked."""
    found = 0
    for start in range(0, done, AT_ONCE):
        rows = images[start : min(start + AT_ONCE, done)]
        found = zlib.crc32(np.ascontiguousarray(rows).data, found)
    if found != checksum:
        raise NbnetError(
            f"{path} holds templates of other pictures: choose another folder or delete it"
        )


def _require_same_encoder(
    encoder: Any, images: np.ndarray, path: Path, framing: Framing | None, done: int
) -> None:
    """Raise unless the recogniser answers some of the pictures as the file has them."""
    rows = np.unique(np.linspace(0, done - 1, PROBES).astype(int))
    again = encoder.embed(np.stack([images[row] for row in rows]), framing=framing).numpy()
    kept = np.load(path, mmap_mode="r")[rows]
    closeness = (again * kept).sum(1)
    if not (closeness > SAME).all():
        row = int(rows[closeness.argmin()])
        raise NbnetError(
            f"{path} holds another template of picture {row} (cosine {closeness.min():.3f}) than "
            f"the encoder {encoder.name} gives: it belongs to another recogniser, choose another "
            "folder or delete it"
        )
