"""Is this a recogniser? A network that nobody here knows is asked for templates of a few faces.

What it must do: answer N pictures with N rows of one length, finite, and not the same for
everybody. What it should do: give a face the same template twice, and whatever other pictures are
in the batch. A network that minds its batch (batch norm left in training mode, or activations
quantised by the range of the batch) is asked for one picture at a time from then on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from nbnet_lib.encoders.base import UNIT
from nbnet_lib.encoders.card import MAX_DIM, MIN_DIM
from nbnet_lib.encoders.preprocess import Preprocess
from nbnet_lib.errors import NbnetError, NbnetWarning
from nbnet_lib.faces import render_set, to_tensor
from nbnet_lib.faces.framing import find_framing, reframe

PEOPLE = range(4)  # of the evaluation identities
DRAWN_SIZE = 112  # pixels
SAME = 1e-4  # templates whose cosine is nearer to 1 are the same up to rounding
ALIKE = 1e-3  # different people nearer than this are suspicious


@dataclass(frozen=True)
class Findings:
    """What the examination found.

    Attributes:
        template_dim: length of a template.
        one_by_one: pictures must be given singly.
        notes: sentences for the card, one for each thing that is not as it should be.
    """

    template_dim: int
    one_by_one: bool
    notes: tuple[str, ...]


@lru_cache(1)
def _faces() -> Tensor:
    return to_tensor(render_set(PEOPLE, 1, DRAWN_SIZE, progress=False).images)


@torch.no_grad()
def examine(
    name: str,
    network: Callable[[Tensor], Tensor],
    preprocess: Preprocess,
    device: str | torch.device = "cpu",
) -> Findings:
    """Ask a network for templates of SynthFaces and judge them; each note is a warning too.

    Args:
        name: what errors call it.
        network: network inputs -> templates [N, d].
        preprocess: makes the inputs.
        device: where the inputs go.

    Raises:
        NbnetError: answers of another shape or type, a length outside 16 to 2048, values that are
            not finite, the same template for different people, or an error of the network's own.
    """
    framed = reframe(_faces(), find_framing("synthfaces"), preprocess.own_framing, preprocess.size)
    inputs = preprocess(framed.to(device))
    count = len(inputs)
    singles = torch.cat([_ask(name, network, inputs[i : i + 1]) for i in range(count)])
    dim = singles.shape[1]
    if not MIN_DIM <= dim <= MAX_DIM:
        raise NbnetError(
            f"{name} answers with {dim} numbers per picture: a template has {MIN_DIM} to {MAX_DIM}"
        )
    notes: list[str] = []
    again = torch.cat([_ask(name, network, inputs[i : i + 1]) for i in range(count)])
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
                "gives a picture another template beside other pictures (cosine "
                f"{1 - apart:.4f}), so it is asked for one at a time: is it in evaluation mode?"
            )
    others = 1 - (singles @ singles.T)[~torch.eye(count, dtype=torch.bool)].min()
    if others <= 1e-6:
        raise NbnetError(
            f"{name} gives {count} different people the same template: check its range of input "
            "pixels (mean, std) and which of its outputs holds the template"
        )
    if others <= ALIKE:
        notes.append(
            f"gives {count} different people nearly the same template (cosine {1 - others:.4f} at "
            "least): `nbnet encoder test` tries other ranges of pixels"
        )
    for note in notes:
        warnings.warn(f"{name} {note}", NbnetWarning, stacklevel=2)
    return Findings(dim, one_by_one, tuple(notes))


def _ask(name: str, network: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """Return templates float32 [N, d] of unit length on the CPU, or say what came instead."""
    answer = network(inputs)
    told = f"{name} answers {len(inputs)} picture{'s' if len(inputs) > 1 else ''} with"
    if not isinstance(answer, Tensor):
        raise NbnetError(f"{told} {type(answer).__name__}: expected one array of templates")
    if answer.ndim != 2 or len(answer) != len(inputs) or not answer.is_floating_point():
        raise NbnetError(
            f"{told} {answer.dtype} {list(answer.shape)}: expected floats [{len(inputs)}, d], a "
            "row for each picture"
        )
    answer = answer.float().cpu()
    if not torch.isfinite(answer).all():
        raise NbnetError(
            f"{told} NaN or infinity: check its range of input pixels (mean and std in its card)"
        )
    if not (answer != 0).any(1).all():
        raise NbnetError(
            f"{told} zeros only: check its range of input pixels (mean and std in its card)"
        )
    unit = F.normalize(answer)
    if not ((unit.norm(dim=1) - 1).abs() < UNIT).all():
        raise NbnetError(
            f"{told} numbers of the size {float(answer.abs().max()):.0e}, whose squares 32 bits "
            "cannot hold: check its range of input pixels (mean and std in its card)"
        )
    return unit


def _distance(one: Tensor, other: Tensor) -> float:
    """Return the largest 1 - cosine of rows that belong together."""
    return float(1 - (one * other).sum(1).min())
