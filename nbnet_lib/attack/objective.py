"""What the training minimises: the paper's loss, and what may be added to it (chapter 7).

    loss(reconstruction, picture)                                       the paper's algorithm
    + template_weight * template consistency(reconstruction, template)  our extension, in units of
                                                                        the templates' spread
    + adversarial_weight * adversary(reconstruction)                    our extension

The extensions are off unless their weight is set; results with them are to be labelled so.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nbnet_lib.attack.adversarial import create_adversary
from nbnet_lib.attack.consistency import template_consistency
from nbnet_lib.attack.losses import create_loss
from nbnet_lib.errors import NbnetError
from nbnet_lib.settings import TrainConfig


class Objective:
    """The sum of the losses of one run, on one device.

    Args:
        config: names the loss and weighs the terms.
        device: where to compute.
        recogniser: network of the consistency term, for ``config.template_weight`` > 0: a
            surrogate of the target (`attack.surrogate`), or `attack.white_box.white_box_of`.
        spread: what 1 - cosine is measured in, see `consistency.spread_of`.

    Raises:
        NbnetError: a weight without a recogniser, or the other way round.
    """

    def __init__(
        self,
        config: TrainConfig,
        device: torch.device,
        recogniser: nn.Module | None = None,
        spread: float = 1.0,
    ):
        if (recogniser is None) != (config.template_weight == 0):
            raise NbnetError(
                f"template_weight={config.template_weight} with "
                f"{'no' if recogniser is None else 'a'} recogniser: give both (a surrogate from "
                "attack.surrogate.train_surrogate, say) or neither"
            )
        self.config, self.recogniser, self.spread = config, recogniser, spread
        if recogniser is not None:
            recogniser.to(device).eval().requires_grad_(False)
        self.loss = create_loss(config.loss)
        if isinstance(self.loss, nn.Module):
            self.loss = self.loss.to(device)
        self.adversary = None
        if config.adversarial_weight:
            self.adversary = create_adversary(seed=config.seed).to(device)
        self._shown: list[tuple[Tensor, Tensor]] = []  # what the adversary learns from next

    def __call__(
        self, reconstruction: Tensor, picture: Tensor, template: Tensor, step: int
    ) -> Tensor:
        """Return one number to minimise, a mean over the pictures given.

        Args:
            reconstruction: float32 [N, 3, S, S] in [-1, 1], with gradient.
            picture: float32 [N, 3, S, S] in [-1, 1], what is to be drawn.
            template: float32 [N, d], unit length.
            step: of the update; random parts of a term follow from it and the seed.
        """
        total = self.loss(reconstruction, picture)
        if self.recogniser is not None:
            consistency = template_consistency(
                self.recogniser, reconstruction, template, step=step, seed=self.config.seed
            )
            total = total + self.config.template_weight / self.spread * consistency
        if self.adversary is not None:
            total = total + self.config.adversarial_weight * self.adversary.loss(reconstruction)
            self._shown.append((reconstruction.detach(), picture))
        return total

    def update(self, step: int) -> dict[str, Tensor]:
        """Let the adversary learn from the batch of this step; return its numbers, if any."""
        if self.adversary is None:
            return {}
        made, real = map(torch.cat, zip(*self._shown, strict=True))
        self._shown = []
        return self.adversary.update(made, real, step)
