"""Recognisers in ONNX files, run by onnxruntime: ``create_encoder("onnx:w600k_r50.onnx")``.

The size of the pictures, the order of dimensions, the type and the output are read from the file
(`onnx_graph`); our own exports carry a whole card. What a file cannot say is taken from a card
next to it (`card`), or assumed to be as in InsightFace's models: RGB, (pixel - 127.5) / 127.5, or
pixels from 0 to 255 where the graph begins with its own normalisation, and the framing "arcface".
What was assumed is listed in ``card["assumed"]``.

An ONNX file is data, not a program: its operations compute and do nothing else.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nbnet_lib.encoders.base import Encoder
from nbnet_lib.encoders.card import check_card, find_card
from nbnet_lib.encoders.foreign import INSIGHTFACE, one_line, resolve_options, wrap_model
from nbnet_lib.encoders.onnx_graph import Graph, read_graph
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import sha256_file

FATAL_ONLY = 4  # onnxruntime's own warnings are for the people who export


class OnnxNetwork:
    """Network inputs -> templates, by onnxruntime.

    Args:
        path: the file.
        graph: what `read_graph` says of it.
        device: "cpu", or "cuda" where this onnxruntime can use it (the CPU otherwise).

    Raises:
        NbnetError: onnxruntime is missing or cannot run the file.
    """

    def __init__(self, path: Path, graph: Graph, device: str | torch.device = "cpu"):
        try:
            import onnxruntime
        except ImportError as error:
            raise NbnetError(
                f"{path} needs onnxruntime ({error}): pip install onnx onnxruntime"
            ) from error
        self.path, self.graph = path, graph
        options = onnxruntime.SessionOptions()
        # As many threads as torch has, which sleep when there is nothing to do.
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = FATAL_ONLY
        providers: list[Any] = ["CPUExecutionProvider"]
        cuda = "CUDAExecutionProvider"
        if torch.device(device).type == "cuda" and cuda in onnxruntime.get_available_providers():
            providers.insert(0, (cuda, {"device_id": torch.device(device).index or 0}))
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers)
        except Exception as error:  # onnxruntime has no common class for its errors
            raise NbnetError(
                f"onnxruntime {onnxruntime.__version__} cannot run {path} ({one_line(error)}): "
                "export it again, for an older opset or without special operators"
            ) from error

    def __call__(self, inputs: Tensor) -> Tensor:
        """Network inputs of N pictures -> float32 [N, ...] on the CPU."""
        array = inputs.cpu().numpy()
        if self.graph.dtype == "uint8":
            array = array.round().clip(0, 255)
        array = np.ascontiguousarray(array.astype(self.graph.dtype))
        step = self.graph.batch or max(1, len(array))
        parts = [self._run(array[start : start + step]) for start in range(0, len(array), step)]
        return torch.from_numpy(np.concatenate(parts))

    def _run(self, pictures: np.ndarray) -> np.ndarray:
        """Return templates float32 [n, ...] of at most one batch."""
        count = len(pictures)
        if self.graph.batch is not None and count < self.graph.batch:
            # The batch has a fixed size: the last picture fills it up.
            rest = np.repeat(pictures[-1:], self.graph.batch - count, axis=0)
            pictures = np.concatenate([pictures, rest])
        try:
            (answer,) = self._session.run([self.graph.output], {self.graph.input: pictures})
        except Exception as error:  # onnxruntime has no common class for its errors
            open_ = " and ".join(sorted({"image_size", "layout"} - self.graph.fixed.keys()))
            advice = (
                "it has the shape that it asks for, so the fault is in the file: export it again"
            )
            if open_:
                advice = f"the file leaves {open_} open: say what is right in its card"
            node = re.search(r"running \w+ node\. Name:'[^']*'", str(error))
            raise NbnetError(
                f"{self.path} failed on pictures {list(pictures.shape)}, "
                f"{node[0] if node else 'running it'} ({one_line(error)}): {advice}"
            ) from error
        return answer[:count].astype(np.float32)


def open_onnx(
    path: str,
    device: str | torch.device = "cpu",
    card: Any = None,
    alignment: str | None = None,
    **options: Any,
) -> Encoder:
    """Make an encoder of an ONNX file.

    Args:
        path: the file.
        device: where it runs.
        card: what the file cannot say: entries, or the path of a card; None for the one next to it.
        alignment: see `Encoder`.
        **options: entries of the card; they go before it.

    Raises:
        NbnetError: a wrong file, card or option, or a network that is not a recogniser.
    """
    file = Path(path)
    name = f"onnx:{file.name}"
    given = {**find_card(card, file), **check_card(options, f"create_encoder of {name}")}
    graph = read_graph(file, given)
    if "takes" in given:
        raise NbnetError(f"the card of {name} has takes: {given['takes']}, which it cannot use")
    entries, assumed = resolve_options(name, given, graph.fixed, graph.read, INSIGHTFACE)
    if graph.dtype == "uint8" and (entries["mean"], entries["std"]) != (0.0, 1.0):
        raise NbnetError(f"{name} takes bytes: leave mean and std out of its card")
    network = OnnxNetwork(file, graph, device)
    entries["sha256"] = sha256_file(file, *(file.parent / other for other in graph.external))
    # Pictures go to onnxruntime by way of the CPU.
    encoder = wrap_model(name, network, entries, [*assumed, *graph.reasons], "cpu", alignment)
    encoder.card["output"] = graph.output
    return encoder
