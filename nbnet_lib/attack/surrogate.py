"""EXTENSION BEYOND THE PAPER: a surrogate encoder for a template-consistency loss (chapter 7).

The paper's losses compare pictures: by pixel, or by the features of a public network. What decides
whether a reconstruction is accepted is its *template*, but the target is a black box: no gradient
comes out of it. What the attacker does own are the pairs (picture, template) it trains the decoder
on. From the same pairs, with no further query, it can train a network of its own to imitate the
target (distillation; Hinton et al., arXiv 1503.02531) and let the gradient flow through that:

    loss = pixel loss + template_weight * (1 - cos(surrogate(reconstruction), template))

The target itself is never differentiated, and the architecture below is not taken from it.
Results made with ``template_weight`` > 0 are ours, not the paper's method, and are to be labelled
so.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nbnet_lib.attack.checkpoint import RunState
from nbnet_lib.attack.consistency import disturb
from nbnet_lib.attack.data import Pairs, batch_rows
from nbnet_lib.attack.monitor import Every, Monitor
from nbnet_lib.errors import NbnetError
from nbnet_lib.settings import check_limits, option
from nbnet_lib.weights import load_weights, save_weights

WIDTHS = (32, 64, 128, 256)


@dataclass(frozen=True)
class SurrogateConfig:
    """Settings of the distillation.

    Attributes:
        steps: updates in all.
        batch_size: pairs per update.
        lr: peak learning rate of AdamW; it rises for a tenth of the run, then falls as a cosine.
        weight_decay: of AdamW.
        precision: "no" or "bf16".
        seed: order of the batches and the disturbances.
    """

    steps: int = option(4000, at_least=1)
    batch_size: int = option(64, at_least=1)
    lr: float = option(2e-3, above=0)
    weight_decay: float = 0.02
    precision: str = option("no", choices=("no", "bf16"))
    seed: int = 0

    def __post_init__(self) -> None:
        check_limits(self)

    def free(self) -> frozenset[str]:
        """Return the names of the settings that may change at a resume: none."""
        return frozenset()


class Surrogate(nn.Module):
    """A plain convolutional network: float32 [N, 3, S, S] in [-1, 1] -> [N, d], unit length."""

    def __init__(self, template_dim: int, image_size: int):
        super().__init__()
        self.template_dim, self.image_size = template_dim, image_size
        layers: list[nn.Module] = []
        channels = 3
        for width in WIDTHS:  # S = 64: 32 x 32, 16 x 16, 8 x 8, 4 x 4
            layers += [
                nn.Conv2d(channels, width, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.SiLU(),  # smooth, so that the gradient that the decoder gets is smooth as well
                nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.SiLU(),
            ]
            channels = width
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4))
        self.template = nn.Linear(channels * 16, template_dim)

    def forward(self, images: Tensor) -> Tensor:
        """Return what the target would probably answer."""
        if images.shape[-1] > 80:  # 160 -> 80: the templates do not depend on finer detail
            images = F.avg_pool2d(images, 2)
        return F.normalize(self.template(self.features(images).flatten(1)).float())


def train_surrogate(
    images: np.ndarray,
    templates: np.ndarray | Tensor,
    config: SurrogateConfig | None = None,
    *,
    identities: Sequence[int] | np.ndarray | None,
    device: str = "cpu",
    progress: bool = True,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> Surrogate:
    """Distil the target into a `Surrogate` from the attacker's own pairs, in one process.

    Half of each batch is moved, blurred and made noisy while its template stays (`disturb`): so
    will be the reconstructions that it judges, and a surrogate that has only seen sharp
    pictures can be fooled by patterns that mean nothing to the target.

    Args:
        images: uint8 [N, S, S, 3].
        templates: float32 [N, d], what the target made of them.
        config: see `SurrogateConfig`.
        identities: as in `train_decoder`: the attacker's, or None if the images are not SynthFaces.
        device: where to train.
        progress: show a bar on stderr.
        folder: where checkpoints go; None writes none.
        resume: continue from the newest checkpoint in ``folder``, if there is one.

    Returns:
        the surrogate in evaluation mode, without gradients of its own; ``surrogate.history`` has
        one dict per 50 updates: step, agreement (the mean cosine with the target's templates),
        images_per_second, seconds.

    Raises:
        NbnetError: data that does not fit or is reserved for evaluation, or a NaN loss.
        KeyboardInterrupt: Ctrl-C, after the checkpoint is written.
    """
    config = config or SurrogateConfig()
    pairs = Pairs(images, templates, identities)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)  # only the initial weights; the global state is put back
        surrogate = Surrogate(pairs.template_dim, pairs.image_size)
    surrogate = surrogate.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        surrogate.parameters(), lr=config.lr, weight_decay=config.weight_decay
    )
    run = RunState(surrogate, {"optimizer": optimizer}, config, pairs.fingerprint(), folder)
    if resume:
        run.resume(True)
    warmup = max(1, config.steps // 10)
    kind = torch.device(device).type
    surrogate.train()
    with Monitor("surrogate", run, Every(log=50, save=500), progress=progress) as monitor:
        while not run.done:
            rise = min(1.0, (run.step + 1) / warmup)
            fall = (1 + math.cos(math.pi * run.step / config.steps)) / 2
            for group in optimizer.param_groups:
                group["lr"] = config.lr * rise * fall
            rows = batch_rows(len(pairs), config.batch_size, run.step, config.seed)
            batch, wanted = pairs.batch(rows)
            half = len(batch) // 2  # the rows come shuffled
            disturbed = disturb(batch[:half], step=run.step, seed=config.seed)
            batch = torch.cat([disturbed, batch[half:]]).to(device)
            with torch.autocast(kind, torch.bfloat16, enabled=config.precision == "bf16"):
                answers = surrogate(batch)
            agreement = F.cosine_similarity(answers, wanted.to(device)).mean()
            optimizer.zero_grad()
            (1 - agreement).backward()
            optimizer.step()
            monitor.after_update({"agreement": agreement}, {}, len(rows))
    surrogate.history = run.history  # type: ignore[assignment]
    run.deliver().requires_grad_(False)
    return surrogate


def save_surrogate(
    surrogate: Surrogate,
    path: str | os.PathLike[str],
    config: SurrogateConfig | None = None,
    card: dict[str, Any] | None = None,
) -> Path:
    """Write the surrogate with its card, for a later run of `train_decoder`."""
    sizes = {"template_dim": surrogate.template_dim, "image_size": surrogate.image_size}
    settings = {"config": asdict(config)} if config else {}
    whole = {**(card or {}), **settings, "architecture": {"name": "surrogate", **sizes}}
    return save_weights(path, surrogate.state_dict(), whole)


def load_surrogate(path: str | os.PathLike[str], device: str = "cpu") -> Surrogate:
    """Read what `save_surrogate` wrote, in evaluation mode.

    Raises:
        NbnetError: missing or damaged files, or weights of something else.
    """
    state, card = load_weights(path)
    architecture = card.get("architecture") or {}
    if architecture.get("name") != "surrogate":
        raise NbnetError(
            f"{path} does not hold a surrogate encoder: give a file that save_surrogate wrote"
        )
    surrogate = Surrogate(architecture["template_dim"], architecture["image_size"])
    surrogate.load_state_dict(state)
    surrogate = surrogate.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return surrogate.eval().requires_grad_(False)
