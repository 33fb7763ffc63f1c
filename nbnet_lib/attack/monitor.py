"""What happens beside the updates of a training: history, evaluation, checkpoints, Ctrl-C.

The loops of `attack.train`, `attack.gan` and `attack.surrogate` hold the mathematics of an update
and nothing else; each ends with `Monitor.after_update`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from nbnet_lib.attack.checkpoint import RunState
from nbnet_lib.attack.processes import any_process, from_main
from nbnet_lib.encoders.origin import Origin
from nbnet_lib.errors import NbnetError

Evaluate = Callable[[nn.Module, int], dict[str, float] | None]
Callback = Callable[[dict[str, float]], None]

# SIGTERM is what a cluster sends when the time is up, and `torchrun` when it is stopped itself.
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class RunOptions:
    """Where a training runs and what it leaves behind; nothing here changes the weights.

    Attributes:
        folder: where checkpoints go; None writes none.
        resume: True continues from the newest checkpoint in ``folder`` if there is one; a path
            continues from that file or folder. On the CPU the result equals an uninterrupted run
            bit for bit (with the same number of threads).
        device: "auto", "cpu" or "cuda"; see `nbnet_lib.device.resolve_device`.
        progress: show a progress bar on stderr.
        target: which recogniser made the templates; checkpoints hold it.
    """

    folder: str | os.PathLike[str] | None = None
    resume: bool | str | os.PathLike[str] = False
    device: str = "auto"
    progress: bool = True
    target: Origin | None = None


@dataclass(frozen=True)
class Every:
    """How many updates lie between two entries, checkpoints, evaluations; 0: only at the end."""

    log: int
    save: int
    evaluate: int = 0


class Monitor(ExitStack):
    """Counts the updates of a run and does, after each, what is due.

    Args:
        name: of the progress bar.
        run: the state of the run; its step, average and history are kept here.
        every: when something is due.
        accelerator: of several processes; None where one trains alone.
        progress: show the bar (in the main process).
        evaluate: called as evaluate(network to be delivered, step) in the main process; what it
            returns joins the history.
        measure: called with that network in every process, for every entry of the history.
        callbacks: each is called with every new entry, in the main process.
    """

    def __init__(
        self,
        name: str,
        run: RunState,
        every: Every,
        accelerator: Accelerator | None = None,
        progress: bool = True,
        evaluate: Evaluate | None = None,
        measure: Callable[[nn.Module], dict[str, float]] = lambda network: {},
        callbacks: Sequence[Callback] = (),
    ):
        super().__init__()
        self.run, self.every, self.accelerator = run, every, accelerator
        self.evaluate, self.measure, self.callbacks = evaluate, measure, callbacks
        self.main = accelerator is None or accelerator.is_main_process
        self.bar = tqdm(
            total=run.config.steps,
            initial=run.step,
            desc=name,
            unit="step",
            mininterval=1.0,
            file=sys.stderr,
            disable=not (progress and self.main),
        )

    def __enter__(self) -> Monitor:
        """Show the bar, and keep Ctrl-C from interrupting an update."""
        self.enter_context(self.bar)
        self.interrupted = self.enter_context(delayed_interrupt())
        self.started = self.logged = time.perf_counter()
        self.updates: list[dict[str, Tensor]] = []  # since the last entry
        return self

    def after_update(self, means: dict[str, Tensor], last: dict[str, Any], pictures: int) -> None:
        """Count an update; log, evaluate and save if due.

        Args:
            means: numbers of this update; the history gets their means since its last entry.
            last: numbers of which the history gets the last.
            pictures: size of the batch.

        Raises:
            NbnetError: a mean or a weight is not finite.
            KeyboardInterrupt: after Ctrl-C, when the checkpoint is written.
        """
        run = self.run
        run.step += 1
        run.average()
        self.updates.append({name: value.detach() for name, value in means.items()})
        self.bar.update()
        stopped = any_process(self.accelerator, self.interrupted.is_set())
        evaluated = self.evaluate is not None and self._due(self.every.evaluate)
        saved = run.folder is not None and self._due(self.every.save)
        if evaluated or saved or stopped or self._due(self.every.log):
            numbers = self._means()
            self._require_finite(numbers)
            now = time.perf_counter()
            entry = {
                "step": run.step,
                **numbers,
                **{name: float(value) for name, value in last.items()},
                **self.measure(run.result()),
                "images_per_second": len(self.updates) * pictures / max(now - self.logged, 1e-9),
                "seconds": now - self.started,
            }
            if evaluated and self.evaluate is not None and self.main:
                found = _plain(self.evaluate(run.result().eval(), run.step) or {})
                entry |= found
                if found:
                    words = ", ".join(f"{k} {v:.4g}" for k, v in entry.items() if k != "step")
                    self.bar.write(f"step {run.step}: {words}", file=sys.stderr)
            entry = from_main(self.accelerator, entry)
            for callback in self.callbacks if self.main else ():
                callback(dict(entry))
            best = run.add(entry, compare_loss=saved)
            run.save(saved or stopped or run.done, best, write=self.main)
            self.updates, self.logged = [], time.perf_counter()
            words = ", ".join(f"{name} {value:.4f}" for name, value in numbers.items())
            self.bar.set_postfix_str(f"{words}, {entry['images_per_second']:.0f} images/s")
        if stopped:
            raise KeyboardInterrupt(run.interrupt_message())

    def _due(self, every: int) -> bool:
        step = self.run.step
        return step == self.run.config.steps or (every > 0 and step % every == 0)

    def _means(self) -> dict[str, float]:
        """Return the means since the last entry, over all processes."""
        names = list(self.updates[0])
        means = torch.stack([torch.stack([u[name] for u in self.updates]).mean() for name in names])
        if self.accelerator is not None:
            means = self.accelerator.reduce(means, "mean")
        return dict(zip(names, means.tolist(), strict=True))

    def _require_finite(self, means: dict[str, float]) -> None:
        """Raise before anything that is not a number is saved.

        The weights are checked too, because the loss shows it only one update later.
        """
        run = self.run
        values = [torch.tensor(list(means.values())), *run.network.parameters()]
        if not all(bool(torch.isfinite(value).all()) for value in values):
            raise NbnetError(
                f"the loss became NaN or infinite at or just before step {run.step}; last good "
                f"checkpoint: {run.last_saved or 'none was written'}; start again with a lower "
                "learning rate"
            )


def _plain(found: Mapping[str, Any]) -> dict[str, float]:
    """Return what an evaluation found as Python's numbers: checkpoints can hold no others.

    Raises:
        NbnetError: a value that is not one number.
    """
    try:
        return {str(name): float(value) for name, value in found.items()}
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise NbnetError(
            f"evaluate= returned {found!r} ({error}): it has to return a dict of numbers, such as "
            '{"score": 0.5}, or None'
        ) from error


def tensorboard_callback(folder: str | os.PathLike[str]) -> Callback:
    """Return a callback for `train_decoder` that writes logs: ``tensorboard --logdir FOLDER``.

    Raises:
        NbnetError: the package tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise NbnetError(
            "TensorBoard logs need the package tensorboard, which is not installed: "
            "pip install tensorboard, or leave them out (history.json holds the same numbers)"
        ) from error
    writer: Any = None

    def write(entry: dict[str, float]) -> None:
        nonlocal writer
        if writer is None:
            # A run that was killed had continued after its last checkpoint: hide those later steps.
            writer = SummaryWriter(str(folder), purge_step=int(entry["step"]))
        for name, value in entry.items():
            if name != "step":
                writer.add_scalar(name, value, int(entry["step"]))
        writer.flush()  # visible now, and after a kill too

    return write


@contextmanager
def delayed_interrupt() -> Iterator[threading.Event]:
    """Turn the first SIGINT (Ctrl-C) or SIGTERM into a flag, so that the update is finished first.

    A second one stops at once.
    """
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag  # only the main thread may set handlers
        return

    def handle(number: int, frame: Any) -> None:
        if flag.is_set():
            raise KeyboardInterrupt
        flag.set()

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: not set from Python, so Python cannot put it back
                signal.signal(number, handler)
