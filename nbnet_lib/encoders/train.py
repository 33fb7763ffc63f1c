"""Train a recogniser of the course from scratch: classify identities, keep the layer before.

The loss is that of NormFace (Wang et al., "NormFace: L2 hypersphere embedding for face
verification", ACM MM 2017): softmax over the cosines between a template and one learnt direction
per identity. `nbnet encoder train` runs it.

A small network takes every short cut that tells its training people apart: the colour of hair and
skin does for thousands of them, and two people in grey are then the same to it. Three things here
forbid that. `augment` disturbs colours, hides hair and background and parts of the face. A person's
pictures are of several years, with other hair, glasses and beard (`synthfaces.years`). And from
the template a linear layer must read the bones of the person (`lasting_parameters`), which the
renderer knows: first that alone, then the identities as well. Without it the disturbed pictures are
too hard to begin with, and nothing is learnt in the first thousand steps. A margin between
identities (CosFace) is left out: it spreads strangers evenly, and their scores then agree less with
those of a recogniser of photographs (rank correlation with dlib 0.38; after 600 more steps without
a margin, and with heavier whole-face parameters, 0.43).
"""

from __future__ import annotations

import math
import os
import shlex
import time
from collections.abc import Iterable, Sequence
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
from nbnet_lib.faces import RENDERER_VERSION, FaceSet, render_set, require_recogniser, table
from nbnet_lib.faces.transforms import brightness
from nbnet_lib.files import atomic_path, require_writable_folder
from nbnet_lib.weights import save_weights
from synthfaces.years import WHOLE_FACE, lasting_parameters


@dataclass(frozen=True)
class EncoderSettings:
    """Optimiser and loss; the defaults made the shipped weights."""

    batch_size: int = 64
    learning_rate: float = 2e-3  # peak of the one-cycle schedule
    weight_decay: float = 5e-3
    scale: float = 32.0
    bones: float = 16.0  # weight of the loss that reads the parameters of the person


# When what begins, and when it has its full strength: shares of all steps.
IDENTITIES, DISTURBANCE = (0.25, 0.4), (0.2, 0.5)
WHOLE_FACE_WEIGHT = 12.0  # of a sex, an age or an ancestry; a single axis shapes one corner


def ramp(done: float, span: tuple[float, float]) -> float:
    """Return 0 before ``span``, 1 behind it, and a straight line between, at ``done`` in [0, 1]."""
    return min(1.0, max(0.0, (done - span[0]) / (span[1] - span[0])))


def augment(images: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Disturb a batch [N, 3, H, W] in [-1, 1], as cameras do and as forbids short cuts.

    Always: mirroring, a shift of up to 3 pixels, exposure, and blur in a quarter of the pictures;
    a recogniser that has never seen blur would look safer against blurred reconstructions than
    deployed ones are. With ``strength``, each by chance: gain of each channel, gamma, saturation
    from grey to 1.3, everything around an oval replaced by a flat colour (hair, background), a
    flat rectangle, noise.

    Args:
        images: the pictures.
        generator: of all random numbers.
        strength: from 0 to 1, of what disturbs colours and hides parts.
    """
    count, _, height, width = images.shape

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    def chance(probability: float) -> Tensor:
        return random(count, 1, 1, 1) < probability

    images = torch.where(chance(0.5), images.flip(3), images)
    dx, dy = (int(v) for v in torch.randint(-3, 4, (2,), generator=generator))
    images = torch.roll(images, (dy, dx), (2, 3))

    gain = 0.3 * strength * normal(count, 3, 1, 1) + 0.1 * normal(count, 1, 1, 1)
    pixels = ((images + 1) / 2 * gain.exp()).clamp(1e-4, 1)
    pixels = pixels ** torch.exp(0.3 * strength * normal(count, 1, 1, 1))
    grey = brightness(pixels)
    saturation = 1 + strength * (1.3 * random(count, 1, 1, 1) - 1)
    saturation[chance(0.4 * strength)] = 0
    pixels = grey + saturation * (pixels - grey)

    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    across, down = 0.55 + 0.25 * random(count, 1, 1, 1), 0.7 + 0.25 * random(count, 1, 1, 1)
    around = (x / across) ** 2 + ((y - 0.05) / down) ** 2 > 1
    flat = random(count, 3, 1, 1)
    pixels = torch.where(chance(0.5 * strength) & around, flat, pixels)
    middle, half = 2 * random(count, 2, 1, 1) - 1, 0.12 + 0.25 * random(count, 2, 1, 1)
    inside = ((x - middle[:, :1]).abs() < half[:, :1]) & ((y - middle[:, 1:]).abs() < half[:, 1:])
    pixels = torch.where(chance(0.25 * strength) & inside, random(count, 3, 1, 1), pixels)

    if float(random(1)) < 0.5:
        sigma = 0.3 + 1.4 * float(random(1))
        pixels = torch.where(chance(0.5), gaussian_blur(pixels, [7, 7], [sigma, sigma]), pixels)
    return 2 * pixels - 1 + 0.02 * strength * normal(*images.shape)


def bones(people: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the lasting parameters of people, each of mean 0 and deviation 1, and their weights.

    Returns:
        float32 [people, parameters] and float32 [parameters], which sum to 1.
    """
    names = lasting_parameters()
    values = torch.from_numpy(table(people, columns=names)[names].to_numpy(np.float32).copy("C"))
    values = (values - values.mean(0)) / values.std(0, correction=0).clamp(min=1e-6)
    weights = torch.tensor(
        [WHOLE_FACE_WEIGHT if name.startswith(WHOLE_FACE) else 1.0 for name in names]
    )
    return values, weights / weights.sum()


class Classifier(nn.Module):
    """A network with one direction for each identity of the training set, and a reader of bones.

    Args:
        network: images [N, 3, S, S] -> templates [N, TEMPLATE_DIM].
        identities: how many.
        parameters: how many of each person are read from a template.
        scale: of the cosines; the higher, the surer the softmax can become.
    """

    def __init__(self, network: nn.Module, identities: int, parameters: int, scale: float):
        super().__init__()
        self.network, self.scale = network, scale
        self.prototypes = nn.Parameter(0.05 * torch.randn(identities, TEMPLATE_DIM))
        self.reader = nn.Linear(TEMPLATE_DIM, parameters)

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss for labels int64 [N] from 0 up, and what the reader reads."""
        templates = F.normalize(self.network(images))
        cosines = templates @ F.normalize(self.prototypes).T
        # Entries of a unit template are near 1 / sqrt(d): brought to 1, the reader learns faster.
        read = self.reader(templates * TEMPLATE_DIM**0.5)
        return F.cross_entropy(self.scale * cosines, labels), read


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
        people, labels = np.unique(faces.identities, return_inverse=True)
        self.labels = torch.from_numpy(labels)
        self.bones, self.weights = (values.to(device) for values in bones(people.tolist()))
        model = Classifier(network, len(people), len(self.weights), settings.scale)
        # The channels-last layout is six times as fast here on CPUs, and changes no number's place.
        self.model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        decay, slow = settings.weight_decay, [model.prototypes, *model.reader.parameters()]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": network.parameters(), "weight_decay": decay},
                {"params": slow, "weight_decay": 1e-3},
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
        self.epoch = 0
        self.history: list[dict[str, float]] = []  # mean losses of each epoch

    def state(self) -> dict[str, Any]:
        return {
            "parts": [part.state_dict() for part in self.parts],
            "generator": self.generator.get_state(),
            "dropout": torch.random.get_rng_state(),
            "epoch": self.epoch,
            "history": self.history,
        }

    def load(self, state: dict[str, Any]) -> None:
        for part, saved in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(saved)
        self.generator.set_state(state["generator"].cpu())
        torch.random.set_rng_state(state["dropout"].cpu())
        self.epoch, self.history = state["epoch"], state["history"]

    def train_epoch(self, bar: tqdm) -> None:
        """Go once through all images in a new order."""
        self.model.train()
        order = torch.randperm(len(self.images), generator=self.generator)
        losses = []
        size, first_step = self.settings.batch_size, self.epoch * self.steps_per_epoch
        for step in range(first_step, first_step + self.steps_per_epoch):
            done = step / self.total
            chosen = order[(step - first_step) * size :][:size]
            batch = self.images[chosen].float().div_(127.5).sub_(1)
            batch = augment(batch, self.generator, ramp(done, DISTURBANCE))
            batch = batch.to(self.device, memory_format=torch.channels_last)
            labels = self.labels[chosen].to(self.device)
            identity_loss, read = self.model(batch, labels)
            bones_loss = ((read - self.bones[labels]) ** 2 @ self.weights).mean()
            loss = ramp(done, IDENTITIES) * identity_loss + self.settings.bones * bones_loss
            if not math.isfinite(loss.item()):
                raise NbnetError(
                    f"the loss became {loss.item()} at step {step} with learning rate "
                    f"{self.schedule.get_last_lr()[0]:.2g}: train with a lower one"
                )
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            losses.append((identity_loss.item(), bones_loss.item()))
            bar.update()
            recent = np.mean(losses[-50:], 0)
            bar.set_postfix(identity=f"{recent[0]:.3f}", bones=f"{recent[1]:.3f}", refresh=False)
        self.epoch += 1
        identity, read_wrong = np.mean(losses, 0).round(4).tolist()
        self.history.append({"epoch": self.epoch, "identity": identity, "bones": read_wrong})


def train_encoder(
    identities: Iterable[int],
    samples: int = 10,
    epochs: int = 8,
    seed: int = 0,
    out: str | os.PathLike[str] = "runs/synth.safetensors",
    device: str = "cpu",
    progress: bool = True,
    settings: EncoderSettings | None = None,
    network: str = "synth",
) -> dict[str, Any]:
    """Draw the training faces, train, and write weights and card.

    After every epoch the whole state goes to ``<out>.checkpoint``; the same call takes it up again
    after an interruption and ends with the same weights. It is removed at the end.

    Args:
        identities: people to train on, 100,000 and up (`faces.splits`).
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
    require_recogniser(people)
    out = Path(out)
    require_writable_folder(out.parent)
    faces = render_set(people, samples, IMAGE_SIZE, progress=progress, years=True)
    if len(faces) < settings.batch_size:
        raise NbnetError(
            f"{len(faces)} pictures are fewer than one batch of {settings.batch_size}: "
            "give more identities or samples"
        )
    spread = f"SynthFaces {people[0]}-{people[-1]} ({len(people)} identities)"
    data = f"{spread} x {samples}, two pictures a year"
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
                    "move it away or choose another --out"
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
        "loss": "NormFace + bones",
        "history": run.history,
        "command": shlex.join(command),
        "training_seconds": round(time.perf_counter() - started),
        "licence": "MIT; trained on synthetic faces only, no real person's image",
    }
    save_weights(out, state, card)
    checkpoint.unlink(missing_ok=True)
    return card
