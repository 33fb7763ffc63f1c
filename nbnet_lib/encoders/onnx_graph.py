"""What an ONNX file says about its own input and output, read without running it.

An ONNX file is a graph of operations with their weights. Its inputs and outputs have shapes, with
numbers where they are fixed. Where a network was exported together with its normalisation, the
graph begins with it: InsightFace's older models subtract 127.5 and multiply by 1/128 themselves,
and want pixels from 0 to 255; given pixels from -1 to 1 they would see a nearly uniform grey and
still answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nbnet_lib.encoders.card import check_card
from nbnet_lib.errors import NbnetError

CARD_KEY = "nbnet_card"  # of the metadata: our own exports carry their card as JSON
# What an input may hold, and the type of its numbers.
INPUT_TYPES = {"FLOAT": "float32", "FLOAT16": "float16", "DOUBLE": "float64", "UINT8": "uint8"}
OUTPUT_TYPES = ("FLOAT", "FLOAT16", "DOUBLE")
# Pixels as a network may be given them: their range, and the mean and std that make it of 0 to 255.
RANGES = {
    "0 to 255": (0.0, 255.0, 0.0, 1.0),
    "0 to 1": (0.0, 1.0, 0.0, 255.0),
    "-1 to 1": (-1.0, 1.0, 127.5, 127.5),
}
# What a normalisation in the graph makes of them: the usual ranges, and ImageNet's.
USUAL = ((-1.0, 1.0), (0.0, 1.0), (-0.5, 0.5), (-2.0, 2.4))
NEAR = 0.3  # how far both ends together may be from a usual range


@dataclass(frozen=True)
class Graph:
    """An ONNX file, as far as an encoder needs it.

    Attributes:
        input: name of the one input.
        dtype: numpy name of its type.
        batch: how many pictures it takes at once, or None for any number.
        output: name of the output with the templates.
        fixed: entries of a card that the file does not leave open.
        read: entries of a card that the file suggests.
        reasons: how ``read`` was found, one sentence each.
    """

    input: str
    dtype: str
    batch: int | None
    output: str
    fixed: dict[str, Any] = field(default_factory=dict)
    read: dict[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


def read_graph(path: Path, given: Mapping[str, Any]) -> Graph:
    """Read a file and say what it wants and gives.

    Args:
        path: the ``.onnx`` file; weights that it keeps in other files must be in its folder.
        given: what the user says of it (``output``, ``layout``), checked.

    Raises:
        NbnetError: no such file, not ONNX, weights missing, or an input or output that is not a
            recogniser's; onnx is not installed.
    """
    model = _load(path)
    _require_weights(model, path)
    carried = _carried_card(model, path)
    source = _only_input(model.graph, path)
    kind, shape = _type_and_shape(source)
    if kind not in INPUT_TYPES:
        raise NbnetError(
            f"the input of {path} holds {kind}: expected pixels, {' or '.join(INPUT_TYPES)}"
        )
    if len(shape) != 4:
        raise NbnetError(
            f"the input {source.name!r} of {path} has {_written(shape)}: expected pictures "
            "[N, 3, S, S] or [N, S, S, 3]"
        )
    fixed, read, reasons = _read_shape(path, shape, given)
    if kind == "UINT8":
        read |= {"mean": 0.0, "std": 1.0}
        reasons.append("pixels from 0 to 255: the input holds bytes")
    elif scaling := read_scaling(model.graph, source.name):
        read |= {"mean": scaling[0], "std": scaling[1]}
        reasons.append(scaling[2])
    output, width = _template_output(model.graph, path, {**carried, **given}.get("output"))
    if width is not None:
        fixed["template_dim"] = width
    return Graph(
        source.name,
        INPUT_TYPES[kind],
        shape[0] if isinstance(shape[0], int) else None,
        output,
        fixed,
        {**read, **carried},
        () if carried else tuple(reasons),
    )


def _load(path: Path) -> Any:
    try:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError as error:
        raise NbnetError(f"{path} needs onnx ({error}): pip install onnx onnxruntime") from error
    if not path.is_file():
        raise NbnetError(f"no file {path}: give the path of an .onnx file")
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise NbnetError(f"{path} cannot be read ({error.strerror}): check its rights") from error
    except (DecodeError, ValueError) as error:
        raise NbnetError(
            f"{path} is not an ONNX file, or only a part of one: export or copy it again"
        ) from error
    if not model.graph.node or not model.ir_version:
        raise NbnetError(f"{path} holds no ONNX graph: export or copy it again")
    return model


def _require_weights(model: Any, path: Path) -> None:
    """Raise unless weights that are kept in other files are in the model's own folder."""
    folder = path.parent.resolve()
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            file = (folder / entry.value).resolve()
            if entry.key == "location" and not (file.is_relative_to(folder) and file.is_file()):
                raise NbnetError(
                    f"{path} keeps its weights in {entry.value}, which is not a file in its "
                    "folder: copy both into one"
                )


def _carried_card(model: Any, path: Path) -> dict[str, Any]:
    """Return the card that our own export wrote into the file, or nothing."""
    for entry in model.metadata_props:
        if entry.key == CARD_KEY:
            try:
                card = json.loads(entry.value)
            except ValueError as error:
                raise NbnetError(
                    f"the card in {path} is not JSON ({error}): export again"
                ) from error
            return check_card(card, f"the card in {path}")
    return {}


def _only_input(graph: Any, path: Path) -> Any:
    # Files of ONNX's first years list the weights among the inputs.
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(repr(value.name) for value in inputs) or "none"
        raise NbnetError(
            f"{path} has {len(inputs)} inputs ({names}): expected one, the pictures; is it a "
            "recognition network?"
        )
    return inputs[0]


def _type_and_shape(value: Any) -> tuple[str, list[int | str]]:
    """Return the element type and the dimensions, a name where one is not fixed."""
    from onnx import TensorProto

    tensor = value.type.tensor_type
    shape = [
        d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else (d.dim_param or "?")
        for d in tensor.shape.dim
    ]
    known = tensor.elem_type in TensorProto.DataType.values()
    return TensorProto.DataType.Name(tensor.elem_type) if known else "an unknown type", shape


def _written(shape: list[int | str]) -> str:
    return f"the shape [{', '.join(map(str, shape))}]" if shape else "no shape"


def _read_shape(
    path: Path, shape: list[int | str], given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Return (fixed entries, suggested entries, reasons) that the shape of the input gives."""
    places = {"nchw": (1, 2, 3), "nhwc": (3, 1, 2)}
    # A layout is possible unless its channels have a number other than 3.
    possible = [name for name, (c, _, _) in places.items() if shape[c] in (3,) or _open(shape[c])]
    certain = [name for name, (c, _, _) in places.items() if shape[c] == 3]
    if not possible or (not certain and not any(_open(size) for size in shape[1:])):
        raise NbnetError(
            f"the input of {path} has {_written(shape)}: expected three colours, [N, 3, S, S] or "
            "[N, S, S, 3]"
        )
    fixed: dict[str, Any] = {}
    read: dict[str, Any] = {}
    reasons: list[str] = []
    layout = given.get("layout", (certain or possible)[0])
    if len(certain) == 1 or len(possible) == 1:
        layout = fixed["layout"] = (certain or possible)[0]
    _, first, second = places[layout]
    height, width = shape[first], shape[second]
    if not _open(height) and not _open(width) and height != width:
        raise NbnetError(
            f"the input of {path} is {width} pixels wide and {height} high: only square pictures "
            "are supported; wrap it in a function that cuts (python:FILE.py:FUNCTION)"
        )
    size = width if _open(height) else height
    if not _open(size):
        fixed["image_size"] = size
    return fixed, read, reasons


def _open(size: int | str) -> bool:
    return isinstance(size, str)


def _template_output(graph: Any, path: Path, wanted: str | None) -> tuple[str, int | None]:
    """Return the name of the output with the templates and their length, where it is fixed."""
    outputs = {value.name: _type_and_shape(value) for value in graph.output}
    if wanted is not None and wanted not in outputs:
        raise NbnetError(f"{path} has no output {wanted!r}: it has {', '.join(map(repr, outputs))}")
    if wanted is None:
        fitting = [
            name
            for name, (kind, shape) in outputs.items()
            if kind in OUTPUT_TYPES and (_squeezed(shape) is not None or not shape)
        ]
        if len(fitting) != 1:
            listed = ", ".join(
                f"{name!r} [{', '.join(map(str, s))}]" for name, (_, s) in outputs.items()
            )
            need = (
                "name the right one as `output` in its card" if fitting else "is it a recogniser?"
            )
            raise NbnetError(
                f"{path} has {len(fitting)} outputs that could be templates [N, d] ({listed}): "
                f"{need}"
            )
        wanted = fitting[0]
    kind, shape = outputs[wanted]
    flat = _squeezed(shape)
    if kind not in OUTPUT_TYPES or (shape and flat is None):
        raise NbnetError(
            f"the output {wanted!r} of {path} holds {kind} with {_written(shape)}: expected "
            "templates, floats [N, d]"
        )
    width = flat[1] if flat else None
    return wanted, width if isinstance(width, int) else None


def _squeezed(shape: list[int | str]) -> list[int | str] | None:
    """Return [N, d] of [N, d] or [N, d, 1, 1], None of others."""
    if len(shape) in (2, 4) and all(size == 1 for size in shape[2:]):
        return shape[:2]
    return None


def read_scaling(graph: Any, name: str) -> tuple[float, float, str] | None:
    """Return (mean, std, why) if the graph begins by scaling pixels, and it is clear from where.

    Follows additions and multiplications by constants from the input on; together they are
    x -> scale * x + shift. The range of pixels that this brings to a usual one is expected.
    """
    constants = _constants(graph)
    scale, shift, passed = 1.0, 0.0, []
    while True:
        readers = [n for n in graph.node if name in n.input and n.op_type != "Shape"]
        if len(readers) != 1:
            break
        node = readers[0]
        if node.op_type not in ("Cast", "Identity", "Transpose"):
            value = constants.get(next((i for i in node.input if i != name), ""))
            swapped = node.input[0] != name  # constant - pixel, constant / pixel
            if value is None or node.op_type not in ("Sub", "Add", "Mul", "Div"):
                break
            if swapped and node.op_type in ("Sub", "Div"):
                break
            if node.op_type in ("Sub", "Add"):
                shift += value if node.op_type == "Add" else -value
            else:
                factor = value if node.op_type == "Mul" else 1 / value
                scale, shift = scale * factor, shift * factor
            passed.append(node.op_type)
        name = node.output[0]
    far = sorted(
        (min(abs(scale * low + shift - a) + abs(scale * high + shift - b) for a, b in USUAL), key)
        for key, (low, high, _, _) in RANGES.items()
    )
    if not passed or far[0][0] > NEAR or far[1][0] < far[0][0] + NEAR:
        return None
    _, _, mean, std = RANGES[far[0][1]]
    return mean, std, f"pixels from {far[0][1]}: the graph begins with {', '.join(passed)}"


def _constants(graph: Any) -> dict[str, float]:
    """Return the numbers, or means over three channels, that the graph holds, without 0."""
    from onnx import numpy_helper
    from onnx.external_data_helper import uses_external_data

    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            values = [attribute.t for attribute in node.attribute if attribute.name == "value"]
            tensors |= dict(zip(node.output, values, strict=False))
    constants = {}
    for name, tensor in tensors.items():
        if int(np.prod(tensor.dims)) in (1, 3) and not uses_external_data(tensor):
            value = float(np.mean(numpy_helper.to_array(tensor)))
            if np.isfinite(value) and value:
                constants[name] = value
    return constants
