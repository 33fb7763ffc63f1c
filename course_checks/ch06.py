"""Checks of chapter 06, The neighbourly network."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from course_checks.base import (
    Answer,
    NotAttempted,
    Wrong,
    describe,
    exercise,
    is_unfinished,
    one_line,
)


@exercise(
    "6.1 ★★ a block of NbNet-B",
    "let x grow: each unit reads all channels there are and its 8 new ones are concatenated",
    "for unit in self.units: x = torch.cat([x, unit(x)], dim=1); then return x",
)
def _block(NbBlock: Answer) -> str:  # noqa: N803
    for channels, units in ((40, 3), (32, 5), (8, 1)):
        block, x = _make_block(NbBlock, channels, units)
        why = f"unit i must see the input and all i outputs before it: {channels} + 8 * i channels"
        got, inputs, outputs = _run_block(NbBlock, block, x, why)
        _check_output(NbBlock, got, x, outputs, units)
        for i in range(units):
            NbBlock.expect(
                all(_holds(inputs[i], seen) for seen in outputs[:i]),
                f"unit {i} does not see everything that was made before it",
                "give it the concatenation of the input and all earlier outputs",
            )
    return "every unit sees all that was made before it"


def _require_module(answer: Answer) -> None:
    """Raise unless the answer is a class made from nn.Module whose ``forward`` is begun."""
    if answer.value is None or answer.value is ...:
        raise NotAttempted(f" ({answer.name} is {answer.value})")
    answer.expect(
        isinstance(answer.value, type) and issubclass(answer.value, nn.Module),
        f"expected a class made from nn.Module, got {describe(answer.value)}",
    )
    if is_unfinished(answer.value.forward):
        raise NotAttempted(f" ({answer.name}.forward only returns a constant)")


def _make_block(answer: Answer, channels: int, units: int) -> tuple[Any, torch.Tensor]:
    """Return a block of the learner's class with random weights, and an input for it."""
    _require_module(answer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(33)
        try:
            block = answer.value(channels, units)
        except Exception as error:
            message = f"{answer.name}({channels}, {units}) stopped with {type(error).__name__}"
            raise answer.wrong(message, one_line(error)) from error
        return block.eval(), torch.randn(2, channels, 5, 5)


def _run_block(
    answer: Answer, block: Any, x: torch.Tensor, wrong_channels: str
) -> tuple[torch.Tensor, list[torch.Tensor], list[torch.Tensor]]:
    """Return what the block puts out, and what each unit got and made, in the order of the runs."""
    inputs: list[torch.Tensor] = []
    outputs: list[torch.Tensor] = []

    def record(module: nn.Module, args: Any, output: torch.Tensor) -> None:
        inputs.append(args[0].detach().clone())
        outputs.append(output.detach().clone())

    for unit in block.units:
        unit.register_forward_hook(record)
    forward = Answer(f"{answer.name}.forward", block.forward)
    try:
        with torch.no_grad():
            got = forward.call(x.clone(), returns="a tensor").value
    except Wrong as wrong:
        # Which of its parts complains first (batch norm or convolution) is torch's affair.
        if "channels" in str(wrong) or "running_mean" in str(wrong):
            message = "a unit was given the wrong number of channels"
            raise forward.wrong(message, wrong_channels) from wrong
        if "except in dimension 0" in str(wrong):
            why = "torch.cat joins along dim=0 (the batch) unless told dim=1"
            raise Wrong(str(wrong), why) from wrong
        raise
    answer.expect(isinstance(got, torch.Tensor), f"expected a tensor, got {describe(got)}")
    return got, inputs, outputs


def _check_output(
    answer: Answer, got: torch.Tensor, x: torch.Tensor, outputs: list[torch.Tensor], units: int
) -> None:
    """Raise unless ``got`` is the input and the output of every unit, concatenated in order."""
    channels = x.shape[1]
    want = [2, channels + 8 * units, 5, 5]
    if list(got.shape) != want:
        made = got.shape[1] if got.ndim == 4 else 0
        if made == 8 * units and units > 1:
            why = "the block's input belongs into the output too"
        elif made == channels + 8:
            why = "are you concatenating every earlier output?"
        elif made == 8 * (units + 1):
            why = "x is no longer the block's input at the end: keep it under another name"
        elif made == 8:
            why = "that is the last unit alone; concatenate its output to x (torch.cat)"
        else:
            why = "concatenate along the channels, dim=1"
        raise answer.wrong(f"expected {want}, got {list(got.shape)}", why)
    answer.expect(
        len(outputs) == units,
        f"expected each of {units} units to run once, {len(outputs)} runs seen",
        "one pass over self.units",
    )
    answer.expect(
        _holds(got, x),
        "the output does not hold the block's input unchanged",
        "concatenate; do not add, and leave activations to the units",
    )
    for i, output in enumerate(outputs):
        missing = f"the output of unit {i} is missing"
        answer.expect(_holds(got, output), missing, "concatenate every output")
    answer.expect(
        torch.allclose(got, torch.cat([x, *outputs], dim=1), atol=1e-5),
        "all channels are there, in another order",
        "x first, then unit 0, unit 1, ...: the shipped weights were trained in this order",
    )


def _holds(big: torch.Tensor, small: torch.Tensor) -> bool:
    """Say whether every channel of ``small`` is among those of ``big``, in any order."""
    difference = (big[:, :, None] - small[:, None]).abs().amax(dim=(0, 3, 4))
    return bool((difference.amin(dim=0) < 1e-5).all())


@exercise(
    "6.2 ★★ a block of NbNet-A",
    "unit 0 reads `channels` channels, each further one 8; in forward keep a list of all "
    "pieces, give each unit the newest piece only, and concatenate once, at the end",
    "[channels] + [8] * (units - 1); pieces = [x]; for unit in self.units: "
    "pieces.append(unit(pieces[-1])); return torch.cat(pieces, dim=1)",
)
def _chain(inputs_of_a: Answer, NbBlockA: Answer) -> str:  # noqa: N803
    for channels, units in ((40, 3), (32, 5), (8, 1)):
        _check_inputs(inputs_of_a, channels, units)
    for channels, units in ((40, 3), (32, 5), (24, 1)):
        block, x = _make_block(NbBlockA, channels, units)
        why = "unit 0 reads the block's input, every other unit the 8 channels of the one before"
        got, inputs, outputs = _run_block(NbBlockA, block, x, why)
        if len(outputs) == units:
            for i, (given, before) in enumerate(zip(inputs, [x, *outputs], strict=False)):
                NbBlockA.expect(
                    given.shape == before.shape and torch.allclose(given, before, atol=1e-5),
                    f"unit {i} does not read the piece before it",
                    why,
                )
        _check_output(NbBlockA, got, x, outputs, units)
    return "the same shapes as B, and far fewer channels read"


def _check_inputs(inputs_of_a: Answer, channels: int, units: int) -> None:
    want = [channels] + [8] * (units - 1)
    given = inputs_of_a.call(channels, units, returns="a list of numbers").value
    try:
        got = [int(c) for c in given]
    except (TypeError, ValueError) as error:
        found = f"expected a list of numbers, got {describe(given)}"
        raise inputs_of_a.wrong(found) from error
    if got == [channels + 8 * i for i in range(units)]:
        why = "that is NbNet-B; in A a unit reads only the 8 channels of the one before"
    elif got == [8] * units:
        why = "unit 0 has nobody before it: it reads the block's input"
    elif got == [channels] * units:
        why = "only unit 0 reads the block's input; the others read 8 channels"
    elif len(got) != units:
        why = f"one number for each of the {units} units"
    else:
        why = "the input's channels once, then 8 for each further unit"
    case = f"{channels} channels, {units} units"
    inputs_of_a.expect(got == want, f"{case}: expected {want}, got {got}", why)


@exercise(
    "6.3 ★★ counting the values of a block",
    "unit i reads channels + growth * i channels; batch norm has 2 values for each channel it "
    "reads, the 3x3 convolution 9 for each channel it reads and each it makes; no biases",
    "sum((channels + growth * i) * (2 + 9 * growth) for i in range(units))",
)
def _count(block_parameters: Answer) -> str:
    for channels, units, growth in ((256, 32, 8), (16, 1, 8), (12, 5, 4)):
        seen = sum(channels + growth * i for i in range(units))
        fixed = sum(channels + 8 * i for i in range(units))
        unit, convolution = 2 + 9 * growth, 9 * growth * seen
        want = unit * seen
        block_parameters.compare(
            block_parameters.call(channels, units, growth, returns="a whole number").number(),
            want,
            {
                "batch norm has values too: a scale and a shift for each channel it reads": (
                    convolution
                ),
                "batch norm has two values for each channel, scale and shift": want - seen,
                "batch norm's running mean and variance are counted by no optimiser: leave them": (
                    want + 2 * seen
                ),
                "these convolutions have no bias": (
                    want + units * growth,
                    convolution + units * growth,
                ),
                "the input grows: unit i reads channels + growth * i channels": (
                    units * channels * unit
                ),
                "that is a block of NbNet-A; in B a unit sees everything before it": (
                    (channels + (units - 1) * growth) * unit
                ),
                "a 3x3 convolution has 9 values for each pair of channels": seen * (2 + growth),
                "batch norm comes first: it has 2 values for each channel *read*": (
                    convolution + 2 * growth * units
                ),
                "unit 0 reads `channels` channels, not more": want + units * growth * unit,
                "use `growth`, not 8": (74 * seen, 74 * fixed, unit * fixed),
            },
            "count one unit first: which channels does it read, and what stands in it?",
            tolerance=1e-9,
            case=f"{channels} channels, {units} units, growth {growth}",
        )
    return "899,840 in the first block of the paper's network"


@exercise(
    "6.4 ★★ the whole network",
    "blocks and up steps take turns, and there is one up step fewer than blocks; then norm, "
    "ReLU, head and tanh, in this order",
    "for k, block in enumerate(self.blocks): x = block(x); if k < len(self.ups): "
    "x = self.ups[k](x). Then return torch.tanh(self.head(torch.relu(self.norm(x))))",
)
def _network(MyNbNet: Answer) -> str:  # noqa: N803
    from nbnet_lib.decoders.nbnet import BlockB, NbNet

    _require_module(MyNbNet)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(64)
        reference = NbNet("b", image_size=64, base_channels=128)
        for name_of, tensor in reference.state_dict().items():  # as if trained: each part shows
            if name_of.endswith("running_var") or (tensor.ndim == 1 and name_of.endswith("weight")):
                tensor.uniform_(0.5, 1.5)
            elif name_of.endswith(("running_mean", "bias")):
                tensor.normal_(0, 0.3)
        templates = nn.functional.normalize(torch.randn(2, 128), dim=1)
        try:
            network = MyNbNet.value(lambda channels, units: BlockB(channels, units, 8), base=128)
            values = reference.state_dict().values()
            network.load_state_dict(dict(zip(network.state_dict(), values, strict=True)))
        except Exception as error:
            message = f"{MyNbNet.name}(block, base=128) stopped with {type(error).__name__}"
            raise MyNbNet.wrong(message, "leave __init__ as it was in the chapter") from error
    reference.implementation = "readable"
    with torch.no_grad():
        got = _draw(MyNbNet, network.eval(), templates)
        _compare_pictures(MyNbNet, got, reference.eval(), templates)
    return "the same pictures as the library's NbNet-B with the same weights"


def _draw(answer: Answer, network: nn.Module, templates: torch.Tensor) -> torch.Tensor:
    ran: list[str] = []
    wanted = " ".join(f"block {k} up {k}" for k in range(5)).removesuffix(" up 4")
    for kind, parts in (("block", network.blocks), ("up", network.ups)):
        for k, part in enumerate(parts):  # type: ignore[arg-type]
            part.register_forward_pre_hook(lambda m, given, n=f"{kind} {k}": ran.append(n))
    try:
        got = network(templates)
    except Exception as error:
        message, why = f"forward stopped with {type(error).__name__}", one_line(error)
        if isinstance(error, IndexError):
            message, why = f"{message} ({why})", "5 blocks, 4 up steps: none after the last block"
        elif "invalid combination" in why or "__init__()" in why:
            why += "; nn.ReLU is a layer to be made first; torch.relu is the function"
        elif " ".join([*ran, "block 4"]) == wanted:
            why = "block 4 never ran: zip stops at the shorter of its lists"
        elif not wanted.startswith(" ".join(ran)):
            why = "blocks and up steps take turns: block 0, up 0, block 1, up 1, ..., block 4"
        raise answer.wrong(message, why) from error
    if got is None or got is ...:
        raise NotAttempted(f" ({answer.name}.forward returns {got}: its last line is a `return`)")
    if isinstance(got, nn.Module):  # nn.ReLU(x): its repr would need the truth of x
        made = f"expected a tensor, got a layer, {type(got).__name__}"
        raise answer.wrong(made, "make the layer first, or use the function: torch.tanh(x)")
    answer.expect(isinstance(got, torch.Tensor), f"expected a tensor, got {describe(got)}")
    return got


def _compare_pictures(
    answer: Answer, got: torch.Tensor, reference: Any, templates: torch.Tensor
) -> None:
    want = reference(templates)
    why = "all five blocks and all four up steps"
    if got.shape[-1] == 64:
        why = "a picture has 3 channels: the head is missing"
    answer.expect(
        got.shape == want.shape, f"expected {list(want.shape)}, got {list(got.shape)}", why
    )
    if torch.allclose(got, want, atol=1e-4):
        return
    x = reference.stem(templates[:, :, None, None] * 128**0.5)
    for k, block in enumerate(reference.blocks):
        x = block(x)
        x = reference.ups[k](x) if k < len(reference.ups) else x
    norm, head = reference.norm, reference.head
    slips = {
        "tanh is missing: pixels must lie in -1...1": head(torch.relu(norm(x))),
        "sigmoid gives 0...1; pixels need tanh": torch.sigmoid(head(torch.relu(norm(x)))),
        "the ReLU between norm and head is missing": torch.tanh(head(norm(x))),
        "self.norm is missing before the head's ReLU": torch.tanh(head(torch.relu(x))),
        "self.norm and ReLU are missing before the head": torch.tanh(head(x)),
        "norm first, then ReLU, then the head": torch.tanh(head(norm(torch.relu(x)))),
        "the ReLU comes before the head, not after it": torch.tanh(torch.relu(head(norm(x)))),
    }
    fitting = (why for why, slip in slips.items() if torch.allclose(got, slip, atol=1e-4))
    why = next(fitting, "stem, then block and up step in turn, then norm, ReLU, head, tanh")
    worst = float((got - want).abs().max())
    raise answer.wrong(f"right shape, but pixels differ by up to {worst:.2f}", why)
