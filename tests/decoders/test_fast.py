"""The fast NbNet gives the readable one's numbers: outputs, gradients, running statistics.

An input of a ReLU that lies within rounding of zero may fall on either side of it, in either
version, and each such case changes a gradient by far more than rounding does. So gradients are
compared to 1e-4 in networks whose ReLUs are ``apart`` from zero (nearly every channel open or shut
throughout), and once more with ordinary weights, where the bar leaves room for a few such cases.
The reference is the readable network in float64: in float32 its own gradients of beta are off by up
to 5e-4 there, more than those of the fast one.
"""

import copy
import math
import threading

import pytest
import torch
from torch.nn import functional as F

from nbnet_lib.decoders import create_decoder
from nbnet_lib.decoders.nbnet import NbNet
from nbnet_lib.errors import NbnetError


def templates(n, dim=16, seed=0):
    return F.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def pair(variant="b", dim=16, size=40, base=64, seed=0, channels_last=True, apart=False):
    """A readable network in float64 and a fast one of the same random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        readable = NbNet(variant, dim, size, base)
        for module in readable.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.normal_(module.weight, 1, 0.2)
                torch.nn.init.normal_(module.bias, 0, 0.2)
                torch.nn.init.normal_(module.running_mean, 0, 0.1)
                torch.nn.init.uniform_(module.running_var, 0.5, 2)
                if apart:
                    module.weight.data *= 0.2
                    module.bias.data = 1.2 * torch.randn(module.num_features).sign()
    if channels_last:
        readable = readable.to(memory_format=torch.channels_last)
    fast = copy.deepcopy(readable)
    readable = readable.double()
    readable.implementation, fast.implementation = "readable", "fast"
    return readable, fast


def distance(a, b):
    return float((a.double() - b.double()).norm() / b.double().norm().clamp_min(1e-12))


def step(net, given, weight):
    given, weight = given.to(net.head.weight.dtype), weight.to(net.head.weight.dtype)
    given = given.clone().requires_grad_()
    image = net(given)
    (image * weight).sum().backward()
    return image.detach(), given.grad


def largest_differences(readable, fast, n=4, seed=0):
    """Relative differences of outputs, all gradients taken together and buffers after one step."""
    given = templates(n, readable.template_dim, seed)
    size = readable.image_size
    weight = torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(seed + 1))
    first, first_given = step(readable, given, weight)
    second, second_given = step(fast, given, weight)
    gradients = [first_given] + [p.grad for p in readable.parameters()]
    others = [second_given] + [p.grad for p in fast.parameters()]
    gradient = max(distance(b, a) for a, b in zip(gradients, others, strict=True))
    buffers = zip(readable.buffers(), fast.buffers(), strict=True)
    return distance(second, first), gradient, max(distance(b, a) for a, b in buffers)


SIZES = [(40, 64), (64, 128), (80, 128), (112, 128), (160, 256)]
CASES = [("b", *sizes, True) for sizes in SIZES]
CASES += [("a", 40, 64, True), ("a", 112, 128, True), ("a", 64, 128, False), ("b", 80, 128, False)]


@pytest.mark.parametrize("variant, size, base, training", CASES)
def test_every_gradient_at_all_sizes(variant, size, base, training):
    readable, fast = pair(variant, size=size, base=base, apart=True)
    readable.train(training), fast.train(training)  # evaluation: frozen statistics, as white boxes
    output, gradient, buffer = largest_differences(readable, fast, n=2)
    assert output < 1e-5
    assert gradient < 1e-4
    assert buffer < 1e-5 if training else buffer < 1e-7


@pytest.mark.parametrize("variant", ["a", "b"])
@pytest.mark.parametrize("size, base, n", [(40, 64, 4), (64, 128, 3)])
def test_a_training_step_of_ordinary_weights(variant, size, base, n):
    results = []
    for seed in range(3):
        readable, fast = pair(variant, size=size, base=base, seed=seed)
        results.append(largest_differences(readable, fast, n=n, seed=seed))
    outputs, gradients, buffers = zip(*results, strict=True)
    assert max(outputs) < 1e-4
    assert max(buffers) < 1e-5
    assert sorted(gradients)[0] < 1e-4  # one draw without a ReLU at rounding distance of zero
    assert max(gradients) < 0.2


def test_contiguous_weights_and_another_dimension():
    readable, fast = pair(dim=21, channels_last=False, apart=True)
    assert largest_differences(readable, fast)[1] < 1e-4


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_step_repeats_bit_for_bit(threads):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        runs = []
        for _ in range(3):
            _, fast = pair(size=80, base=128)
            image, _ = step(fast, templates(5), torch.ones(5, 3, 80, 80))
            runs.append([image, *(p.grad for p in fast.parameters()), *fast.buffers()])
    finally:
        torch.set_num_threads(before)
    for other in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(runs[0], other, strict=True))


def test_threads_change_nothing_but_rounding():
    before = torch.get_num_threads()
    try:
        readable, fast = pair(size=80, base=128, apart=True)
        torch.set_num_threads(3)
        output, gradient, _ = largest_differences(readable.eval(), fast.eval(), n=5)
    finally:
        torch.set_num_threads(before)
    assert output < 1e-5
    assert gradient < 1e-4


def test_gradients_are_added_and_frozen_parameters_have_none():
    _, fast = pair()
    fast.eval()
    fast.blocks[0].layers[1].conv.weight.requires_grad_(False)
    weight = torch.ones(2, 3, 40, 40)
    step(fast, templates(2), weight)
    once = [None if p.grad is None else p.grad.clone() for p in fast.parameters()]
    assert fast.blocks[0].layers[1].conv.weight.grad is None
    step(fast, templates(2), weight)
    for p, first in zip(fast.parameters(), once, strict=True):
        assert first is None or torch.allclose(p.grad, 2 * first, rtol=1e-4, atol=1e-6)


def test_only_the_templates_want_a_gradient():
    readable, fast = pair(apart=True)
    for net in (readable.eval(), fast.eval()):
        net.requires_grad_(False)
    weight = torch.randn(3, 3, 40, 40, generator=torch.Generator().manual_seed(2))
    expected, found = (step(net, templates(3), weight)[1] for net in (readable, fast))
    assert distance(found, expected) < 1e-4


def test_no_grad_and_a_batch_of_one():
    readable, fast = pair()
    for net in (readable, fast):
        net.eval()
    with torch.no_grad():
        image = fast(templates(1))
        assert distance(image, readable(templates(1).double())) < 1e-5
    assert image.grad_fn is None
    with torch.inference_mode():
        assert torch.equal(fast(templates(1)), image)


def test_training_without_gradients_still_moves_the_statistics():
    readable, fast = pair()
    with torch.no_grad():
        readable(templates(3).double()), fast(templates(3))
    for a, b in zip(readable.buffers(), fast.buffers(), strict=True):
        assert distance(b, a) < 1e-5
    assert fast.norm.num_batches_tracked == 1


def test_nan_stays_nan():
    _, fast = pair()
    with torch.no_grad():
        fast.blocks[1].layers[0].conv.weight[0, 0] = math.nan
    image, gradient = step(fast, templates(2), torch.ones(2, 3, 40, 40))
    assert image.isnan().any()
    assert gradient.isnan().any()


def test_weights_that_change_before_backward_are_noticed():
    _, fast = pair()
    image = fast(templates(2))
    with torch.no_grad():
        fast.blocks[0].layers[0].conv.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        image.sum().backward()


@pytest.mark.parametrize("training", [True, False])
def test_derivatives_of_derivatives(training):
    found = []
    for net in pair(apart=True):
        net.train(training)
        given = templates(3).to(net.head.weight.dtype).requires_grad_()
        (first,) = torch.autograd.grad(net(given).square().sum(), given, create_graph=True)
        first.square().sum().backward()
        found.append((first.detach(), given.grad, net.head.weight.grad, net.norm.bias.grad))
    for expected, other in zip(*found, strict=True):
        assert distance(other, expected) < 1e-3


def test_two_threads_of_python_at_once():
    _, fast = pair()
    fast.eval()
    given = [templates(2, seed=i) for i in range(4)]
    with torch.no_grad():
        expected = [fast(t) for t in given]
    results = {}

    def work(i):
        with torch.no_grad():
            for _ in range(3):
                results[i] = fast(given[i])

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert all(torch.equal(results[i], expected[i]) for i in range(4))


def test_copies_files_and_the_default():
    net = create_decoder("nbnet-b", 16, 40, base_channels=64)
    assert net.implementation == "auto"
    twin = copy.deepcopy(net)
    twin.load_state_dict(net.state_dict())
    image = net.eval()(templates(2))
    assert torch.equal(twin.eval()(templates(2)), image)
    assert "_TrunkBackward" in str(image.grad_fn.next_functions[0][0].next_functions[0][0])


def test_an_unknown_implementation():
    net = create_decoder("nbnet-b", 16, 40, base_channels=64)
    net.implementation = "fastest"
    with pytest.raises(NbnetError, match="'fastest'"):
        net(templates(2))
