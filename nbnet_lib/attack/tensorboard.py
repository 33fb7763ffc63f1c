"""The history of a run for TensorBoard, where that is installed (chapter 9).

``nbnet train --tensorboard`` writes into the folder ``tensorboard`` of the run; look at it with
``tensorboard --logdir runs``. The history of `train_decoder` holds the same numbers.
"""

from __future__ import annotations

import os
from typing import Any

from nbnet_lib.errors import NbnetError


def require_tensorboard() -> Any:
    """Return torch's writer of TensorBoard logs.

    Raises:
        NbnetError: the package tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise NbnetError(
            "TensorBoard logs need the package tensorboard, which is not installed: "
            "pip install tensorboard, or leave them away (history.json holds the same numbers)"
        ) from error
    return SummaryWriter


class TensorBoard:
    """Writes history entries; does nothing when it was given no folder.

    Args:
        folder: where the event files go, or None.
        first: step of the run's beginning; what lies there from later steps is not shown (a run
            that was killed had gone on after its last checkpoint).

    Raises:
        NbnetError: the package tensorboard is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, first: int = 0):
        self._writer: Any = None
        if folder is not None:
            self._writer = require_tensorboard()(str(folder), purge_step=first + 1)

    def write(self, entry: dict[str, float]) -> None:
        """Add every number of an entry under its name, at the entry's step."""
        if self._writer is not None:
            for name, value in entry.items():
                if name != "step":
                    self._writer.add_scalar(name, value, int(entry["step"]))
            self._writer.flush()  # whoever looks on sees it now, and so does a killed run

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
