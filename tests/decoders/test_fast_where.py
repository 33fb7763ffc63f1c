"""Where the fast NbNet does not apply, the readable one runs, without a word."""

import copy
import os
import subprocess
import sys
import warnings

import pytest
import torch
from torch.nn import functional as F

from nbnet_lib.decoders.fast import applies
from nbnet_lib.decoders.nbnet import NbNet
from nbnet_lib.errors import NbnetError, NbnetWarning


def templates(n, dim=16, seed=0):
    return F.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.fixture
def net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NbNet("b", 16, 40, 64)


@pytest.fixture
def took(monkeypatch):
    """The calls of the fast version."""
    from nbnet_lib.decoders import fast

    calls, original = [], fast.fast_trunk
    monkeypatch.setattr(fast, "fast_trunk", lambda net, x: calls.append(len(x)) or original(net, x))
    return calls


def test_it_is_taken_where_nothing_speaks_against_it(net, took):
    net(templates(2))
    assert took == [2]


@pytest.mark.parametrize(
    "owner, name",
    [
        (torch._C, "_len_torch_dispatch_stack"),
        (torch._C, "_len_torch_function_stack"),
        (torch._C._functorch, "peek_interpreter_stack"),
        (torch._C, "_functorch"),
        (torch.autograd.forward_ad, "_current_level"),
        (torch.nn.modules.module, "_global_forward_hooks"),
        (torch.nn.modules.module, "_global_backward_pre_hooks"),
    ],
)
def test_a_torch_without_one_of_its_own_names(net, took, monkeypatch, owner, name):
    """The readable version answers, and says so once."""
    looked = [torch._C, torch._C._functorch, torch.autograd.forward_ad, torch.nn.modules.module]
    applies_module = sys.modules[applies.__module__]

    class Without:
        """A module that hides one name."""

        def __init__(self, hidden, module, **others):
            self.__dict__.update(hidden=hidden, module=module, others=others)

        def __getattr__(self, key):
            if key == self.hidden:
                raise AttributeError(f"no {key}")
            return self.others.get(key) or getattr(self.module, key)

    assert owner in looked
    fake = Without(name, owner)
    if owner is torch.nn.modules.module:
        monkeypatch.setattr(applies_module, "torch_module", fake)
    elif owner is torch.autograd.forward_ad:
        autograd = Without("", torch.autograd, forward_ad=fake)
        monkeypatch.setattr(applies_module, "torch", Without("", torch, autograd=autograd))
    else:
        c = Without("", torch._C, _functorch=fake) if owner is torch._C._functorch else fake
        monkeypatch.setattr(applies_module, "torch", Without("", torch, _C=c))
    applies_module._warn_once.cache_clear()
    with pytest.warns(NbnetWarning, match=f"readable version.*{name}"):
        assert net.eval()(templates(2)).shape == (2, 3, 40, 40)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net(templates(2))
    assert took == []
    net.implementation = "fast"
    with pytest.raises(NbnetError, match=name):
        net(templates(2))


def _hook(net):
    net.blocks[0].register_forward_hook(lambda *a: None)


def _backward_hook(net):
    net.ups[0].deconv.register_full_backward_hook(lambda *a: None)


def _sync(net):
    net.norm = torch.nn.SyncBatchNorm(net.norm.num_features)


def _subclass(net):
    class Louder(torch.nn.Conv2d):
        def forward(self, x):
            return 2 * super().forward(x)

    net.head = Louder(net.head.in_channels, 3, 1, bias=False)


def _biased(net):
    net.head = torch.nn.Conv2d(net.head.in_channels, 3, 1)


def _frozen_norm(net):
    net.ups[1].norm.eval()


def _no_statistics(net):
    features = net.norm.num_features
    net.norm = torch.nn.BatchNorm2d(features, eps=1e-4, track_running_stats=False)


def _cumulative(net):
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None


def _other_eps(net):
    net.blocks[0].layers[0].norm.eps = 0.1


def _parametrised(net):
    torch.nn.utils.parametrizations.weight_norm(net.head)


@pytest.mark.parametrize(
    "change",
    [
        _hook, _backward_hook, _sync, _subclass, _biased, _frozen_norm, _no_statistics,
        _cumulative, _other_eps, _parametrised,
    ],
)  # fmt: skip
def test_changed_networks(net, took, change):
    change(net)
    if change is _sync:
        net.eval()  # SyncBatchNorm trains on GPUs only
    assert net(templates(2)).shape == (2, 3, 40, 40)
    assert took == []
    net.implementation = "fast"
    with pytest.raises(NbnetError, match="the fast NbNet does not apply here: .*hook|as NbNet"):
        net(templates(2))


def test_global_hooks(net, took):
    handle = torch.nn.modules.module.register_module_forward_hook(lambda *a: None)
    try:
        net(templates(2))
    finally:
        handle.remove()
    assert took == []


@pytest.mark.parametrize("growth", [2, 7, 16])
def test_another_growth(growth, took):
    image = NbNet("b", 16, 40, 64, growth=growth)(templates(2))
    assert image.shape == (2, 3, 40, 40)
    assert took == []


def test_float64_and_autocast(net, took):
    assert copy.deepcopy(net).double()(templates(2).double()).dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        net(templates(2))
    assert took == []


def test_an_empty_batch_in_evaluation(net, took):
    assert net.eval()(templates(2)[:0]).shape == (0, 3, 40, 40)
    assert took == []


def test_tracing_gives_a_network_of_torch_operations(net, took):
    net.eval()
    traced = torch.jit.trace(net, templates(2), check_trace=False)
    assert took == []
    assert torch.allclose(traced(templates(3)), net(templates(3)), atol=1e-5)
    assert took == [3]


def test_export_gives_a_network_of_torch_operations(net, took):
    net.eval()
    program = torch.export.export(net, (templates(2),))
    assert took == []
    assert "convolution" in str(program.graph) or "conv2d" in str(program.graph)
    assert torch.allclose(program.module()(templates(2)), net(templates(2)), atol=1e-5)


def test_function_transforms_and_forward_derivatives(net, took):
    net.eval()
    jacobian = torch.func.jacrev(lambda t: net(t[None])[0, :, 0, 0])(templates(1)[0])
    _, slope = torch.func.jvp(net, (templates(2),), (templates(2, seed=1),))
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(templates(2), templates(2, seed=1))
        again = torch.autograd.forward_ad.unpack_dual(net(dual)).tangent
    assert took == []
    assert jacobian.shape == (3, 16)
    assert torch.allclose(slope, again, atol=1e-5)


def test_modes_see_torch_operations(net, took):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        net(templates(2))
    assert took == []
    assert counter.get_total_flops() > 0


def test_functional_call_uses_the_given_weights(net, took):
    net.eval()
    state = {k: v.clone() for k, v in net.state_dict().items()}
    state["head.weight"] = torch.zeros_like(state["head.weight"])
    image = torch.func.functional_call(net, state, (templates(2),))
    assert took == [2]
    assert torch.equal(image, torch.zeros_like(image))


def test_numba_switched_off():
    code = (
        "import torch; from nbnet_lib.decoders.nbnet import NbNet; "
        "print(NbNet('b', 16, 40, 64)(torch.randn(2, 16)).shape)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.stdout.strip() == "torch.Size([2, 3, 40, 40])", run.stderr


def test_distributed_data_parallel_takes_the_fast_path(net, took, tmp_path):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1
    )
    try:
        alone = copy.deepcopy(net)
        wrapped = torch.nn.parallel.DistributedDataParallel(net)
        for module in (wrapped, alone):
            module(templates(4)).square().sum().backward()
    finally:
        torch.distributed.destroy_process_group()
    assert took == [4, 4]
    for a, b in zip(net.parameters(), alone.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is a matter of Unix")
def test_a_forked_process_has_its_own_threads(net):
    code = """
import os, torch
from nbnet_lib.decoders.nbnet import NbNet
torch.set_num_threads(2)
net = NbNet("b", 16, 40, 64).eval(); net.implementation = "fast"
given = torch.randn(4, 16)
with torch.no_grad():
    net(given)
    child = os.fork()
    if child == 0:
        from nbnet_lib.decoders.fast import fast_trunk
        x = torch.ones(4, 64, 5, 5)
        os._exit(0 if torch.isfinite(fast_trunk(net, x)).all() else 1)
    print(os.waitpid(child, 0)[1])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.stdout.strip() == "0", run.stderr
