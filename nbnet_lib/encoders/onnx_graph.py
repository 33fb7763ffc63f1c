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
from nbnet_lib.files import atomic_path

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
        external: names of the files beside it that hold weights, sorted.
    """

    input: str
    dtype: str
    batch: int | None
    output: str
    fixed: dict[str, Any] = field(default_factory=dict)
    read: dict[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    external: tuple[str, ...] = ()


def read_graph(path: Path, given: Mapping[str, Any]) -> Graph:
    """Read a file and say what it wants and gives.

    Args:
        path: the ``.onnx`` file.
        given: what the user says of it (``output``, ``layout``), checked.

    Raises:
        NbnetError: no such file, not ONNX, or an input or output that is not a recogniser's; onnx
            is not installed.
    """
    model = _load(path)
    if flat := flat_slopes(model):
        node, slope, size = flat[0]
        raise NbnetError(
            f"{path}: {len(flat)} PRelu nodes ({node!r} first) have slopes such as {slope!r} of "
            f"shape [{size}], which belong to the columns of a picture instead of its channels (so "
            f"MXNet exports them): `nbnet encoder repair --file {path} --out NEW.onnx` makes them "
            f"[{size}, 1, 1]"
        )
    carried = _carried_card(model, path)
    # Files of ONNX's first years list the weights among the inputs.
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(repr(value.name) for value in inputs) or "none"
        raise NbnetError(
            f"{path} has {len(inputs)} inputs ({names}): expected one, the pictures; is it a "
            "recognition network?"
        )
    name = inputs[0].name
    kind, shape = _type_and_shape(inputs[0])
    fixed, read, reasons = _read_shape(path, kind, shape, given), {}, []
    if kind == "UINT8":
        read = {"mean": 0.0, "std": 1.0}
        reasons = ["pixels from 0 to 255: the input holds bytes"]
    elif scaling := read_scaling(model.graph, name):
        read = {"mean": scaling[0], "std": scaling[1]}
        reasons = [scaling[2]]
    output, width = _template_output(model.graph, path, {**carried, **given}.get("output"))
    if width is not None:
        fixed["template_dim"] = width
    return Graph(
        name,
        INPUT_TYPES[kind],
        shape[0] if isinstance(shape[0], int) else None,
        output,
        fixed,
        {**read, **carried},
        () if carried else tuple(reasons),
        tuple(sorted(_external_files(model.graph))),
    )


def _load(path: Path) -> Any:
    try:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError as error:
        raise NbnetError(f"{path} needs onnx ({error}): pip install onnx onnxruntime") from error
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise NbnetError(
            f"no file {path} that can be read ({error.strerror}): give the path of an .onnx file"
        ) from error
    except (DecodeError, ValueError):
        model = onnx.ModelProto()
    if not model.graph.node or not model.ir_version:
        raise NbnetError(
            f"{path} is not an ONNX file, or only a part of one: export or copy it again"
        )
    return model


def flat_slopes(model: Any) -> list[tuple[str, str, int]]:
    """Return (node, slope, channels) of every PRelu whose slopes, one a channel, have shape [C].

    ONNX lines shapes up at their ends (numpy's rule), so that these would belong to columns: a
    runtime refuses that, or answers wrongly where there are as many columns as channels.
    """
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {v.name: _type_and_shape(v)[1] for v in (*inferred.value_info, *inferred.input)}
    sizes = {t.name: t.dims[0] for t in model.graph.initializer if len(t.dims) == 1}
    made_by = {output: node.op_type for node in model.graph.node for output in node.output}
    found = []
    for node in model.graph.node:
        if node.op_type == "PRelu" and sizes.get(node.input[1], 1) > 1:
            size, shape = sizes[node.input[1]], shapes.get(node.input[0], [])
            channels_first = made_by.get(node.input[0]) in ("Conv", "BatchNormalization")
            if len(shape) > 2 and shape[1] == size and (channels_first or shape[-1] != size):
                found.append((node.name or node.output[0], node.input[1], size))
    return found


def repair_slopes(path: Path, out: Path) -> list[str]:
    """Write an ONNX file anew with the slopes of `flat_slopes` as [C, 1, 1]; return their names.

    Raises:
        NbnetError: no such file, not ONNX, nothing to repair, or ``out`` cannot be written.
    """
    model = _load(path)
    slopes = {slope: size for _, slope, size in flat_slopes(model)}
    if not slopes:
        raise NbnetError(f"{path} has no PRelu slopes of a wrong shape: there is nothing to repair")
    if external := _external_files(model.graph):
        raise NbnetError(
            f"{path} keeps weights in {min(external)}: save it as one file first, with "
            "onnx.save(onnx.load(FILE), NEW)"
        )
    for tensor in model.graph.initializer:
        if tensor.name in slopes:
            tensor.dims.extend([1, 1])
    for value in model.graph.input:  # files of ONNX's first years list the weights here too
        if value.name in slopes:
            for _ in range(2):
                value.type.tensor_type.shape.dim.add().dim_value = 1
    with atomic_path(out) as temporary:
        temporary.write_bytes(model.SerializeToString())
    return sorted(slopes)


def _external_files(graph: Any) -> set[str]:
    """Return the names of other files with tensors of a graph and of the graphs inside it."""
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    attributes = [attribute for node in graph.node for attribute in node.attribute]
    tensors = [*graph.initializer, *(t for a in attributes for t in (a.t, *a.tensors))]
    found = {ExternalDataInfo(t).location for t in tensors if uses_external_data(t)}
    inner = [g for a in attributes for g in (a.g, *a.graphs) if g.node]
    return found.union(*map(_external_files, inner))


def _carried_card(model: Any, path: Path) -> dict[str, Any]:
    """Return the card that our own export wrote into the file, or nothing."""
    for entry in model.metadata_props:
        if entry.key == CARD_KEY:
            return check_card(json.loads(entry.value), f"the card in {path}")
    return {}


def _type_and_shape(value: Any) -> tuple[str, list[int | str]]:
    """Return the element type and the dimensions, a name where one is not fixed."""
    from onnx import TensorProto

    tensor = value.type.tensor_type
    shape = [
        d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else (d.dim_param or "?")
        for d in tensor.shape.dim
    ]
    return TensorProto.DataType.Name(tensor.elem_type), shape


def _read_shape(
    path: Path, kind: str, shape: list[int | str], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the layout and the image size, as far as the input fixes them."""
    layouts = {}
    if kind in INPUT_TYPES and len(shape) == 4:
        layouts = {"nchw": (shape[1], shape[2:]), "nhwc": (shape[3], shape[1:3])}
    # A layout is possible unless its channels have a number other than 3.
    certain = [name for name, (channels, _) in layouts.items() if channels == 3]
    possible = certain or [name for name, (c, _) in layouts.items() if isinstance(c, str)]
    sides: set[int | str] = set()
    fixed: dict[str, Any] = {}
    if possible:
        if len(possible) == 1:
            fixed["layout"] = possible[0]
        layout = fixed.get("layout", given.get("layout", possible[0]))
        sides = {side for side in layouts[layout][1] if isinstance(side, int)}
    if not possible or len(sides) > 1:
        raise NbnetError(
            f"the input of {path} holds {kind} {_written(shape)}: expected square pictures in "
            f"colour, [N, 3, S, S] or [N, S, S, 3], {' or '.join(INPUT_TYPES)}; wrap any other in "
            "a function (python:FILE.py:FUNCTION)"
        )
    if sides:
        fixed["image_size"] = sides.pop()
    return fixed


def _written(shape: list[int | str]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _template_output(graph: Any, path: Path, wanted: str | None) -> tuple[str, int | None]:
    """Return the name of the output with the templates and their length, where it is fixed."""
    outputs = {value.name: _type_and_shape(value) for value in graph.output}
    fitting = [
        name
        for name, (kind, shape) in outputs.items()
        if kind in OUTPUT_TYPES  # and [N, d], [N, d, 1, 1] or nothing known
        and (not shape or len(shape) in (2, 4) and all(size == 1 for size in shape[2:]))
    ]
    if wanted is None and len(fitting) == 1:
        wanted = fitting[0]
    if wanted is None or wanted not in fitting:
        listed = ", ".join(f"{name!r} {_written(shape)}" for name, (_, shape) in outputs.items())
        raise NbnetError(
            f"{path} has the outputs {listed}, of which {len(fitting)} could be templates, floats "
            f"[N, d]: name the right one as `output` in its card (it says {wanted})"
        )
    shape = outputs[wanted][1]
    return wanted, shape[1] if shape and isinstance(shape[1], int) else None


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
