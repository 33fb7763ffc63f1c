"""Checks of chapter 06, The neighbourly network."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from course_checks.base import (
    Answer,
    NotAttempted,
    Wrong,
    call,
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
        block, x = _make_block("NbBlock", NbBlock.value, channels, units)
        _check_dense("NbBlock", block, x, channels, units)
    return "every unit sees all that was made before it"


def _check_dense(name: str, block: Any, x: torch.Tensor, channels: int, units: int) -> None:
    why = f"unit i must see the input and all i outputs before it: {channels} + 8 * i channels"
    got, inputs, outputs = _run_block(name, block, x, why)
    _check_output(name, got, x, outputs, units)
    for i in range(units):
        for seen in outputs[:i]:
            if not _holds(inputs[i], seen):
                message = f"unit {i} does not see everything that was made before it"
                why = "give it the concatenation of the input and all earlier outputs"
                raise Wrong(name, message, why)


def _make_block(name: str, block_class: Any, channels: int, units: int) -> tuple[Any, torch.Tensor]:
    """Return a block of the learner's class with random weights, and an input for it."""
    if block_class is None or block_class is ...:
        raise NotAttempted(f" ({name} is {block_class})")
    if not isinstance(block_class, type) or not issubclass(block_class, nn.Module):
        raise Wrong(name, f"expected a class made from nn.Module, got {describe(block_class)}")
    if is_unfinished(block_class.forward):
        raise NotAttempted(f" ({name}.forward only returns a constant)")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(33)
        try:
            block = block_class(channels, units)
        except Exception as error:
            message = f"{name}({channels}, {units}) stopped with {type(error).__name__}"
            raise Wrong(name, message, one_line(error)) from error
        return block.eval(), torch.randn(2, channels, 5, 5)


def _run_block(
    name: str, block: Any, x: torch.Tensor, wrong_channels: str
) -> tuple[torch.Tensor, list[torch.Tensor], list[torch.Tensor]]:
    """Return what the block puts out, and what each unit got and made, in the order of the runs."""
    inputs: list[torch.Tensor] = []
    outputs: list[torch.Tensor] = []

    def record(module: nn.Module, args: Any, output: torch.Tensor) -> None:
        inputs.append(args[0].detach().clone())
        outputs.append(output.detach().clone())

    hooks = [unit.register_forward_hook(record) for unit in block.units]
    try:
        with torch.no_grad():
            got = call(f"{name}.forward", block.forward, x.clone(), returns="a tensor")
    except Wrong as wrong:
        # Which of its parts complains first (batch norm or convolution) is torch's affair.
        if "channels" in str(wrong) or "running_mean" in str(wrong):
            message = "a unit was given the wrong number of channels"
            raise Wrong(f"{name}.forward", message, wrong_channels) from wrong
        if "except in dimension 0" in str(wrong):
            why = "torch.cat joins along dim=0 (the batch) unless told dim=1"
            raise Wrong(str(wrong), why) from wrong
        raise
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(got, torch.Tensor):
        raise Wrong(name, f"expected a tensor, got {describe(got)}")
    return got, inputs, outputs


def _check_output(
    name: str, got: torch.Tensor, x: torch.Tensor, outputs: list[torch.Tensor], units: int
) -> None:
    """Raise unless ``got`` is the input and the output of every unit, concatenated in order."""
    channels = x.shape[1]
    want = [2, channels + 8 * units, 5, 5]
    if list(got.shape) != want:
        if got.ndim == 4 and got.shape[1] == 8 * units and units > 1:
            why = "the block's input belongs into the output too"
        elif got.ndim == 4 and got.shape[1] == channels + 8:
            why = "are you concatenating every earlier output?"
        elif got.ndim == 4 and got.shape[1] == 8 * (units + 1):
            why = "x is no longer the block's input at the end: keep it under another name"
        elif got.ndim == 4 and got.shape[1] == 8:
            why = "that is the last unit alone; concatenate its output to x (torch.cat)"
        else:
            why = "concatenate along the channels, dim=1"
        raise Wrong(name, f"expected {want}, got {list(got.shape)}", why)
    if len(outputs) != units:
        message = f"expected each of {units} units to run once, {len(outputs)} runs seen"
        raise Wrong(name, message, "one pass over self.units")
    if not _holds(got, x):
        raise Wrong(
            name,
            "the output does not hold the block's input unchanged",
            "concatenate; do not add, and leave activations to the units",
        )
    for i, output in enumerate(outputs):
        if not _holds(got, output):
            raise Wrong(name, f"the output of unit {i} is missing", "concatenate every output")
    if not torch.allclose(got, torch.cat([x, *outputs], dim=1), atol=1e-5):
        raise Wrong(
            name,
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
        _check_inputs(inputs_of_a.value, channels, units)
    for channels, units in ((40, 3), (32, 5), (24, 1)):
        block, x = _make_block("NbBlockA", NbBlockA.value, channels, units)
        why = "unit 0 reads the block's input, every other unit the 8 channels of the one before"
        got, inputs, outputs = _run_block("NbBlockA", block, x, why)
        if len(outputs) == units:
            for i, given in enumerate(inputs):
                before = outputs[i - 1] if i else x
                if given.shape != before.shape or not torch.allclose(given, before, atol=1e-5):
                    raise NbBlockA.wrong(f"unit {i} does not read the piece before it", why)
        _check_output("NbBlockA", got, x, outputs, units)
    return "the same shapes as B, and far fewer channels read"


def _check_inputs(inputs_of_a: Any, channels: int, units: int) -> None:
    name = "inputs_of_a"
    want = [channels] + [8] * (units - 1)
    given = call(name, inputs_of_a, channels, units, returns="a list of numbers")
    try:
        got = [int(c) for c in given]
    except (TypeError, ValueError) as error:
        raise Wrong(name, f"expected a list of numbers, got {describe(given)}") from error
    if got == want:
        return
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
    raise Wrong(name, f"{channels} channels, {units} units: expected {want}, got {got}", why)


@exercise(
    "6.3 ★★ counting the values of a block",
    "unit i reads channels + growth * i channels; batch norm has 2 values for each channel it "
    "reads, the 3x3 convolution 9 for each channel it reads and each it makes; no biases",
    "sum((channels + growth * i) * (2 + 9 * growth) for i in range(units))",
)
def _count(block_parameters: Answer) -> str:
    for channels, units, growth in ((256, 32, 8), (16, 1, 8), (12, 5, 4)):
        seen = [channels + growth * i for i in range(units)]
        want = sum(c * (2 + 9 * growth) for c in seen)
        fixed = [channels + 8 * i for i in range(units)]
        got = block_parameters.number(
            block_parameters.call(channels, units, growth, returns="a whole number")
        )
        if got == want:
            continue
        if got == sum(c * 9 * growth for c in seen):
            why = "batch norm has values too: a scale and a shift for each channel it reads"
        elif got == want - sum(seen):
            why = "batch norm has two values for each channel, scale and shift"
        elif got == want + 2 * sum(seen):
            why = "batch norm's running mean and variance are counted by no optimiser: leave them"
        elif got - units * growth in (want, 9 * growth * sum(seen)):
            why = "these convolutions have no bias"
        elif got == units * channels * (2 + 9 * growth):
            why = "the input grows: unit i reads channels + growth * i channels"
        elif got == channels * (2 + 9 * growth) + (units - 1) * growth * (2 + 9 * growth):
            why = "that is a block of NbNet-A; in B a unit sees everything before it"
        elif got == sum(c * (2 + growth) for c in seen):
            why = "a 3x3 convolution has 9 values for each pair of channels"
        elif got == sum(c * 9 * growth + 2 * growth for c in seen):
            why = "batch norm comes first: it has 2 values for each channel *read*"
        elif got == want + units * growth * (2 + 9 * growth):
            why = "unit 0 reads `channels` channels, not more"
        elif got in (74 * sum(seen), 74 * sum(fixed), (2 + 9 * growth) * sum(fixed)):
            why = "use `growth`, not 8"
        else:
            why = "count one unit first: which channels does it read, and what stands in it?"
        found = f"{got:,.0f}" if got == int(got) else f"{got:,.2f}"
        case = f"{channels} channels, {units} units, growth {growth}"
        raise block_parameters.wrong(f"{case}: expected {want:,}, got {found}", why)
    return "899,840 in the first block of the paper's network"


@exercise(
    "6.4 ★★ the whole network",
    "blocks and up steps take turns, and there is one up step less than blocks; then norm, "
    "ReLU, head and tanh, in this order",
    "for k, block in enumerate(self.blocks): x = block(x); if k < len(self.ups): "
    "x = self.ups[k](x). Then return torch.tanh(self.head(torch.relu(self.norm(x))))",
)
def _network(MyNbNet: Answer) -> str:  # noqa: N803
    from nbnet_lib.decoders.nbnet import BlockB, NbNet

    if MyNbNet.value is None or MyNbNet.value is ...:
        raise NotAttempted(f" ({MyNbNet.name} is {MyNbNet.value})")
    if not isinstance(MyNbNet.value, type) or not issubclass(MyNbNet.value, nn.Module):
        raise MyNbNet.wrong(f"expected a class made from nn.Module, got {describe(MyNbNet.value)}")
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
        got = _draw(MyNbNet.name, network.eval(), templates)
        _compare_pictures(MyNbNet.name, got, reference.eval(), templates)
    return "the same pictures as the library's NbNet-B with the same weights"


def _draw(name: str, network: nn.Module, templates: torch.Tensor) -> torch.Tensor:
    ran: list[str] = []
    wanted = " ".join(f"block {k} up {k}" for k in range(5)).removesuffix(" up 4")
    for kind, parts in (("block", network.blocks), ("up", network.ups)):
        for k, part in enumerate(parts):  # type: ignore[arg-type]
            part.register_forward_pre_hook(lambda m, given, n=f"{kind} {k}": ran.append(n))
    try:
        got = network(templates)
    except IndexError as error:
        message = f"forward stopped with IndexError ({one_line(error)})"
        raise Wrong(name, message, "5 blocks, 4 up steps: none after the last block") from error
    except Exception as error:
        why = one_line(error)
        if "invalid combination" in why or "__init__()" in why:
            why += "; nn.ReLU is a layer to be made first; torch.relu is the function"
        elif " ".join([*ran, "block 4"]) == wanted:
            why = "block 4 never ran: zip stops at the shorter of its lists"
        elif not wanted.startswith(" ".join(ran)):
            why = "blocks and up steps take turns: block 0, up 0, block 1, up 1, ..., block 4"
        raise Wrong(name, f"forward stopped with {type(error).__name__}", why) from error
    if got is None or got is ...:
        raise NotAttempted(f" ({name}.forward returns {got}: its last line is a `return`)")
    if not isinstance(got, torch.Tensor):
        if isinstance(got, nn.Module):  # nn.ReLU(x): its repr would need the truth of x
            made = f"expected a tensor, got a layer, {type(got).__name__}"
            raise Wrong(name, made, "make the layer first, or use the function: torch.tanh(x)")
        raise Wrong(name, f"expected a tensor, got {describe(got)}")
    return got


def _compare_pictures(
    name: str, got: torch.Tensor, reference: Any, templates: torch.Tensor
) -> None:
    want = reference(templates)
    if got.shape != want.shape:
        why = "a picture has 3 channels: the head is missing" if got.shape[-1] == 64 else (
            "all five blocks and all four up steps"
        )  # fmt: skip
        raise Wrong(name, f"expected {list(want.shape)}, got {list(got.shape)}", why)
    if torch.allclose(got, want, atol=1e-4):
        return
    x = reference.stem(templates[:, :, None, None] * 128**0.5)
    for k, block in enumerate(reference.blocks):
        x = block(x)
        x = reference.ups[k](x) if k < len(reference.ups) else x
    norm, head = reference.norm, reference.head
    slips = [
        (head(torch.relu(norm(x))), "tanh is missing: pixels must lie in -1...1"),
        (torch.sigmoid(head(torch.relu(norm(x)))), "sigmoid gives 0...1; pixels need tanh"),
        (torch.tanh(head(norm(x))), "the ReLU between norm and head is missing"),
        (torch.tanh(head(torch.relu(x))), "self.norm is missing before the head's ReLU"),
        (torch.tanh(head(x)), "self.norm and ReLU are missing before the head"),
        (torch.tanh(head(norm(torch.relu(x)))), "norm first, then ReLU, then the head"),
        (torch.tanh(torch.relu(head(norm(x)))), "the ReLU comes before the head, not after it"),
    ]
    why = "stem, then block and up step in turn, then norm, ReLU, head, tanh"
    for slip, message in slips:
        if torch.allclose(got, slip, atol=1e-4):
            why = message
    worst = float((got - want).abs().max())
    raise Wrong(name, f"right shape, but pixels differ by up to {worst:.2f}", why)
