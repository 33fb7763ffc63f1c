"""Where the numbers are computed: the name of a torch device, checked before long work begins."""

from __future__ import annotations

from nbnet_lib.errors import NbnetError


def resolve_device(device: str = "auto") -> str:
    """Turn ``"auto"`` into ``"cuda"`` where there is one, else ``"cpu"``.

    Raises:
        NbnetError: the name is not a device, or this machine does not have it.
    """
    import torch  # slow to import, and the command line asks for its help first

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=torch.device(device))
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise NbnetError(
            f"device {device!r} cannot be used here ({reason}): "
            'set device = "cpu", or "auto" to use what there is'
        ) from error
    return device
