"""What the training minimises: the paper's loss, and what may be added to it (chapter 7).

    loss(reconstruction, picture)                                       the paper's algorithm
    + template_weight * template consistency(reconstruction, template)  our extension
    + adversarial_weight * adversary(reconstruction)                    our extension

The extensions are off unless their weight is set; results with them are to be labelled so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nbnet_lib.attack.config import TrainConfig
from nbnet_lib.attack.consistency import template_consistency
from nbnet_lib.attack.losses import create_loss
from nbnet_lib.attack.white_box import white_box_of
from nbnet_lib.errors import NbnetError

if TYPE_CHECKING:
    from nbnet_lib.attack.adversarial import Adversary


class Objective:
    """The sum of the losses of one run, on one device.

    Args:
        config: names the loss and weighs the terms.
        device: where to compute.
        surrogate: stands in for the target in the consistency term; see `attack.surrogate`.
        target: the target itself, differentiated through, in its place; see `attack.white_box`.
        framing: how the faces of the decoder's pictures are cut out (for ``target``).
        adversary: see `attack.adversarial`.

    Raises:
        NbnetError: a term with a weight but nothing to compute it, or the other way round, or a
            target that gives no gradient.
    """

    def __init__(
        self,
        config: TrainConfig,
        device: torch.device,
        surrogate: nn.Module | None = None,
        target: Any = None,
        framing: Any = None,
        adversary: Adversary | None = None,
    ):
        if (adversary is None) != (config.adversarial_weight == 0):
            raise NbnetError(
                f"adversarial_weight={config.adversarial_weight} with "
                f"{'no' if adversary is None else 'an'} adversary: give both or neither"
            )
        if target is not None and config.template_weight == 0:
            raise NbnetError("white_box=True needs template_weight above 0: nothing would use it")
        recogniser: nn.Module | None = surrogate
        if target is not None:
            recogniser = white_box_of(target, framing)
        if config.template_weight > 0 and recogniser is None:
            raise NbnetError(
                f"template_weight={config.template_weight} needs a surrogate encoder: "
                "train one with nbnet_lib.attack.surrogate.train_surrogate"
            )
        if recogniser is not None and not isinstance(recogniser, nn.Module):
            raise NbnetError(
                f"the surrogate is a {type(recogniser).__name__}: give a network of your own (see "
                "attack.surrogate); the target itself is differentiated only with white_box=True"
            )
        self.config = config
        self.recogniser = (
            None if recogniser is None else recogniser.to(device).eval().requires_grad_(False)
        )
        self.adversary = None if adversary is None else adversary.to(device)
        self.loss = create_loss(config.loss)
        if isinstance(self.loss, nn.Module):
            self.loss = self.loss.to(device)

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
        if self.recogniser is not None and self.config.template_weight > 0:
            consistency = template_consistency(
                self.recogniser, reconstruction, template, step=step, seed=self.config.seed
            )
            total = total + self.config.template_weight * consistency
        if self.adversary is not None:
            total = total + self.config.adversarial_weight * self.adversary.loss(reconstruction)
        return total
