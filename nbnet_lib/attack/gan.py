"""The attacker's own source of faces: a generator trained against a discriminator (chapter 8).

Reference: Mai, Cao, Yuen, Jain, "On the Reconstruction of Face Images from Deep Face Templates",
arXiv 1703.00832. Whoever owns some thousand pictures of faces, but needs millions of pairs, trains
a generator on them and draws. The facts of the authors' released code are kept:

- a DCGAN (Radford et al., arXiv 1511.06434) without batch norm, z from N(0, 1) in 100 dimensions
  (`nbnet_lib.decoders.dcgan`);
- Adam with beta1 0.5, learning rates 2e-4 (generator) and 5e-5 (discriminator), batch 64;
- noisy labels: a drawing counts as a number from U(0, 0.3), a picture as one from U(0.7, 1.2), and
  the generator aims at the latter too. So the discriminator never learns that it is wholly right.

Nothing is drawn from a global generator: noise and labels of a step follow from (seed, step), so
that a run which was killed continues bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from nbnet_lib.attack.checkpoint import RunState, delayed_interrupt, due
from nbnet_lib.attack.data import batch_rows, fingerprint, require_pictures
from nbnet_lib.attack.gan_faces import sample_faces, variety
from nbnet_lib.attack.processes import any_process
from nbnet_lib.attack.train import RunOptions, progress_bar
from nbnet_lib.decoders import create_decoder
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import to_tensor
from nbnet_lib.faces.framing import FRAMINGS, Framing
from nbnet_lib.settings import GeneratorConfig

__all__ = ["GeneratorConfig", "sample_faces", "train_generator", "variety"]

PROBES = 64  # pictures that variety is measured on
FAKE, REAL = (0.0, 0.3), (0.7, 1.2)  # the noisy labels of the authors' code
MEANS = ("loss_generator", "loss_discriminator", "real", "fake")


def train_generator(
    images: np.ndarray,
    config: GeneratorConfig | None = None,
    *,
    identities: Sequence[int] | np.ndarray | None,
    framing: Framing | None = FRAMINGS["synthfaces"],
    watch: Callable[[nn.Module, int], None] | None = None,
    **options: Any,
) -> nn.Module:
    """Train a face generator on pictures of faces.

    Args:
        images: uint8 [N, S, S, 3], S one of the sizes that a decoder draws; a memory map is fine.
        config: see `GeneratorConfig`.
        identities: SynthFaces identity of each image, all >= 10,000 (checked); None says that the
            images are not SynthFaces.
        framing: where the faces are in the images, and so in what is drawn; None where nobody
            knows.
        watch: called as watch(generator in evaluation mode, step) every ``config.watch_every``
            updates and at the end, in the main process; for pictures of the progress.
        **options: folder, resume, device, progress; see `nbnet_lib.attack.train.RunOptions`.

    Returns:
        the generator in evaluation mode; `sample_faces` draws with it. ``generator.history`` has
        one dict per ``config.log_every`` updates: step, loss_generator, loss_discriminator (means
        since the last entry), real and fake (how confidently the discriminator takes pictures and
        drawings for pictures, 0 to 1), variety (see `variety`), images_per_second, seconds.

    Raises:
        NbnetError: images that do not fit or are kept for evaluation, a folder that is not
            writable, a checkpoint of another run, or a loss that became NaN.
        KeyboardInterrupt: Ctrl-C, after the checkpoint is written; its message says how to resume.
    """
    config, where = config or GeneratorConfig(), RunOptions(**options)
    require_pictures(images, identities)
    if len(images) < 2:
        raise NbnetError(f"{len(images)} training images: a generator needs at least 2, or copies")
    generator, discriminator = _networks(images.shape[1], config)
    generator.framing = framing  # type: ignore[assignment]
    accelerator = Accelerator(cpu=where.device == "cpu", mixed_precision="no")
    device, main = accelerator.device, accelerator.is_main_process
    draw, judge, generator_adam, discriminator_adam = accelerator.prepare(
        generator,
        discriminator,
        torch.optim.Adam(generator.parameters(), lr=config.lr_generator, betas=config.betas),
        torch.optim.Adam(
            discriminator.parameters(), lr=config.lr_discriminator, betas=config.betas
        ),
    )
    others = {
        "discriminator": discriminator,
        "generator_adam": generator_adam,
        "discriminator_adam": discriminator_adam,
    }
    run = RunState(generator, others, config, fingerprint(images), where.folder)
    if where.resume:
        run.resume(where.resume)
    batch = min(config.batch_size, len(images))
    if batch % accelerator.num_processes:
        raise NbnetError(
            f"batch_size={batch} cannot be shared by {accelerator.num_processes} processes: give a "
            "multiple of it"
        )
    share = slice(accelerator.process_index, None, accelerator.num_processes)
    probes = to_tensor(
        images[np.unique(np.linspace(0, len(images) - 1, min(len(images), PROBES)).astype(int))]
    )
    numbers: list[Tensor] = []
    started = logged = time.perf_counter()
    with (
        progress_bar("generator", config.steps, run.step, where.progress and main) as bar,
        delayed_interrupt() as interrupted,
    ):
        while not run.done:
            chance = np.random.default_rng([config.seed, run.step, 8])
            z, fake_labels, real_labels, aims = (
                torch.from_numpy(x)[share].to(device)
                for x in _noise_and_labels(chance, batch, config.noise_dim)
            )
            rows = batch_rows(len(images), batch, run.step, config.seed)[share]
            real = to_tensor(images[rows]).to(device)
            drawn = draw(z)

            # The discriminator learns that pictures are pictures and drawings are drawings.
            of_real, of_drawn = judge(torch.cat([real, drawn.detach()])).chunk(2)
            loss_discriminator = _against(of_real, real_labels) + _against(of_drawn, fake_labels)
            discriminator_adam.zero_grad()
            accelerator.backward(loss_discriminator)
            discriminator_adam.step()

            # The generator learns to be taken for pictures by what has just been learnt.
            discriminator.requires_grad_(False)
            loss_generator = _against(discriminator(drawn), aims)
            generator_adam.zero_grad()
            accelerator.backward(loss_generator)
            generator_adam.step()
            discriminator.requires_grad_(True)
            run.step += 1
            run.average()
            taken = (of_real.sigmoid().mean(), of_drawn.sigmoid().mean())
            numbers.append(torch.stack([loss_generator, loss_discriminator, *taken]).detach())
            bar.update()

            stopped = any_process(accelerator, interrupted.is_set())
            last = run.step == config.steps
            watched = watch is not None and (last or due(run.step, config.watch_every))
            saved = where.folder is not None and (last or due(run.step, config.save_every))
            if watched or saved or stopped or last or due(run.step, config.log_every):
                means = accelerator.reduce(torch.stack(numbers).mean(0), "mean").tolist()
                run.require_finite(
                    means, f"{config.lr_generator:.3g} and {config.lr_discriminator:.3g}"
                )
                now = time.perf_counter()
                entry = {
                    "step": run.step,
                    **dict(zip(MEANS, means, strict=True)),
                    "variety": variety(sample_faces(run.result(), PROBES, config.seed), probes),
                    "images_per_second": len(numbers) * batch / max(now - logged, 1e-9),
                    "seconds": now - started,
                }
                run.history.append(entry)
                if watched and watch is not None and main:
                    watch(run.result().eval(), run.step)
                    generator.train()
                run.save(saved or stopped, write=main)
                numbers, logged = [], time.perf_counter()
                bar.set_postfix_str(
                    f"takes {entry['real']:.2f} of pictures and {entry['fake']:.2f} of drawings "
                    f"for pictures, variety {entry['variety']:.2f}"
                )
            if stopped:
                raise KeyboardInterrupt(run.interrupt_message())
    generator.history = run.history  # type: ignore[assignment]
    return run.deliver()


def _networks(size: int, config: GeneratorConfig) -> tuple[nn.Module, nn.Module]:
    """Return generator and discriminator with weights that follow from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        generator = create_decoder(
            "dcgan-generator", config.noise_dim, size, base_channels=config.base_channels
        )
        discriminator = create_decoder(
            "dcgan-discriminator", image_size=size, base_channels=config.base_channels
        )
    return generator, discriminator


def _noise_and_labels(chance: np.random.Generator, n: int, dim: int) -> list[np.ndarray]:
    """Return z [n, dim], and labels [n] of drawings, of pictures, and what the generator wants."""
    labels = [chance.uniform(*ends, n).astype(np.float32) for ends in (FAKE, REAL, REAL)]
    return [chance.standard_normal((n, dim), np.float32), *labels]


def _against(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross entropy; its slope is sigmoid(logit) - label, for labels above 1 too."""
    return F.binary_cross_entropy_with_logits(logits.float(), labels)
