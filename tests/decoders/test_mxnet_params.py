"""MXNet's .params files: read exactly, or refused in one sentence without trusting a length.

The files are written here, byte by byte; tools/verify_mxnet.py compares with MXNet itself.
"""

import math
import random
import re
import struct
import tracemalloc

import numpy as np
import pytest
import torch

from nbnet_lib.decoders import load_decoder, save_decoder
from nbnet_lib.decoders.mxnet_params import load_mxnet_params
from nbnet_lib.errors import NbnetError

V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
KINDS = {"<f4": 0, "<f8": 1, "<f2": 2}


def array_bytes(value, version=V2, dtype="<f4"):
    shape = value.shape
    if version in (V2, V3):
        head = struct.pack("<Iii", version, 0, len(shape)) + struct.pack(f"<{len(shape)}q", *shape)
    elif version == V1:
        head = struct.pack("<II", version, len(shape)) + struct.pack(f"<{len(shape)}q", *shape)
    else:  # of before there were versions
        head = struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}I", *shape)
    return head + struct.pack("<iii", 1, 0, KINDS[dtype]) + value.astype(dtype).tobytes()


def file_bytes(arrays, version=V2, dtype="<f4"):
    parts = [struct.pack("<QQQ", 0x112, 0, len(arrays))]
    parts += [array_bytes(value, version, dtype) for value in arrays.values()]
    parts.append(struct.pack("<Q", len(arrays)))
    parts += [struct.pack("<Q", len(name)) + name.encode() for name in arrays]
    return b"".join(parts)


def nbnet_arrays(variant="b", dim=16, channels=64, stem=5, ups=3, prefix="dense", growth=8, seed=0):
    """Random arrays with the names and shapes of the authors' network."""
    draw = np.random.default_rng(seed)
    arrays = {"arg:conv0_weight": draw.normal(0, 1, (dim, channels, stem, stem))}

    def norm(name, width):
        arrays[f"arg:{name}_gamma"] = draw.uniform(0.5, 1.5, width)
        arrays[f"arg:{name}_beta"] = draw.normal(0, 0.3, width)
        arrays[f"aux:{name}_moving_mean"] = draw.normal(0, 0.3, width)
        arrays[f"aux:{name}_moving_var"] = draw.uniform(0.5, 2, width)

    width = channels
    for k in range(ups + 1):
        block = "last_" if k == ups else f"{prefix}{k}_"
        seen = width
        for i in range(channels // 8 // 2**k):
            if variant == "a" and i:
                seen = growth
            elif variant == "b":
                seen = width + i * growth
            norm(f"{block}_layer_{i}_batch_norm", seen)
            arrays[f"arg:{block}_layer_{i}_conv_weight"] = draw.normal(
                0, math.sqrt(2 / (9 * seen)), (growth, seen, 3, 3)
            )
        width += growth * (channels // 8 // 2**k)
        if k < ups:
            norm(f"trans{k}__batch_norm", width)
            out = channels // 2 ** (k + 1)
            arrays[f"arg:trans{k}__dconv_weight"] = draw.normal(
                0, math.sqrt(2 / (4 * width)), (width, out, 4, 4)
            )
            width = out
    norm("batch_norm_last", width)
    arrays["arg:conv_last_weight"] = draw.normal(0, 0.3, (3, width, 1, 1))
    return arrays


def dcnn_arrays(dim=16, channels=32, stem=5, ups=3):
    draw = np.random.default_rng(0)
    arrays = {"arg:g1_weight": draw.normal(0, 1, (dim, channels, stem, stem))}
    for k in range(ups):
        shape = (channels, channels // 2, 4, 4)
        arrays[f"arg:g{k + 2}_weight"] = draw.normal(0, math.sqrt(1 / (4 * channels)), shape)
        channels //= 2
    arrays[f"arg:g{ups + 2}_weight"] = draw.normal(0, 0.2, (3, channels, 3, 3))
    return arrays


@pytest.fixture
def load(tmp_path):
    """Write bytes (or arrays) to a file and load them."""

    def written(data, **options):
        path = tmp_path / "net-0000.params"
        path.write_bytes(data if isinstance(data, bytes) else file_bytes(data))
        return load_mxnet_params(path, **options)

    return written


def unit(n, dim):
    generator = torch.Generator().manual_seed(1)
    return torch.nn.functional.normalize(torch.randn(n, dim, generator=generator), dim=1)


def drawn_by_hand(arrays, templates, variant, fix_gamma, ups=3):
    """The authors' network in plain functions, straight from their names, in float64."""
    f = torch.nn.functional
    value = {
        name[4:]: torch.from_numpy(np.asarray(v, np.float32)).double() for name, v in arrays.items()
    }

    def norm_relu(x, name):
        mean, var = value[f"{name}_moving_mean"], value[f"{name}_moving_var"]
        gamma = torch.ones_like(mean) if fix_gamma else value[f"{name}_gamma"]
        scale = gamma / torch.sqrt(var + 1e-4)
        return torch.relu(
            (x - mean[:, None, None]) * scale[:, None, None] + value[f"{name}_beta"][:, None, None]
        )

    x = f.conv_transpose2d(templates.double()[:, :, None, None], value["conv0_weight"])
    for k in range(ups + 1):
        block = "last_" if k == ups else f"dense{k}_"
        pieces = [x]
        for i in range(len(value["conv0_weight"][0]) // 8 // 2**k):
            seen = pieces[-1] if variant == "a" else torch.cat(pieces, 1)
            name = f"{block}_layer_{i}"
            y = norm_relu(seen, f"{name}_batch_norm")
            pieces.append(f.conv2d(y, value[f"{name}_conv_weight"], padding=1))
        x = torch.cat(pieces, 1)
        if k < ups:
            y = norm_relu(x, f"trans{k}__batch_norm")
            x = f.conv_transpose2d(y, value[f"trans{k}__dconv_weight"], stride=2, padding=1)
    return torch.tanh(f.conv2d(norm_relu(x, "batch_norm_last"), value["conv_last_weight"]))


@pytest.mark.parametrize("variant", ["a", "b"])
@pytest.mark.parametrize("fix_gamma", [True, False])
def test_nbnet_draws_what_its_arrays_say(load, variant, fix_gamma):
    arrays = nbnet_arrays(variant)
    decoder = load(arrays, fix_gamma=fix_gamma)
    assert decoder.architecture["name"] == f"nbnet-{variant}"
    assert (decoder.template_dim, decoder.image_size) == (16, 40)
    assert not decoder.training
    assert decoder.framing is None
    assert decoder.card["fix_gamma"] is fix_gamma
    with torch.inference_mode():
        images = decoder(unit(3, 16))
    expected = drawn_by_hand(arrays, unit(3, 16), variant, fix_gamma)
    assert images.std() > 0.1
    torch.testing.assert_close(images.double(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("dim, name", [(16, "dcnn"), (100, "dcgan-generator")])
def test_dcnn_and_generator(load, dim, name):
    arrays = dcnn_arrays(dim)
    decoder = load(arrays)
    assert decoder.architecture["name"] == name
    x = torch.randn(2, dim, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        images = decoder(x)
        y = x.double()[:, :, None, None]
        for i in range(1, 5):
            weight = torch.from_numpy(arrays[f"arg:g{i}_weight"].astype(np.float32)).double()
            step = {} if i == 1 else {"stride": 2, "padding": 1}
            y = torch.selu(torch.nn.functional.conv_transpose2d(y, weight, **step))
        weight = torch.from_numpy(arrays["arg:g5_weight"].astype(np.float32)).double()
        expected = torch.tanh(torch.nn.functional.conv2d(y, weight, padding=1))
    torch.testing.assert_close(images.double(), expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    "size, stem, ups", [(40, 5, 3), (64, 4, 4), (80, 5, 4), (112, 7, 4), (160, 5, 5)]
)
def test_every_size_follows_from_the_arrays(load, size, stem, ups):
    assert load(dcnn_arrays(16, 32, stem, ups)).image_size == size
    net = load(nbnet_arrays("b", 16, 8 * 2**ups, stem, ups, growth=2))
    assert net.image_size == size
    assert net.architecture["options"] == {"base_channels": 8 * 2**ups, "growth": 2}


@pytest.mark.parametrize("version", [0, V1, V2, V3])
@pytest.mark.parametrize("dtype", KINDS)
def test_all_versions_and_types(load, version, dtype):
    arrays = nbnet_arrays(ups=3)
    state = load(file_bytes(arrays, version, dtype), fix_gamma=False).state_dict()
    given = arrays["arg:trans1__dconv_weight"].astype(dtype).astype(np.float32)
    assert np.array_equal(state["ups.1.deconv.weight"].numpy(), given)
    stem = arrays["arg:conv0_weight"].astype(dtype).astype(np.float32) / 4  # sqrt(16)
    assert np.allclose(state["stem.weight"].numpy(), stem, rtol=1e-6)


def test_order_and_prefix_of_names_do_not_matter(load):
    arrays = nbnet_arrays()
    first = load(arrays)
    backwards = load(dict(reversed(arrays.items())))
    trainer = load(nbnet_arrays(prefix="nb"))
    for other in (backwards, trainer):
        for key, value in first.state_dict().items():
            assert torch.equal(value, other.state_dict()[key]), key


def test_becomes_an_ordinary_decoder_file(load, tmp_path):
    decoder = load(nbnet_arrays())
    path = save_decoder(decoder, tmp_path / "d.safetensors", decoder.card)
    again = load_decoder(path)
    assert again.framing is None
    assert again.card["source"] == "MXNet parameters net-0000.params"
    with torch.inference_mode():
        images, expected = again(unit(2, 16)), decoder(unit(2, 16))
    torch.testing.assert_close(images, expected, atol=0.02, rtol=0)  # float16 on disk


def test_no_global_random_number_is_drawn(load):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    load(nbnet_arrays())
    assert torch.equal(torch.get_rng_state(), before)


def without(name):
    return {k: v for k, v in nbnet_arrays().items() if k != name}


def replaced(name, value):
    return {**nbnet_arrays(), name: value}


def spoilt(name, value):
    arrays = nbnet_arrays()
    arrays[name] = arrays[name].copy()
    arrays[name].flat[3] = value
    return arrays


@pytest.mark.parametrize(
    "arrays, key_word",
    [
        (lambda: {"arg:fc1_weight": np.ones((2, 2))}, "neither an NbNet .*arg:fc1_weight"),
        (lambda: without("arg:conv_last_weight"), "1 arrays are missing.*conv_last_weight"),
        (lambda: without("aux:trans1__batch_norm_moving_var"), "missing.*trans1__batch_norm_mov"),
        (lambda: without("arg:dense0__layer_1_conv_weight"), "needs 8 layers .* the file has 7"),
        (lambda: without("arg:trans2__dconv_weight"), "2 doublings"),
        (lambda: {**nbnet_arrays(), "arg:fc_bias": np.ones(3)}, "1 arrays .*fc_bias"),
        (lambda: replaced("arg:batch_norm_last_beta", np.ones(3)), "another shape .*last_beta"),
        (lambda: replaced("arg:conv0_weight", np.ones(5)), "not a network that is known"),
        (lambda: nbnet_arrays(dim=8), "template_dim=8 is out of range"),
        (lambda: dcnn_arrays(channels=12), "base_channels=12"),
        (lambda: spoilt("arg:trans0__dconv_weight", np.inf), "trans0__dconv_weight holds NaN"),
        (lambda: spoilt("aux:batch_norm_last_moving_var", -1e-3), "negative variance"),
    ],
)
def test_other_contents_are_refused(load, arrays, key_word):
    with pytest.raises(NbnetError, match=key_word):
        load(arrays())


def test_numbers_beyond_float32_are_refused(load):
    arrays = spoilt("arg:conv0_weight", 1e300)
    with pytest.raises(NbnetError, match="beyond float32"):
        load(file_bytes(arrays, dtype="<f8"))


def test_a_stem_that_claims_a_giant_network(load):
    """4,000 channels would be a network of 3 GB; this file of 5 MB has two of its 500 layers."""
    layers = {f"arg:dense0__layer_{i}_conv_weight": np.zeros((8, 8, 3, 3)) for i in range(2)}
    with pytest.raises(NbnetError, match="needs 500 layers in its first block, .* has 2"):
        load({"arg:conv0_weight": np.zeros((16, 4000, 4, 4)), **_ups(4), **layers})


def _ups(n):
    return {f"arg:trans{k}__dconv_weight": np.zeros((1, 1, 4, 4)) for k in range(n)}


def one_array(head):
    return struct.pack("<QQQ", 0x112, 0, 1) + head


HUGE = 2**62
HOSTILE = {
    "empty": (b"", "mark of the format needs 8 bytes"),
    "magic": (b"PK\x03\x04" + b"\0" * 60, "not an MXNet .params file"),
    "arrays": (struct.pack("<QQQ", 0x112, 0, 2**64 - 1), "array 0 needs 4 bytes where 0 are left"),
    "dimensions": (one_array(struct.pack("<Iii", V2, 0, 2**31 - 1)), "2,147,483,647 dimensions"),
    "no dimensions": (one_array(struct.pack("<I", 0)), "array 0 has 0 dimensions"),
    "huge edge": (one_array(struct.pack("<Iiiqiii", V2, 0, 1, HUGE, 1, 0, 0)), "18,446,744,073,"),
    "overflowing product": (  # 2^64 values: 0 in the arithmetic of C
        one_array(struct.pack("<Iii4qiii", V2, 0, 4, *[2**16] * 4, 1, 0, 0)),
        "needs 73,786,976,294,838,206,464 bytes",
    ),
    "negative edge": (one_array(struct.pack("<Iiiqiii", V2, 0, 1, -1, 1, 0, 0)), "shape (-1,)"),
    "sparse": (one_array(struct.pack("<Iii", V2, 1, 2)), "stored as type 1"),
    "integers": (one_array(struct.pack("<Iiiqiii", V2, 0, 1, 1, 1, 0, 4) + b"\0" * 4), "of type 4"),
    "names": (struct.pack("<QQQQ", 0x112, 0, 0, 2**40), "0 arrays and 1,099,511,627,776 names"),
    "long name": (
        one_array(array_bytes(np.ones(1))) + struct.pack("<QQ", 1, 2**60),
        "name 0 needs 1,152,921,504,606,846,976 bytes",
    ),
    "more": (file_bytes(dcnn_arrays()) + b"abc", "3 bytes follow its end"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_cost_nothing(load, case):
    data, key_word = HOSTILE[case]
    tracemalloc.start()
    try:
        with pytest.raises(NbnetError, match=re.escape(key_word)) as caught:
            load(data)
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()
    assert ".params" in str(caught.value) and "\n" not in str(caught.value)


def test_a_name_twice(load):
    data = file_bytes(nbnet_arrays())
    twice = data.replace(
        b"arg:dense0__layer_1_batch_norm_beta", b"arg:dense0__layer_2_batch_norm_beta"
    )
    assert twice != data
    with pytest.raises(NbnetError, match="'arg:dense0__layer_2_batch_norm_beta' occurs twice"):
        load(twice)


def test_a_cut_at_any_place_is_noticed(load):
    data = file_bytes(dcnn_arrays(16, 8))
    for length in [
        *range(0, 120, 7),
        *range(120, len(data), 4999),
        *range(len(data) - 90, len(data), 7),
    ]:
        with pytest.raises(NbnetError, match="not a whole MXNet|not an MXNet"):
            load(data[:length])


def test_mutated_files_give_one_error_or_a_decoder(load):
    """Bytes changed, cut out, doubled: an NbnetError each time, or (in the values) a decoder."""
    data = file_bytes(nbnet_arrays(channels=64, growth=1))
    heads = [m.start() for m in re.finditer(re.escape(struct.pack("<I", V2)), data)]
    draw = random.Random(0)
    loaded = 0
    for _ in range(60):
        changed = bytearray(data)
        place = draw.choice(heads) + draw.randrange(60) if draw.random() < 0.6 else None
        place = draw.randrange(len(data)) if place is None else min(place, len(data) - 1)
        what = draw.randrange(4)
        if what == 0:
            changed[place] = draw.randrange(256)
        elif what == 1:
            changed[place : place + 8] = struct.pack(
                "<q", draw.choice([-1, 0, 2**31, HUGE, 2**63 - 1])
            )
        elif what == 2:
            del changed[place : place + draw.randrange(1, 40)]
        else:
            changed[place:place] = changed[place : place + draw.randrange(1, 40)]
        try:
            load(bytes(changed))
            loaded += 1
        except NbnetError as error:
            assert "\n" not in str(error)
    assert loaded < 30


def test_no_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.params", tmp_path):
        with pytest.raises(NbnetError, match=f"no file {re.escape(str(path))}"):
            load_mxnet_params(path)
