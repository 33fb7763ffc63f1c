"""How exactly a training computes: float32, TF32 on an NVIDIA GPU, or bfloat16 (chapter 9).

bfloat16 keeps the range of float32 with 8 bits of mantissa instead of 24: half the memory to move,
and units of their own in newer processors and GPUs. Weights, batch norm's statistics and the
optimiser stay in float32 (autocast).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def computing_in(precision: str, device: torch.device) -> Iterator[torch.autocast]:
    """Compute float32 products in TF32 or not, and give the context for the forward pass.

    Args:
        precision: "no", "tf32" or "bf16" (which multiplies what is left in float32 in TF32).
        device: where the network is.
    """
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = precision != "no"
    try:
        yield torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


def best_precision(device: str | torch.device, decoder: str) -> str:
    """Return the fastest precision for a decoder's name on a device: "bf16", "tf32" or "no".

    On a CPU, NbNet is fastest in float32, by its own kernels (`decoders.fast`); the others are in
    bfloat16 where the processor has units for it.
    """
    if torch.device(device).type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return "bf16" if major >= 8 else "no"  # 8: Ampere, which also brought TF32
    if decoder.startswith("nbnet"):
        return "no"
    known = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return "bf16" if known is not None and known() else "no"
