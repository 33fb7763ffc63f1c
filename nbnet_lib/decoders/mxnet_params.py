"""The authors' released weights: from an MXNet ``.params`` file to a ready decoder (chapter 6).

The authors trained in MXNet, which nobody maintains any more; this reads their files without it.
Which network a file holds is told by the names of its arrays, and every size by their shapes:

- NbNet-A and NbNet-B: ``conv0_weight`` (the stem), ``dense{k}__layer_{i}_...`` (the blocks; files
  of the released trainer say ``nb{k}__layer_{i}_...``), ``trans{k}__...`` (the doublings),
  ``last__layer_{i}_...`` (the last block), ``batch_norm_last_...`` and ``conv_last_weight``;
- the D-CNN, which is also the face generator: ``g1_weight`` ... ``g7_weight``.

Two things differ from our networks. Ours multiply the template by sqrt(d) before the stem, so the
stem's kernel is divided by it here. And MXNet's batch norm ignores the gamma in the file and uses 1
unless it was told otherwise (``fix_gamma``, on by default, and so in the released network).

Kernels have the same layout and orientation in both libraries (``tools/verify_mxnet.py`` compares
whole networks with MXNet 1.9.1: no pixel differs by more than 1e-5).
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from nbnet_lib.decoders.mxnet_ndarray import ArrayHeader, read_array, read_headers
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import sha256_file

_NORM = {
    "weight": "arg:{}_gamma",
    "bias": "arg:{}_beta",
    "running_mean": "aux:{}_moving_mean",
    "running_var": "aux:{}_moving_var",
}


def load_mxnet_params(path: str | os.PathLike[str], *, fix_gamma: bool = True) -> nn.Module:
    """Build the decoder that an MXNet ``.params`` file holds the weights of.

    Args:
        path: the file, as `mxnet.model.save_checkpoint` writes it (arrays of float16, 32 or 64).
        fix_gamma: what the network's batch norms were built with; True (MXNet's default, and the
            released NbNet-B) uses gamma 1 whatever the file says.

    Returns:
        "nbnet-a", "nbnet-b", "dcnn" or, where the input has length 100, "dcgan-generator", in
        evaluation mode, as from `create_decoder`: `save_decoder` writes it as safetensors.
        ``decoder.card`` says where it came from; ``decoder.framing`` is None, because the file does
        not tell where faces lie in its pictures.

    Raises:
        NbnetError: no such file, not a ``.params`` file, damaged, or not one of these networks.
    """
    # Not at the top: the registry is what callers import first.
    from nbnet_lib.decoders.registry import create_decoder

    path = Path(path)
    if not path.is_file():
        raise NbnetError(f"no file {path}: give the .params file of the authors' network")
    headers = read_headers(path)
    structure = _structure(path, headers)
    name, dim, size, options = structure
    # On the meta device the network has shapes but no memory: compare before anything is made.
    with torch.device("meta"):
        expected = create_decoder(name, dim, size, **options)
    keys = dict(_names(expected, headers))
    _compare(path, headers, expected, keys)
    state = _read(path, headers, keys, fix_gamma)
    stem = "stem.weight" if name.startswith("nbnet") else "deconvolutions.0.weight"
    if name != "dcgan-generator":
        state[stem] = state[stem] / math.sqrt(dim)
    with torch.random.fork_rng(devices=[]):  # the fresh weights are overwritten
        decoder = create_decoder(name, dim, size, **options)
    missing = decoder.load_state_dict(state, strict=False).missing_keys
    assert all(key.endswith("num_batches_tracked") for key in missing), missing
    decoder.name = str(path)  # type: ignore[assignment]
    decoder.framing = None  # type: ignore[assignment]
    decoder.card = {  # type: ignore[assignment]
        "source": f"MXNet parameters {path.name}",
        "source_sha256": sha256_file(path),
        "fix_gamma": fix_gamma,
    }
    return decoder.eval()


def _structure(path: Path, headers: dict[str, ArrayHeader]) -> tuple[str, int, int, dict[str, int]]:
    """Return (name, template_dim, image_size, options) from the names and shapes in the file."""
    from nbnet_lib.decoders.shapes import SIZES

    if "arg:conv0_weight" in headers:
        stem, pattern = "arg:conv0_weight", r"arg:trans\d+__dconv_weight"
        ups = sum(bool(re.fullmatch(pattern, name)) for name in headers)
    elif "arg:g1_weight" in headers:
        stem, pattern = "arg:g1_weight", r"arg:g\d+_weight"
        ups = sum(bool(re.fullmatch(pattern, name)) for name in headers) - 2
    else:
        raise NbnetError(
            f"{path} holds neither an NbNet (arg:conv0_weight) nor a D-CNN (arg:g1_weight) but "
            f"{_listed(headers)}: give the .params file of the authors' network"
        )
    shape = headers[stem].shape
    sizes = [size for size, known in SIZES.items() if known == (shape[-1], ups)]
    if len(shape) != 4 or not sizes:
        raise NbnetError(
            f"{path}: {stem} of shape {shape} and {ups} doublings are no network that is known "
            "here: give the .params file of the authors' network"
        )
    dim, channels = shape[:2]
    if stem == "arg:g1_weight":
        name = "dcgan-generator" if dim == 100 else "dcnn"
        return name, dim, sizes[0], {"base_channels": channels}
    block = _block_prefix(headers)
    first = headers.get(f"arg:{block}_layer_0_conv_weight")
    second = headers.get(f"arg:{block}_layer_1_conv_weight")
    layers = sum(bool(re.fullmatch(rf"arg:{block}_layer_\d+_conv_weight", n)) for n in headers)
    # The number of layers is checked here, so that a lying stem cannot ask for a giant network.
    if first is None or second is None or not first.shape or layers * 8 != channels:
        raise NbnetError(
            f"{path}: a stem of {channels} channels needs {channels // 8} layers in its first "
            f"block, but the file has {layers}: it is damaged or of another network"
        )
    growth = first.shape[0]
    variant = "a" if len(second.shape) == 4 and second.shape[1] == growth else "b"
    return f"nbnet-{variant}", dim, sizes[0], {"base_channels": channels, "growth": growth}


def _block_prefix(headers: dict[str, ArrayHeader]) -> str:
    """Return how the file calls its first block: released weights and trainer disagree."""
    return "nb0_" if "arg:nb0__layer_0_conv_weight" in headers else "dense0_"


def _names(network: nn.Module, headers: dict[str, ArrayHeader]) -> Iterator[tuple[str, str]]:
    """Yield (name in the file, key in our state dict) for every array of the network."""
    if hasattr(network, "deconvolutions"):
        stages = [k for k in network.state_dict() if k.startswith("deconvolutions.")]
        for i, key in enumerate([*stages, "head.weight"], start=1):
            yield f"arg:g{i}_weight", key
        return
    letter = _block_prefix(headers)[:-2]  # "nb" or "dense"
    last = len(network.blocks) - 1  # type: ignore[arg-type]
    for key in network.state_dict():
        stage, *rest = key.split(".")
        if rest[-1] == "num_batches_tracked":
            continue
        if stage in ("stem", "head"):
            yield f"arg:{'conv0' if stage == 'stem' else 'conv_last'}_weight", key
        elif stage == "norm":
            yield _NORM[rest[-1]].format("batch_norm_last"), key
        else:  # blocks.{k}.layers.{i}.norm.weight, ups.{k}.deconv.weight
            k = int(rest[0])
            if stage == "blocks":
                prefix = f"{'last' if k == last else letter + str(k)}__layer_{rest[2]}"
            else:
                prefix = f"trans{k}_"
            kind, value = rest[-2:]
            if kind == "norm":
                yield _NORM[value].format(f"{prefix}_batch_norm"), key
            else:
                yield f"arg:{prefix}_{'conv' if kind == 'conv' else 'dconv'}_weight", key


def _compare(
    path: Path, headers: dict[str, ArrayHeader], expected: nn.Module, keys: dict[str, str]
) -> None:
    """Raise unless the file has exactly the arrays of the network, in their shapes."""
    state = expected.state_dict()
    for found, told in (
        ([n for n in keys if n not in headers], "are missing"),
        ([n for n in headers if n not in keys], "do not belong to it"),
        (
            [n for n in keys if n in headers and headers[n].shape != tuple(state[keys[n]].shape)],
            "have another shape",
        ),
    ):
        if found:
            raise NbnetError(
                f"{path} looks like {expected.architecture['name']}, but {len(found)} arrays "  # type: ignore[index]
                f"{told} (first: {found[0]}): it is damaged or of another network"
            )


def _read(
    path: Path, headers: dict[str, ArrayHeader], keys: dict[str, str], fix_gamma: bool
) -> dict[str, Tensor]:
    """Return the state dict, float32, checked for values that no network has."""
    state = {}
    with open(path, "rb") as file:
        for name, key in keys.items():
            value = torch.from_numpy(read_array(file, path, name, headers[name]))
            if not torch.isfinite(value).all():
                raise NbnetError(
                    f"{path}: {name} holds NaN, infinity or a number beyond float32: the training "
                    "that wrote it failed or the file is damaged, take another one"
                )
            if key.endswith("running_var") and (value < 0).any():
                raise NbnetError(
                    f"{path}: {name} holds a negative variance: the file is damaged, take another"
                )
            if fix_gamma and name.endswith("_gamma"):
                value = torch.ones_like(value)
            state[key] = value
    return state


def _listed(headers: dict[str, ArrayHeader]) -> str:
    names = list(headers)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(repr(name) for name in names[:3]) + more if names else "no arrays"
