"""The attack's training: one loop that can be read in one sitting (chapter 9).

Reference: Mai, Cao, Yuen, Jain, "On the Reconstruction of Face Images from Deep Face Templates",
arXiv 1703.00832. The algorithm:

1. make pictures of faces that have nothing to do with the victims;
2. ask the target for the template of each (once; the target stays a black box);
3. minimise loss(decoder(template), picture).

The loop runs on `accelerate`: the same code on CPU, one GPU, or several processes (``torchrun``,
see `attack.processes`). What it minimises stands in `attack.objective`, what it remembers in
`attack.state`, how it computes in `attack.precision`.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from nbnet_lib.attack.checkpoint import due, is_finite
from nbnet_lib.attack.config import TrainConfig, learning_rate
from nbnet_lib.attack.data import Pairs, batch_rows, noisy_templates
from nbnet_lib.attack.interrupt import delayed_interrupt
from nbnet_lib.attack.objective import Objective
from nbnet_lib.attack.precision import computing_in
from nbnet_lib.attack.processes import (
    any_process,
    from_main,
    parts_of_batch,
    require_same,
    whole_batch_norm,
)
from nbnet_lib.attack.state import RunState
from nbnet_lib.attack.tensorboard import TensorBoard
from nbnet_lib.decoders import require_gradient_training
from nbnet_lib.errors import NbnetError
from nbnet_lib.files import require_writable_folder

if TYPE_CHECKING:
    from nbnet_lib.attack.adversarial import Adversary

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
    adversary: Adversary | None = None,
    white_box: bool = False,
    target: Any = None,
    tensorboard: str | os.PathLike[str] | None = None,
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
            ``config.evaluate_every`` updates and at the end, in the main process; the numbers that
            it returns join the history.
        surrogate: needed when ``config.template_weight`` > 0; see `attack.surrogate`.
        adversary: needed when ``config.adversarial_weight`` > 0; see `attack.adversarial`.
        white_box: differentiate through ``target`` itself, in the surrogate's place. This leaves
            the paper's threat model; see `attack.white_box`.
        target: the encoder, for ``white_box`` only.
        tensorboard: folder for logs that TensorBoard reads; None writes none.
        device: "auto" (accelerate decides) or "cpu".
        progress: show a progress bar on stderr.

    Returns:
        one dict per ``config.log_every`` updates: step, loss (mean since the last entry), lr,
        images_per_second, seconds (since the start of this call), what the adversary tells, and
        what ``evaluate`` returned. After a resume, the entries of before the interruption come
        first. The decoder is left in evaluation mode, with the weights that ``config.deliver``
        names: the last ones or those of best.pt (averaged if ``config.ema_decay`` is set).

    Raises:
        NbnetError: data that does not fit the decoder or is reserved for evaluation, a folder that
            is not writable, a checkpoint of another run, a target without gradient, or a loss that
            became NaN.
        KeyboardInterrupt: Ctrl-C, after the checkpoint is written; its message says how to resume.
    """
    pairs = Pairs(images, templates, identities)
    _check(decoder, pairs, config, folder, evaluate, white_box, target, surrogate)
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")
    processes = accelerator.num_processes
    if adversary is not None and min(config.batch_size, len(pairs)) % processes:
        raise NbnetError(
            f"an adversary needs equal shares: make batch_size={config.batch_size} a multiple of "
            f"the {processes} processes"
        )
    objective = Objective(
        config,
        accelerator.device,
        surrogate=surrogate,
        target=target,
        framing=getattr(decoder, "framing", None),
        adversary=adversary,
    )
    optimizer = torch.optim.Adam(decoder.parameters(), lr=config.lr, betas=config.betas)
    model, optimizer = accelerator.prepare(decoder, optimizer)
    run = RunState(decoder, optimizer, config, pairs.fingerprint(), folder, adversary, white_box)
    if resume:
        run.resume(resume)
    require_same(accelerator, "set of pairs or step to begin with", (run.data, run.step))
    main = accelerator.is_main_process
    board = TensorBoard(tensorboard if main else None, run.step)
    bar = tqdm(
        total=config.steps,
        initial=run.step,
        desc="train",
        unit="step",
        mininterval=1.0,
        file=sys.stderr,
        disable=not (progress and main),
    )
    started = logged = time.perf_counter()
    losses: list[Tensor] = []
    with (
        bar,
        delayed_interrupt() as interrupted,
        whole_batch_norm(decoder, processes),
        computing_in(config.precision, accelerator.device) as autocast,
    ):
        while not run.done:
            lr = learning_rate(config, run.step)
            for group in optimizer.param_groups:
                group["lr"] = lr
            # Every process draws the same batch and works through its own share of it.
            rows = batch_rows(len(pairs), config.batch_size, run.step, config.seed)
            loss, told = _update(
                model, optimizer, objective, pairs, rows, run.step, accelerator, autocast
            )
            run.step += 1
            run.average()
            losses.append(loss)
            bar.update()

            stopped = any_process(accelerator, interrupted.is_set())
            last = run.step == config.steps
            evaluation = evaluate is not None and (last or due(run.step, config.evaluate_every))
            checkpoint = folder is not None and (last or due(run.step, config.checkpoint_every))
            log = last or due(run.step, config.log_every)
            if log or evaluation or checkpoint or stopped:
                mean = float(accelerator.reduce(torch.stack(losses).mean(), "mean"))
                if not (math.isfinite(mean) and is_finite(decoder)):
                    raise NbnetError(run.tell_nan(lr))
                now = time.perf_counter()
                entry = {
                    "step": run.step,
                    "loss": mean,
                    "lr": lr,
                    "images_per_second": len(losses) * len(rows) / max(now - logged, 1e-9),
                    "seconds": now - started,
                    **{name: float(value) for name, value in told.items()},
                }
                if evaluation and evaluate is not None and main:
                    entry |= evaluate(run.result().eval(), run.step)
                    bar.write(f"step {run.step}: {_text(entry)}", file=sys.stderr)
                entry = from_main(accelerator, entry)
                board.write(entry)
                best = run.note(entry, checkpoint)
                run.save(checkpoint or stopped or run.done, best, write=main)
                losses, logged = [], time.perf_counter()
                bar.set_postfix_str(f"loss {mean:.4f}, {entry['images_per_second']:.0f} images/s")
            if stopped:
                raise KeyboardInterrupt(run.tell_interrupted())
    board.close()
    accelerator.wait_for_everyone()  # best.pt is there before anybody reads it
    run.finish()
    accelerator.free_memory()  # it holds the wrapper that averages gradients of this decoder
    return run.history


def _update(
    model: nn.Module,
    optimizer: Any,
    objective: Objective,
    pairs: Pairs,
    rows: np.ndarray,
    step: int,
    accelerator: Accelerator,
    autocast: torch.autocast,
) -> tuple[Tensor, dict[str, Any]]:
    """Make one update of the decoder (and of the adversary, if there is one).

    Returns:
        the loss of this process's share, scaled so that the mean over processes is the loss of the
        batch, and what the adversary tells.
    """
    config, device = objective.config, accelerator.device
    templates = noisy_templates(pairs.templates[rows], config.template_noise, step, config.seed)
    total = torch.zeros((), device=device)
    made, shown = [], []
    parts = parts_of_batch(np.arange(len(rows)), config.accumulate, accelerator)
    model.train()
    optimizer.zero_grad()
    for i, part in enumerate(parts):
        picture, template = (t.to(device) for t in pairs.batch(rows[part]))
        # Gradients of the parts add up; the processes tell each other theirs with the last one.
        with nullcontext() if i == len(parts) - 1 else accelerator.no_sync(model):
            with autocast:
                reconstruction = model(templates[part].to(device)).float()
                loss = objective(reconstruction, picture, template, step)
            loss = loss * (len(part) * accelerator.num_processes / len(rows))
            accelerator.backward(loss)
        total += loss.detach()
        if objective.adversary is not None:
            made.append(reconstruction.detach())
            shown.append(picture)
    optimizer.step()
    if objective.adversary is None:
        return total, {}
    return total, objective.adversary.update(torch.cat(made), torch.cat(shown), step)


def _check(
    decoder: nn.Module,
    pairs: Pairs,
    config: TrainConfig,
    folder: str | os.PathLike[str] | None,
    evaluate: Evaluate | None,
    white_box: bool,
    target: Any,
    surrogate: nn.Module | None,
) -> None:
    """Raise what can be told before anything is computed."""
    require_gradient_training(decoder)
    for name in ("template_dim", "image_size"):
        wanted, given = getattr(decoder, name), getattr(pairs, name)
        if wanted != given:
            raise NbnetError(
                f"the decoder has {name} {wanted} but the training pairs have {given}: build the "
                f"decoder with {name}={given} or make other pairs"
            )
    if white_box != (target is not None):
        raise NbnetError(
            f"white_box={white_box} with {'no' if target is None else 'a'} target: a target is "
            "given for white_box=True, and only then"
        )
    if white_box and surrogate is not None:
        raise NbnetError("white_box=True takes the target itself: leave the surrogate away")
    if config.deliver == "best" and folder is None:
        raise NbnetError('deliver="best" needs a folder: the best weights are kept in its best.pt')
    if evaluate is None and (config.best != "loss" or config.patience):
        raise NbnetError(
            f"best={config.best!r} is a number that an evaluation returns, but there is none: give "
            'evaluate=..., or best="loss"'
        )
    if folder is not None:
        require_writable_folder(folder)


def _text(entry: dict[str, float]) -> str:
    return ", ".join(f"{k} {v:.4g}" for k, v in entry.items() if k != "step")
