"""Does an ONNX graph begin with its own normalisation, and which pixels does it then expect?

InsightFace's older models subtract 127.5 and multiply by 1/128 themselves, and want pixels from 0
to 255; given pixels from -1 to 1 they would see a nearly uniform grey and still answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Pixels as a network may be given them: their range, and the mean and std that make it of 0 to 255.
RANGES = {
    "0 to 255": (0.0, 255.0, 0.0, 1.0),
    "0 to 1": (0.0, 1.0, 0.0, 255.0),
    "-1 to 1": (-1.0, 1.0, 127.5, 127.5),
}
# What a normalisation in the graph makes of them: the usual ranges, and ImageNet's.
USUAL = ((-1.0, 1.0), (0.0, 1.0), (-0.5, 0.5), (-2.0, 2.4))
NEAR = 0.3  # how far both ends together may lie from a usual range


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
