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


class CosFace(nn.Module):
    """A network with one direction for each identity of the training set.

    Args:
        network: images [N, 3, S, S] -> templates [N, TEMPLATE_DIM].
        identities: how many.
        scale: of the cosines; the higher, the nearer to the plain margin.
    """

    def __init__(self, network: nn.Module, identities: int, scale: float):
        super().__init__()
        self.network, self.scale = network, scale
        self.prototypes = nn.Parameter(0.05 * torch.randn(identities, TEMPLATE_DIM))

    def forward(self, images: Tensor, labels: Tensor, margin: float) -> Tensor:
        """Return the mean loss of images with labels int64 [N] from 0 up."""
        cosines = F.normalize(self.network(images)) @ F.normalize(self.prototypes).T
        cosines = cosines - margin * F.one_hot(labels, len(self.prototypes))
        return F.cross_entropy(self.scale * cosines, labels)


class _Run:
    """A training run, epoch by epoch, that can be saved and resumed after each."""

    def __init__(
        self,
        network: nn.Module,
        faces: FaceSet,
        epochs: int,
        seed: int,
        settings: EncoderSettings,
        device: str,
    ):
        self.settings, self.device = settings, device
        self.images = torch.from_numpy(faces.images).permute(0, 3, 1, 2).contiguous()
        _, labels = np.unique(faces.identities, return_inverse=True)
        self.labels = torch.from_numpy(labels)
        model = CosFace(network, int(labels.max()) + 1, settings.scale)
        # The channels-last layout is six times as fast here on CPUs, and changes no number's place.
        self.model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": network.parameters(), "weight_decay": settings.weight_decay},
                {"params": [model.prototypes], "weight_decay": 1e-3},
            ],
            lr=settings.learning_rate,
        )
        self.steps_per_epoch = len(faces) // settings.batch_size
        self.total = epochs * self.steps_per_epoch
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, settings.learning_rate, total_steps=self.total, pct_start=0.2
        )
        self.parts = (self.model, self.optimizer, self.schedule)
        self.generator = torch.Generator().manual_seed(seed)
        self.epoch, self.loss = 0, float("nan")  # mean loss of the last epoch

    def state(self) -> dict[str, Any]:
        return {
            "parts": [part.state_dict() for part in self.parts],
            "generator": self.generator.get_state(),
            "dropout": torch.random.get_rng_state(),
            "epoch": self.epoch,
            "loss": self.loss,
        }

    def load(self, state: dict[str, Any]) -> None:
        for part, saved in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(saved)
        self.generator.set_state(state["generator"].cpu())
        torch.random.set_rng_state(state["dropout"].cpu())
        self.epoch, self.loss = state["epoch"], state["loss"]

    def train_epoch(self, bar: tqdm) -> None:
        """Go once through all images in a new order."""
        self.model.train()
        order = torch.randperm(len(self.images), generator=self.generator)
        losses = []
        size, first_step = self.settings.batch_size, self.epoch * self.steps_per_epoch
        for step in range(first_step, first_step + self.steps_per_epoch):
            chosen = order[(step - first_step) * size :][:size]
            batch = self.images[chosen].float().div_(127.5).sub_(1)
            batch = augment(batch, self.generator)
            batch = batch.to(self.device, memory_format=torch.channels_last)
            margin = self.settings.margin * min(1.0, step / self.total / 0.4)
            loss = self.model(batch, self.labels[chosen].to(self.device), margin)
            if not math.isfinite(loss.item()):
                raise NbnetError(
                    f"the loss became {loss.item()} at step {step} with learning rate "
                    f"{self.schedule.get_last_lr()[0]:.2g}: train with a lower one"
                )
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            losses.append(loss.item())
            bar.update()
            bar.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}", refresh=False)
        self.epoch, self.loss = self.epoch + 1, float(np.mean(losses))


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
    data = f"SynthFaces {people[0]}-{people[-1]} ({len(people)} identities) x {samples}"
    recipe = {"data": data, "renderer_version": RENDERER_VERSION, "epochs": epochs, "seed": seed}
    recipe |= asdict(settings) | {"network": network}
    checkpoint = Path(f"{out}.checkpoint")
    started = time.perf_counter()
    with torch.random.fork_rng():  # initial weights and dropout; the caller's generator stays
        torch.manual_seed(seed)
        run = _Run(NETWORKS[network](), faces, epochs, seed, settings, device)
        if checkpoint.exists():
            saved = torch.load(checkpoint, weights_only=True, map_location=device)
            if saved["recipe"] != recipe or "parts" not in saved["state"]:
                raise NbnetError(
                    f"{checkpoint} belongs to a run with other settings or an older version: "
                    "delete it or choose another --out"
                )
            run.load(saved["state"])
        bar = tqdm(
            total=run.total,
            initial=run.epoch * run.steps_per_epoch,
            desc="training the encoder",
            disable=not progress,
        )
        with bar:
            while run.epoch < epochs:
                run.train_epoch(bar)
                with atomic_path(checkpoint) as temporary:
                    torch.save({"recipe": recipe, "state": run.state()}, temporary)
    state = run.model.network.state_dict()
    parameters = sum(p.numel() for p in run.model.network.parameters())
    first, last = people[0], people[-1]
    spans = f"{first}-{last}" if last - first + 1 == len(people) else ",".join(map(str, people))
    command = ["nbnet", "encoder", "train", "--identities", spans, "--samples", str(samples)]
    command += ["--epochs", str(epochs), "--seed", str(seed), "--network", network]
    card = {
        "name": network,
        "what": f"64x64 face -> {TEMPLATE_DIM}-D template, {parameters:,} parameters",
        **recipe,
        "loss": "CosFace",
        "final_loss": round(run.loss, 4),
        "command": shlex.join(command),
        "training_seconds": round(time.perf_counter() - started),
        "licence": "MIT; trained on synthetic faces only, no real person's image",
    }
    save_weights(out, state, card)
    checkpoint.unlink(missing_ok=True)
    return card
