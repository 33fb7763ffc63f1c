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

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nbnet_lib.attack.checkpoint import RunState
from nbnet_lib.attack.data import batch_rows, fingerprint
from nbnet_lib.attack.gan_faces import sample_faces, variety
from nbnet_lib.attack.monitor import Every, Monitor, RunOptions
from nbnet_lib.attack.processes import accelerator_on
from nbnet_lib.decoders import create_decoder
from nbnet_lib.decoders.base import require_pictures
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import to_tensor
from nbnet_lib.faces.framing import FRAMINGS, Framing
from nbnet_lib.settings import GeneratorConfig

__all__ = ["GeneratorConfig", "sample_faces", "train_generator", "variety"]

PROBES = 64  # pictures that variety is measured on
FAKE, REAL = (0.0, 0.3), (0.7, 1.2)  # the noisy labels of the authors' code


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
        identities: SynthFaces identity of each image, all the attacker's; None says that the
            images are not SynthFaces.
        framing: where the faces are in the images, and so in what is drawn; None where nobody
            knows.
        watch: called as watch(generator in evaluation mode, step) every ``config.watch_every``
            updates and at the end, in the main process; for pictures of the progress.
        **options: folder, resume, device, progress; see `nbnet_lib.attack.monitor.RunOptions`.

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
    accelerator = accelerator_on(where.device)
    device = accelerator.device
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

    def measure(network: nn.Module) -> dict[str, float]:
        return {"variety": variety(sample_faces(network, PROBES, config.seed), probes)}

    every = Every(config.log_every, config.save_every, config.watch_every)
    with Monitor("generator", run, every, accelerator, where.progress, watch, measure) as monitor:
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
            means = {
                "loss_generator": loss_generator,
                "loss_discriminator": loss_discriminator,
                "real": of_real.sigmoid().mean(),
                "fake": of_drawn.sigmoid().mean(),
            }
            monitor.after_update(means, {}, batch)
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
