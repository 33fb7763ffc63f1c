"""Getting a benchmark: downloading what may be downloaded, and taking what the user was given.

What is given out on request only is never fetched from elsewhere: the program says whom to ask, and
then takes the folder or the archives that the user received.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from nbnet_lib.data.benchmarks.dataset import Checked, Dataset, Part, check_dataset
from nbnet_lib.data.fetch.download import fetch
from nbnet_lib.data.fetch.unpack import unpack
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import atomic_path, require_writable_folder


def get_dataset(
    dataset: Dataset,
    out: str | Path | None = None,
    given: str | Path | None = None,
    accept_licence: bool = False,
    progress: bool = True,
) -> Checked:
    """Download a benchmark, or take what the user was given; then check it.

    An interrupted download goes on where it stopped; what is complete already is kept.

    Args:
        dataset: which.
        out: the folder to make; not needed for a folder that is used where it lies.
        given: what the user obtained: the benchmark's folder (checked where it lies), or a folder
            with its archives (verified, then unpacked to ``out``).
        accept_licence: the user has read the licence and agrees to it.
        progress: show bars on stderr.

    Raises:
        NbnetError: it has to be requested, its licence was not accepted, a download or an archive
            that fails, or what `check_dataset` raises.
    """
    if given is not None:
        return _take(dataset, Path(given), None if out is None else Path(out), progress)
    if dataset.access != "download":
        raise NbnetError(
            f"{dataset.title} cannot be downloaded by this program: {dataset.obtain}; when you "
            f"have it, run `nbnet data get {dataset.name} --path FOLDER`"
        )
    if dataset.terms and not accept_licence:
        raise NbnetError(
            f"{dataset.title} is under a licence ({dataset.licence} {dataset.forbids}): read it at "
            f"{dataset.home}, and give --accept-licence if you agree"
        )
    if out is None:
        raise NbnetError("no folder was named: give --out, the folder to put the benchmark in")
    out = require_writable_folder(out)
    for part in dataset.parts:
        if part.folder and _unpacked(out / part.folder):
            continue  # its archive may have been deleted to save space
        archive = fetch(part.file, out, progress=progress)
        if part.folder:
            unpack(archive, out / part.folder, progress=progress, flatten=True)
    return check_dataset(dataset, out, progress=progress)


def _take(dataset: Dataset, given: Path, out: Path | None, progress: bool) -> Checked:
    if given.is_file():
        if given.name not in {part.file.name for part in dataset.parts}:
            names = ", ".join(part.file.name for part in dataset.parts) or "no archives are known"
            raise NbnetError(
                f"{given} is not a file that {dataset.title} comes in ({names}): give the folder "
                "that you unpacked, or the archive under its published name"
            )
        given = given.parent
    if not given.is_dir():
        raise NbnetError(f"{given} does not exist: give the folder of what you obtained")
    archives = [p for p in dataset.parts if p.folder and (given / p.file.name).is_file()]
    # Archives beside an unpacked folder: the folder is used.
    waiting = [part for part in archives if not _unpacked(given / part.folder)]
    if not waiting:
        return check_dataset(dataset, given, progress=progress)
    if out is None:
        raise NbnetError(
            f"{given} holds archives ({waiting[0].file.name}): give --out, the folder to unpack "
            "them to"
        )
    out = require_writable_folder(out)
    for part in dataset.parts:
        path = given / part.file.name
        if part in waiting:
            _verify(part, path, progress)
            unpack(path, out / part.folder, progress=progress, flatten=True)
        elif not part.folder and path.is_file() and not _same_place(path, out / path.name):
            _verify(part, path, progress)
            with atomic_path(out / path.name, path.stat().st_size) as temporary:
                shutil.copyfile(path, temporary)
        elif not part.folder and part.needed and not (out / path.name).is_file():
            raise NbnetError(
                f"{given} holds no {path.name}, which {dataset.title} needs: put it beside the "
                "archives"
            )
    return check_dataset(dataset, out, progress=progress)


def _same_place(a: Path, b: Path) -> bool:
    return b.exists() and a.samefile(b)


def _verify(part: Part, path: Path, progress: bool) -> None:
    fault = part.file.fault(path, progress)
    if fault:
        raise NbnetError(
            f"{path} is not the published file ({fault}): obtain it again from its source"
        )


def _unpacked(folder: Path) -> bool:
    """Tell whether an archive was unpacked there: it appears whole or not at all."""
    return folder.is_dir() and any(folder.iterdir())
