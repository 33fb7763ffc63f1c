"""From somebody's network or function to an encoder: work out its input, probe its answers.

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

import traceback
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nbnet_lib.encoders.base import Encoder, unit_templates
from nbnet_lib.encoders.card import MIN_DIM, complete_card, preprocess_fields
from nbnet_lib.encoders.preprocess import Preprocess
from nbnet_lib.errors import NbnetError, NbnetWarning, is_out_of_memory
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
LONGEST = 250  # characters of an error that are shown: its end says what happened


class Recogniser(nn.Module):
    """Somebody's network: its errors are one sentence, its answers templates [N, template_dim].

    Args:
        name: what errors call it.
        network: network inputs [N, ...] -> floats [N, d] or [N, d, 1, 1].

    Attributes:
        template_dim: d of the first answer, which all others must have.
        one_by_one: whether the network is given one picture at a time.
    """

    def __init__(self, name: str, network: Callable[[Tensor], Any]):
        super().__init__()
        self.name, self.network = name, network
        self.template_dim: int | None = None
        self.one_by_one = False

    def forward(self, inputs: Tensor) -> Tensor:
        """Network inputs of N pictures -> templates [N, d] of any length."""
        if self.one_by_one and len(inputs) > 1:
            return torch.cat([self._ask(inputs[i : i + 1]) for i in range(len(inputs))])
        return self._ask(inputs)

    def _ask(self, inputs: Tensor) -> Tensor:
        try:
            answer = self.network(inputs.clone())  # it may write into it
        except NbnetError:
            raise  # one that knows more
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise NbnetError(
                f"{self.name} failed on pictures {list(inputs.shape)} ({one_line(error)}): if that "
                "is not the shape it takes, say image_size and layout in its card; otherwise the "
                "fault is in its own code"
            ) from error
        if isinstance(answer, Tensor) and answer.ndim == 4 and answer.shape[2:] == (1, 1):
            answer = answer[:, :, 0, 0]
        rows = isinstance(answer, Tensor) and answer.ndim == 2 and answer.is_floating_point()
        if rows and self.template_dim is None:
            self.template_dim = answer.shape[1]
        count, dim = len(inputs), self.template_dim or "d"
        if not rows or len(answer) != count or answer.shape[1] != dim:
            given = type(answer).__name__
            if isinstance(answer, Tensor):
                given = f"{answer.dtype} {list(answer.shape)}"
            raise NbnetError(
                f"{self.name} answers a batch of {count} with {given}: expected floats "
                f"[{count}, {dim}], one template for each picture"
            )
        return answer


def one_line(error: BaseException) -> str:
    """Return an error of somebody else's code in one line, with the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f", {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[-LONGEST:]}{where}"


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


def wrap_model(
    name: str,
    network: Callable[[Tensor], Any],
    entries: Mapping[str, Any],
    assumed: list[str],
    device: str | torch.device,
    alignment: str | None,
) -> Encoder:
    """Probe a network and make an encoder of it.

    Args:
        name: what errors call it, and reports where the card has no name.
        network: network inputs -> templates [N, d].
        entries: all entries of the card that are known.
        assumed: which of them are only a convention, and other guesses, as sentences.
        device: of the inputs.
        alignment: see `Encoder`; None for what the card says, or "framing".

    Raises:
        NbnetError: the input is described wrongly, or the network is not a recogniser.
    """
    preprocess = Preprocess(**preprocess_fields(entries))
    recogniser = Recogniser(name, network).to(device).eval().requires_grad_(False)
    source, target = find_framing("synthfaces"), preprocess.own_framing
    framed = reframe(_faces(), source, target, preprocess.size)
    notes = _probe(recogniser, preprocess(framed.to(device)))
    template_dim = recogniser.template_dim
    assert template_dim is not None  # known from the first answer on
    if entries.get("template_dim", template_dim) != template_dim:
        raise NbnetError(
            f"{name} makes templates of length {template_dim} but its card says template_dim "
            f"{entries['template_dim']}: correct the card, or name another output"
        )
    card = complete_card({**entries, "assumed": assumed, "notes": notes}, preprocess, template_dim)
    return Encoder(
        str(card.get("name", name)),
        recogniser,
        preprocess.size,
        template_dim,
        card,
        preprocess=preprocess,
        alignment=alignment or entries.get("alignment", "framing"),
        device=device,
    )


@lru_cache(1)
def _faces() -> Tensor:
    return to_tensor(render_set(PEOPLE, 1, DRAWN_SIZE, progress=False).images)


@torch.no_grad()
def _probe(recogniser: Recogniser, inputs: Tensor) -> list[str]:
    """Ask for templates of different people and judge them; decide how pictures are given.

    Returns:
        A note for the card, and a warning, for each thing that is not as it should be.

    Raises:
        NbnetError: answers of another shape or type, a length below 16, values that are
            not finite, the same template for different people, or an error of the network's own.
    """
    name, count, notes = recogniser.name, len(inputs), []

    def ask(batch: Tensor) -> Tensor:
        return unit_templates(name, recogniser(batch)).cpu()

    recogniser.one_by_one = True
    singles, again = ask(inputs), ask(inputs)
    recogniser.one_by_one = False
    if singles.shape[1] < MIN_DIM:
        raise NbnetError(
            f"{name} answers with {singles.shape[1]} numbers per picture: a template has "
            f"{MIN_DIM} or more"
        )
    repeatable = _distance(singles, again) <= SAME
    if not repeatable:
        notes.append("gives the same picture another template each time: no number is repeatable")
    try:
        apart = max(_distance(singles, ask(inputs)), _distance(singles[1:], ask(inputs[1:])))
    except NbnetError as error:
        recogniser.one_by_one = True
        notes.append(f"takes one picture at a time, which is slower ({error})")
    else:
        if repeatable and apart > SAME:
            recogniser.one_by_one = True
            notes.append(
                "gives a picture another template next to other pictures (cosine "
                f"{1 - apart:.4f}), so it gets one at a time: is it in evaluation mode?"
            )
    others = 1 - (singles @ singles.T)[~torch.eye(count, dtype=torch.bool)].min()
    if others <= 1e-6:
        raise NbnetError(
            f"{name} gives {count} different people the same template: check its range of input "
            "pixels (mean and std in its card), and which of its outputs holds the template"
        )
    if others <= ALIKE:
        notes.append(
            f"gives {count} different people nearly the same template (cosine {1 - others:.4f} at "
            "least): `nbnet encoder test` tries other ranges of pixels"
        )
    for note in notes:
        warnings.warn(f"{name} {note}", NbnetWarning, stacklevel=2)
    return notes


def _distance(a: Tensor, b: Tensor) -> float:
    """Return the largest 1 - cosine of rows that belong together."""
    return float(1 - (a * b).sum(1).min())
