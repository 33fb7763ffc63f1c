"""EXTENSION BEYOND THE PAPER: an adversary that recognises reconstructions (chapter 7).

Where several sharp pictures fit a template, the least mean error is their average: a blurred face.
An adversary is a second network in training beside the decoder. It learns to distinguish the
decoder's pictures from the attacker's own, and the decoder is trained to pass:

    loss = pixel loss + adversarial_weight * how confidently the adversary recognises them

This is the game of Goodfellow et al. (arXiv 1406.2661) with a template in the place of chance. What
keeps it from running away: the picture loss, which stays, and the penalty R1 on the adversary's
slope at real pictures (Mescheder, Geiger, Nowozin, arXiv 1801.04406). Sharper is not nearer: detail
that the adversary rewards need not be the person's, so look at both judges of `nbnet evaluate`.

The adversary judges patches, as in Isola et al. (arXiv 1611.07004), not whole pictures as the
discriminator of a DCGAN does (that one fits too: anything that gives logits). Whole faces of some
thousand people can be memorised; what skin and the edge of a lip look like cannot.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn


class PatchDiscriminator(nn.Module):
    """Float32 [N, 3, S, S] in [-1, 1] -> logits [N, S / 8, S / 8], above 0 for "a real picture".

    Each logit sees 38 x 38 pixels. No batch norm: the penalty is one of single pictures. 0.7
    million trainable values.

    Args:
        width: channels after the first layer; each halving of the side doubles them.
    """

    def __init__(self, width: int = 64):
        super().__init__()
        # S = 64:                            3 x 64 x 64, 64 x 32 x 32, 128 x 16 x 16, 256 x 8 x 8
        layers: list[nn.Module] = []
        channels = 3
        for out in (width, 2 * width, 4 * width):
            layers += [nn.Conv2d(channels, out, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
            channels = out
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, images: Tensor) -> Tensor:
        """Return one logit per patch."""
        return self.layers(images)[:, 0]


class Adversary:
    """A discriminator with its own Adam, for `train_decoder`.

    It draws nothing at random: what it does follows from its weights, the pictures and the step,
    so that a run which resumes repeats itself bit for bit.

    Args:
        discriminator: images [N, 3, S, S] -> logits of any shape [N, ...].
        lr: learning rate of its Adam.
        betas: Adam's decay rates; the first is low, for the decoder that it follows moves on.
        penalty: weight of R1, the mean squared length of the logits' slope at real pictures.
        penalty_every: updates between two times that the penalty is paid; it then counts as often.
            It needs a second derivative, which is slow.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        lr: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.99),
        penalty: float = 1.0,
        penalty_every: int = 8,
    ):
        self.discriminator = discriminator.train()
        self.optimizer = torch.optim.Adam(discriminator.parameters(), lr=lr, betas=betas)
        self.penalty, self.penalty_every = penalty, penalty_every

    def to(self, device: torch.device | str) -> Adversary:
        """Move the network, and what its Adam remembers, to a device."""
        self.discriminator.to(device)
        # What an optimiser is given as its state goes where the weights are.
        self.optimizer.load_state_dict(self.optimizer.state_dict())
        return self

    def loss(self, reconstruction: Tensor) -> Tensor:
        """Return what the decoder is to minimise: how confidently its pictures are
        recognised.

        0 where the adversary takes all for real, 0.69 where it cannot tell. The gradient reaches
        the reconstruction, not the adversary.

        Args:
            reconstruction: float32 [N, 3, S, S] in [-1, 1].
        """
        self.discriminator.requires_grad_(False)
        with torch.autocast(reconstruction.device.type, enabled=False):
            loss = F.softplus(-self.discriminator(reconstruction.float())).mean()
        self.discriminator.requires_grad_(True)
        return loss

    def update(self, reconstruction: Tensor, target: Tensor, step: int) -> dict[str, Tensor]:
        """Let the adversary learn from one batch.

        Args:
            reconstruction: float32 [N, 3, S, S] in [-1, 1]; no gradient goes back to it.
            target: the pictures that were to be reconstructed.
            step: number of the decoder's update; it decides when the penalty is paid.

        Returns:
            single numbers on the device: "adversary_loss", and "adversary_right", the share of its
            answers that were right. 0.5 is a guess; near 1 it has won, and teaches little.
        """
        made, real = reconstruction.detach().float(), target.float()
        pay = self.penalty > 0 and step % self.penalty_every == 0
        with torch.autocast(real.device.type, enabled=False):
            real = real.requires_grad_() if pay else real
            of_real, of_made = self.discriminator(real), self.discriminator(made)
            loss = F.softplus(-of_real).mean() + F.softplus(of_made).mean()
            total = loss
            if pay:
                # Of the mean over patches, so that a picture counts alike however many it has.
                of_pictures = of_real.flatten(1).mean(1) if of_real.ndim > 1 else of_real
                (slope,) = torch.autograd.grad(of_pictures.sum(), real, create_graph=True)
                length = slope.square().flatten(1).sum(1).mean()
                total = loss + 0.5 * self.penalty * self.penalty_every * length
        self.optimizer.zero_grad()
        total.backward()
        self._average_over_processes()
        self.optimizer.step()
        right = ((of_real > 0).float().mean() + (of_made < 0).float().mean()) / 2
        return {"adversary_loss": loss.detach(), "adversary_right": right.detach()}

    def _average_over_processes(self) -> None:
        """Make the gradient that of the whole batch, where several processes share it."""
        if dist.is_available() and dist.is_initialized():
            for weight in self.discriminator.parameters():
                if weight.grad is not None:
                    dist.all_reduce(weight.grad)
                    weight.grad /= dist.get_world_size()

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint has to keep."""
        return {
            "discriminator": self.discriminator.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimizer.load_state_dict(state["optimizer"])


def create_adversary(width: int = 64, seed: int = 0, **options: Any) -> Adversary:
    """Return an `Adversary` that judges patches, with weights drawn from ``seed``.

    Args:
        width: see `PatchDiscriminator`.
        seed: of the weights; torch's generator is left as it was.
        **options: of `Adversary`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        discriminator = PatchDiscriminator(width)
    return Adversary(discriminator, **options)
