"""What `test_killed.py` starts: trainings that are killed at a chosen moment, one a line of stdin.

A line holds a folder, a way to die and a number; the answer is the exit status. Each training runs
in a process of its own, forked from this one, which has imported everything: so a test can afford
many deaths.
"""

import os
import signal
import sys
import threading
from types import SimpleNamespace

import launched
import torch

from nbnet_lib.attack import TrainConfig, checkpoint, objective

# Everything that has a state or draws at random.
CONFIG = TrainConfig(
    steps=8,
    batch_size=6,
    accumulate=2,
    lr=1e-3,
    schedule="onecycle",
    ema_decay=0.9,
    adversarial_weight=0.1,
    template_noise=0.3,
    log_every=3,
    evaluate_every=3,
    checkpoint_every=2,
    keep=2,
    best="blue",
)
LIBRARY = "nbnet_lib"  # calls in its files count


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(number):
    """Die at the n-th call of a function of this library; return the count so far."""
    count = [0]

    def look(frame, event, argument):
        if event == "call" and LIBRARY in frame.f_code.co_filename:
            count[0] += 1
            if count[0] == number:
                die()

    sys.setprofile(look)
    threading.setprofile(look)
    return count


def in_write(number):
    """Die when half of the n-th file is written."""
    save, count = checkpoint.torch.save, [0]

    def half(state, path):
        save(state, path)
        count[0] += 1
        if count[0] == number:
            os.truncate(path, os.path.getsize(path) // 2)
            die()

    checkpoint.torch = SimpleNamespace(**{**vars(torch), "save": half})
    return count


WAYS = {"call": at_call, "write": in_write}


def train(folder):
    """Begin, or continue; who continues has other fresh weights, which must not matter."""
    seed = 99 if checkpoint.list_checkpoints(folder) else 0
    torch.manual_seed(seed)
    decoder = launched.nbnet(seed=seed)
    fresh = objective.create_adversary
    objective.create_adversary = lambda **_: fresh(4, seed=seed)
    return launched.train(
        decoder,
        CONFIG,
        folder=folder,
        resume=True,
        evaluate=launched.evaluate,
    )


def child(folder, way, number):
    count = WAYS[way](number)
    state, history = train(folder)
    sys.setprofile(None)
    for entry in history:  # what the clock says differs
        del entry["seconds"], entry["images_per_second"]
    torch.save({"state": state, "history": history, "count": count[0]}, f"{folder}.pt")


def main():
    for line in sys.stdin:
        folder, way, number = line.rsplit(maxsplit=2)
        process = os.fork()
        if process == 0:
            try:
                child(folder, way, int(number))
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
