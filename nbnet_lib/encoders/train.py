"""Train a recogniser of the course from scratch: classify identities, keep the layer before.

The loss is CosFace (Wang et al., "CosFace: large margin cosine loss", CVPR 2018): softmax over the
cosines between a template and one learnt direction per identity, where the right identity must win
by a margin. Introduced in chapter 1; `nbnet encoder train` runs it.
"""

from __future__ import annotations

import math
import os
import shlex
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur
from tqdm import tqdm

from nbnet_lib.encoders.synth import IMAGE_SIZE, NETWORKS, TEMPLATE_DIM
from nbnet_lib.errors import NbnetError
from nbnet_lib.faces import RENDERER_VERSION, FaceSet, render_set, require_training
from nbnet_lib.files import atomic_path, require_writable_folder
from nbnet_lib.weights import save_weights


@dataclass(frozen=True)
class EncoderSettings:
    """Optimiser and loss; the defaults made the shipped weights."""

    batch_size: int = 128
    learning_rate: float = 2e-3  # peak of the one-cycle schedule
    weight_decay: float = 5e-3
    scale: float = 32.0
    margin: float = 0.3  # reached after 40 % of the steps


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Disturb a batch [N, 3, H, W] as detectors and cameras do.

    Mirroring, a shift of up to 3 pixels, blur, contrast and brightness. Blur matters twice: cheap
    cameras blur, and a recogniser that has never seen blur would look safer against blurred
    reconstructions than deployed ones are.
    """

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    mirrored = random(len(images), 1, 1, 1) < 0.5
    images = torch.where(mirrored, images.flip(3), images)
    dx, dy = (int(v) for v in torch.randint(-3, 4, (2,), generator=generator))
    images = torch.roll(images, (dy, dx), (2, 3))
    if float(random(1)) < 0.5:
        sigma = 0.3 + 1.2 * float(random(1))
        blurred = gaussian_blur(images, [7, 7], [sigma, sigma])
        images = torch.where(random(len(images), 1, 1, 1) < 0.5, blurred, images)
    contrast = 1 + 0.15 * torch.randn(len(images), 1, 1, 1, generator=generator)
    brightness = 0.08 * torch.randn(len(images), 1, 1, 1, generator=generator)
    return images * contrast + brightness


class _Run:
    """Everything that changes while training, so that it can be saved and taken up again."""

    def __init__(
        self,
        network: nn.Module,
        faces: FaceSet,
        epochs: int,
        seed: int,
        settings: EncoderSettings,
        device: str,
    ):
        # The channels-last layout is six times as fast here on CPUs, and changes no number's place.
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        _, labels = np.unique(faces.identities, return_inverse=True)
        self.labels = torch.from_numpy(labels)
        count = int(labels.max()) + 1
        self.prototypes = nn.Parameter(0.05 * torch.randn(count, TEMPLATE_DIM).to(device))
        self.optimizer = torch.optim.AdamW(
            [
                {"params": self.network.parameters(), "weight_decay": settings.weight_decay},
                {"params": [self.prototypes], "weight_decay": 1e-3},
            ],
            lr=settings.learning_rate,
        )
        self.steps_per_epoch = len(faces) // settings.batch_size
        self.total = epochs * self.steps_per_epoch
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, settings.learning_rate, total_steps=self.total, pct_start=0.2
        )
        self.generator = torch.Generator().manual_seed(seed)
        self.epoch = 0

    def state(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "prototypes": self.prototypes.data,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "generator": self.generator.get_state(),
            "dropout": torch.random.get_rng_state(),
            "epoch": self.epoch,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.prototypes.data.copy_(state["prototypes"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.generator.set_state(state["generator"])
        torch.random.set_rng_state(state["dropout"])
        self.epoch = state["epoch"]


def _train_epoch(run: _Run, images: Tensor, settings: EncoderSettings, device, bar) -> float:
    """Go once through all images in a new order; return the mean loss."""
    run.network.train()
    order = torch.randperm(len(images), generator=run.generator)
    losses = []
    for i in range(run.steps_per_epoch):
        chosen = order[i * settings.batch_size : (i + 1) * settings.batch_size]
        batch = images[chosen].float().div_(127.5).sub_(1)
        batch = augment(batch, run.generator).to(device, memory_format=torch.channels_last)
        labels = run.labels[chosen].to(device)
        done = (run.epoch * run.steps_per_epoch + i) / run.total
        margin = settings.margin * min(1.0, done / 0.4)
        cosines = F.normalize(run.network(batch)) @ F.normalize(run.prototypes).T
        cosines = cosines - margin * F.one_hot(labels, len(run.prototypes))
        loss = F.cross_entropy(settings.scale * cosines, labels)
        if not math.isfinite(loss.item()):
            raise NbnetError(
                f"the loss became {loss.item()} at step {run.epoch * run.steps_per_epoch + i} with "
                f"learning rate {run.schedule.get_last_lr()[0]:.2g}: train with a lower one"
            )
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        run.schedule.step()
        losses.append(loss.item())
        bar.update()
        bar.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}", refresh=False)
    run.epoch += 1
    return float(np.mean(losses))


def _train(run, images, epochs, settings, device, checkpoint, recipe, progress) -> float:
    """Train to the end, from the checkpoint if there is one; return the last epoch's mean loss."""
    loss = float("nan")
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True, map_location=device)
        if saved["recipe"] != recipe:
            raise NbnetError(
                f"{checkpoint} belongs to a run with other settings: delete it or choose "
                "another --out"
            )
        run.load(saved["state"])
        loss = saved["loss"]
    with tqdm(
        total=run.total,
        initial=run.epoch * run.steps_per_epoch,
        desc="training the encoder",
        disable=not progress,
    ) as bar:
        while run.epoch < epochs:
            loss = _train_epoch(run, images, settings, device, bar)
            with atomic_path(checkpoint) as temporary:
                torch.save({"recipe": recipe, "state": run.state(), "loss": loss}, temporary)
    return loss


def train_encoder(
    identities: Iterable[int],
    samples: int = 10,
    epochs: int = 12,
    seed: int = 0,
    out: str | os.PathLike[str] = "runs/synth-encoder.safetensors",
    device: str = "cpu",
    progress: bool = True,
    settings: EncoderSettings | None = None,
    network: str = "synth",
) -> dict[str, Any]:
    """Draw the training faces, train, and write weights and card.

    After every epoch the whole state goes to ``<out>.checkpoint``; the same call takes it up again
    after an interruption and ends with the same weights. It is removed at the end.

    Args:
        identities: people to train on, 10,000 and up.
        samples: pictures of each.
        epochs: passes over all pictures.
        seed: of weights, order and augmentation.
        out: a ``.safetensors`` file.
        device: "cpu", "cuda", ...
        progress: show bars on stderr.
        settings: `EncoderSettings`; None for the defaults.
        network: "synth" or "synth-mobile", the name under which `create_encoder` opens it.

    Returns:
        The card that is written next to the weights.

    Raises:
        NbnetError: evaluation identities, too few pictures, a loss that is not finite, or an output
            that cannot be written.
    """
    if network not in NETWORKS:
        raise NbnetError(
            f"no network of the course is named {network!r}: choose {' or '.join(NETWORKS)}"
        )
    settings = settings or EncoderSettings()
    people = [int(i) for i in identities]
    require_training(people)
    out = Path(out)
    require_writable_folder(out.parent)
    faces = render_set(people, samples, IMAGE_SIZE, progress=progress)
    if len(faces) < settings.batch_size:
        raise NbnetError(
            f"{len(faces)} pictures are fewer than one batch of {settings.batch_size}: "
            "give more identities or samples"
        )
    images = torch.from_numpy(faces.images).permute(0, 3, 1, 2).contiguous()
    data = f"SynthFaces {people[0]}-{people[-1]} ({len(people)} identities) x {samples}"
    recipe = {"data": data, "renderer_version": RENDERER_VERSION, "epochs": epochs, "seed": seed}
    recipe |= asdict(settings) | {"network": network}
    checkpoint = Path(f"{out}.checkpoint")
    started = time.perf_counter()
    with torch.random.fork_rng():  # initial weights and dropout; the caller's generator stays
        torch.manual_seed(seed)
        run = _Run(NETWORKS[network](), faces, epochs, seed, settings, device)
        loss = _train(run, images, epochs, settings, device, checkpoint, recipe, progress)
    parameters = sum(p.numel() for p in run.network.parameters())
    first, last = people[0], people[-1]
    spans = f"{first}-{last}" if last - first + 1 == len(people) else ",".join(map(str, people))
    command = ["nbnet", "encoder", "train", "--identities", spans, "--samples", str(samples)]
    command += ["--epochs", str(epochs), "--seed", str(seed), "--network", network]
    card = {
        "name": network,
        "what": f"64x64 face -> {TEMPLATE_DIM}-D template, {parameters:,} parameters",
        **recipe,
        "loss": "CosFace",
        "final_loss": round(loss, 4),
        "command": shlex.join(command),
        "training_seconds": round(time.perf_counter() - started),
        "licence": "MIT; trained on synthetic faces only, no real person's image",
    }
    save_weights(out, run.network.state_dict(), card)
    checkpoint.unlink(missing_ok=True)
    return card
