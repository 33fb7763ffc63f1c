"""What an ONNX file says about its own input and output, read without running it.

An ONNX file is a graph of operations with their weights. Its inputs and outputs have shapes, with
numbers where they are fixed. Where a network was exported together with its normalisation, the
graph begins with it (`onnx_scaling`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbnet_lib.encoders.card import check_card
from nbnet_lib.encoders.onnx_scaling import read_scaling
from nbnet_lib.errors import NbnetError

CARD_KEY = "nbnet_card"  # of the metadata: our own exports carry their card as JSON
# What an input may hold, and the type of its numbers.
INPUT_TYPES = {"FLOAT": "float32", "FLOAT16": "float16", "DOUBLE": "float64", "UINT8": "uint8"}
OUTPUT_TYPES = ("FLOAT", "FLOAT16", "DOUBLE")


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


def read_graph(path: Path, told: Mapping[str, Any]) -> Graph:
    """Read a file and say what it wants and gives.

    Args:
        path: the ``.onnx`` file; weights that it keeps in other files must lie beside it.
        told: what the user says of it (``output``, ``layout``), checked.

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
    fixed, read, reasons = _read_shape(path, shape, told)
    if kind == "UINT8":
        read |= {"mean": 0.0, "std": 1.0}
        reasons.append("pixels from 0 to 255: the input holds bytes")
    elif scaling := read_scaling(model.graph, source.name):
        read |= {"mean": scaling[0], "std": scaling[1]}
        reasons.append(scaling[2])
    output, width = _template_output(model.graph, path, {**carried, **told}.get("output"))
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
    """Raise unless the weights that lie in other files are there, beside the model, and whole."""
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    folder = path.parent.resolve()
    for tensor in model.graph.initializer:
        if not uses_external_data(tensor):
            continue
        try:
            told = ExternalDataInfo(tensor)
        except ValueError as error:
            raise NbnetError(
                f"{path} does not say where its weights lie ({error}): export it again"
            ) from error
        file = (folder / told.location).resolve()
        if not file.is_relative_to(folder):
            raise NbnetError(
                f"{path} wants weights from {told.location}, outside its folder: export it again "
                "into one folder"
            )
        if not file.is_file():
            raise NbnetError(
                f"{path} keeps its weights in {told.location}, which is not beside it: copy both"
            )
        if file.stat().st_size < (told.offset or 0) + (told.length or 0):
            raise NbnetError(f"{file} ends before the weights of {path} do: copy it again")


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
    path: Path, shape: list[int | str], told: Mapping[str, Any]
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
    layout = told.get("layout", (certain or possible)[0])
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
