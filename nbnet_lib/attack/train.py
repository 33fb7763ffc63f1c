"""The attack's training: one loop that can be read in one sitting (chapter 9).

Reference: Mai, Cao, Yuen, Jain, "On the Reconstruction of Face Images from Deep Face Templates",
arXiv 1703.00832. Algorithm 1 of the paper:

1. make pictures of faces that have nothing to do with the victims;
2. ask the target for the template of each (once; the target stays a black box);
3. minimise loss(decoder(template), picture).

The first two are `attack.run`, the third is this file. The loop runs on `accelerate`: the same code
on CPU, one GPU, or several processes (``torchrun``, see `attack.processes`). What it minimises is
in `attack.objective`, what it remembers in `attack.checkpoint`, what happens beside (history,
evaluation, Ctrl-C) in `attack.monitor`; settings: `nbnet_lib.settings`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nbnet_lib.attack.checkpoint import RunState
from nbnet_lib.attack.consistency import spread_of
from nbnet_lib.attack.data import Pairs, batch_rows, noisy_templates
from nbnet_lib.attack.monitor import Callback, Evaluate, Every, Monitor, RunOptions
from nbnet_lib.attack.objective import Objective
from nbnet_lib.attack.precision import computing_in
from nbnet_lib.attack.processes import (
    accelerator_on,
    parts_of_batch,
    require_same,
    whole_batch_norm,
)
from nbnet_lib.attack.white_box import WhiteBox
from nbnet_lib.decoders import require_gradient_training
from nbnet_lib.errors import NbnetError
from nbnet_lib.settings import TrainConfig


def train_decoder(
    decoder: nn.Module,
    images: np.ndarray,
    templates: np.ndarray | Tensor,
    config: TrainConfig,
    *,
    identities: Sequence[int] | np.ndarray | None,
    evaluate: Evaluate | None = None,
    recogniser: nn.Module | None = None,
    callbacks: Sequence[Callback] = (),
    **options: Any,
) -> list[dict[str, float]]:
    """Train ``decoder`` in place and return the history.

    Args:
        decoder: from `create_decoder`, at the size of the images and the templates.
        images: uint8 [N, S, S, 3].
        templates: float32 [N, d], what the target made of the images.
        config: see `TrainConfig`.
        identities: SynthFaces identity of each image, all the attacker's; None says that the
            images are not SynthFaces.
        evaluate: called as evaluate(decoder in evaluation mode, step) every
            ``config.evaluate_every`` updates and at the end, in the main process; the numbers that
            it returns join the history.
        recogniser: needed when ``config.template_weight`` > 0; see `attack.surrogate`. With
            ``white_box_of(target, framing)`` instead, the gradient flows through the target
            itself, which leaves the paper's threat model; see `attack.white_box`.
        callbacks: each is called with every new entry of the history, in the main process.
        **options: folder, resume, device, progress, target; see `RunOptions`.

    Returns:
        one dict per ``config.log_every`` updates: step, loss (mean since the last entry), lr,
        images_per_second, seconds (since the start of this call), the adversary's numbers, and
        what ``evaluate`` returned. After a resume, the entries of before the interruption come
        first. The decoder is left in evaluation mode, with the weights that ``config.deliver``
        names: the last ones or those of best.pt (averaged if ``config.ema_decay`` is set).

    Raises:
        NbnetError: data that does not fit the decoder or is reserved for evaluation, a folder that
            is not writable, a checkpoint of another run, or a loss that became NaN.
        KeyboardInterrupt: Ctrl-C, after the checkpoint is written; its message says how to resume.
    """
    beside = RunOptions(**options)
    pairs = Pairs(images, templates, identities)
    _require_fitting(decoder, pairs, config, evaluate, beside)
    accelerator = accelerator_on(beside.device)
    device, processes = accelerator.device, accelerator.num_processes
    if config.adversarial_weight and min(config.batch_size, len(pairs)) % processes:
        raise NbnetError(
            f"an adversary needs equal shares: make batch_size={config.batch_size} a multiple of "
            f"the {processes} processes"
        )
    objective = Objective(config, device, recogniser, spread_of(pairs.templates))
    optimizer = torch.optim.Adam(decoder.parameters(), lr=config.lr, betas=config.betas)
    model, optimizer = accelerator.prepare(decoder, optimizer)
    state = {"optimizer": optimizer}
    if objective.adversary is not None:
        state["adversary"] = objective.adversary
    threat = {"white_box": isinstance(recogniser, WhiteBox)}
    data = pairs.fingerprint()
    run = RunState(decoder, state, config, data, beside.folder, threat, beside.target)
    if beside.resume:
        run.resume(beside.resume)
    require_same(accelerator, "set of pairs or step to begin with", (run.data, run.step))

    every = Every(config.log_every, config.checkpoint_every, config.evaluate_every)
    with (
        Monitor(
            "train", run, every, accelerator, beside.progress, evaluate, callbacks=callbacks
        ) as monitor,
        whole_batch_norm(decoder, processes),
        computing_in(config.precision, device) as autocast,
    ):
        while not run.done:
            lr = learning_rate(config, run.step)
            for group in optimizer.param_groups:
                group["lr"] = lr

            # Algorithm 1, step 3, begins with a batch. Every process draws the same one, and works
            # through its own share in parts. The decoder sees templates with noise, the loss
            # compares with those without.
            rows = batch_rows(len(pairs), config.batch_size, run.step, config.seed)
            noisy = noisy_templates(
                pairs.templates[rows], config.template_noise, run.step, config.seed
            )
            parts = parts_of_batch(len(rows), config.accumulate, accelerator)

            # Its loss, and the gradient.
            model.train()
            optimizer.zero_grad()
            loss = torch.zeros((), device=device)
            for number, part in enumerate(parts, 1):
                picture, template = (t.to(device) for t in pairs.batch(rows[part]))
                # Gradients of the parts add up; the processes exchange theirs with the last one.
                with nullcontext() if number == len(parts) else accelerator.no_sync(model):
                    with autocast:
                        reconstruction = model(noisy[part].to(device)).float()
                        part_loss = objective(reconstruction, picture, template, run.step)
                    # Scaled so that the mean over processes is the loss of the batch.
                    part_loss = part_loss * (len(part) * processes / len(rows))
                    accelerator.backward(part_loss)
                loss += part_loss.detach()

            # The update, then what happens beside: history, evaluation, checkpoints, Ctrl-C.
            optimizer.step()
            adversary = objective.update(run.step)
            monitor.after_update({"loss": loss}, {"lr": lr, **adversary}, len(rows))
    accelerator.wait_for_everyone()  # best.pt is there before anybody reads it
    run.deliver(best=config.deliver == "best")
    accelerator.free_memory()  # it holds the wrapper that averages gradients of this decoder
    return run.history


def learning_rate(config: TrainConfig, step: int) -> float:
    """Return the learning rate of update ``step`` (0, 1, 2...), a pure function of the step."""
    if config.schedule == "paper":
        return config.lr * 0.94 ** (step // 5000)
    if config.schedule == "constant":
        return config.lr
    warmup = max(1, config.steps // 10) if config.schedule == "onecycle" else 0
    if step < warmup:
        return config.lr * (step + 1) / warmup
    progress = (step - warmup) / max(1, config.steps - warmup)
    return config.lr * 0.5 * (1 + math.cos(math.pi * progress))


def _require_fitting(
    decoder: nn.Module,
    pairs: Pairs,
    config: TrainConfig,
    evaluate: Evaluate | None,
    beside: RunOptions,
) -> None:
    """Raise what can be known before anything is computed."""
    require_gradient_training(decoder)
    for name in ("template_dim", "image_size"):
        wanted, given = getattr(decoder, name), getattr(pairs, name)
        if wanted != given:
            raise NbnetError(
                f"the decoder has {name} {wanted} but the training pairs have {given}: build the "
                f"decoder with {name}={given} or make other pairs"
            )
    if config.deliver == "best" and beside.folder is None:
        raise NbnetError('deliver="best" needs a folder: the best weights are kept in its best.pt')
    if evaluate is None and (config.best != "loss" or config.patience):
        raise NbnetError(
            f"best={config.best!r} is a number that an evaluation returns, but there is none: give "
            'evaluate=..., or best="loss"'
        )
