"""The attack's training: one loop that can be read in one sitting (chapter 4).

Reference: Mai, Cao, Yuen, Jain, "On the Reconstruction of Face Images from Deep Face Templates",
arXiv 1703.00832. The algorithm:

1. make pictures of faces that have nothing to do with the victims;
2. ask the target for the template of each (once; the target stays a black box);
3. minimise loss(decoder(template), picture).

The loop runs on `accelerate`: the same code on CPU, one GPU, or several (``accelerate launch``).
For a long run on a Linux CPU: precision "bf16" where the processor knows it (NbNet-B at 64 px then
trains about 1.8 times as fast as in float32), and MALLOC_MMAP_THRESHOLD_=4000000000 with
MALLOC_TRIM_THRESHOLD_=8000000000 in the environment, so that freed memory is kept, not fetched anew
from the system for each batch (12 to 20 % less time).
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from nbnet_lib.attack.config import TrainConfig, learning_rate
from nbnet_lib.attack.data import Pairs, batch_rows
from nbnet_lib.attack.losses import create_loss
from nbnet_lib.attack.state import RunState
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import require_writable_folder

Evaluate = Callable[[nn.Module, int], dict[str, float]]


def train_decoder(
    decoder: nn.Module,
    images: np.ndarray,
    templates: np.ndarray | Tensor,
    config: TrainConfig,
    *,
    identities: Sequence[int] | np.ndarray | None,
    folder: str | os.PathLike[str] | None = None,
    resume: bool | str | os.PathLike[str] = False,
    evaluate: Evaluate | None = None,
    surrogate: nn.Module | None = None,
    device: str = "auto",
    progress: bool = True,
) -> list[dict[str, float]]:
    """Train ``decoder`` in place and return the history.

    Args:
        decoder: from `create_decoder`, at the size of the images and the templates.
        images: uint8 [N, S, S, 3].
        templates: float32 [N, d], what the target made of the images.
        config: see `TrainConfig`.
        identities: SynthFaces identity of each image, all >= 10,000 (checked); None says that the
            images are not SynthFaces.
        folder: where checkpoints go; None writes none.
        resume: True goes on from the newest checkpoint in ``folder`` if there is one; a path goes
            on from that file or folder. On the CPU the result equals an uninterrupted run bit for
            bit (with the same number of threads).
        evaluate: called as evaluate(decoder in evaluation mode, step) every
            ``config.evaluate_every`` updates and at the end; the numbers that it returns join the
            history.
        surrogate: needed when ``config.template_weight`` > 0; see `attack.surrogate`.
        device: "auto" (accelerate decides) or "cpu".
        progress: show a progress bar on stderr.

    Returns:
        one dict per ``config.log_every`` updates: step, loss (mean since the last entry), lr,
        images_per_second, seconds (since the start of this call), and what ``evaluate`` returned.
        After a resume, the entries of before the interruption come first. The decoder is left in
        evaluation mode, with averaged weights if ``config.ema_decay`` is set.

    Raises:
        NbnetError: data that does not fit the decoder or is reserved for evaluation, a folder that
            is not writable, a checkpoint of another run, or a loss that became NaN.
        KeyboardInterrupt: Ctrl-C, after the checkpoint is written; its message says how to resume.
    """
    pairs = Pairs(images, templates, identities)
    _check_fit(decoder, pairs, config, surrogate)
    if folder is not None:
        require_writable_folder(folder)
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")
    autocast = torch.autocast(
        accelerator.device.type, torch.bfloat16, enabled=config.precision == "bf16"
    )
    loss_function = create_loss(config.loss)
    if isinstance(loss_function, nn.Module):
        loss_function = loss_function.to(accelerator.device)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=config.lr, betas=config.betas)
    run = RunState(decoder, optimizer, config, pairs.fingerprint(), folder)
    if resume:
        run.resume(resume)
    model, optimizer = accelerator.prepare(decoder, optimizer)
    run.to(accelerator.device)
    if surrogate is not None:
        surrogate = surrogate.to(accelerator.device).eval().requires_grad_(False)

    # Every process draws the same batch and takes its own share of it.
    share = slice(accelerator.process_index, None, accelerator.num_processes)
    bar = tqdm(
        total=config.steps,
        initial=run.step,
        desc="train",
        unit="step",
        mininterval=1.0,
        file=sys.stderr,
        disable=not (progress and accelerator.is_main_process),
    )
    started = logged = time.perf_counter()
    losses: list[Tensor] = []
    with bar, _delayed_interrupt() as interrupted:
        while run.step < config.steps:
            lr = learning_rate(config, run.step)
            for group in optimizer.param_groups:
                group["lr"] = lr
            rows = batch_rows(len(pairs), config.batch_size, run.step, config.seed)
            target, template = (t.to(accelerator.device) for t in pairs.batch(rows[share]))

            model.train()
            with autocast:
                reconstruction = model(template).float()
                loss = loss_function(reconstruction, target)
                if surrogate is not None and config.template_weight > 0:
                    seen = surrogate(reconstruction).float()
                    closeness = nn.functional.cosine_similarity(seen, template)
                    loss = loss + config.template_weight * (1 - closeness).mean()
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            run.step += 1
            run.average()
            losses.append(loss.detach())
            bar.update()

            last = run.step == config.steps
            log = last or _due(run.step, config.log_every)
            evaluation = evaluate is not None and (last or _due(run.step, config.evaluate_every))
            save = folder is not None and (last or _due(run.step, config.checkpoint_every))
            if log or evaluation or save or interrupted.is_set():
                mean = float(accelerator.reduce(torch.stack(losses).mean(), "mean"))
                if not math.isfinite(mean):
                    raise NbnetError(run.tell_nan(lr))
                now = time.perf_counter()
                entry = {
                    "step": run.step,
                    "loss": mean,
                    "lr": lr,
                    "images_per_second": len(losses) * len(rows) / max(now - logged, 1e-9),
                    "seconds": now - started,
                }
                if evaluation and evaluate is not None:
                    entry |= evaluate(run.result().eval(), run.step)
                    bar.write(f"step {run.step}: {_text(entry)}", file=sys.stderr)
                run.history.append(entry)
                losses, logged = [], time.perf_counter()
                bar.set_postfix_str(f"loss {mean:.4f}")
            stopped = interrupted.is_set()
            if (save or (stopped and folder is not None)) and accelerator.is_main_process:
                run.save()
            if stopped:
                raise KeyboardInterrupt(run.tell_interrupted())
    run.finish()
    return run.history


def _check_fit(
    decoder: nn.Module, pairs: Pairs, config: TrainConfig, surrogate: nn.Module | None
) -> None:
    for name in ("template_dim", "image_size"):
        wanted, given = getattr(decoder, name), getattr(pairs, name)
        if wanted != given:
            raise NbnetError(
                f"the decoder has {name} {wanted} but the training pairs have {given}: build the "
                f"decoder with {name}={given} or make other pairs"
            )
    if config.template_weight > 0 and surrogate is None:
        raise NbnetError(
            f"template_weight={config.template_weight} needs a surrogate encoder: "
            "train one with nbnet_lib.attack.surrogate.train_surrogate"
        )


@contextmanager
def _delayed_interrupt() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a flag, so that no update stays half done; a second one stops."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag  # only the main thread may set handlers
        return

    def handle(number: int, frame: Any) -> None:
        if flag.is_set():
            raise KeyboardInterrupt
        flag.set()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, before)


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _text(entry: dict[str, float]) -> str:
    return ", ".join(f"{k} {v:.4g}" for k, v in entry.items() if k != "step")
