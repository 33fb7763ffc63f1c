"""From a network in a file, or a function, to an encoder: settle its input, probe its answers.

What a network wants is taken from the first of these that knows: the file itself (a fixed size
cannot be argued with), the options and the card that the user gave, what can be read from the file,
and at last a convention. Whatever was taken from the convention is listed in ``card["assumed"]``,
because a wrong guess here costs accuracy and nothing else shows it.

Then the network is asked for templates of a few faces. What it must do: answer N pictures with N
rows of one length, finite, and not the same for everybody. What it should do: give a face the same
template twice, and whatever other pictures are in the batch. A network that minds its batch (batch
norm left in training mode, or activations quantised by the range of the batch) is given one picture
at a time from then on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nbnet_lib.encoders.base import UNIT, Encoder
from nbnet_lib.encoders.card import MAX_DIM, MIN_DIM, complete_card, preprocess_fields
from nbnet_lib.encoders.preprocess import Preprocess
from nbnet_lib.errors import NbnetError, NbnetWarning
from nbnet_lib.faces import render_set, to_tensor
from nbnet_lib.faces.framing import find_framing, reframe

# As InsightFace's recognition models take their faces.
INSIGHTFACE = {
    "image_size": 112,
    "channels": "rgb",
    "layout": "nchw",
    "mean": 127.5,
    "std": 127.5,
    "framing": "arcface",
}
PEOPLE = range(4)  # of the evaluation identities
DRAWN_SIZE = 112  # pixels
SAME = 1e-4  # templates whose cosine is nearer to 1 are the same up to rounding
ALIKE = 1e-3  # different people nearer than this are suspicious
RANGE = "check its range of input pixels (mean and std in its card)"


@dataclass(frozen=True)
class Input:
    """How a network is fed.

    Attributes:
        entries: all entries of the card that are known.
        assumed: which of them are only a convention, and other guesses, as sentences.
        device: of the inputs.
        alignment: see `Encoder`; None for what the card says, or "framing".
    """

    entries: dict[str, Any]
    assumed: list[str]
    device: str | torch.device
    alignment: str | None


def resolve_options(
    where: str,
    given: Mapping[str, Any],
    fixed: Mapping[str, Any],
    read: Mapping[str, Any],
    convention: Mapping[str, Any],
) -> tuple[dict[str, Any], list[str]]:
    """Return (all entries of the card that are known, what was assumed, as sentences).

    Args:
        where: what an error calls the network.
        given: what the user says, checked.
        fixed: what the file does not leave open.
        read: what the file suggests.
        convention: the rest.

    Raises:
        NbnetError: ``given`` contradicts ``fixed``.
    """
    for key, value in fixed.items():
        if key in given and given[key] != value:
            raise NbnetError(
                f"{where} has {key} {value} but its card says {given[key]}: correct the card"
            )
    known = {**read, **given, **fixed}
    missing = {key: value for key, value in convention.items() if key not in known}
    return {**missing, **known}, [f"{key}: {value}" for key, value in missing.items()]


def wrap_model(name: str, network: nn.Module | Callable[[Tensor], Any], fed: Input) -> Encoder:
    """Probe a network and make an encoder of it.

    Args:
        name: what errors call it, and reports where the card has no name.
        network: network inputs -> templates [N, d].
        fed: its inputs.

    Raises:
        NbnetError: the input is described wrongly, or the network is not a recogniser.
    """
    if isinstance(network, nn.Module):
        network.eval().requires_grad_(False)
    preprocess = Preprocess(**preprocess_fields(fed.entries))
    template_dim, one_by_one, notes = probe_model(name, network, preprocess, fed.device)
    wanted = fed.entries.get("template_dim", template_dim)
    if wanted != template_dim:
        raise NbnetError(
            f"{name} makes templates of length {template_dim} but its card says "
            f"template_dim {wanted}: correct the card, or name another output"
        )
    card = complete_card(
        {**fed.entries, "assumed": fed.assumed, "notes": notes}, preprocess, template_dim
    )
    return Encoder(
        str(card.get("name", name)),
        _OneByOne(name, network, template_dim) if one_by_one else network,
        preprocess.size,
        template_dim,
        card,
        preprocess=preprocess,
        alignment=fed.alignment or fed.entries.get("alignment", "framing"),
        device=fed.device,
    )


class _OneByOne(nn.Module):
    """Gives a network one picture at a time; it must answer each with [1, template_dim]."""

    def __init__(self, name: str, network: Callable[[Tensor], Any], template_dim: int):
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


@lru_cache(1)
def _faces() -> Tensor:
    return to_tensor(render_set(PEOPLE, 1, DRAWN_SIZE, progress=False).images)


@torch.no_grad()
def probe_model(
    name: str,
    network: Callable[[Tensor], Any],
    preprocess: Preprocess,
    device: str | torch.device = "cpu",
) -> tuple[int, bool, list[str]]:
    """Ask a network for templates of SynthFaces and judge them.

    Args:
        name: what errors call it.
        network: network inputs -> templates [N, d].
        preprocess: makes the inputs.
        device: where the inputs go.

    Returns:
        length of a template; whether pictures must be given singly; a note for the card, and a
        warning, for each thing that is not as it should be.

    Raises:
        NbnetError: answers of another shape or type, a length outside 16 to 2048, values that are
            not finite, the same template for different people, or an error of the network's own.
    """
    framed = reframe(_faces(), find_framing("synthfaces"), preprocess.own_framing, preprocess.size)
    inputs = preprocess(framed.to(device))
    count = len(inputs)
    singles, again = (
        torch.cat([_ask(name, network, inputs[i : i + 1]) for i in range(count)]) for _ in range(2)
    )
    dim = singles.shape[1]
    if not MIN_DIM <= dim <= MAX_DIM:
        raise NbnetError(
            f"{name} answers with {dim} numbers per picture: a template has {MIN_DIM} to {MAX_DIM}"
        )
    notes: list[str] = []
    steady = _distance(singles, again) <= SAME
    if not steady:
        notes.append("gives the same picture another template each time: no number is repeatable")
    one_by_one = False
    try:
        batches = [_ask(name, network, inputs), _ask(name, network, inputs[1:])]
        if any(batch.shape[1] != dim for batch in batches):
            raise NbnetError(f"{name} answers with another length of template in a batch")
    except NbnetError as error:
        one_by_one = True
        notes.append(f"takes one picture at a time, which is slower ({error})")
    else:
        apart = max(_distance(singles, batches[0]), _distance(singles[1:], batches[1]))
        if steady and apart > SAME:
            one_by_one = True
            notes.append(
                "gives a picture another template next to other pictures (cosine "
                f"{1 - apart:.4f}), so it gets one at a time: is it in evaluation mode?"
            )
    others = 1 - (singles @ singles.T)[~torch.eye(count, dtype=torch.bool)].min()
    if others <= 1e-6:
        raise NbnetError(
            f"{name} gives {count} different people the same template: {RANGE}, and which of its "
            "outputs holds the template"
        )
    if others <= ALIKE:
        notes.append(
            f"gives {count} different people nearly the same template (cosine {1 - others:.4f} at "
            "least): `nbnet encoder test` tries other ranges of pixels"
        )
    for note in notes:
        warnings.warn(f"{name} {note}", NbnetWarning, stacklevel=2)
    return dim, one_by_one, notes


def _ask(name: str, network: Callable[[Tensor], Any], inputs: Tensor) -> Tensor:
    """Return templates float32 [N, d] of unit length on the CPU, or say what came instead."""
    answer = network(inputs)
    answered = f"{name} answers {len(inputs)} picture{'s' if len(inputs) > 1 else ''} with"
    if not isinstance(answer, Tensor):
        raise NbnetError(f"{answered} {type(answer).__name__}: expected one array of templates")
    if answer.ndim != 2 or len(answer) != len(inputs) or not answer.is_floating_point():
        raise NbnetError(
            f"{answered} {answer.dtype} {list(answer.shape)}: expected floats [{len(inputs)}, d], "
            "a row for each picture"
        )
    answer = answer.float().cpu()
    unit = F.normalize(answer)
    # Not so after zeros, NaN and infinity, nor after squares beyond the range of 32 bits.
    if not ((unit.norm(dim=1) - 1).abs() < UNIT).all():
        largest = float(answer.abs().max())  # NaN where there is one
        what = "zeros only" if not answer.any(1).all() else f"numbers up to {largest:.0e}"
        raise NbnetError(f"{answered} {what}, which have no direction: {RANGE}")
    return unit


def _distance(a: Tensor, b: Tensor) -> float:
    """Return the largest 1 - cosine of rows that belong together."""
    return float(1 - (a * b).sum(1).min())
