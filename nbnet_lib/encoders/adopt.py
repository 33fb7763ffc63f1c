"""From a network in a file, or a function, to an encoder: settle its input, examine its answers.

What a network wants is taken from the first of these that knows: the file itself (a fixed size
cannot be argued with), the options and the card that the user gave, what can be read from the file,
and at last a convention. Whatever was taken from the convention is listed in ``card["assumed"]``,
because a wrong guess here costs accuracy and nothing else shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nbnet_lib.encoders.base import Encoder
from nbnet_lib.encoders.card import check_card, complete_card, preprocess_fields
from nbnet_lib.encoders.examine import examine
from nbnet_lib.encoders.preprocess import Preprocess
from nbnet_lib.errors import NbnetError

# As InsightFace's recognition models take their faces.
INSIGHTFACE = {
    "image_size": 112,
    "channels": "rgb",
    "layout": "nchw",
    "mean": 127.5,
    "std": 127.5,
    "framing": "arcface",
}


def settle(
    where: str,
    told: Mapping[str, Any],
    fixed: Mapping[str, Any],
    read: Mapping[str, Any],
    convention: Mapping[str, Any],
) -> tuple[dict[str, Any], list[str]]:
    """Return (all entries of the card that are known, what was assumed, as sentences).

    Args:
        where: what an error calls the network.
        told: what the user says, checked.
        fixed: what the file does not leave open.
        read: what the file suggests.
        convention: the rest.

    Raises:
        NbnetError: ``told`` contradicts ``fixed``.
    """
    for key, value in fixed.items():
        if key in told and told[key] != value:
            raise NbnetError(
                f"{where} has {key} {value} but its card says {told[key]}: correct the card"
            )
    known = {**read, **told, **fixed}
    missing = {key: value for key, value in convention.items() if key not in known}
    assumed = [f"{key}: {value}" for key, value in missing.items()]
    return {**missing, **known}, assumed


class _OneByOne(nn.Module):
    """Asks a network for one picture at a time; it must answer each with [1, template_dim]."""

    def __init__(self, name: str, network: Callable[[Tensor], Tensor], template_dim: int):
        super().__init__()
        self.name, self.network, self.template_dim = name, network, template_dim

    def forward(self, inputs: Tensor) -> Tensor:
        """Network inputs of N pictures -> templates [N, d]."""
        answers = [self.network(inputs[i : i + 1]) for i in range(len(inputs))]
        for i, answer in enumerate(answers):
            tensor = isinstance(answer, Tensor)
            shape = list(answer.shape) if tensor else type(answer).__name__
            if shape != [1, self.template_dim]:
                raise NbnetError(
                    f"{self.name} answers picture {i} of a batch of {len(inputs)} with {shape}: "
                    f"expected [1, {self.template_dim}]"
                )
        return torch.cat(answers)


def adopt(
    name: str,
    network: nn.Module | Callable[[Tensor], Tensor],
    entries: Mapping[str, Any],
    assumed: list[str],
    device: str | torch.device,
    alignment: str | None,
) -> Encoder:
    """Examine a network and make an encoder of it.

    Args:
        name: what errors call it, and reports where the card has no name.
        network: network inputs -> templates [N, d].
        entries: of `settle`: the whole input, and what else is known.
        assumed: of `settle`.
        device: of the inputs.
        alignment: see `Encoder`; None for what the card says, or "framing".

    Raises:
        NbnetError: the input is described wrongly, or the network is no recogniser (`examine`).
    """
    if isinstance(network, nn.Module):
        network.eval().requires_grad_(False)
    preprocess = Preprocess(**preprocess_fields(entries))
    found = examine(name, network, preprocess, device)
    wanted = entries.get("template_dim", found.template_dim)
    if wanted != found.template_dim:
        raise NbnetError(
            f"{name} makes templates of length {found.template_dim} but its card says "
            f"template_dim {wanted}: correct the card, or name another output"
        )
    card = complete_card(
        {**entries, "assumed": assumed, "notes": list(found.notes)},
        preprocess,
        found.template_dim,
    )
    return Encoder(
        str(card.get("name", name)),
        _OneByOne(name, network, found.template_dim) if found.one_by_one else network,
        preprocess.size,
        found.template_dim,
        card,
        preprocess=preprocess,
        alignment=alignment or entries.get("alignment", "framing"),
        device=device,
    )


def check_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a card that were given as keyword arguments, checked.

    Raises:
        NbnetError: an unknown one or a wrong value.
    """
    return check_card(options, f"create_encoder of {name}")
