"""Compare our decoders with the real MXNet on the authors' networks. For developers only.

Nothing here is needed to use or test the library: the tests write `.params` files by themselves.
This answers the question that they cannot: does `load_mxnet_params` mean what MXNet means? It has
two parts, because MXNet 1.9.1 (the last release) needs numpy < 1.24 and our library a newer one:

1. in an environment with MXNet: build NbNet-A, NbNet-B, the D-CNN and the face generator as MXNet
   symbols with the documented names, give them random weights and random moving statistics, let
   MXNet save them and draw a few templates' pictures;
2. in ours: load each file, draw the same templates, and print the largest difference.

    python3.11 -m venv mx && mx/bin/pip install numpy==1.23.5 mxnet==1.9.1
    mx/bin/python tools/verify_mxnet.py make FOLDER
    .venv/bin/python tools/verify_mxnet.py compare FOLDER

(Python 3.8 serves as well for the first part.) The second exits with 1 if a pixel differs by more
than 1e-5.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np

TOLERANCE = 1e-5
PICTURES = 3
BATCH_NORM_EPS = 1e-4  # as in the authors' code
# name, input length, edge of the stem, doublings, fix_gamma, dtype of the file
CASES = [
    ("nbnet-b", 128, 5, 5, True, "float32"),
    ("nbnet-b", 128, 5, 5, False, "float32"),
    ("nbnet-a", 128, 5, 5, True, "float32"),
    ("nbnet-a", 128, 5, 5, False, "float32"),
    ("nbnet-b", 512, 7, 4, False, "float32"),
    ("nbnet-b", 16, 5, 3, False, "float64"),
    ("dcnn", 128, 5, 5, True, "float32"),
    ("dcnn", 2048, 4, 4, True, "float32"),
    ("dcgan-generator", 100, 5, 5, True, "float32"),
]


def case_name(case: tuple) -> str:
    """Return the name of a case's files."""
    return "-".join(str(part) for part in case)


def nbnet(mx, variant: str, stem: int, ups: int, fix_gamma: bool, channels: int = 256):
    """NbNet as an MXNet symbol, with the parameter names of the authors' released network."""

    def neighbour(x, name: str, filters: int, up: bool = False):
        x = mx.sym.BatchNorm(x, eps=BATCH_NORM_EPS, fix_gamma=fix_gamma, name=f"{name}_batch_norm")
        x = mx.sym.Activation(x, act_type="relu")
        if up:
            options = {"kernel": (4, 4), "stride": (2, 2), "name": f"{name}_dconv"}
            return mx.sym.Deconvolution(x, num_filter=filters, pad=(1, 1), no_bias=True, **options)
        options = {"kernel": (3, 3), "name": f"{name}_conv"}
        return mx.sym.Convolution(x, num_filter=filters, pad=(1, 1), no_bias=True, **options)

    x = mx.sym.Reshape(mx.sym.Variable("data"), shape=(0, 0, 1, 1))
    x = mx.sym.Deconvolution(
        x, num_filter=channels, kernel=(stem, stem), no_bias=True, name="conv0"
    )
    for k in range(ups + 1):
        layers = channels // 8 // 2**k
        block = "last_" if k == ups else f"dense{k}_"
        pieces = [x]
        for i in range(layers):
            seen = pieces[-1] if variant == "a" else mx.sym.concat(*pieces, dim=1)
            pieces.append(neighbour(seen, f"{block}_layer_{i}", 8))
        x = mx.sym.concat(*pieces, dim=1)
        if k < ups:
            x = neighbour(x, f"trans{k}_", channels // 2 ** (k + 1), up=True)
    x = mx.sym.BatchNorm(x, eps=BATCH_NORM_EPS, fix_gamma=fix_gamma, name="batch_norm_last")
    x = mx.sym.Activation(x, act_type="relu")
    x = mx.sym.Convolution(x, num_filter=3, kernel=(1, 1), no_bias=True, name="conv_last")
    return mx.sym.Activation(x, act_type="tanh")


def dcnn(mx, stem: int, ups: int, channels: int = 512):
    """The D-CNN as an MXNet symbol; SELU is a scaled ELU there."""

    def selu(x):
        return 1.0507009873554805 * mx.sym.LeakyReLU(x, act_type="elu", slope=1.6732632423543772)

    x = mx.sym.Reshape(mx.sym.Variable("data"), shape=(0, 0, 1, 1))
    x = selu(
        mx.sym.Deconvolution(x, num_filter=channels, kernel=(stem, stem), no_bias=True, name="g1")
    )
    for k in range(ups):
        options = {"kernel": (4, 4), "stride": (2, 2), "pad": (1, 1), "no_bias": True}
        channels //= 2
        x = selu(mx.sym.Deconvolution(x, num_filter=channels, name=f"g{k + 2}", **options))
    options = {"kernel": (3, 3), "pad": (1, 1), "no_bias": True, "name": f"g{ups + 2}"}
    return mx.sym.Activation(mx.sym.Convolution(x, num_filter=3, **options), act_type="tanh")


def random_value(name: str, shape: tuple, random: np.random.Generator) -> np.ndarray:
    """Values as of a trained network: everything differs from what a fresh one holds."""
    if name.endswith("_gamma"):
        return random.uniform(0.5, 1.5, shape)
    if name.endswith("_moving_var"):
        return random.uniform(0.3, 3.0, shape)
    if name.endswith(("_beta", "_moving_mean")):
        return random.normal(0, 0.3, shape)
    # A 4x4 kernel with stride 2 puts 2x2 of its taps on each pixel, a stem one, the others all.
    edge = shape[-1]
    if edge in (1, 3):
        fan_in = shape[1] * edge**2
    else:
        fan_in = shape[0] * (1 if name in ("conv0_weight", "g1_weight") else 4)
    # SELU keeps unit variance by itself; after batch norm and ReLU a little more is needed.
    gain = 1.0 if name[0] == "g" else 1.5
    return random.normal(0, math.sqrt(gain / fan_in), shape)


def make(folder: Path) -> None:
    """Part 1, with MXNet: write NAME.params, and NAME.npz with templates and pictures."""
    np.bool = np.bool_  # removed from numpy, still asked for by MXNet 1.9.1
    import mxnet as mx

    folder.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(CASES):
        kind, dim, stem, ups, fix_gamma, dtype = case
        random = np.random.default_rng(number)
        if kind.startswith("nbnet"):
            symbol = nbnet(mx, kind[-1], stem, ups, fix_gamma)
        else:
            symbol = dcnn(mx, stem, ups)
        templates = random.normal(size=(PICTURES, dim))
        if kind != "dcgan-generator":
            templates /= np.linalg.norm(templates, axis=1, keepdims=True)
        templates = templates.astype(np.float32)
        shapes, _, aux_shapes = symbol.infer_shape(data=templates.shape)
        arrays = {}
        for prefix, names, sizes in (
            ("arg", symbol.list_arguments(), shapes),
            ("aux", symbol.list_auxiliary_states(), aux_shapes),
        ):
            for name, shape in zip(names, sizes):  # noqa: B905 (Python 3.8 too)
                if name == "data":
                    continue
                value = random_value(name, shape, random)
                if name in ("conv0_weight", "g1_weight") and kind != "dcgan-generator":
                    value = value * math.sqrt(dim)  # a unit vector's entries are that much smaller
                arrays[f"{prefix}:{name}"] = mx.nd.array(value.astype(np.float32), dtype=dtype)
        mx.nd.save(str(folder / f"{case_name(case)}.params"), arrays)
        values = {name[4:]: value.astype("float32") for name, value in arrays.items()}
        executor = symbol.bind(
            mx.cpu(),
            {"data": mx.nd.array(templates), **{n: values[n] for n in values}},
            aux_states={n: values[n] for n in symbol.list_auxiliary_states()},
            grad_req="null",
        )
        pictures = executor.forward(is_train=False)[0].asnumpy()
        np.savez(folder / f"{case_name(case)}.npz", templates=templates, pictures=pictures)
        print(f"{case_name(case)}: {pictures.shape}, standard deviation {pictures.std():.3f}")


def compare(folder: Path) -> int:
    """Part 2, with our library: print the largest difference of each case."""
    import torch

    from nbnet_lib.decoders import load_mxnet_params

    worst = 0.0
    for case in CASES:
        decoder = load_mxnet_params(folder / f"{case_name(case)}.params", fix_gamma=case[4])
        with np.load(folder / f"{case_name(case)}.npz") as made:
            templates, expected = torch.from_numpy(made["templates"]), made["pictures"]
        with torch.inference_mode():
            difference = float(np.abs(decoder(templates).numpy() - expected).max())
        row = {
            "network": decoder.architecture["name"],
            "template_dim": decoder.template_dim,
            "image_size": decoder.image_size,
            "fix_gamma": case[4],
            "file": case[5],
            "max_difference": difference,
        }
        print(json.dumps(row))
        if row["network"] != case[0]:
            print(f"expected {case[0]}", file=sys.stderr)
            return 1
        worst = max(worst, difference)
    print(f"largest difference {worst:.2e} (allowed {TOLERANCE:g})")
    return int(not worst <= TOLERANCE)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("make", "compare"):
        sys.exit(__doc__)
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        sys.exit(compare(Path(sys.argv[2])))
