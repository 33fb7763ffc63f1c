"""PNG files and contact sheets, for the commands that write pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from nbnet_lib.files import atomic_path, require_writable_folder

GAP = 4  # white pixels between the tiles of a sheet


def save_png(image: np.ndarray, path: Path) -> Path:
    """Write uint8 [H, W, 3] as a PNG file, whole or not at all."""
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")
    return path


def save_all(images: np.ndarray, names: list[str], folder: Path) -> list[Path]:
    """Write uint8 [N, H, W, 3] as ``folder/name.png`` each.

    Raises:
        NbnetError: the folder cannot be written to.
    """
    require_writable_folder(folder)
    return [
        save_png(image, folder / f"{name}.png") for image, name in zip(images, names, strict=True)
    ]


def contact_sheet(images: np.ndarray, per_row: int) -> np.ndarray:
    """Return uint8 [N, H, W, 3] as one picture with ``per_row`` tiles a row, on white."""
    count, height, width = images.shape[:3]
    per_row = max(1, min(per_row, count))
    rows = -(-count // per_row)
    sheet = np.full(
        (rows * (height + GAP) + GAP, per_row * (width + GAP) + GAP, 3), 255, dtype=np.uint8
    )
    for index, image in enumerate(images):
        top = GAP + (index // per_row) * (height + GAP)
        left = GAP + (index % per_row) * (width + GAP)
        sheet[top : top + height, left : left + width] = image
    return sheet
