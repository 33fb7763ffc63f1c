"""What `test_launch.py` runs in two processes: the library's training on small networks.

Started by torchrun with an output folder as its argument; every process writes down what it saw.
Without torchrun it does the same in one process, which is what the two are compared with.
"""

import os
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import test_gan
import torch

from conftest import small_decoder, small_pairs
from nbnet_lib.attack import TrainConfig, objective, train_decoder
from nbnet_lib.attack.processes import whole_batch_norm
from nbnet_lib.errors import NbnetError

# An odd batch: the shares differ by one picture.
CONFIG = TrainConfig(
    steps=6,
    batch_size=7,
    lr=1e-3,
    schedule="onecycle",
    ema_decay=0.9,
    template_noise=0.3,
    log_every=2,
    evaluate_every=3,
    checkpoint_every=2,
    best="blue",
)
PLAIN = TrainConfig(
    steps=4, batch_size=8, accumulate=2, adversarial_weight=0.1, lr=1e-3, log_every=1
)


pairs, dcnn, nbnet = small_pairs, small_decoder, partial(small_decoder, "nbnet-b")


def evaluate(decoder, step):
    """Some number that depends on the weights."""
    assert not decoder.training
    with torch.no_grad():
        return {"blue": float(decoder(pairs()[1])[:, 2].mean())}


def train(decoder, config, **options):
    options = {"identities": None, "progress": False, "device": "cpu", **options}
    history = train_decoder(decoder, *pairs(), config, **options)
    return decoder.state_dict(), history


def once(decoder, number, action):
    """Do something in the forward pass ``number`` (1, 2...) of a decoder in training."""
    calls = []

    def hook(module, inputs):
        calls.append(module.training)
        if sum(calls) == number:
            action(module)

    decoder.register_forward_pre_hook(hook)
    return decoder


def interrupted(out, rank):
    """Only the last process gets the signal; all stop, and all continue."""
    decoder = nbnet()
    if rank == 1:
        once(decoder, 3, lambda module: os.kill(os.getpid(), signal.SIGINT))
    try:
        train(decoder, CONFIG, folder=out / "cut", evaluate=evaluate)
    except KeyboardInterrupt as interrupt:
        said = str(interrupt)
    state, history = train(nbnet(), CONFIG, folder=out / "cut", evaluate=evaluate, resume=True)
    return said, state, history


def poisoned(out, rank):
    """Only the last process computes nonsense; all say so."""
    decoder = dcnn()
    if rank == 1:
        once(decoder, 2, lambda module: next(module.parameters()).data.fill_(float("nan")))
    try:
        train(decoder, replace(CONFIG, best="loss"), folder=out / "nan")
    except NbnetError as error:
        return str(error)


def early(rank):
    """The evaluation, which only the main process makes, stops all."""
    config = replace(CONFIG, steps=20, evaluate_every=1, patience=2)
    return train(dcnn(), config, evaluate=lambda decoder, step: {"blue": -step})[1]


def layer(rank, processes):
    """One batch norm on this process's share of a batch of 7, and the gradient through it."""
    generator = torch.Generator().manual_seed(1)
    x, y = (3 * torch.randn(7, 5, 3, 3, generator=generator) + 1 for _ in range(2))
    norm, share = torch.nn.BatchNorm2d(5), x[rank::processes].clone().requires_grad_(True)
    with whole_batch_norm(norm, processes):
        made = norm(share)
        (made * y[rank::processes]).sum().backward()
    assert type(norm) is torch.nn.BatchNorm2d
    return [made.detach(), share.grad, norm.weight.grad, norm.running_mean, norm.running_var]


def main(out):
    rank, processes = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    found = {"nbnet": train(nbnet(), CONFIG, folder=out / "run", evaluate=evaluate)}
    whole = objective.create_adversary
    objective.create_adversary = partial(whole, 8)  # few channels: rounding stays small
    found["dcnn"] = train(dcnn(), PLAIN)
    objective.create_adversary = whole
    found["layer"] = layer(rank, processes)
    generator = test_gan.train(folder=out / f"generator-{processes}")
    found["generator"] = generator.state_dict(), generator.history
    if processes > 1:
        try:
            torch.nn.SyncBatchNorm(5)(torch.zeros(2, 5, 3, 3))
        except ValueError as error:
            found["torchs_own"] = str(error)
        found["said"], *found["cut"] = interrupted(out, rank)
        found["nan"] = poisoned(out, rank)
        found["early"] = early(rank)
        try:
            train(nbnet(), replace(CONFIG, batch_size=1), evaluate=evaluate)
        except NbnetError as error:
            found["small"] = str(error)
    torch.save(found, out / f"process-{rank}-of-{processes}.pt")
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
