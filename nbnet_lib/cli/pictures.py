"""PNG files and contact sheets, for the commands that write pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from nbnet_lib.files import atomic_path

GAP = 4  # white pixels between the tiles of a sheet


def save_png(image: np.ndarray, path: Path) -> Path:
    """Write uint8 [H, W, 3] as a PNG file, whole or not at all."""
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")
    return path


def contact_sheet(images: np.ndarray, per_row: int, gap: int = GAP) -> np.ndarray:
    """Return uint8 [N, H, W, 3] as one picture with ``per_row`` tiles a row, on white."""
    count, height, width = images.shape[:3]
    per_row = min(per_row, count)
    rows = -(-count // per_row)
    sheet = np.full(
        (rows * (height + gap) + gap, per_row * (width + gap) + gap, 3), 255, dtype=np.uint8
    )
    for index, image in enumerate(images):
        top = gap + (index // per_row) * (height + gap)
        left = gap + (index % per_row) * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet
