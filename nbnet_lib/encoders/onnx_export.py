"""Write an encoder as an ONNX file, with its card in the file: ``nbnet encoder export``.

The file takes what the encoder's network takes, any number of pictures, and gives templates of unit
length. ``create_encoder("onnx:FILE")`` needs nothing else; other programs read the card in the
metadata.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nbnet_lib.encoders.base import Encoder
from nbnet_lib.encoders.card import TEXTS
from nbnet_lib.encoders.foreign import Recogniser
from nbnet_lib.encoders.onnx_graph import CARD_KEY
from nbnet_lib.encoders.onnx_model import open_onnx
from nbnet_lib.encoders.preprocess import Preprocess
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import render_set
from nbnet_lib.files import atomic_path

OPSET = 17
INPUT, OUTPUT = "pictures", "templates"
TOLERANCE = 1e-5  # largest difference of a number of a template


class _Unit(nn.Module):
    """A network whose templates have unit length."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """Network inputs -> templates [N, d] of unit length."""
        return F.normalize(self.network(inputs))


def export_onnx(encoder: Encoder, path: str | os.PathLike[str]) -> dict[str, Any]:
    """Write an encoder whose network is a torch module as an ONNX file, and check the file.

    Args:
        encoder: "synth", a FaceNet, or another one that runs in torch.
        path: of the ``.onnx`` file.

    Returns:
        file, its bytes, opset, and max_difference: the largest difference of a number between the
        templates of the file and of the encoder, over 8 SynthFaces.

    Raises:
        NbnetError: an encoder without a torch module, another suffix, a folder that cannot be
            written to, onnx or onnxruntime missing, or templates that differ by more than 1e-5.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise NbnetError(f"networks are written as .onnx files, not {path.name}")
    network, preprocess = encoder.network, encoder.preprocess
    inner = network.network if isinstance(network, Recogniser) else network
    if not (isinstance(network, nn.Module) and isinstance(inner, nn.Module)) or preprocess is None:
        raise NbnetError(
            f"the encoder {encoder.name} is not a torch network: it cannot be exported"
        )
    try:
        import onnx
    except ImportError as error:
        raise NbnetError(f"writing {path} needs onnx: pip install onnx onnxruntime") from error
    size = preprocess.size
    shape = (2, size, size, 3) if preprocess.layout == "nhwc" else (2, 3, size, size)
    with atomic_path(path) as temporary:
        with warnings.catch_warnings():
            # The exporter that works with every torch from 2.4 on, and needs nothing but onnx,
            # recommends its successor.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                _Unit(network).eval(),
                (torch.zeros(shape, device=encoder.device),),
                str(temporary),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "n"}, OUTPUT: {0: "n"}},
                opset_version=OPSET,
                dynamo=False,
            )
        model = onnx.load(temporary)
        model.metadata_props.add(key=CARD_KEY, value=json.dumps(_card(encoder, preprocess)))
        onnx.checker.check_model(model)
        onnx.save(model, temporary)
        again = open_onnx(str(temporary), card={})
        pictures = render_set(range(4), 2, size, progress=False).images
        apart = float((again.embed(pictures) - encoder.embed(pictures)).abs().max())
        if apart > TOLERANCE:
            raise NbnetError(
                f"the templates of {path} differ by {apart:.1e} from the encoder's: it was not "
                "written, try another version of torch or onnxruntime"
            )
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "opset": OPSET,
        "max_difference": apart,
    }


def _card(encoder: Encoder, preprocess: Preprocess) -> dict[str, Any]:
    """Return the card as `encoders.card` reads it."""
    entries = {key: encoder.card[key] for key in TEXTS if isinstance(encoder.card.get(key), str)}
    return {
        **entries,
        "name": f"{encoder.name}-onnx",  # not the network that it was made of
        "output": OUTPUT,
        "template_dim": encoder.template_dim,
        "verification": encoder.card.get("verification"),
        **preprocess.describe(),
    }
