"""Recognisers of every kind, small and made on the spot: mean colours of 4 x 4 tiles."""

import numpy as np
import pytest
import torch
from torch import nn

from nbnet_lib.faces import render_set


@pytest.fixture(scope="session")
def faces():
    return render_set(range(10), 3, 64, progress=False)


class Tiles(nn.Module):
    """[N, 3, S, S] -> [N, 48], mixed so that the order of channels and pixels' range matter."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.mix = nn.Linear(48, 48)
        with torch.no_grad():
            self.mix.weight.copy_(torch.randn(48, 48, generator=generator))
            self.mix.bias.copy_(torch.randn(48, generator=generator))

    def forward(self, x):
        return self.mix(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 4), 1))


@pytest.fixture
def tiles():
    return Tiles().eval().requires_grad_(False)


@pytest.fixture
def make_onnx(tmp_path):
    """Write an ONNX file of `Tiles` with everything that such files may differ in."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper, numpy_helper

    def make(
        name="model.onnx",
        shape=("n", 3, 64, 64),
        before=(),  # (operation, constant); "from Sub" is constant - pixel
        constants_as_nodes=False,
        output=("n", 48),
        extra_outputs=(),
        extra_inputs=(),
        kind=TensorProto.FLOAT,
        reshape_to_one=False,
        square_output=False,  # [N, 48, 1, 1]
        weights_as_inputs=False,  # as in ONNX's first years
        reads_shape=False,
        metadata=None,
        external=False,
    ):
        network = Tiles()
        nodes, weights, x = [], [], "data"

        def constant(key, value):
            tensor = numpy_helper.from_array(np.asarray(value, np.float32), key)
            if constants_as_nodes:
                nodes.append(helper.make_node("Constant", [], [key], value=tensor))
            else:
                weights.append(tensor)

        if kind != TensorProto.FLOAT:
            nodes.append(helper.make_node("Cast", [x], ["cast"], to=TensorProto.FLOAT))
            x = "cast"
        if shape[-1] == 3:
            nodes.append(helper.make_node("Transpose", [x], ["first"], perm=[0, 3, 1, 2]))
            x = "first"
        for i, (operation, value) in enumerate(before):
            constant(f"c{i}", value)
            read = [f"c{i}", x] if operation.startswith("from ") else [x, f"c{i}"]
            nodes.append(helper.make_node(operation.removeprefix("from "), read, [f"x{i}"]))
            x = f"x{i}"
        for key in ("weight", "bias"):
            array = getattr(network.mix, key).detach().numpy()
            weights.append(numpy_helper.from_array(np.ascontiguousarray(array), key))
        nodes += [
            helper.make_node("AveragePool", [x], ["tiles"], kernel_shape=[16, 16], strides=[16, 16])
        ]
        if reshape_to_one:  # a batch of one picture is baked in
            weights.append(numpy_helper.from_array(np.array([1, 48]), "shape"))
            nodes.append(helper.make_node("Reshape", ["tiles", "shape"], ["flat"]))
        else:
            nodes.append(helper.make_node("Flatten", ["tiles"], ["flat"]))
        nodes.append(helper.make_node("Gemm", ["flat", "weight", "bias"], ["out"], transB=1))
        if square_output:
            nodes[-1].output[0] = "row"
            weights.append(numpy_helper.from_array(np.array([0, 48, 1, 1]), "square"))
            nodes.append(helper.make_node("Reshape", ["row", "square"], ["out"]))
        if reads_shape:
            nodes.insert(0, helper.make_node("Shape", ["data"], ["shape_of_data"]))
        outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, output)]
        for key, dims in extra_outputs:
            nodes.append(helper.make_node("Identity", ["flat"], [key]))
            outputs.append(helper.make_tensor_value_info(key, TensorProto.FLOAT, dims))
        inputs = [helper.make_tensor_value_info("data", kind, shape)]
        for key, dims in extra_inputs:
            inputs.append(helper.make_tensor_value_info(key, TensorProto.FLOAT, dims))
        if weights_as_inputs:
            for tensor in weights:
                inputs.append(
                    helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
                )
        graph = helper.make_graph(nodes, "tiles", inputs, outputs, weights)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", 13)],
            ir_version=3 if weights_as_inputs else 8,
        )
        for key, value in (metadata or {}).items():
            model.metadata_props.add(key=key, value=value)
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if external:
            onnx.save(
                model, path, save_as_external_data=True, location="weights.bin", size_threshold=0
            )
        else:
            onnx.save(model, path)
        return path

    return make
