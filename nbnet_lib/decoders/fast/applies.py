"""Where the fast NbNet may stand in for the readable one.

It computes the network as `NbNet` builds it, on a CPU, in float32. Whoever changed a module, hangs
hooks on one, traces, exports or transforms the network gets the readable version, which is made of
ordinary torch operations. Some of that can only be seen by names that torch keeps to itself: in a
torch that has them no longer, the readable version answers, with one warning.
"""

from __future__ import annotations

import os
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from nbnet_lib.errors import NbnetError, NbnetWarning

if TYPE_CHECKING:
    from nbnet_lib.decoders.nbnet import NbNet

IMPLEMENTATIONS = ("auto", "readable", "fast")
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
UNUSUAL = "a layer is not as NbNet makes it"


def applies(net: NbNet, x: Tensor) -> bool:
    """Return whether the fast version takes the stem's output ``x``; see `NbNet.implementation`.

    Raises:
        NbnetError: it is demanded and cannot, or ``implementation`` is none of the three.
    """
    if net.implementation not in IMPLEMENTATIONS:
        raise NbnetError(
            f"decoder.implementation is {net.implementation!r}: give {', '.join(IMPLEMENTATIONS)}"
        )
    if net.implementation == "readable" or torch.compiler.is_compiling():
        return False
    try:
        reason = _call_reason(x) or _network_reason(net)
    except AttributeError as error:
        reason = f"this torch {torch.__version__} hides what has to be looked at ({error})"
        _warn_once(reason)
    if reason and net.implementation == "fast":
        raise NbnetError(
            f"the fast NbNet does not apply here: {reason}; "
            'set decoder.implementation = "auto" to fall back on the readable one'
        )
    return reason is None


@lru_cache(1)
def _warn_once(reason: str) -> None:
    warnings.warn(f"NbNet runs its readable version: {reason}", NbnetWarning, stacklevel=4)


def _call_reason(x: Tensor) -> str | None:
    if torch.jit.is_tracing() or torch.jit.is_scripting():
        return "the network is being traced"
    if not _plain(x):
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
    if any(getattr(torch_module, f"_global{name}") for name in HOOKS):
        return "a hook is set on all modules"
    for part in net.modules():
        if part is not net and any(getattr(part, name) for name in HOOKS):
            return "a hook is set on one of its modules"
    blocks: Any = net.blocks
    ups: Any = net.ups
    layers = [layer for block in blocks for layer in block.layers]
    norms = [layer.norm for layer in layers] + [up.norm for up in ups] + [net.norm]
    usual = (
        all(_usual_norm(net, norm) for norm in norms)
        and all(_usual_conv(layer.conv, nn.Conv2d, 3) for layer in layers)
        and all(layer.conv.out_channels == 8 for layer in layers)
        and all(_usual_conv(up.deconv, nn.ConvTranspose2d, 4) for up in ups)
        and all(up.deconv.out_channels % 8 == 0 for up in ups)
        and _usual_conv(net.head, nn.Conv2d, 1)
        and net.head.out_channels == 3
    )
    return None if usual else UNUSUAL


def _plain(tensor: Any) -> bool:
    return (
        type(tensor) in (Tensor, nn.Parameter)
        and tensor.device.type == "cpu"
        and tensor.dtype == torch.float32
    )


def _usual_norm(net: NbNet, norm: Any) -> bool:
    first = net.norm
    return (
        type(norm) is nn.BatchNorm2d
        and type(first) is nn.BatchNorm2d
        and norm.training == net.training
        and (norm.eps, norm.momentum) == (first.eps, first.momentum)
        and norm.momentum is not None
        and norm.num_features % 8 == 0
        and all(_plain(getattr(norm, n)) for n in ("weight", "bias", "running_mean", "running_var"))
    )


def _usual_conv(conv: Any, kind: type[nn.Module], edge: int) -> bool:
    return (
        type(conv) is kind  # not a subclass, which may do something else
        and conv.bias is None
        and _plain(conv.weight)
        and conv.kernel_size == (edge, edge)
        and conv.groups == 1
        and conv.dilation == (1, 1)
        and conv.padding == ((edge - 1) // 2,) * 2
        and conv.stride == ((2, 2) if edge == 4 else (1, 1))
        and conv.padding_mode == "zeros"
    )
