"""Where the fast NbNet may stand in for the readable one (see fast.py).

It computes the network as `NbNet` builds it, on a CPU, in float32. Whoever changed a module, hangs
hooks on one, traces, exports or transforms the network gets the readable version, which is made of
ordinary torch operations.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

if TYPE_CHECKING:
    from nbnet_lib.decoders.nbnet import NbNet

_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


def why_not_fast(net: NbNet, x: Tensor) -> str | None:
    """Return why ``net`` must take the readable path for the stem's output ``x``; None if not."""
    return _call_reason(x) or _network_reason(net)


def _call_reason(x: Tensor) -> str | None:
    if torch.jit.is_tracing() or torch.jit.is_scripting():
        return "the network is being traced"
    if type(x) is not Tensor or x.device.type != "cpu" or x.dtype != torch.float32:
        return "it takes float32 tensors on a CPU"
    if len(x) == 0:
        return "the batch is empty"
    if torch.is_autocast_enabled("cpu"):
        return "autocast is on"
    if torch._C._len_torch_dispatch_stack() or torch._C._len_torch_function_stack():
        return "a torch mode watches the operations"
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return "a function transform is at work"
    if torch.autograd.forward_ad._current_level >= 0:
        return "forward-mode derivatives are wanted"
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return "NUMBA_DISABLE_JIT is set"
    return None


def _network_reason(net: NbNet) -> str | None:
    if any(getattr(torch_module, f"_global{name}", None) for name in _HOOKS):
        return "a hook is set on all modules"
    for part in net.modules():
        if part is not net and any(getattr(part, name) for name in _HOOKS):
            return "a hook is set on one of its modules"
    blocks: Any = net.blocks
    ups: Any = net.ups
    for block in blocks:
        for layer in block.layers:
            if _unusual_norm(net, layer.norm) or _unusual_conv(layer.conv, nn.Conv2d, 8, (3, 3)):
                return "a layer is not as NbNet makes it"
    for up in ups:
        outputs = up.deconv.out_channels
        if _unusual_norm(net, up.norm) or outputs % 8:
            return "a layer is not as NbNet makes it"
        if _unusual_conv(up.deconv, nn.ConvTranspose2d, outputs, (4, 4)):
            return "a layer is not as NbNet makes it"
    if _unusual_norm(net, net.norm) or _unusual_conv(net.head, nn.Conv2d, 3, (1, 1)):
        return "a layer is not as NbNet makes it"
    return None


def _plain(tensor: Any) -> bool:
    return (
        type(tensor) in (Tensor, nn.Parameter)
        and tensor.device.type == "cpu"
        and tensor.dtype == torch.float32
    )


def _unusual_norm(net: NbNet, norm: Any) -> bool:
    first = net.norm
    return not (
        type(norm) is nn.BatchNorm2d
        and type(first) is nn.BatchNorm2d
        and norm.training == net.training
        and (norm.eps, norm.momentum) == (first.eps, first.momentum)
        and norm.momentum is not None
        and norm.num_features % 8 == 0
        and all(_plain(getattr(norm, n)) for n in ("weight", "bias", "running_mean", "running_var"))
    )


def _unusual_conv(conv: Any, kind: type[nn.Module], outputs: int, kernel: tuple[int, int]) -> bool:
    return not (
        type(conv) is kind  # not a subclass, which may do something else
        and conv.bias is None
        and _plain(conv.weight)
        and conv.out_channels == outputs
        and conv.kernel_size == kernel
        and conv.groups == 1
        and conv.dilation == (1, 1)
        and conv.padding == ((kernel[0] - 1) // 2,) * 2
        and conv.stride == ((2, 2) if kernel == (4, 4) else (1, 1))
        and conv.padding_mode == "zeros"
    )
