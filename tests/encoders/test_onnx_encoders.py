"""Recognisers in ONNX files: everything in which such files differ, and every way to be wrong."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nbnet_lib.cli import main
from nbnet_lib.encoders import create_encoder
from nbnet_lib.encoders.onnx_graph import CARD_KEY, repair_slopes
from nbnet_lib.errors import NbnetError, NbnetWarning
from nbnet_lib.faces import to_tensor
from nbnet_lib.faces.framing import FRAMINGS

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def expected(tiles, faces, scale=1.0, shift=0.0):
    return F.normalize(tiles(to_tensor(faces.images) * scale + shift))


def same(one, other):
    torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_a_file_without_a_card_is_taken_as_insightface_writes_them(make_onnx, tiles, faces):
    path = make_onnx()
    encoder = create_encoder(f"onnx:{path}")
    assert (encoder.name, encoder.image_size, encoder.template_dim) == ("onnx:model.onnx", 64, 48)
    assert encoder.framing == FRAMINGS["arcface"]
    same(encoder.embed(faces.images), expected(tiles, faces))
    assert encoder.card["assumed"] == [
        "channels: rgb",
        "mean: 127.5",
        "std: 127.5",
        "framing: arcface",
    ]
    assert encoder.card["licence"] == encoder.card["training_data"] == "unknown"
    assert encoder.card["verification"] is None and "nbnet encoder test" in str(encoder.card)
    assert json.loads(json.dumps(encoder.card)) == encoder.card


MINUS_ONE_TO_ONE = [("Sub", 127.5), ("Mul", 1 / 127.5)]
IMAGENET = [
    ("Sub", np.reshape([0.485, 0.456, 0.406], (1, 3, 1, 1))),
    ("Div", np.reshape([0.229, 0.224, 0.225], (1, 3, 1, 1))),
]


@pytest.mark.parametrize("as_nodes", [False, True])
@pytest.mark.parametrize(
    "before, mean, std, said",
    [
        (MINUS_ONE_TO_ONE, 0, 1, "0 to 255"),
        ([("Mul", 0.0078125), ("Add", -1.0)], 0, 1, "0 to 255"),
        ([("Div", 255.0)], 0, 1, "0 to 255"),
        ([("Sub", 0.5), ("Div", 0.5)], 0, 255, "0 to 1"),
        (IMAGENET, 0, 255, "0 to 1"),
        ([("Div", 255.0), *IMAGENET], 0, 1, "0 to 255"),
        ([("Add", 1.0), ("Mul", 0.5)], 127.5, 127.5, "-1 to 1"),
    ],
)
def test_a_graph_that_normalises_is_given_the_pixels_it_expects(
    make_onnx, before, mean, std, said, as_nodes
):
    encoder = create_encoder(f"onnx:{make_onnx(before=before, constants_as_nodes=as_nodes)}")
    assert encoder.preprocess.mean == (mean,) * 3
    assert encoder.preprocess.std == (std,) * 3
    assert any(f"pixels from {said}: the graph begins" in line for line in encoder.card["assumed"])


def test_pixels_from_0_to_255_give_the_same_templates_as_the_plain_graph(make_onnx, tiles, faces):
    encoder = create_encoder(f"onnx:{make_onnx(before=MINUS_ONE_TO_ONE)}")
    assert encoder.card["input"]["range"] == [0, 255]
    same(encoder.embed(faces.images), expected(tiles, faces))


@pytest.mark.parametrize(
    "before",
    [
        [("Mul", 3.0)],
        [("Sub", 127.5)],
        [("Add", 0.001)],
        [("Mul", 1.1)],  # from 0 to 1, or from -1 to 1? nobody can tell
        [("from Sub", 127.5), ("Mul", 1 / 127.5)],  # a negative
    ],
)
@pytest.mark.filterwarnings("ignore:.*nearly the same template")
def test_other_arithmetic_is_no_normalisation(make_onnx, before):
    encoder = create_encoder(f"onnx:{make_onnx(before=before)}")
    assert encoder.preprocess.mean == encoder.preprocess.std == (127.5,) * 3


def test_colours_last(make_onnx, tiles, faces):
    encoder = create_encoder(f"onnx:{make_onnx(shape=('n', 64, 64, 3))}")
    assert encoder.preprocess.layout == "nhwc"
    same(encoder.embed(faces.images), expected(tiles, faces))


def test_bytes(make_onnx, faces):
    path = make_onnx(shape=("n", 64, 64, 3), kind=onnx.TensorProto.UINT8, before=MINUS_ONE_TO_ONE)
    encoder = create_encoder(f"onnx:{path}")
    plain = create_encoder(f"onnx:{make_onnx('plain.onnx')}")
    same(encoder.embed(faces.images), plain.embed(faces.images))
    between = torch.tensor([254.9999, 0.6, -3.0, 300.0]).repeat(48)[:, None, None, None]
    nearest = torch.tensor([255.0, 1.0, 0.0, 255.0]).repeat(48)[:, None, None, None]
    network, shape = encoder.network, (-1, 64, 64, 3)
    assert torch.equal(network(between.expand(shape)), network(nearest.expand(shape)))
    with pytest.raises(NbnetError, match="takes bytes: leave mean and std out"):
        create_encoder(f"onnx:{path}", std=128)


def test_half_precision(make_onnx, faces):
    encoder = create_encoder(f"onnx:{make_onnx(kind=onnx.TensorProto.FLOAT16)}")
    plain = create_encoder(f"onnx:{make_onnx('plain.onnx')}").embed(faces.images)
    assert (encoder.embed(faces.images) * plain).sum(1).min() > 0.9999


@pytest.mark.parametrize("batch", [1, 4])
def test_a_fixed_batch_size(make_onnx, tiles, faces, batch):
    path = make_onnx(shape=(batch, 3, 64, 64), output=(batch, 48))
    encoder = create_encoder(f"onnx:{path}")
    for count in (1, 3, 4, 9):
        same(encoder.embed(faces.images[:count]), expected(tiles, faces)[:count])
    assert encoder.card["notes"] == []


def test_a_batch_of_one_that_the_shapes_do_not_tell(make_onnx, tiles, faces):
    """The input promises any number; the graph has a reshape to one row in it."""
    with pytest.warns(NbnetWarning, match="takes one picture at a time"):
        encoder = create_encoder(f"onnx:{make_onnx(reshape_to_one=True, output=(1, 48))}")
    same(encoder.embed(faces.images[:5]), expected(tiles, faces)[:5])
    assert "one picture at a time" in encoder.card["notes"][0]


def test_the_card_beside_the_file_is_read(make_onnx, tiles, faces):
    path = make_onnx()
    (path.parent / "model.yaml").write_text(
        "name: ours\nlicence: research only\nchannels: bgr\nmean: [0, 0, 0]\nstd: 255\n"
        "framing: facenet\nalignment: detect\n"
    )
    encoder = create_encoder(f"onnx:{path}")
    assert (encoder.name, encoder.alignment) == ("ours", "detect")
    assert encoder.framing == FRAMINGS["facenet"]
    assert encoder.card["assumed"] == [] and encoder.card["licence"] == "research only"
    images = to_tensor(faces.images)
    torch.testing.assert_close(
        encoder(images), F.normalize(tiles((images.flip(1) + 1) / 2)), atol=1e-5, rtol=0
    )
    # What is said at the call goes first, and another card in place of the one beside.
    assert create_encoder(f"onnx:{path}", channels="rgb").preprocess.channels == "rgb"
    assert create_encoder(f"onnx:{path}", card={"name": "x"}).preprocess.channels == "rgb"
    assert create_encoder(f"onnx:{path}", alignment="framing").alignment == "framing"


def test_our_own_export_carries_its_card(make_onnx):
    card = {"name": "carried", "framing": "dlib", "mean": [0, 0, 0], "std": [1, 1, 1]}
    path = make_onnx(before=MINUS_ONE_TO_ONE, metadata={CARD_KEY: json.dumps(card)})
    encoder = create_encoder(f"onnx:{path}")
    assert encoder.name == "carried" and encoder.framing == FRAMINGS["dlib"]
    assert encoder.preprocess.std == (1, 1, 1)
    assert encoder.card["assumed"] == ["channels: rgb"]


def test_the_right_output_has_to_be_named_where_there_are_several(make_onnx, faces):
    path = make_onnx(extra_outputs=[("flat2", ("n", 48))])
    with pytest.raises(
        NbnetError, match=r"'out' \[n, 48\], 'flat2'.* of which 2 could be templates"
    ):
        create_encoder(f"onnx:{path}")
    one = create_encoder(f"onnx:{path}", output="out").embed(faces.images)
    two = create_encoder(f"onnx:{path}", output="flat2").embed(faces.images)
    assert not torch.allclose(one, two)
    with pytest.raises(NbnetError, match="the outputs 'out'.*it says x"):
        create_encoder(f"onnx:{path}", output="x")


def test_the_card_in_the_file_may_name_the_output(make_onnx):
    path = make_onnx(
        extra_outputs=[("flat2", ("n", 48))], metadata={CARD_KEY: '{"output": "flat2"}'}
    )
    assert create_encoder(f"onnx:{path}").card["output"] == "flat2"
    assert create_encoder(f"onnx:{path}", output="out").card["output"] == "out"


def test_outputs_of_another_shape_are_passed_over(make_onnx):
    path = make_onnx(extra_outputs=[("maps", ("n", 3, 4, 4))])
    assert create_encoder(f"onnx:{path}").card["output"] == "out"
    with pytest.raises(NbnetError, match="of which 1 could be templates.*it says maps"):
        create_encoder(f"onnx:{path}", output="maps")


def test_files_of_the_first_years_list_their_weights_as_inputs(make_onnx, tiles, faces):
    encoder = create_encoder(f"onnx:{make_onnx(weights_as_inputs=True)}")
    same(encoder.embed(faces.images), expected(tiles, faces))


def test_templates_as_maps_of_one_pixel(make_onnx, tiles, faces):
    path = make_onnx(square_output=True, output=("n", 48, 1, 1))
    same(create_encoder(f"onnx:{path}").embed(faces.images), expected(tiles, faces))


def test_a_graph_that_also_reads_its_shape_normalises_all_the_same(make_onnx):
    encoder = create_encoder(f"onnx:{make_onnx(before=MINUS_ONE_TO_ONE, reads_shape=True)}")
    assert encoder.preprocess.std == (1, 1, 1)


def test_a_size_that_the_file_leaves_open(make_onnx):
    path = make_onnx(shape=("n", 3, "h", "w"))
    assert create_encoder(f"onnx:{path}", image_size=64).image_size == 64
    with pytest.raises(NbnetError, match=r"model.onnx failed on .*112, 112.*card"):
        create_encoder(f"onnx:{path}")  # 112 is assumed, and these tiles need 64


def test_weights_in_another_file(make_onnx, tiles, faces):
    path = make_onnx("folder/model.onnx", external=True)
    same(create_encoder(f"onnx:{path}").embed(faces.images), expected(tiles, faces))
    (path.parent / "weights.bin").unlink()
    with pytest.raises(NbnetError, match="cannot run .*model.onnx"):
        create_encoder(f"onnx:{path}")


@pytest.mark.parametrize(
    "graph, words",
    [
        ({"shape": ("n", 512)}, r"\[n, 512\]: expected square pictures"),
        ({"shape": ("n", 1, 64, 64)}, r"\[n, 1, 64, 64\]: expected"),
        ({"shape": ("n", 3, 112, 96)}, "expected square"),
        ({"kind": onnx.TensorProto.INT64}, "holds INT64"),
        ({"extra_inputs": [("mask", ("n", 1))]}, "2 inputs .'data', 'mask'"),
        ({"output": ("n", 3, 4)}, r"'out' \[n, 3, 4\], of which 0 could be templates"),
    ],
)
def test_a_graph_that_is_no_recogniser_is_described(make_onnx, graph, words):
    with pytest.raises(NbnetError, match=words):
        create_encoder(f"onnx:{make_onnx(**graph)}")


@pytest.mark.parametrize(
    "options, words",
    [
        ({"image_size": 112}, "onnx:model.onnx has image_size 64 but its card says 112"),
        ({"layout": "nhwc"}, "has layout nchw but its card says nhwc"),
        ({"template_dim": 512}, "has template_dim 48 but its card says 512"),
        ({"takes": "numpy"}, "takes: numpy, which it cannot use"),
        ({"colour": "bgr"}, "has an entry 'colour' that is not known"),
    ],
)
def test_a_card_that_contradicts_the_file_is_corrected(make_onnx, options, words):
    with pytest.raises(NbnetError, match=words):
        create_encoder(f"onnx:{make_onnx()}", **options)


def test_files_that_are_not_there_not_onnx_or_not_whole(make_onnx, tmp_path):
    with pytest.raises(NbnetError, match="no file .*nothing.onnx"):
        create_encoder(f"onnx:{tmp_path / 'nothing.onnx'}")
    path = make_onnx()
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"\xff" * 500):
        path.write_bytes(content)
        with pytest.raises(NbnetError, match="is not an ONNX file"):
            create_encoder(f"onnx:{path}")


def test_what_onnxruntime_cannot_run_is_one_sentence(make_onnx):
    path = make_onnx()
    model = onnx.load(path)
    model.graph.node[-1].op_type = "NoSuchOperation"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(NbnetError, match="onnxruntime .* cannot run .*NoSuchOperation") as caught:
        create_encoder(f"onnx:{path}")
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_named(make_onnx, monkeypatch):
    import sys

    path = make_onnx()
    for package in ("onnxruntime", "onnx"):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(NbnetError, match=f"needs {package} .*pip install onnx onnxruntime"):
            create_encoder(f"onnx:{path}")


@pytest.fixture
def mxnet_export(tmp_path):
    """Conv, PRelu, pool, Flatten as MXNet writes it: slopes [C], weights among the inputs."""
    from onnx import TensorProto, helper, numpy_helper

    def write(slope_shape=(32,), side=64, as_inputs=True):
        rng = np.random.default_rng(0)
        arrays = {
            "weight": rng.normal(size=(32, 3, 3, 3)),
            "relu0_gamma": rng.uniform(0.1, 0.9, 32).reshape(slope_shape),
        }
        weights = [numpy_helper.from_array(a.astype(np.float32), k) for k, a in arrays.items()]
        nodes = [
            helper.make_node("Conv", ["data", "weight"], ["c"], name="conv0", pads=[1] * 4),
            helper.make_node("PRelu", ["c", "relu0_gamma"], ["r"], name="relu0"),
            helper.make_node("GlobalAveragePool", ["r"], ["p"], name="pool"),
            helper.make_node("Flatten", ["p"], ["fc1"], name="flat"),
        ]
        value = helper.make_tensor_value_info
        inputs = [value("data", TensorProto.FLOAT, (1, 3, side, side))]
        if as_inputs:
            inputs += [value(k, TensorProto.FLOAT, a.shape) for k, a in arrays.items()]
        output = [value("fc1", TensorProto.FLOAT, (1, 32))]
        graph = helper.make_graph(nodes, "mxnet_converted_model", inputs, output, weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=4)
        onnx.save(model, tmp_path / "mx.onnx")
        return tmp_path / "mx.onnx"

    return write


# With as many columns as channels a runtime answers, wrongly.
@pytest.mark.parametrize("side", [64, 32])
@pytest.mark.parametrize("as_inputs", [True, False])
def test_slopes_of_mxnet_are_named_and_repaired(mxnet_export, tmp_path, faces, side, as_inputs):
    path, new = mxnet_export(side=side, as_inputs=as_inputs), tmp_path / "new name.onnx"
    with pytest.raises(NbnetError, match=r"'relu0' .* 'relu0_gamma' .*\[32\].* encoder repair"):
        create_encoder(f"onnx:{path}")
    assert main(["encoder", "repair", "--file", str(path), "--out", str(new)]) == 0
    found = create_encoder(f"onnx:{new}").embed(faces.images)
    right = mxnet_export((32, 1, 1), side)
    same(found, create_encoder(f"onnx:{right}").embed(faces.images))
    with pytest.raises(NbnetError, match="nothing to repair"):
        repair_slopes(new, tmp_path / "again.onnx")


def test_a_file_that_fails_on_what_it_asks_for_is_at_fault_itself(mxnet_export):
    with pytest.raises(NbnetError, match="PRelu.*the fault is in the file"):
        create_encoder(f"onnx:{mxnet_export((1, 1, 32))}")
