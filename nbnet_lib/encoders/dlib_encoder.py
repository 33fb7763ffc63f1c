"""dlib's recogniser as an encoder: a network that nobody here trained, and that works offline.

Its usual way is that of the library: dlib's own detector looks for the face in each picture, dlib's
landmarks cut it out (`alignment="detect"`). Two things differ from dlib's own programs: templates
are brought to unit length, since all scores here are cosines, and a picture in which the detector
finds nothing is cut by the fixed transform of its framing and not counted as detected.

The network is computed by torch (`encoders.dlib_network`): 19 ms of one core a picture where dlib's
own program took 152; finding a face and cutting it out takes 40 ms more (measured on two cores that
had other work, pictures of 150 pixels).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nbnet_lib.encoders.base import Encoder
from nbnet_lib.encoders.card import complete_card
from nbnet_lib.encoders.dlib_network import read_network
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces.dlib_models import (
    CHIP_SIZE,
    DIM,
    RECOGNISER,
    face_chips,
    model_file,
    networks,
    recogniser_sha256,
)
from nbnet_lib.faces.framing import find_framing
from nbnet_lib.faces.transforms import to_uint8
from nbnet_lib.parallel import cores, in_parallel

FEW = 24  # pictures in which this process has found the face before another one could have started
AT_ONCE = 8  # pictures that a process gets to work on

DLIB_CARD: dict[str, Any] = {
    "name": "dlib",
    "what": "ResNet with 29 convolutions, 150x150 face -> 128-D template (dlib 2017)",
    "source": "dlib-bin and face_recognition_models from PyPI; "
    "http://blog.dlib.net/2017/02/high-quality-face-recognition-with-deep.html",
    "licence": "public domain (the model, as its author says); Boost Software License (dlib)",
    "training_data": "about 3 million photographs: FaceScrub, VGG Face and pictures from the web",
    "published": {"benchmark": "LFW", "accuracy": 0.9938},
    "input": {"image_size": CHIP_SIZE, "channels": "rgb", "range": [0, 255]},
    "framing": "dlib",
    "verification": {
        "command": "nbnet encoder test --encoder dlib",
        "source": "SynthFaces, renderer 2, drawn at 150 px; cosines",
        "identities": 300,
        "pictures": 1800,
        "eer": 0.0136,
        "far": {
            "0.01": {"threshold": 0.9467, "tar": 0.9818, "low": 0.9736, "high": 0.988},
            "0.001": {"threshold": 0.9596, "tar": 0.9247, "low": 0.9082, "high": 0.9436},
        },
    },
}


def open_dlib(
    name: str = "dlib",
    device: str | torch.device = "cpu",
    weights: Any = None,
    card: Any = None,
    alignment: str | None = None,
    workers: int | None = None,
) -> Encoder:
    """Make the encoder of dlib's network.

    Args:
        name: what reports call it.
        device: dlib's packages compute on the CPU; another device is left to the rest of the work.
        weights: None: they come with the package.
        card: None: it is known.
        alignment: "detect" (the default: dlib's detector, picture by picture) or "framing".
        workers: processes; None for one per core.

    Raises:
        NbnetError: the packages are missing, or an option that has no meaning here.
    """
    for option, value in (("weights", weights), ("card", card)):
        if value is not None:
            raise NbnetError(f"the encoder {name} brings its {option} along: leave {option} out")
    count = cores(workers)
    networks()  # missing packages are reported here, not in the middle of the work
    describe = read_network(model_file(RECOGNISER))

    def network(images: Tensor) -> Tensor:
        return describe(torch.from_numpy(to_uint8(images)).permute(0, 3, 1, 2))

    def cutter(pictures: np.ndarray) -> list[np.ndarray | None]:
        groups = (pictures[start : start + AT_ONCE] for start in range(0, len(pictures), AT_ONCE))
        found = in_parallel(face_chips, groups, count if len(pictures) > FEW else 1)
        return [chip for chips in found for chip in chips]

    return Encoder(
        name,
        network,
        CHIP_SIZE,
        DIM,
        complete_card({**DLIB_CARD, "sha256": recogniser_sha256()}, None, DIM),
        framing=find_framing("dlib"),
        alignment=alignment or "detect",
        cutter=cutter,
    )
